"""Features of many clips in one memory-mapped file."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from utils.errors import DataError, UserError
from utils.files import read_json, write_json, writing

if TYPE_CHECKING:
    from utils.datasets.base import Clip

FEATURES = "features.npy"
CLIPS = "clips.json"


class FileState(NamedTuple):
    """By what a changed file is told from the one that was read.

    Attributes:
        size: bytes.
        mtime_ns: time of the last change, nanoseconds since 1970.
    """

    size: int
    mtime_ns: int


@dataclass(frozen=True)
class BadClip:
    """A clip whose audio could not be used.

    Attributes:
        name: as the data set lists it.
        reason: one sentence that opens with the path.
    """

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """Finished features, read-only.

    Attributes:
        folder: where they lie.
        array: float32 memory map (clips, *shape); the rows of bad clips are zeros.
        row_of: row of every usable clip by name.
        bad: clips that could not be used.
        files: for every row, the state of the file it was made from; None for a missing file.
    """

    folder: Path
    array: np.ndarray
    row_of: Mapping[str, int]
    bad: tuple[BadClip, ...]
    files: tuple[FileState | None, ...]

    @property
    def key(self) -> str:
        """Digest of the parameters and of name, size and modification time of every file."""
        return self.folder.name

    @property
    def parameters(self) -> str:
        """Digest of the parameters, and of the names of the files."""
        return self.folder.name.partition("-")[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the usable clips, sorted."""
        return tuple(self.row_of)

    def contains(self, clip: "Clip") -> bool:
        """Whether the clip has features here; false for a bad clip."""
        return clip.name in self.row_of

    def usable(self, clips: Sequence["Clip"]) -> tuple["Clip", ...]:
        """Leave out clips whose audio could not be used."""
        return tuple(clip for clip in clips if self.contains(clip))

    def rows(self, clips: Sequence["Clip"]) -> np.ndarray:
        """Return the rows of clips in :attr:`array`, in the order given, int64 (clips,).

        Raises:
            DataError: for a clip without features; sort bad clips out with :meth:`usable`, so that
                targets lose them too.
        """
        missing = [clip.name for clip in clips if not self.contains(clip)]
        if missing:
            raise DataError(
                f"{missing[0]}: has no features in {self.folder} ({len(missing)} such clips)."
            )
        return np.array([self.row_of[clip.name] for clip in clips], dtype=np.int64)


def write_clips(
    folder: Path,
    names: Sequence[str],
    files: Sequence[FileState | None],
    bad: Sequence[BadClip],
) -> None:
    """Write the table that belongs to the features in ``folder``: rows and bad clips."""
    reasons = [{"name": clip.name, "reason": clip.reason} for clip in bad]
    write_json(folder / CLIPS, {"names": list(names), "files": list(files), "bad": reasons})


def open_store(folder: Path) -> FeatureStore | None:
    """Open finished features; None where there are none.

    Raises:
        UserError: when what lies there is damaged.
    """
    if not folder.exists():
        return None
    try:
        table = read_json(folder / CLIPS)
        names = table["names"]
        bad = tuple(BadClip(entry["name"], entry["reason"]) for entry in table["bad"])
        files = tuple(state and FileState(*state) for state in table["files"])
        array = np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False)
        if not len(array) == len(names) == len(files) or array.dtype != np.float32:
            raise ValueError(f"{len(names)} clips, features {array.dtype} {array.shape}")
    except (UserError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder}: features are damaged ({error}); delete this folder to extract them anew."
        ) from error
    left_out = {clip.name for clip in bad}
    row_of = {name: row for row, name in enumerate(names) if name not in left_out}
    return FeatureStore(folder, array, row_of, bad, files)


def older_stores(folder: Path, key: str, files: Sequence[FileState | None]) -> list[FeatureStore]:
    """Finished features of the same clips, from before some of the files changed.

    Those that share no file with the wanted ones are another copy of the data; they stay.

    Args:
        folder: of all stores.
        key: first half of their names, the digest of all but the files' states.
        files: the wanted states, one a row.
    """
    stores = [open_store(finished) for finished in sorted(folder.glob(f"{key}-*"))]
    return [
        store
        for store in stores
        if store is not None
        and any(old == new for old, new in zip(store.files, files, strict=True) if new)
    ]


def remove_stores(folder: Path, key: str, stores: Sequence[FeatureStore]) -> None:
    """Remove features, and what a kill has left of earlier ones.

    They lose their name first, so that no part of them is ever taken for a whole.

    Args:
        folder: of all stores.
        key: first half of their names.
        stores: what to remove.

    Raises:
        UserError: when the operating system refuses.
    """
    with writing(folder):
        for left in folder.glob(f".{key}-*.old"):
            shutil.rmtree(left)
        for store in stores:
            shutil.rmtree(store.folder.rename(folder / f".{store.key}.old"))
