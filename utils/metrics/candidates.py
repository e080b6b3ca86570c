"""Events of all thresholds at once: each with the thresholds between which it exists.

Frame scores above a threshold form runs; as the threshold falls, runs begin, grow and join. A run
that is the same for a range of thresholds is one candidate. J. Ebbers, R. Haeb-Umbach and
R. Serizel, Threshold Independent Evaluation of Sound Event Detection Scores, ICASSP 2022
(arXiv 2201.13148) evaluate such changes of the score one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from utils.errors import DataError
from utils.events import Events


@dataclass(frozen=True)
class Candidates:
    """Events with a life span; made by :meth:`of_frames` or :meth:`of_events`.

    A candidate is detected at every threshold t with ``lows <= t < highs``: its score is above t,
    that of what surrounds it is not. At one threshold no two of a file and class overlap.

    Attributes:
        events: of all thresholds, sorted as ``Events`` are.
        lows: the threshold from which on it is an event of its own, -inf: any (candidates,).
        highs: the threshold at which it is gone (candidates,).
    """

    events: Events
    lows: np.ndarray
    highs: np.ndarray

    def __len__(self) -> int:
        """Number of candidates."""
        return len(self.events)

    @classmethod
    def of_events(
        cls,
        files: ArrayLike,
        classes: ArrayLike,
        onsets: ArrayLike,
        offsets: ArrayLike,
        scores: ArrayLike,
        *,
        file_count: int,
        class_count: int,
    ) -> "Candidates":
        """Events with one score each, such as sound event bounding boxes, in any order.

        Args:
            files: file index of each event (events,).
            classes: class index (events,).
            onsets: seconds (events,).
            offsets: seconds (events,); events of one file and class may touch, and then stay two.
            scores: finite (events,).
            file_count: number of files that are known.
            class_count: number of classes that are known.

        Raises:
            DataError: as :meth:`Events.of`; for events of one class that overlap, or a score that
                is no finite number.
            ValueError: when the five differ in length.
        """
        scores = np.asarray(scores, dtype=np.float64)
        if scores.shape != np.shape(files):
            raise ValueError(f"{np.size(files)} scores are needed, received {scores.shape}")
        _require_finite(scores)
        known = {"file_count": file_count, "class_count": class_count}
        events = Events.of(files, classes, onsets, offsets, **known)
        if events.merged()[1]:
            raise DataError("scored events of one file and class overlap; merge or cut them first")
        order = np.lexsort(tuple(map(np.asarray, (offsets, onsets, classes, files))))
        return cls(events=events, lows=np.full(len(events), -np.inf), highs=scores[order])

    @classmethod
    def of_frames(
        cls, scores: Sequence[np.ndarray] | np.ndarray, *, edges: np.ndarray, durations: np.ndarray
    ) -> "Candidates":
        """Runs of frames with scores above any threshold.

        Filter scores before: the median of scores above a threshold is the threshold above the
        median, so a median filter of scores is that of the decisions at every threshold. Frames
        that begin at the end of the file or later are padding and left out; the last one is cut.

        Args:
            scores: finite scores of each file (frames, classes); or one array (files, frames,
                classes).
            edges: seconds, ascending; frame k lasts from ``edges[k]`` to ``edges[k + 1]``.
            durations: seconds of each file (files,).

        Raises:
            DataError: for a score that is no finite number.
            ValueError: for shapes that do not fit, or edges that do not ascend.
        """
        edges = np.asarray(edges, dtype=np.float64)
        durations = np.asarray(durations, dtype=np.float64)
        if len(scores) != len(durations):
            raise ValueError(f"scores of {len(durations)} files are needed, received {len(scores)}")
        if edges.ndim != 1 or not np.all(np.diff(edges) > 0):
            raise ValueError("edges of frames must be ascending seconds (frames + 1,)")
        if any(np.ndim(each) != 2 or len(each) >= len(edges) for each in scores):
            raise ValueError(f"scores (up to {len(edges) - 1} frames, classes) are needed")
        rows = [
            each[: np.searchsorted(edges[:-1], seconds, side="left")]
            for each, seconds in zip(scores, durations, strict=True)
        ]
        flat, files, classes, frames = _in_one_row(rows)
        _require_finite(flat[frames >= 0])
        first, last, lows, highs = _runs(flat)
        events = Events(
            files[first],
            classes[first],
            edges[frames[first]],
            np.minimum(edges[frames[last] + 1], durations[files[first]]),
        )
        order = np.lexsort((events.offsets, events.onsets, events.classes, events.files))
        return cls(events=events.taken(order), lows=lows[order], highs=highs[order])

    def taken(self, which: np.ndarray) -> "Candidates":
        """The candidates that a mask (candidates,) or ascending indices name."""
        return Candidates(self.events.taken(which), self.lows[which], self.highs[which])

    def at(self, threshold: float) -> Events:
        """Events with a score above the threshold."""
        return self.events.taken((self.lows <= threshold) & (threshold < self.highs))


def _require_finite(scores: np.ndarray) -> None:
    """Refuse NaN and infinite scores."""
    if not np.isfinite(scores).all():
        raise DataError("scores of events must be finite numbers, some are NaN or infinite")


def _in_one_row(
    scores: Sequence[np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Frames of all files and classes one after the other, with -inf before, between and after.

    Returns:
        Scores, and for each its file, class and frame; frame -1 marks what lies between.
    """
    flat, files, classes, frames = [], [], [], []
    for number, each in enumerate(scores):
        length, width = np.shape(each)
        row = np.full((width, length + 1), -np.inf)
        row[:, 1:] = np.asarray(each).T
        flat.append(row.ravel())
        files.append(np.full(row.size, number))
        classes.append(np.repeat(np.arange(width), length + 1))
        frames.append(np.tile(np.arange(-1, length), width))
    end = np.array([-1])
    return (
        np.concatenate([*flat, [-np.inf]]),
        np.concatenate([*files, end]),
        np.concatenate([*classes, end]),
        np.concatenate([*frames, end]),
    )


def _runs(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every run of a row that is a connected part above some threshold, once.

    The lowest score of a run is its ``high``, the higher of its two neighbours its ``low``; the
    leftmost of equal lowest scores speaks for the run.

    Args:
        scores: (n,); -inf at both ends and wherever runs may not join.

    Returns:
        First and last index of each run (inclusive), its low and its high.
    """
    before = _nearest_lower(scores, or_equal=True)
    after = len(scores) - 1 - _nearest_lower(scores[::-1], or_equal=False)[::-1]
    lowest = np.flatnonzero(np.isfinite(scores))
    lowest = lowest[scores[before[lowest]] < scores[lowest]]
    before, after = before[lowest], after[lowest]
    return before + 1, after - 1, np.maximum(scores[before], scores[after]), scores[lowest]


def _nearest_lower(scores: np.ndarray, *, or_equal: bool) -> np.ndarray:
    """Index of the nearest lower score to the left; of -inf, the index before it.

    All scores between an index and its pointer are higher, so where the pointer's score is too, the
    index may take over the pointer's own pointer: many steps at once.
    """
    higher = np.greater if or_equal else np.greater_equal
    pointers = np.arange(-1, len(scores) - 1)
    active = np.flatnonzero(np.isfinite(scores))
    while active.size:
        targets = pointers[active]
        beyond = higher(scores[targets], scores[active])
        active = active[beyond]
        pointers[active] = pointers[targets[beyond]]
    return pointers
