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
miss it by the last bit of a float. With ``tolerance`` 0 they are compared as they are, which is
what the package ``psds_eval`` does; sums of shares are rounded once, whatever their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.errors import DataError
from utils.events import Events

COARSE = 2.0**27  # shares are split there: sums of the upper halves are exact


@dataclass(frozen=True)
class GroundTruth:
    """Reference events, merged, and the files that they stand in; made by :meth:`of`.

    Attributes:
        events: without those of length zero; sorted by file, class and onset.
        given: the same before they were merged, for scores that do not merge.
        durations: seconds of each file, float64 (files,).
        counts: events of each class, int64 (classes,).
        seconds: summed length of each class' events, float64 (classes,).
    """

    events: Events
    given: Events
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
        given, events = events, events.merged()[0]
        events = events.taken(events.offsets > events.onsets)
        lengths = events.offsets - events.onsets
        return cls(
            events=events,
            given=given,
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
        """Intersect detections as they are, nothing merged, with the ground truth.

        Args:
            detections: of all tables, in any order; those of length zero are left out.
            truth: the ground truth.
            tables: table of each detection (detections,); None: all of one table.
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

    def accepted(self, *, dtc: float, tolerance: float = 0.0) -> np.ndarray:
        """Which detections reach the detection tolerance criterion, bool (detections,)."""
        pairs = np.flatnonzero(self.same)
        of = self.pair_detections[pairs]
        return _reaching(of, self.detection_shares[pairs], len(self.classes), dtc - tolerance)

    def crossing(
        self, accepted: np.ndarray, *, cttc: float, tolerance: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cross-triggers: detections that are not accepted and lie in events of another class.

        Args:
            accepted: bool (detections,) of :meth:`accepted`.
            cttc: share of the detection that the other class must cover.
            tolerance: by how much it may be missed.

        Returns:
            Index of the detection and of the other class, each int64 (cross-triggers,); a
            detection may trigger several classes.
        """
        pairs = np.flatnonzero(~self.same & ~accepted[self.pair_detections])
        of, class_count = self.pair_detections[pairs], self.truth.class_count
        others = self.truth.events.classes[self.pair_events[pairs]]
        involved, local = _numbered(of, len(self.classes))
        cells = local * class_count + others
        shares = self.detection_shares[pairs]
        hits = np.flatnonzero(
            _reaching(cells, shares, len(involved) * class_count, cttc - tolerance)
        )
        return involved[hits // class_count], hits % class_count

    def found(
        self, accepted: np.ndarray, *, gtc: float, tolerance: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Events that reach the ground truth intersection criterion, table by table.

        Args:
            accepted: bool (detections,) of :meth:`accepted`.
            gtc: share of the event that accepted detections of its class must cover.
            tolerance: by how much it may be missed.

        Returns:
            Index of the table and of the event, each int64 (found events,).
        """
        pairs = np.flatnonzero(self.same & accepted[self.pair_detections])
        events = len(self.truth.events)
        cells = self.tables[self.pair_detections[pairs]] * events + self.pair_events[pairs]
        shares = self.event_shares[pairs]
        hits = np.flatnonzero(_reaching(cells, shares, self.table_count * events, gtc - tolerance))
        return np.divmod(hits, max(events, 1))


@dataclass(frozen=True)
class Counts:
    """What was found and what was not; the first axis is a unit: all files, or each file.

    Attributes:
        found: true positives, int64 (units, tables, classes).
        false: false positives, int64 (units, tables, classes).
        crossed: cross-triggers, int64 (units, tables, class of the detection, class of the events);
            None where they were not asked for.
    """

    found: np.ndarray
    false: np.ndarray
    crossed: np.ndarray | None


def count(
    matches: Matches,
    *,
    dtc: float,
    gtc: float,
    cttc: float | None = None,
    by_file: bool = False,
    tolerance: float = 0.0,
) -> Counts:
    """Count true positives, false positives and cross-triggers of each table and class.

    Args:
        matches: detections and ground truth.
        dtc: detection tolerance criterion, a share.
        gtc: ground truth intersection criterion, a share.
        cttc: cross-trigger tolerance criterion, a share; None: cross-triggers are not counted.
        by_file: each file is a unit of its own, for the bootstrap; False: one unit.
        tolerance: by how much a share may miss its criterion.
    """
    truth, accepted = matches.truth, matches.accepted(dtc=dtc, tolerance=tolerance)
    units = len(truth.durations) if by_file else 1
    shape = (units, matches.table_count, truth.class_count)
    tables, events = matches.found(accepted, gtc=gtc, tolerance=tolerance)
    files = truth.events.files[events] * by_file
    found = _tally((files, tables, truth.events.classes[events]), shape)
    wrong = np.flatnonzero(~accepted & matches.inside)
    files = matches.files * by_file
    false = _tally((files[wrong], matches.tables[wrong], matches.classes[wrong]), shape)
    if cttc is None:
        return Counts(found=found, false=false, crossed=None)
    of, others = matches.crossing(accepted, cttc=cttc, tolerance=tolerance)
    cells = (files[of], matches.tables[of], matches.classes[of], others)
    return Counts(found=found, false=false, crossed=_tally(cells, (*shape, truth.class_count)))


def intersection_counts(
    detections: Events, truth: GroundTruth, *, dtc: float = 0.5, gtc: float = 0.5
) -> np.ndarray:
    """Counts for the intersection-based F1 of one table (``utils.metrics.events.f1_scores``).

    The cross-trigger criterion has no say: a cross-trigger counts as a false positive whatever its
    class, as in ``psds_eval``'s macro F1. That mean leaves out classes of which nothing was found;
    ours counts them as 0.

    Args:
        detections: of one operating point; overlaps within a class are merged.
        truth: the ground truth.
        dtc: detection tolerance criterion.
        gtc: ground truth intersection criterion.

    Returns:
        int64 (files, classes, 3): true positives, false positives, events that were not found.
    """
    counts = count(Matches.of([detections], truth), dtc=dtc, gtc=gtc, by_file=True)
    shape = (len(truth.durations), truth.class_count)
    present = _tally((truth.events.files, truth.events.classes), shape)
    found, false = counts.found[:, 0], counts.false[:, 0]
    return np.stack([found, false, present - found], axis=-1)


def _joined(tables: Sequence[Events]) -> Events:
    """All events of several lists, one list after the other."""
    blank = Events(*(np.zeros(0, dtype=kind) for kind in (np.int64, np.int64, float, float)))
    parts = tables or [blank]
    return Events(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("files", "classes", "onsets", "offsets")
        )
    )


def _intersecting(detections: Events, events: Events) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a detection and an event with seconds in common: two indices, each (pairs,).

    Within a file the events that may intersect a detection are a run of those sorted by onset:
    from the first by which some offset is after its onset to the last with an onset before its
    offset. The run is looked up on one time axis of all files, which lie more than a second apart
    on it, and a little wider than need be because that axis rounds; then each pair is compared
    exactly.
    """
    blank = np.zeros(0, dtype=np.int64)
    if not len(events) or not len(detections):
        return blank, blank
    order = np.lexsort((events.onsets, events.files))
    times = [each.onsets.min() for each in (detections, events)]
    ends = [each.offsets.max() for each in (detections, events)]
    span = max(ends) - min(times) + 1.0
    begin = events.files[order] * span + events.onsets[order]
    reach = np.maximum.accumulate(events.files[order] * span + events.offsets[order])
    base = detections.files * span
    margin = 8.0 * np.spacing(np.abs([reach[-1], base.max() + span, *times, *ends]).max())
    first = np.searchsorted(reach, base + detections.onsets - margin, side="right")
    last = np.searchsorted(begin, base + detections.offsets + margin, side="left")
    lengths = np.maximum(last - first, 0)
    of = np.repeat(np.arange(len(detections)), lengths)
    starts = np.repeat(first - (np.cumsum(lengths) - lengths), lengths)
    to = order[np.arange(len(of)) + starts]
    meet = detections.onsets[of] < events.offsets[to]
    meet &= events.onsets[to] < detections.offsets[of]
    return of[meet], to[meet]


def _reaching(cells: np.ndarray, shares: np.ndarray, size: int, least: float) -> np.ndarray:
    """Which of ``size`` cells hold some share, and shares that sum to ``least`` or more."""
    coarse = np.round(shares * COARSE) / COARSE
    sums = np.bincount(cells, weights=coarse, minlength=size)
    sums += np.bincount(cells, weights=shares - coarse, minlength=size)
    return (sums >= least) & (sums > 0)


def _numbered(indices: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct indices in ascending order, and the place of each index among them."""
    marked = np.zeros(size, dtype=bool)
    marked[indices] = True
    return np.flatnonzero(marked), (np.cumsum(marked) - 1)[indices]


def _tally(cells: tuple[np.ndarray, ...], shape: tuple[int, ...]) -> np.ndarray:
    """How often each cell is named, int64 of ``shape``."""
    flat = np.ravel_multi_index(cells, shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)
