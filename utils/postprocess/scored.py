"""Events with one score each: extents that do not move with the threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from utils.events import Events
from utils.postprocess.frames import of_classes


@dataclass(frozen=True)
class ScoredEvents:
    """Sound event bounding boxes, sorted by file, class and onset; those of a class do not overlap.

    Attributes:
        files: index of the file of each event, int64 (events,).
        classes: index of its class, int64 (events,).
        onsets: seconds from the start of the file, float64 (events,).
        offsets: seconds, above the onset, float64 (events,).
        scores: confidence, float64 (events,).
    """

    files: np.ndarray
    classes: np.ndarray
    onsets: np.ndarray
    offsets: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        """Number of events."""
        return len(self.files)

    def taken(self, which: np.ndarray) -> "ScoredEvents":
        """The events that a mask (events,) or ascending indices name."""
        return ScoredEvents(
            self.files[which],
            self.classes[which],
            self.onsets[which],
            self.offsets[which],
            self.scores[which],
        )

    def above(self, thresholds: ArrayLike, *, class_count: int) -> Events:
        """Events with a score above the threshold of their class; one that equals it is not.

        Args:
            thresholds: (class_count,), or one for all.
            class_count: number of classes that are known.

        Raises:
            ValueError: for thresholds of another shape, or that are NaN.
        """
        limits = of_classes(thresholds, class_count, name="thresholds", lowest=-np.inf)
        kept = self.taken(self.scores > limits[self.classes])
        return Events(kept.files, kept.classes, kept.onsets, kept.offsets)
