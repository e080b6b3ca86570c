"""Which events were found, by how much detections and ground truth intersect.

The criteria of C. Bilen, G. Ferroni, F. Tuveri, J. Azcarreta and S. Krstulovic, A Framework for the
Robust Evaluation of Sound Event Detection, ICASSP 2020 (arXiv 1910.08440), section 3:

* DTC, detection tolerance: a detection is *accepted* when ground truth of its class covers at least
  that share of it.
* GTC, ground truth intersection: an event is *found* (a true positive) when accepted detections of
  its class cover at least that share of it.
* A detection that is not accepted and touches its file, from 0 s to its duration, is a false
  positive; outside of the file it counts as nothing.
* CTTC, cross-trigger tolerance: a false positive is a cross-trigger of another class when ground
  truth of that class covers at least that share of it.

Events and detections of length zero play no part. Shares that should be equal to a criterion may
miss it by the last bit of a float. With ``tolerance`` 0 they are compared as they are, which is what
the package ``psds_eval`` does; sums of shares are rounded once, whatever their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.errors import DataError
from utils.metrics.event_lists import Events

COARSE = 2.0**27  # shares are split there: sums of the upper halves are exact


@dataclass(frozen=True)
class GroundTruth:
    """Reference events, merged, and the files that they stand in; made by :meth:`of`.

    Attributes:
        events: without those of length zero; sorted by file, class and onset.
        durations: seconds of each file, float64 (files,).
        counts: events of each class, int64 (classes,).
        seconds: summed length of each class' events, float64 (classes,).
    """

    events: Events
    durations: np.ndarray
    counts: np.ndarray
    seconds: np.ndarray

    @classmethod
    def of(cls, events: Events, *, durations: np.ndarray, class_count: int) -> "GroundTruth":
        """Merge overlaps (:meth:`Events.merged`) and count.

        Args:
            events: reference events; files without any are welcome.
            durations: seconds of every file that is scored (files,).
            class_count: number of classes.

        Raises:
            DataError: when no file lasts longer than 0 s, a duration is no finite number from 0 on,
                or events name files or classes that are not there.
        """
        durations = np.asarray(durations, dtype=np.float64)
        if durations.ndim != 1 or not np.all(np.isfinite(durations) & (durations >= 0)):
            raise DataError("durations of files must be numbers of seconds from 0 on")
        if not durations.sum() > 0:
            raise DataError("no file with a duration above 0 s, so there is nothing to score")
        for indices, count, name in (
            (events.files, len(durations), "files"),
            (events.classes, class_count, "classes"),
        ):
            if indices.size and indices.max() >= count:
                raise DataError(f"ground truth names {name} up to {indices.max()} of {count}")
        events = events.merged()[0]
        events = events.taken(events.offsets > events.onsets)
        lengths = events.offsets - events.onsets
        return cls(
            events=events,
            durations=durations,
            counts=np.bincount(events.classes, minlength=class_count),
            seconds=np.bincount(events.classes, weights=lengths, minlength=class_count),
        )

    @property
    def class_count(self) -> int:
        """Number of classes, those without events included."""
        return len(self.counts)


@dataclass(frozen=True)
class Matches:
    """Detections and every pair of a detection and an event that intersect.

    Attributes:
        truth: the ground truth.
        table_count: number of detection tables.
        tables: the table of each detection, int64 (detections,).
        files: its file, int64 (detections,).
        classes: its class, int64 (detections,).
        inside: whether it touches its file, bool (detections,).
        pair_detections: index of the detection of each pair (pairs,), ascending.
        pair_events: index of the ground truth's event (pairs,).
        detection_shares: seconds in common / length of the detection, float64 (pairs,).
        event_shares: seconds in common / length of the event, float64 (pairs,).
        same: whether the two are of one class, bool (pairs,).
    """

    truth: GroundTruth
    table_count: int
    tables: np.ndarray
    files: np.ndarray
    classes: np.ndarray
    inside: np.ndarray
    pair_detections: np.ndarray
    pair_events: np.ndarray
    detection_shares: np.ndarray
    event_shares: np.ndarray
    same: np.ndarray

    @classmethod
    def of(cls, tables: Sequence[Events], truth: GroundTruth) -> "Matches":
        """Intersect detection tables with the ground truth.

        Args:
            tables: detections of each threshold; overlaps within a class are merged.
            truth: the ground truth.

        Raises:
            DataError: when detections name files or classes that the ground truth has not.
        """
        merged = [table.merged()[0] for table in tables]
        numbers = np.repeat(np.arange(len(merged)), [len(table) for table in merged])
        return cls.of_detections(_joined(merged), truth, tables=numbers, table_count=len(merged))

    @classmethod
    def of_detections(
        cls,
        detections: Events,
        truth: GroundTruth,
        *,
        tables: np.ndarray | None = None,
        table_count: int = 1,
    ) -> "Matches":
        """Intersect detections as they are with the ground truth, in any order, nothing merged.

        Args:
            detections: of all tables; those of length zero are an error here.
            truth: the ground truth.
            tables: table of each detection (detections,); None: one table, lengths zero allowed
                nowhere.
            table_count: number of tables.

        Raises:
            DataError: when detections name files or classes that the ground truth has not.
        """
        for indices, count, name in (
            (detections.files, len(truth.durations), "files"),
            (detections.classes, truth.class_count, "classes"),
        ):
            if indices.size and indices.max() >= count:
                raise DataError(f"detections name {name} up to {indices.max()} of {count}")
        tables = np.zeros(len(detections), dtype=np.int64) if tables is None else tables
        lasting = detections.offsets > detections.onsets
        if not lasting.all():
            detections, tables = detections.taken(lasting), tables[lasting]
        events = truth.events
        of, to = _intersecting(detections, events)
        onsets = np.maximum(detections.onsets[of], events.onsets[to])
        seconds = np.minimum(detections.offsets[of], events.offsets[to]) - onsets
        durations = truth.durations[detections.files]
        return cls(
            truth=truth,
            table_count=table_count,
            tables=tables,
            files=detections.files,
            classes=detections.classes,
            inside=(detections.onsets < durations) & (detections.offsets > 0) & (durations > 0),
            pair_detections=of,
            pair_events=to,
            detection_shares=seconds / (detections.offsets - detections.onsets)[of],
            event_shares=seconds / (events.offsets - events.onsets)[to],
            same=detections.classes[of] == events.classes[to],
        )
