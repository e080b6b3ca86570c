"""Folders of mixtures: whole or not at all, made by one process, found again by the next start."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from utils.datasets.base import Clip
from utils.errors import DataError
from utils.files import digest, writing

DIGITS = 16
"""Of the digests that name what is kept in the cache."""


def kept_folder(
    cache: Path,
    recordings: Sequence[Sequence[Clip]],
    *,
    fixed: Mapping[str, object],
    others: Sequence[object],
    write: Callable[[Path], None],
) -> tuple[Path, str]:
    """Folder of mixtures below ``cache/mixtures``, written now or found from an earlier start.

    It is named by the digest of all that determines them, sizes and times of the recordings
    included, and appears once it is complete; a second process that wants it waits.

    Args:
        cache: folder of what can be made again.
        recordings: what is mixed, part by part.
        fixed: what else tells mixtures from others, at any rate.
        others: what else determines the files, such as the rate.
        write: called with the folder where it is not there yet.

    Returns:
        The folder, and a short digest of ``fixed`` and of the recordings' sizes, which mixtures are
        named by.

    Raises:
        DataError: for a recording that has vanished.
        UserError: when the folder cannot be written.
    """
    states = [[file_state(clip.path) for clip in clips] for clips in recordings]
    named = {**fixed, "sizes": [[size for size, _ in files] for files in states]}
    times = [[time for _, time in files] for files in states]
    folder = cache / "mixtures" / digest([named, times, *others], length=DIGITS)
    with only_one(folder):
        if not folder.is_dir():
            write(folder)
    return folder, digest(named, length=6)


def array_digest(*arrays: np.ndarray) -> str:
    """Identity of what arrays hold."""
    content = hashlib.sha256()
    for array in arrays:
        content.update(array.tobytes())
    return content.hexdigest()


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name once it is complete; else nothing stays of it.

    Args:
        folder: absent or empty.

    Yields:
        The hidden folder beside it.

    Raises:
        UserError: when the folder cannot be written.
    """
    beside = folder.absolute().with_name(f".{folder.absolute().name}.part")
    with writing(folder):
        shutil.rmtree(beside, ignore_errors=True)  # what a killed process left
        try:
            beside.mkdir(parents=True)
            yield beside
            beside.rename(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Let one process at a time make this folder; the lock goes with its process.

    Raises:
        UserError: when the folder around it cannot be written.
    """
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f".{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def identity_of(path: Path, *, cache: Path) -> object:
    """By what a changed file is told: size and time; of one that was made in the cache, its path.

    What is made there follows from the name of its folder, so it is the same when it is made again.

    Raises:
        DataError: when the file has vanished.
    """
    if path.is_relative_to(cache):
        return path.relative_to(cache).as_posix()
    return file_state(path)


def file_state(path: Path) -> tuple[int, int]:
    """Size and modification time of a recording; a ``DataError`` when it has vanished."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: the recording has vanished; restore it.") from error
    return status.st_size, status.st_mtime_ns
