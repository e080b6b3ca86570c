"""Short gaps closed, short events dropped."""

import numpy as np
from numpy.typing import ArrayLike

from utils.events import Events
from utils.postprocess.frames import EPSILON, of_classes


def close_gaps(events: Events, seconds: ArrayLike, *, class_count: int) -> Events:
    """Events of a file and class become one where the gap between them is too short.

    Overlaps are merged, whatever the least gap; with one above 0 so are events that touch.

    Args:
        events: of any systems or annotators.
        seconds: a gap that is shorter is closed, one of this length stays (classes,), or one for
            all; 0 closes none. DESED's annotations were cleaned with 0.15.
        class_count: number of classes that are known.

    Raises:
        ValueError: for another shape, or seconds below 0.
    """
    least = of_classes(seconds, class_count, name="seconds of gaps", lowest=0)
    merged = events.merged()[0]
    if not len(merged):
        return merged
    joins = (np.diff(merged.files) == 0) & (np.diff(merged.classes) == 0)
    gaps = merged.onsets[1:] - merged.offsets[:-1]
    joins &= gaps < least[merged.classes[1:]] - EPSILON
    starts = np.flatnonzero(np.append(True, ~joins))
    return Events(
        merged.files[starts],
        merged.classes[starts],
        merged.onsets[starts],
        np.maximum.reduceat(merged.offsets, starts),
    )


def drop_short(events: Events, seconds: ArrayLike, *, class_count: int) -> Events:
    """The events that last long enough; close gaps before, so that parts count together.

    Args:
        events: of any systems or annotators.
        seconds: an event that is shorter is dropped, one of this length stays (classes,), or one
            for all; 0 drops none.
        class_count: number of classes that are known.

    Raises:
        ValueError: for another shape, or seconds below 0.
    """
    least = of_classes(seconds, class_count, name="seconds of events", lowest=0)
    lengths = events.offsets - events.onsets
    return events.taken(lengths >= least[events.classes] - EPSILON)
