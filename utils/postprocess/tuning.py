"""Choosing filters, thresholds and bounding boxes for each class on clips with known events.

What is good is told from outside, by a function that scores detections class by class: F1 at one
threshold, PSDS over all. A choice on the clips that are then reported makes figures too good; use
validation clips that no report is about.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from utils.postprocess.boxes import boxes
from utils.postprocess.median import median_filter
from utils.postprocess.scored import ScoredEvents

Key = TypeVar("Key", bound=Hashable)
Detections = TypeVar("Detections")


class BoxRule(NamedTuple):
    """What :func:`utils.postprocess.boxes.boxes` needs for a class."""

    length: int  # even number of frames
    absolute: float
    relative: float


@dataclass(frozen=True)
class Choice(Generic[Key]):
    """The best candidate of each class.

    Keys that are tuples come apart by class with ``zip(*choice.keys)``: the three numbers of
    :class:`BoxRule` as the functions take them.

    Attributes:
        keys: of each class (classes,).
        scores: what it scored, NaN for a class that cannot be judged, float64 (classes,).
    """

    keys: tuple[Key, ...]
    scores: np.ndarray


def choose(
    candidates: Iterable[tuple[Key, Detections]], score: Callable[[Detections], ArrayLike]
) -> Choice[Key]:
    """Score every candidate and keep the best for each class.

    Of equal scores the earlier candidate stays, so the order of candidates says which of them is
    the simplest: put what changes least first. A class without any score (NaN throughout, as it
    has no events) keeps the first candidate too.

    Args:
        candidates: key and detections of all classes; used one at a time, so that a generator
            holds one in memory. ``items()`` of a mapping does as well.
        score: gives a score for each class (classes,), the more the better; NaN: cannot be judged.

    Returns:
        Key and score of each class.

    Raises:
        ValueError: without candidates, or for scores of another shape or number of classes.
    """
    keys: list[Key] = []
    best = np.full(0, np.nan)
    for key, detections in candidates:
        scores = np.asarray(score(detections), dtype=np.float64)
        if not keys and scores.ndim == 1:
            keys, best = [key] * scores.size, np.full(scores.size, np.nan)
        if scores.shape != best.shape:
            raise ValueError(f"one score for each class is needed, received {scores.shape}")
        better = (scores > best) | (np.isnan(best) & ~np.isnan(scores))
        best = np.where(better, scores, best)
        keys = [key if new else old for new, old in zip(better, keys, strict=True)]
    if not keys:
        raise ValueError("candidates are needed, received none")
    return Choice(tuple(keys), best)


def filtered(scores: np.ndarray, lengths: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Median filters, the shortest first, for scores that judge all thresholds at once.

    Args:
        scores: (clips, frames, classes).
        lengths: odd numbers of frames; 1 is no filter.

    Yields:
        Length, and the filtered scores (clips, frames, classes).
    """
    for length in sorted(set(lengths)):
        yield length, median_filter(scores, length)


def bounded(
    scores: np.ndarray,
    *,
    lengths: Sequence[int],
    absolute: Sequence[float],
    relative: Sequence[float],
    edges: np.ndarray,
    seconds: ArrayLike | None = None,
) -> Iterator[tuple[BoxRule, ScoredEvents]]:
    """Every combination of numbers that make bounding boxes, in the order given, the last fastest.

    Args:
        scores: from 0 to 1 (clips, frames, classes).
        lengths: even numbers of frames of the step filter.
        absolute: largest differences that are merged.
        relative: largest ratios that are merged.
        edges: seconds (frames + 1,), see ``frames.frame_edges``.
        seconds: length of each clip (clips,), or one for all; None: the last edge.

    Yields:
        What was done, and the boxes of all classes.
    """
    for rule in map(BoxRule._make, product(lengths, absolute, relative)):
        yield (
            rule,
            boxes(
                scores,
                edges=edges,
                lengths=rule.length,
                absolute=rule.absolute,
                relative=rule.relative,
                seconds=seconds,
            ),
        )
