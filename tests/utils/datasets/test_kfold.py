"""Folds of cross-validation: every clip tested once, groups whole, classes balanced."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.config.schema import DatasetSettings, ValidationSettings
from utils.datasets.base import Clip, DataSet, Fold
from utils.datasets.kfold import complete, divide
from utils.errors import DataError

RANDOM = ValidationSettings(method="random", amount=0.25)
GROUP = ValidationSettings(method="group", amount=0.25, candidates=5)


def clip(number, *labels, group=None, device=None):
    return Clip(f"{number:04d}.wav", Path(f"{number:04d}.wav"), labels, group, device)


def data(clips, *, validation=(), test=(), notes=()):
    fold = Fold("fold1", tuple(clips), tuple(validation), tuple(test))
    return DataSet("mine", ("a", "b"), (fold,), notes)


def names(clips):
    return [one.name for one in clips]


def check_partition(divided, clips):
    """Every clip is tested once and is in each fold once."""
    assert sorted(names(c for fold in divided.folds for c in fold.test)) == sorted(names(clips))
    for fold in divided.folds:
        assert sorted(names(fold.clips)) == sorted(names(clips))
        assert fold.train
        assert fold.validation


@given(st.integers(2, 6), st.integers(0, 40), st.integers(0, 40), st.integers(0, 3))
def test_parts_of_single_clips_differ_by_one_at_most(folds, first, second, seed):
    clips = [clip(n, "a" if n < first else "b") for n in range(first + second + 12)]
    divided = divide(data(clips), folds, RANDOM.model_copy(update={"seed": seed}))
    check_partition(divided, clips)
    for label in (("a",), ("b",), None):
        sizes = [sum(label in (None, c.labels) for c in fold.test) for fold in divided.folds]
        assert max(sizes) - min(sizes) <= 1
    assert divided.held_out == ()
    assert [fold.name for fold in divided.folds] == [f"fold{n + 1}" for n in range(folds)]


def test_mixtures_are_dealt_without_regard_to_labels():
    clips = [clip(n, f"w{n}", f"v{n}") for n in range(41)]
    divided = divide(data(clips), 4, RANDOM)
    check_partition(divided, clips)
    assert [len(fold.test) for fold in divided.folds] == [11, 10, 10, 10]
    # sorted names dealt in turn would be no random draw
    assert names(divided.folds[0].test) != names(clips[::4])


def test_groups_stay_whole_and_classes_balanced():
    clips = [
        clip(100 * group + n, "ab"[group % 2], group=f"g{group}")
        for group in range(24)
        for n in range(1 + group % 5)
    ]
    divided = divide(data(clips), 4, GROUP)
    check_partition(divided, clips)
    for fold in divided.folds:
        sides = [{c.group for c in part} for part in (fold.train, fold.validation, fold.test)]
        assert sum(map(len, sides)) == 24
        count = Counter(c.labels for c in fold.test)
        for label in (("a",), ("b",)):
            total = sum(c.labels == label for c in clips)
            assert count[label] == pytest.approx(total / 4, abs=2)


def test_random_heeds_no_groups_and_the_leak_is_told():
    clips = [clip(n, "ab"[n % 2], group=f"g{n // 4}") for n in range(40)]
    settings = DatasetSettings(name="mine", validation=RANDOM)
    notes = complete(data(clips), settings, folds=2, source=Path("t.csv")).notes
    told = [note for note in notes if "scores may be too good" in note]
    assert len(told) == 3
    assert all(note.startswith("In 2 of 2 folds, ") for note in told)
    settings = DatasetSettings(name="mine", validation=GROUP)
    notes = complete(data(clips), settings, folds=2, source=Path("t.csv")).notes
    assert notes == ("40 clips were divided at random into 2 folds (seed 0, method 'group').",)


@pytest.mark.parametrize("validation", [RANDOM, GROUP])
def test_the_seed_alone_decides(validation):
    clips = [clip(n, "ab"[n % 2], group=f"g{n // 2}") for n in range(60)]
    first = divide(data(clips), 3, validation)
    again = divide(data(clips[::-1]), 3, validation)
    other = divide(data(clips), 3, validation.model_copy(update={"seed": 5}))
    tests = [[sorted(names(f.test)) for f in one.folds] for one in (first, again, other)]
    assert tests[0] == tests[1]
    assert tests[0] != tests[2]


def test_a_given_test_part_is_held_out_and_validation_joins():
    clips = [clip(n, "ab"[n % 2]) for n in range(24)]
    test = [clip(100, "a", device="s9"), clip(101, "b")]
    whole = data(clips[:18], validation=clips[18:], test=test, notes=("two rows were left out.",))
    settings = DatasetSettings(name="mine", validation=RANDOM)
    divided = complete(whole, settings, folds=3, source=Path("t.csv"))
    check_partition(divided, clips)
    assert names(divided.held_out) == ["0100.wav", "0101.wav"]
    assert divided.unseen_devices == ("s9",)
    assert divided.notes == (
        "two rows were left out.",
        "24 clips were divided at random into 3 folds (seed 0, method 'random');"
        " 2 test clips are outside of all folds.",
    )


def test_held_out_groups_among_the_folds_are_told():
    clips = [clip(n, "a", group=f"g{n // 2}") for n in range(24)]
    settings = DatasetSettings(name="mine", validation=GROUP)
    whole = data(clips, test=[clip(100, "a", group="g3")])
    notes = complete(whole, settings, folds=3, source=Path("t.csv")).notes
    assert notes[1].startswith("all folds: 1 groups")
    assert len(notes) == 2


def test_without_cross_validation_only_what_lacks_is_drawn():
    clips = [clip(n, "ab"[n % 2]) for n in range(40)]
    settings = DatasetSettings(name="mine", validation=RANDOM, test_amount=0.1)
    source = Path("t.csv")
    drawn = complete(data(clips), settings, folds=None, source=source)
    fold = drawn.folds[0]
    assert [len(part) for part in (fold.train, fold.validation, fold.test)] == [28, 8, 4]
    assert drawn.notes == (
        "The test part was drawn: 4 of 40 clips of t.csv (seed 0, method 'random').",
    )
    whole = data(clips[:20], validation=clips[20:30], test=clips[30:])
    kept = complete(whole, settings, folds=None, source=source)
    assert (kept.folds, kept.notes, kept.held_out) == (whole.folds, (), ())


def test_some_of_the_folds():
    clips = [clip(n, "a") for n in range(12)]
    settings = DatasetSettings(name="mine", validation=RANDOM, folds=(3, 1))
    chosen = complete(data(clips), settings, folds=3, source=Path("t.csv"))
    every = divide(data(clips), 3, RANDOM)
    assert chosen.folds == (every.folds[2], every.folds[0])
    with pytest.raises(DataError, match=r"t\.csv has no fold 3, only 1, 2"):
        complete(data(clips), settings, folds=2, source=Path("t.csv"))


def test_what_cannot_be_divided_is_said():
    clips = [clip(n, "a", group="g" if n < 4 else "h") for n in range(6)]
    with pytest.raises(DataError, match=r"training\.folds: 3 folds need 3 groups.*have 2"):
        divide(data(clips), 3, GROUP)
    with pytest.raises(DataError, match=r"training\.folds: 7 folds need 7 clips.*have 6"):
        divide(data(clips), 7, RANDOM)
    lacking = r"training\.folds: fold 1 of 2, without its test part: dataset\.validation: .*'group'"
    with pytest.raises(DataError, match=lacking):
        divide(data(clips), 2, GROUP)
    own = DataSet("mine", ("a",), data(clips).folds * 2)
    with pytest.raises(DataError, match=r"'mine' has its own 2 folds; leave training\.folds out"):
        divide(own, 3, RANDOM)
