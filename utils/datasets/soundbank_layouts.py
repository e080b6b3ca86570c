"""Soundbanks as they lie on disk: folders of DESED's form, clips of a table.

Source of the folders: Turpault et al., "Sound event detection in domestic environments with weakly
labeled data and soundscape synthesis", DCASE Workshop 2019.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.config.schema import AudioSettings, DatasetSettings
from utils.datasets.base import Clip, DataSet
from utils.datasets.csv_set import load_csv
from utils.datasets.layout import SUFFIXES, audio_below, reading
from utils.datasets.soundbank import UNDIVIDED, Pool, Sound
from utils.datasets.urban import PRESETS, load_preset
from utils.errors import DataError

_PARTS = {"train": "train", "validation": "validation", "test": "eval"}
_LABEL = re.compile(r"(?P<label>.+?)(?P<onset>_nOn)?(?P<offset>_nOff)?")
_FREESOUND = re.compile(r"(\d+)_\d+")  # number of the recording and of the cut, as in DESED


def find_folders(root: Path) -> dict[str, Pool]:
    """Read a soundbank in DESED's layout.

    Args:
        root: a folder with ``foreground/`` (or with ``soundbank/foreground/``), or one with
            ``audio/train/soundbank/`` and, if they are there, ``audio/validation/soundbank/`` and
            ``audio/eval/soundbank/``, which is the test pool.

    Returns:
        Pools by name; a single one is named :data:`UNDIVIDED`.

    Raises:
        DataError: when there is no such folder, a class folder without audio, or sounds for test
            and none for validation.
    """
    for folder in (root, root / "soundbank"):
        if (folder / "foreground").is_dir():
            return {UNDIVIDED: _read_bank(folder, root)}
    given = {part: root / "audio" / name / "soundbank" for part, name in _PARTS.items()}
    found = {
        part: _read_bank(folder, root)
        for part, folder in given.items()
        if (folder / "foreground").is_dir()
    }
    if "train" not in found:
        raise DataError(
            f"{root}: holds neither foreground/ nor audio/train/soundbank/foreground/, with a"
            " folder of audio for each class; name a soundbank, or tell by --set which data set"
            " this is."
        )
    if "validation" in found:
        return found
    if "test" in found:
        raise DataError(
            f"{root}: has sounds for training and for test (audio/eval/soundbank/) and none for "
            "validation; add audio/validation/soundbank/, or name audio/train alone."
        )
    return {UNDIVIDED: found["train"]}


def find_backgrounds(folder: Path) -> tuple[Sound, ...]:
    """Audio files in a folder and all below it; the folder of a file is its kind.

    Args:
        folder: such as ``soundbank/background``.

    Raises:
        DataError: when there are none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder of backgrounds.")
    found = tuple(_background(path, folder) for path in audio_below(folder))
    if not found:
        raise DataError(f"{folder}: holds no audio ({', '.join(SUFFIXES)}) for backgrounds.")
    return found


def find_clips(
    settings: DatasetSettings, root: Path, *, folds: Mapping[str, Sequence[int]]
) -> dict[str, Pool]:
    """Take the clips of a table for isolated sounds.

    Args:
        settings: ``csv`` or a preset (``esc10``, ``urbansound8k`` ...) and where its table is.
        root: folder of the data set.
        folds: folds of each pool; pools without folds get those that no other names, where one
            such pool is left; no folds at all: one pool, which is not divided yet.

    Raises:
        DataError: when the data set cannot be read, or has not these folds.
    """
    asked: dict[str, Any] = {"root": root, "folds": None, "name": settings.name}
    if preset := PRESETS.get(settings.name):
        whole = AudioSettings(seconds=preset.seconds)  # sounds are taken in full
        data = load_preset(settings, audio=whole, **asked)
    else:
        data = load_csv(settings, **asked)
    if not any(folds.values()):
        return {UNDIVIDED: Pool(tuple(map(_of_clip, data.clips)))}
    numbers = _fold_numbers(data, folds, root)
    tested = {int(fold.name.removeprefix("fold")): fold.test for fold in data.folds}
    return {
        pool: Pool(_sorted(_of_clip(clip) for number in chosen for clip in tested[number]))
        for pool, chosen in numbers.items()
    }


def _read_bank(folder: Path, root: Path) -> Pool:
    """The sounds and backgrounds of one ``soundbank`` folder."""
    with reading(folder):
        labelled = sorted(path for path in (folder / "foreground").iterdir() if path.is_dir())
    sounds: list[Sound] = []
    for place in labelled:
        files = audio_below(place)
        if not files:
            raise DataError(f"{place}: holds no audio ({', '.join(SUFFIXES)}); fill or remove it.")
        sounds += [_of_file(path, place.name, root) for path in files]
    if not sounds:
        raise DataError(f"{folder / 'foreground'}: holds no folder of sounds, one for each class.")
    behind = folder / "background"
    backgrounds = [
        _background(path, root) for path in (audio_below(behind) if behind.is_dir() else ())
    ]
    return Pool(_sorted(sounds), tuple(backgrounds))


def _of_file(path: Path, folder: str, root: Path) -> Sound:
    """A sound of a class folder; its suffixes say what the recording lacks."""
    match = _LABEL.fullmatch(folder)
    if match is None:
        raise ValueError(f"'{folder}' is no name of a folder")
    name = _name(path, root)
    recording = _FREESOUND.fullmatch(path.stem)
    return Sound(
        name=name,
        path=path,
        label=match["label"],
        group=recording[1] if recording else name,
        onset=match["onset"] is None,
        offset=match["offset"] is None,
    )


def _background(path: Path, root: Path) -> Sound:
    name = _name(path, root)
    return Sound(name, path, path.parent.name, name)


def _of_clip(clip: Clip) -> Sound:
    return Sound(clip.name, clip.path, clip.labels[0], clip.group or clip.name)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _sorted(sounds: Iterable[Sound]) -> tuple[Sound, ...]:
    return tuple(sorted(sounds, key=lambda sound: sound.name))


def _fold_numbers(
    data: DataSet, folds: Mapping[str, Sequence[int]], root: Path
) -> dict[str, list[int]]:
    """Folds of each pool, each fold in one of them."""
    there = [int(fold.name.removeprefix("fold")) for fold in data.folds]
    if len(there) == 1:
        raise DataError(
            f"{root}: data set '{data.name}' has no folds; leave --train_folds, --validation_folds"
            " and --test_folds out, and its sources are divided by --held_out."
        )
    taken: dict[int, str] = {}
    for pool, chosen in folds.items():
        for number in chosen:
            if number not in there:
                raise DataError(
                    f"--{pool}_folds: {root} has no fold {number}, only"
                    f" {', '.join(map(str, there))}."
                )
            if taken.setdefault(number, pool) != pool:
                raise DataError(
                    f"--{pool}_folds: fold {number} is in --{taken[number]}_folds too; a source is"
                    " in one part only."
                )
    numbers = {pool: list(dict.fromkeys(chosen)) for pool, chosen in folds.items() if chosen}
    open_pools = [pool for pool in ("train", "validation") if pool not in numbers]
    left = [number for number in there if number not in taken]
    if len(open_pools) > 1 or (open_pools and not left):
        raise DataError(
            f"--{open_pools[0]}_folds: no folds are given; {root} has {', '.join(map(str, there))}."
        )
    return {**numbers, **dict.fromkeys(open_pools, left)}
