"""F1 scores of sound events: event-based and segment-based counts by ``sed_eval``.

A. Mesaros, T. Heittola and T. Virtanen, Metrics for Polyphonic Sound Event Detection, Applied
Sciences 6(6), 2016. All F1 scores are told by three counts of each file and class, so that they add
up over files: true positives, false positives, false negatives. ``utils.metrics.intersection``
gives the same of the intersection criteria.
"""

import warnings
from typing import Any, Literal

import numpy as np

from utils.events import Events
from utils.metrics.classification import ratio

Kind = Literal["event", "segment"]


def f1_scores(counts: np.ndarray) -> dict[str, np.ndarray]:
    """F1 of each class and its mean over classes (macro).

    F1 = 2 TP / (2 TP + FP + FN). A class with ground truth of which nothing was detected has 0; a
    class without ground truth has NaN and is left out of the mean, its false positives with it, as
    in ``sed_eval`` with ``empty_system_output_handling="zero_score"``.

    Args:
        counts: true positives, false positives, false negatives (..., classes, 3).

    Returns:
        ``f1`` (..., classes) and ``f1_macro`` (...,).
    """
    found, false, missed = np.moveaxis(np.asarray(counts, dtype=np.float64), -1, 0)
    scores = ratio(2.0 * found, 2.0 * found + false + missed)
    present = found + missed > 0
    macro = ratio(np.where(present, scores, 0.0).sum(axis=-1), present.sum(axis=-1))
    return {"f1": np.where(present, scores, np.nan), "f1_macro": macro}


def event_counts(
    detections: Events,
    truth: Events,
    *,
    file_count: int,
    class_count: int,
    collar: float = 0.2,
    share_of_length: float = 0.2,
) -> np.ndarray:
    """Event-based counts: onsets and offsets within a collar, each event matched once.

    An offset may be off by the collar or a share of the reference event's length, whichever is
    longer. Matching is optimal (maximum bipartite). Overlaps within a class are left as they are.

    Args:
        detections: of one operating point.
        truth: the ground truth.
        file_count: number of files, those without events included.
        class_count: number of classes.
        collar: seconds.
        share_of_length: of the reference event.

    Returns:
        int64 (files, classes, 3): true positives, false positives, false negatives.
    """
    with warnings.catch_warnings():  # dcase_util: pkg_resources, escape sequences
        warnings.simplefilter("ignore")
        from sed_eval.sound_event import EventBasedMetrics
    metrics = EventBasedMetrics(
        _labels(class_count), t_collar=float(collar), percentage_of_length=float(share_of_length)
    )
    return _counted(metrics, detections, truth, (file_count, class_count))


def segment_counts(
    detections: Events,
    truth: Events,
    *,
    file_count: int,
    class_count: int,
    seconds: float = 1.0,
) -> np.ndarray:
    """Segment-based counts: a class is there in a segment that an event of it touches.

    Segments reach from 0 s to the latest offset in truth or detections of the file, rounded up.
    What lies before 0 s is left out.

    Args:
        detections: of one operating point.
        truth: the ground truth.
        file_count: number of files, those without events included.
        class_count: number of classes.
        seconds: length of a segment.

    Returns:
        int64 (files, classes, 3): segments that are true positives, false positives, false
        negatives.
    """
    with warnings.catch_warnings():  # dcase_util: pkg_resources, escape sequences
        warnings.simplefilter("ignore")
        from sed_eval.sound_event import SegmentBasedMetrics
    metrics = SegmentBasedMetrics(_labels(class_count), time_resolution=float(seconds))
    shape = (file_count, class_count)
    return _counted(metrics, _from_zero(detections), _from_zero(truth), shape)


def _from_zero(events: Events) -> Events:
    """Events without what lies before 0 s: sed_eval would count it from the end of the file."""
    later = events.taken(events.offsets > 0)
    return Events(later.files, later.classes, np.maximum(later.onsets, 0.0), later.offsets)


def _labels(class_count: int) -> list[str]:
    """Names for sed_eval, which knows no indices."""
    return [str(number) for number in range(class_count)]


def _counted(metrics: Any, detections: Events, truth: Events, shape: tuple[int, int]) -> np.ndarray:
    """Let sed_eval judge file by file, and read off what each file has added to its counts."""
    counts = np.zeros((*shape, 3), dtype=np.int64)
    for number in np.union1d(truth.files, detections.files):
        metrics.reset()
        metrics.evaluate(_of_file(truth, number), _of_file(detections, number))
        counts[number] = [
            [metrics.class_wise[label][key] for key in ("Ntp", "Nfp", "Nfn")]
            for label in metrics.event_label_list
        ]
    return counts


def _of_file(events: Events, number: int) -> list[dict[str, Any]]:
    """Events of one file as sed_eval takes them."""
    first, last = np.searchsorted(events.files, [number, number + 1])
    return [
        {
            "filename": str(number),
            "event_label": str(events.classes[at]),
            "onset": float(events.onsets[at]),
            "offset": float(events.offsets[at]),
        }
        for at in range(first, last)
    ]
