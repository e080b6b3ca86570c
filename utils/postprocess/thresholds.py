"""Decisions: frame scores above thresholds, as events."""

import numpy as np
from numpy.typing import ArrayLike

from utils.events import Events
from utils.postprocess.frames import checked_scores, of_classes, to_events


def decide(scores: np.ndarray, thresholds: ArrayLike) -> np.ndarray:
    """Frames with a score above the threshold of their class; one that equals it is not.

    Args:
        scores: (clips, frames, classes).
        thresholds: (classes,), or one for all.

    Returns:
        bool (clips, frames, classes).

    Raises:
        DataError: for a score that is NaN or infinite.
        ValueError: for shapes that do not fit, or a threshold that is NaN.
    """
    scores = checked_scores(scores)
    limits = np.asarray(thresholds, dtype=np.float64)  # compared in float64, as metrics do
    return scores > of_classes(limits, scores.shape[2], name="thresholds", lowest=-np.inf)


def events_at(
    scores: np.ndarray,
    thresholds: ArrayLike,
    *,
    edges: np.ndarray,
    seconds: ArrayLike | None = None,
) -> Events:
    """Events of scores above the thresholds of the classes.

    Args:
        scores: (clips, frames, classes), filtered before where a filter is wanted.
        thresholds: (classes,), or one for all.
        edges: seconds (frames + 1,), see ``frames.frame_edges``.
        seconds: length of each clip (clips,), or one for all; None: the last edge.

    Raises:
        DataError: for a score that is NaN or infinite.
        ValueError: for shapes that do not fit.
    """
    return to_events(decide(scores, thresholds), edges=edges, seconds=seconds)
