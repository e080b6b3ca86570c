"""Where a data set lies: its folder, its audio files, its folds."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from utils.config.schema import DatasetSettings
from utils.datasets.base import Clip, Fold
from utils.errors import DataError

SHOWN = 5
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")
"""Of files that are taken for audio where no table lists them."""


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn a folder that may not be read into one clear sentence; a missing one stays an OSError.

    Args:
        folder: what is being read, named in the message.

    Raises:
        DataError: when the operating system refuses.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be read ({error.strerror or error}); check its access rights."
        ) from error


def require_folder(root: Path) -> None:
    """Require the folder of a data set.

    Raises:
        DataError: when it is not there.
    """
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder; --data names the data set's folder.")


def find_folder(root: Path, *, published: str, sign: str) -> Path:
    """Folder of a data set: ``root`` itself, or the published folder within it.

    Args:
        root: what the user named.
        published: name of the folder as it is unpacked.
        sign: a file, relative to the folder, by which it is recognised.

    Raises:
        DataError: when neither has the file, or the folder may not be read.
    """
    with reading(root):
        require_folder(root)
        for folder in (root, root / published):
            if (folder / sign).is_file():
                return folder
    raise DataError(
        f"{root}: neither {sign} nor {published}/{sign} is there; this is not {published}."
    )


def clip_path(folder: Path, name: str) -> Path:
    """Path of a listed file, which must lie inside the folder.

    Raises:
        DataError: for an absolute name or one that climbs out by ``..``.
    """
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise DataError(
            f"{folder}: the listed file '{name}' is not inside the folder; correct its name."
        )
    return folder / parts


def check_audio(clips: Iterable[Clip], *, folder: Path) -> None:
    """Require that every clip's file is there, reading each directory once.

    Args:
        clips: all clips of a data set.
        folder: the data set, named in the message.

    Raises:
        DataError: with the number and the first names of missing files, or for a folder that may
            not be read.
    """
    wanted: dict[Path, list[Clip]] = defaultdict(list)
    for clip in clips:
        wanted[clip.path.parent].append(clip)
    missing = []
    for directory, here in wanted.items():
        present = files_in(directory)
        missing += [clip.name for clip in here if clip.path.name not in present]
    if missing:
        total = sum(len(here) for here in wanted.values())
        raise DataError(
            f"{folder}: {len(missing)} of {total} listed audio files are missing:"
            f" {listed(missing)}; complete the download."
        )


def files_in(folder: Path) -> set[str]:
    """Names of the files in a folder; none where it is not there.

    Raises:
        DataError: when it may not be read.
    """
    try:
        with reading(folder), os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def audio_below(folder: Path) -> list[Path]:
    """Audio files in a folder and all below it, sorted; hidden ones are passed over.

    Links to folders are followed, but no folder is entered twice.

    Args:
        folder: must be there.

    Raises:
        DataError: when a folder may not be read.
    """
    found: list[Path] = []
    entered: set[str] = set()
    with reading(folder):
        for place, folders, files in os.walk(folder, onerror=fail, followlinks=True):
            if (real := os.path.realpath(place)) in entered:
                folders.clear()
                continue
            entered.add(real)
            folders[:] = sorted(name for name in folders if name[0] != ".")
            found += [
                Path(place) / name
                for name in files
                if name[0] != "." and Path(name).suffix.lower() in SUFFIXES
            ]
    return sorted(found)


def fail(error: OSError) -> None:
    """Raise an error that ``os.walk`` would pass over."""
    raise error


def listed(names: Collection[str]) -> str:
    """The first names in order, and an ellipsis where there are more."""
    return ", ".join(sorted(names)[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def refuse_layout(settings: DatasetSettings, *, why: str) -> None:
    """Refuse settings of a layout for a data set that has its own.

    Args:
        settings: of the data set.
        why: says so, for the message.

    Raises:
        DataError: for one that is not the default.
    """
    default = DatasetSettings()
    for key in ("metadata", "audio_folder", "columns", "evaluation"):
        if getattr(settings, key) != getattr(default, key):
            raise DataError(
                f"dataset.{key}: {why}; leave dataset.{key} out, or set dataset.name to csv."
            )


def choose_folds(
    wanted: Sequence[int] | None, available: Sequence[int], *, source: Path
) -> list[int]:
    """Numbers of the folds to run.

    Args:
        wanted: ``dataset.folds``; None for all.
        available: the data set's folds.
        source: named in the message.

    Raises:
        DataError: when a wanted fold does not exist.
    """
    if wanted is None:
        return list(available)
    known = ", ".join(map(str, available))
    if not wanted:
        raise DataError(f"dataset.folds: the list is empty; {source} has folds {known}.")
    for number in wanted:
        if number not in available:
            raise DataError(f"dataset.folds: {source} has no fold {number}, only {known}.")
    return list(dict.fromkeys(wanted))


def unseen_devices(folds: Iterable[Fold]) -> tuple[str, ...]:
    """Devices of test clips that no training or validation clip of the same fold has, sorted."""
    unseen: set[str] = set()
    for fold in folds:
        known = {clip.device for clip in fold.train + fold.validation}
        unseen.update(clip.device for clip in fold.test if clip.device and clip.device not in known)
    return tuple(sorted(unseen))
