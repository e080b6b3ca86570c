"""Sound events of many files as four arrays: checked, sorted, overlaps of one class merged."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from utils.errors import DataError


@dataclass(frozen=True)
class Events:
    """Events sorted by file, class, onset and offset; made by :meth:`of`.

    Attributes:
        files: index of the file of each event, int64 (events,).
        classes: index of its class, int64 (events,).
        onsets: seconds from the start of the file, float64 (events,).
        offsets: seconds, no less than the onset, float64 (events,).
    """

    files: np.ndarray
    classes: np.ndarray
    onsets: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(
        cls,
        files: ArrayLike,
        classes: ArrayLike,
        onsets: ArrayLike,
        offsets: ArrayLike,
        *,
        file_count: int,
        class_count: int,
    ) -> "Events":
        """Check events in any order and sort them.

        An event may be of length zero, begin before 0 or end after its file.

        Args:
            files: file index of each event (events,).
            classes: class index (events,).
            onsets: seconds (events,).
            offsets: seconds (events,).
            file_count: number of files that are known.
            class_count: number of classes that are known.

        Raises:
            DataError: for an unknown file or class, an offset before its onset, a time that is no
                finite number.
            ValueError: when the four differ in length, or indices are no integers.
        """
        files, classes = _indices(files, name="files"), _indices(classes, name="classes")
        onsets, offsets = (np.asarray(times, dtype=np.float64) for times in (onsets, offsets))
        if any(each.shape != files.shape for each in (classes, onsets, offsets)):
            raise ValueError(
                "files, classes, onsets and offsets of one shape (events,) are needed, received "
                f"{files.shape}, {classes.shape}, {onsets.shape}, {offsets.shape}"
            )
        _require_known(files, count=file_count, name="file")
        _require_known(classes, count=class_count, name="class")
        _require_order(files, classes, onsets, offsets)
        order = np.lexsort((offsets, onsets, files * class_count + classes))
        return cls(files[order], classes[order], onsets[order], offsets[order])

    def __len__(self) -> int:
        """Number of events."""
        return len(self.files)

    def taken(self, which: np.ndarray) -> "Events":
        """The events that a mask (events,) or ascending indices name."""
        return Events(
            self.files[which], self.classes[which], self.onsets[which], self.offsets[which]
        )

    def merged(self) -> tuple["Events", int]:
        """Events of one class that overlap become one, from the first onset to the last offset.

        Events that only touch (one ends where the next begins) stay apart. Merging twice changes
        nothing more.

        Returns:
            The merged events, and by how many they are fewer.
        """
        follows = np.zeros(len(self), dtype=bool)  # is of the file and class of the event before
        follows[1:] = (np.diff(self.files) == 0) & (np.diff(self.classes) == 0)
        if not np.any(follows[1:] & (self.onsets[1:] < self.offsets[:-1])):
            return self, 0
        reach = self._reach(np.cumsum(~follows))
        begins = ~follows
        begins[1:] |= self.onsets[1:] >= reach[:-1]
        starts = np.flatnonzero(begins)
        merged = Events(
            self.files[starts],
            self.classes[starts],
            self.onsets[starts],
            np.maximum.reduceat(self.offsets, starts),
        )
        return merged, len(self) - len(merged)

    def _reach(self, group: np.ndarray) -> np.ndarray:
        """Latest offset so far within each group (events,); groups are ascending.

        The running maximum is over ranks of (group, offset): exact, and no group reaches the next.
        """
        order = np.lexsort((self.offsets, group))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return self.offsets[order[np.maximum.accumulate(rank)]]


def _indices(values: ArrayLike, *, name: str) -> np.ndarray:
    """Integers (events,) as int64; an empty list of any kind will do."""
    indices = np.asarray(values)
    if indices.ndim != 1 or (indices.size and not np.issubdtype(indices.dtype, np.integer)):
        raise ValueError(
            f"{name}: integers of shape (events,) are needed, "
            f"received {indices.dtype} of shape {indices.shape}"
        )
    return indices.astype(np.int64)


def _require_known(indices: np.ndarray, *, count: int, name: str) -> None:
    """Refuse indices outside of 0 to count - 1."""
    wrong = np.flatnonzero((indices < 0) | (indices >= count))
    if wrong.size:
        raise DataError(
            f"event {wrong[0]}: {name} {indices[wrong[0]]} is unknown, there are {count} "
            f"(0 to {count - 1}); take the event out or add the {name}"
        )


def _require_order(
    files: np.ndarray, classes: np.ndarray, onsets: np.ndarray, offsets: np.ndarray
) -> None:
    """Refuse times that are not finite and offsets before onsets."""
    wrong = np.flatnonzero(~(np.isfinite(onsets) & np.isfinite(offsets) & (onsets <= offsets)))
    if wrong.size:
        at = wrong[0]
        raise DataError(
            f"event {at} (file {files[at]}, class {classes[at]}) lasts from {onsets[at]:g} s to "
            f"{offsets[at]:g} s; onset and offset must be numbers, the offset no earlier"
        )
