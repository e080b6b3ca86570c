"""Soundbanks on disk: folders of DESED's form, tables with folds; what is wrong is told."""

import os

import pytest

from tests.utils.datasets.trees import write_empty
from utils.config.schema import ColumnSettings, DatasetSettings, ValidationSettings
from utils.datasets.soundbank import UNDIVIDED, divide
from utils.datasets.soundbank_layouts import find_backgrounds, find_clips, find_folders
from utils.errors import DataError

RANDOM = ValidationSettings(method="random", amount=0.1)
NONE = {"train": (), "validation": (), "test": ()}


def test_a_folder_for_each_class_and_each_kind_of_background(tmp_path):
    write_empty(
        tmp_path,
        "foreground/Cat/123_0.wav",
        "foreground/Cat/123_1.wav",
        "foreground/Cat/own name_0.wav",
        "foreground/Frying_nOn_nOff/5_0.WAV",
        "foreground/Frying_nOn/deep/er.flac",
        "foreground/Water_nOff/5_3.wav",
        "foreground/Cat/.hidden.wav",
        "foreground/Cat/notes.txt",
        "foreground/readme.txt",
        "background/home/b.wav",
        "background/a.wav",
    )
    (pool,) = find_folders(tmp_path).values()
    told = [(s.name, s.label, s.group, s.onset, s.offset) for s in pool.sounds]
    assert told == [
        ("foreground/Cat/123_0.wav", "Cat", "123", True, True),
        ("foreground/Cat/123_1.wav", "Cat", "123", True, True),
        ("foreground/Cat/own name_0.wav", "Cat", "foreground/Cat/own name_0.wav", True, True),
        (
            "foreground/Frying_nOn/deep/er.flac",
            "Frying",
            "foreground/Frying_nOn/deep/er.flac",
            False,
            True,
        ),
        ("foreground/Frying_nOn_nOff/5_0.WAV", "Frying", "5", False, False),
        ("foreground/Water_nOff/5_3.wav", "Water", "5", True, False),
    ]
    assert [(s.name, s.label) for s in pool.backgrounds] == [
        ("background/a.wav", "background"),
        ("background/home/b.wav", "home"),
    ]
    (tmp_path / "set").mkdir()
    for name in ("foreground", "background"):
        (tmp_path / name).rename(tmp_path / "set" / name)
    (tmp_path / "set").rename(tmp_path / "soundbank")
    assert len(find_folders(tmp_path)[UNDIVIDED].sounds) == 6


def test_parts_are_those_of_desed(tmp_path):
    for part in ("train", "validation", "eval"):
        write_empty(tmp_path, f"audio/{part}/soundbank/foreground/Cat/{part}.wav")
    write_empty(tmp_path, "audio/train/soundbank/background/sins/a.wav")
    pools = find_folders(tmp_path)
    assert {name: [s.path.stem for s in pool.sounds] for name, pool in pools.items()} == {
        "train": ["train"],
        "validation": ["validation"],
        "test": ["eval"],
    }
    assert [len(pool.backgrounds) for pool in pools.values()] == [1, 0, 0]


def test_a_training_soundbank_alone_is_divided(tmp_path):
    write_empty(tmp_path, *(f"audio/train/soundbank/foreground/Cat/{n}_0.wav" for n in range(4)))
    assert list(find_folders(tmp_path)) == [UNDIVIDED]


def test_sounds_of_the_test_are_not_divided_among_the_other_parts(tmp_path):
    for part in ("train", "eval"):
        write_empty(tmp_path, f"audio/{part}/soundbank/foreground/Cat/{part}.wav")
    with pytest.raises(DataError, match=r"has sounds for training and for test .* none for valid"):
        find_folders(tmp_path)
    assert list(find_folders(tmp_path / "audio" / "train")) == [UNDIVIDED]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["audio/clip.wav"], "holds neither foreground/ nor audio/train/soundbank/foreground/"),
        (["foreground/loose.wav"], "foreground: holds no folder of sounds"),
        (["foreground/Cat/notes.txt"], r"Cat: holds no audio \(.wav, .flac"),
        (["audio/validation/soundbank/foreground/Cat/a.wav"], "holds neither foreground/ nor"),
    ],
)
def test_a_folder_without_sounds_is_told(tmp_path, names, problem):
    write_empty(tmp_path, *names)
    with pytest.raises(DataError, match=problem):
        find_folders(tmp_path)


def test_a_folder_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    write_empty(tmp_path, "rain/a.wav")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
        find_backgrounds(tmp_path)


def test_backgrounds_of_any_folder(tmp_path):
    write_empty(tmp_path, "rain/a.wav", "b.ogg")
    assert [(s.name, s.label) for s in find_backgrounds(tmp_path)] == [
        ("b.ogg", tmp_path.name),
        ("rain/a.wav", "rain"),
    ]
    with pytest.raises(DataError, match="rain/none: there is no such folder"):
        find_backgrounds(tmp_path / "rain" / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: holds no audio"):
        find_backgrounds(tmp_path / "empty")


def csv_set(root, folds):
    """Four clips of each of two classes, two of each recording, in these folds."""
    names = [f"{label}{number}.wav" for label in ("cat", "dog") for number in range(4)]
    rows = [
        f"{name},{name[:3]},{folds[place % 4]},{name[:3]}{place % 4 // 2}"
        for place, name in enumerate(names)
    ]
    write_empty(root, *(f"audio/{name}" for name in names))
    (root / "meta.csv").write_text("\n".join(["filename,label,fold,group", *rows]), "utf-8")
    return DatasetSettings(
        name="csv", columns=ColumnSettings(fold="fold", group="group"), validation=RANDOM
    )


def test_folds_become_parts(tmp_path):
    settings = csv_set(tmp_path, [1, 2, 3, 4])
    cases = [
        ({"train": (1, 2), "validation": (4,)}, {"train": "0101", "validation": "33"}),
        ({"validation": (4,)}, {"train": "012012", "validation": "33"}),
        ({"train": (2, 1)}, {"train": "0101", "validation": "2323"}),
        (
            {"validation": (2,), "test": (3, 3)},
            {"train": "0303", "validation": "11", "test": "22"},
        ),
    ]
    for folds, parts in cases:
        found = find_clips(settings, tmp_path, folds=NONE | folds)
        assert {
            name: "".join(sound.path.stem[3] for sound in pool.sounds)
            for name, pool in found.items()
        } == parts


def test_recordings_on_both_sides_of_given_folds_are_told(tmp_path):
    settings = csv_set(tmp_path, [1, 2, 1, 2])
    found = find_clips(settings, tmp_path, folds=NONE | {"validation": (2,)})
    notes = divide(found, held_out=0.2, strong=1.0, seed=0).notes
    assert "4 source recordings are in the train and the validation part" in notes[0]


def test_without_folds_recordings_are_divided(tmp_path):
    settings = csv_set(tmp_path, [1, 2, 1, 2])
    (pool,) = find_clips(settings, tmp_path, folds=NONE).values()
    assert [(s.label, s.group) for s in pool.sounds][::2] == [
        ("cat", "cat0"), ("cat", "cat1"), ("dog", "dog0"), ("dog", "dog1"),
    ]  # fmt: skip
    pools = divide({UNDIVIDED: pool}, held_out=0.5, strong=1.0, seed=0).pools
    for name in ("train", "validation"):
        assert sorted(sound.label for sound in pools[name].sounds) == ["cat"] * 2 + ["dog"] * 2


@pytest.mark.parametrize(
    ("folds", "problem"),
    [
        ({"validation": (7,)}, "--validation_folds: .* has no fold 7, only 1, 2, 3, 4"),
        ({"train": (1, 2), "validation": (2,)}, "fold 2 is in --train_folds too"),
        ({"test": (1,)}, "--train_folds: no folds are given"),
        ({"train": (1, 2, 3, 4)}, "--validation_folds: no folds are given"),
    ],
)
def test_folds_that_cannot_be_parts_are_told(tmp_path, folds, problem):
    with pytest.raises(DataError, match=problem):
        find_clips(csv_set(tmp_path, [1, 2, 3, 4]), tmp_path, folds=NONE | folds)


def test_folds_of_a_table_without_folds_are_told(tmp_path):
    settings = csv_set(tmp_path, [1, 2, 3, 4])
    settings = settings.model_copy(update={"columns": ColumnSettings()})
    with pytest.raises(DataError, match="data set 'csv' has no folds; leave --train_folds"):
        find_clips(settings, tmp_path, folds=NONE | {"validation": (4,)})


def test_esc10_is_divided_by_its_folds(real_audio):
    settings = DatasetSettings(name="esc10", validation=RANDOM)
    found = find_clips(settings, real_audio / "esc10", folds=NONE | {"validation": (5,)})
    assert {name: len(pool.sounds) for name, pool in found.items()} == {
        "train": 320,
        "validation": 80,
    }
    assert {sound.name[0] for sound in found["validation"].sounds} == {"5"}
    bank = divide(found, held_out=0.2, strong=0.25, seed=0)
    assert len(bank.classes) == 10
    assert bank.notes == ("Validation and test clips are mixed of the same sounds, drawn apart.",)
    assert 60 < len(bank.pools["strong"].sounds) < 110


def test_the_sample_of_the_soundbank_of_desed(real_audio):
    found = find_folders(real_audio / "desed_sample" / "soundbank")
    (pool,) = found.values()
    assert sorted((s.label, s.group, s.onset, s.offset) for s in pool.sounds) == [
        ("label", "26104", False, True),
        ("label", "26104", True, False),
        ("label", "26104", True, True),
        ("label", "46129", False, False),
        ("label_long", "46129", True, True),
    ]
    assert [s.name for s in pool.backgrounds] == ["background/label/noise-free-sound-0055.wav"]
    with pytest.raises(DataError, match="class 'label_long' has no sound in the"):
        divide(found, held_out=0.5, strong=1.0, seed=0, backgrounds=())
