"""Embeddings of clips that another network computed: read, averaged to steps, kept in one file."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from utils.errors import DataError
from utils.features.store import FeatureStore
from utils.files import digest, written_beside

SHOWN = 3


def to_steps(frames: np.ndarray, steps: int) -> np.ndarray:
    """Average frames to fewer steps: step k stands for the frames that it overlaps.

    ``mean(frames[floor(k n / steps) : ceil((k + 1) n / steps)])``, which PyTorch calls adaptive
    average pooling.

    Args:
        frames: float (frames, size).
        steps: at most as many as there are frames.

    Returns:
        float32 (steps, size).
    """
    count = len(frames)
    sums = np.concatenate([np.zeros((1, frames.shape[1])), np.cumsum(frames, axis=0, dtype=float)])
    first = np.arange(steps) * count // steps
    last = -(-np.arange(1, steps + 1) * count // steps)
    return ((sums[last] - sums[first]) / (last - first)[:, np.newaxis]).astype(np.float32)


def open_embeddings(
    store: FeatureStore, *, folder: Path, size: int, steps: int, cache: Path
) -> np.ndarray:
    """Embeddings of all usable clips of a feature store, found or made once.

    Args:
        store: says which clips there are, and in which rows.
        folder: with a file for each of them.
        size: values of a frame.
        steps: that frames are averaged to.
        cache: where the result is kept.

    Returns:
        float32 memory map (rows of the store, steps, size); rows of bad clips are zeros.

    Raises:
        DataError: for clips without a file, or a file of another kind or shape.
        UserError: when the result cannot be written.
    """
    files = {name: _file_of(name, folder) for name in store.row_of}
    missing = [name for name, path in files.items() if path is None]
    if missing:
        raise DataError(
            f"{folder}: {len(missing)} of {len(files)} clips have no embeddings, such as "
            f"{', '.join(missing[:SHOWN])}; compute them, or leave dataset.embeddings out."
        )
    known = {name: path for name, path in files.items() if path is not None}
    states = [[name, *_state(path)] for name, path in known.items()]
    target = cache / f"embeddings-{digest([store.key, size, steps, states])}.npy"
    if not target.exists():
        _write(target, known, store, shape=(len(store.array), steps, size))
    return np.load(target, mmap_mode="r", allow_pickle=False)


def _file_of(name: str, folder: Path) -> Path | None:
    """File of a clip: by the end of its name, the longest that there is."""
    parts = PurePosixPath(name).with_suffix(".npy").parts
    candidates = (folder.joinpath(*parts[first:]) for first in range(len(parts)))
    return next((path for path in candidates if path.is_file()), None)


def _state(path: Path) -> tuple[int, int]:
    told = path.stat()
    return told.st_size, told.st_mtime_ns


def _write(
    target: Path, files: Mapping[str, Path], store: FeatureStore, *, shape: tuple[int, int, int]
) -> None:
    """Write all embeddings whole or not at all."""
    with written_beside(target) as beside:
        array = np.lib.format.open_memmap(beside, mode="w+", dtype=np.float32, shape=shape)
        for name, path in files.items():
            array[store.row_of[name]] = to_steps(_read(path, shape[1:]), shape[1])
        array.flush()


def _read(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """One clip's frames (frames, size), checked."""
    steps, size = shape
    try:
        frames = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: is no array that NumPy can read ({error}).") from error
    wrong = frames.ndim != 2 or frames.shape[-1] != size or len(frames) < steps
    if wrong or not np.issubdtype(frames.dtype, np.floating):
        raise DataError(
            f"{path}: holds {frames.dtype} of shape {frames.shape}; floats (frames, {size}) with "
            f"{steps} frames at least are needed, see dataset.embeddings."
        )
    if not np.isfinite(frames).all():
        raise DataError(f"{path}: holds values that are no finite numbers; compute it again.")
    return frames
