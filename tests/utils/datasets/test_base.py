"""Data sets as values: parts, unique clips, identity."""

from dataclasses import replace
from pathlib import Path

import pytest

from utils.datasets.base import Clip, DataSet, Event, Fold
from utils.errors import DataError


def data_set(folder: Path) -> DataSet:
    clips = []
    for name in ("b.wav", "a.wav", "c.wav"):
        (folder / name).write_bytes(b"x" * 10)
        clips.append(Clip(name, folder / name, ("dog",)))
    return DataSet("csv", ("dog",), (Fold("fold1", (clips[0],), (clips[1],), (clips[2],)),))


def test_clips_of_all_folds_once_and_sorted(tmp_path):
    data = data_set(tmp_path)
    twice = replace(data, folds=data.folds * 2)
    assert [clip.name for clip in twice.clips] == ["a.wav", "b.wav", "c.wav"]


def test_identity_is_independent_of_the_root(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    assert data_set(first).identity == data_set(second).identity


@pytest.mark.parametrize("change", ["size", "label", "fold", "name"])
def test_identity_changes_with_the_data(tmp_path, change):
    data = data_set(tmp_path)
    fold = data.folds[0]
    before = data.identity
    if change == "size":
        (tmp_path / "a.wav").write_bytes(b"x" * 11)
        after = replace(data)
    elif change == "label":
        after = replace(data, classes=("cat", "dog"))
    elif change == "fold":
        after = replace(data, folds=(Fold("fold1", fold.validation, fold.train, fold.test),))
    else:
        clip = replace(fold.train[0], name="d.wav")
        after = replace(data, folds=(replace(fold, train=(clip,)),))
    assert after.identity != before


def with_clip(data, **changes):
    fold = data.folds[0]
    return replace(data, folds=(replace(fold, train=(replace(fold.train[0], **changes),)),))


def test_events_and_lengths_are_part_of_the_identity(tmp_path):
    data = data_set(tmp_path)
    event = Event("dog", 0.5, 1.0)
    contents = [
        {},
        {"events": ()},
        {"events": (event,)},
        {"events": (event._replace(offset=1.1),)},
        {"events": (event._replace(label="cat"),)},
        {"seconds": 9.9},
        {"seconds": 10.0},
        {"events": (event,), "seconds": 10.0},
    ]
    identities = [with_clip(data, **content).identity for content in contents]
    assert len(set(identities)) == len(contents)
    assert with_clip(data, **contents[-1]).identity == identities[-1]


def test_who_recorded_where_by_what_is_part_of_the_identity(tmp_path):
    """Device responses, mixtures and divisions are made by it."""
    data = data_set(tmp_path)
    contents = [{}, {"group": "x"}, {"group": "y"}, {"device": "x"}, {"city": "x"}]
    assert len({with_clip(data, **content).identity for content in contents}) == len(contents)


def test_the_identity_without_events_is_what_it_was(tmp_path):
    """Runs of the first version name it; theirs must be found again."""
    assert data_set(tmp_path).identity == "16d44a4534"


def test_a_vanished_file_is_named(tmp_path):
    data = data_set(tmp_path)
    (tmp_path / "b.wav").unlink()
    with pytest.raises(DataError, match=r"b\.wav.*vanished"):
        _ = data.identity


def test_files_of_a_clip_are_its_own_then_those_of_its_stems():
    mixture, *others = map(Path, ("mix.wav", "a.wav", "b.wav", "c.wav"))
    assert Clip("mix", mixture).files == (mixture,)
    stems = (tuple(others[:2]), tuple(others[2:]))
    assert Clip("mix", mixture, stems=stems).files == (mixture, *others)
