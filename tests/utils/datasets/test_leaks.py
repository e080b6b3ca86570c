"""Places and files on both sides of a split."""

from pathlib import Path

import pytest

from utils.datasets.base import Clip, Fold
from utils.datasets.leaks import find_leaks
from utils.errors import DataError


def clips(*groups):
    return tuple(Clip(f"{index}-{group}", Path("x"), ("dog",), group) for index, group in groups)


def test_a_clean_split_has_no_notes():
    fold = Fold("fold1", clips((1, "a"), (2, None)), clips((3, "b")), clips((4, "c"), (5, None)))
    assert find_leaks([fold]) == ()


def test_shared_groups_are_counted_and_named():
    test = clips((5, "a"), (6, "b"), (7, "b"))
    fold = Fold("fold2", clips((1, "a"), (2, "a"), (3, "b"), (8, "c")), clips((4, "d")), test)
    assert find_leaks([fold]) == (
        "fold2: 2 groups (places, speakers or source recordings) are in both the training part"
        " (3 clips) and the test part (3 clips), such as a, b: scores may be too good.",
    )


def test_leaks_of_several_folds_are_one_sentence_for_each_pair_of_parts():
    clean = Fold("fold1", clips((1, "a")), clips((2, "b")), clips((3, "c")))
    one = Fold("fold2", clips((1, "a"), (2, "a"), (3, "x")), clips((5, "a")), clips((4, "x")))
    two = Fold("fold3", clips((1, "a"), (2, "c")), (), clips((3, "a"), (4, "c"), (5, "c")))
    assert find_leaks([clean, one, two]) == (
        "fold2: 1 groups (places, speakers or source recordings) are in both the training part"
        " (2 clips) and the validation part (1 clips), such as a: scores may be too good.",
        "In 2 of 3 folds, 1 to 2 groups (places, speakers or source recordings) are in both the"
        " training part (1 to 2 clips) and the test part (1 to 3 clips), such as a, c, x: scores"
        " may be too good.",
    )


def test_counts_that_are_the_same_in_all_folds_are_said_once():
    folds = [Fold(f"fold{n}", clips((1, "a")), (), clips((2, "a"))) for n in (1, 2)]
    (note,) = find_leaks(folds)
    assert note.startswith("In 2 of 2 folds, 1 groups (places")
    assert "training part (1 clips) and the test part (1 clips), such as a:" in note


def test_the_same_file_in_two_parts_is_an_error():
    fold = Fold("fold1", clips((1, "a")), clips((1, "a")), ())
    with pytest.raises(DataError, match=r"1 files are in both .*training.*validation.*1-a"):
        find_leaks([fold])


def test_held_out_clips_are_compared_with_all_folds():
    folds = [
        Fold("fold1", clips((1, "a")), clips((2, "b")), clips((3, "c"))),
        Fold("fold2", clips((3, "c")), clips((2, "b")), clips((1, "a"))),
    ]
    assert find_leaks(folds, clips((4, "d"))) == ()
    assert find_leaks(folds, clips((4, "c"), (5, "c"))) == (
        "all folds: 1 groups (places, speakers or source recordings) are in both the"
        " cross-validated part (1 clips) and the held-out test part (2 clips), such as c: scores"
        " may be too good.",
    )
    with pytest.raises(DataError, match=r"all folds: 1 files are in both .*held-out.*3-c"):
        find_leaks(folds, clips((3, "c")))
