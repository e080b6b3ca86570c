"""Scores of detected sound events: PSDS of two scenarios and three F1 scores, overall and by class.

Two ways lead here. Detection tables of any system, one for each threshold (:func:`score_tables`):
PSDS is then that of these operating points, as the challenge of 2021 took it with 50. Scores of
frames or of events, with all their thresholds (:func:`score_events`): PSDS is then exact, and that
of 50 thresholds stands beside it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from utils.errors import DataError
from utils.events import Events
from utils.files import or_none
from utils.metrics.bootstrap import bootstrap_intervals
from utils.metrics.candidates import Candidates
from utils.metrics.events import event_counts, f1_scores, segment_counts
from utils.metrics.intersection import GroundTruth, intersection_counts
from utils.metrics.psds import psds_of_tables, psds_of_totals, psds_totals
from utils.metrics.psds_exact import psds_exact
from utils.metrics.psds_roc import SCENARIOS, Psds, Scenario

THRESHOLDS = tuple((2 * number + 1) / 100 for number in range(50))
"""0.01, 0.03 ... 0.99: those of the challenge of 2021."""
HALF = 0.5  # the threshold whose table gives the F1 scores
FIFTY = "_50"  # behind the name of a score: of THRESHOLDS, where the score itself is exact
AS_OF_2021 = {"psds_scenario2_2021": replace(SCENARIOS["psds_scenario2"], all_classes=True)}
"""PSDS of scenario 2 with the mean over cross-triggers that the published figures of 2021 have."""
CURVE_POINTS = 201  # of a PSD-ROC as it is kept: every half of a false positive an hour

Totals = tuple[np.ndarray, Callable[[np.ndarray], dict[str, np.ndarray]]]
"""What adds up over files, and the scores of its sums by name."""


@dataclass(frozen=True)
class EventScores:
    """Scores of detected events. All are shares (0 to 1); None marks an empty cell.

    Attributes:
        classes: class names.
        clips: number of files, those without events included.
        seconds: of audio; false positives are counted per hour of it.
        overall: psds_scenario1, psds_scenario2; event_f1_macro (collars of 0.2 s, 20 % of the
            length for offsets), intersection_f1_macro (half of each must be covered) and
            segment_f1_macro (of 1 s), means over the classes that have events;
            psds_scenario2_2021, of tables: cross-triggers divided by the number of all classes.
            Where PSDS is exact, psds_scenario1_50 and psds_scenario2_50 too.
        intervals: 95 % bootstrap intervals (low, high) of the overall scores but
            psds_scenario2_2021, resampled by file; empty when resampling is off. That of an exact
            PSDS is approximate, see :func:`score_events`.
        per_class: class -> psds_scenario1, psds_scenario2 (area under its own curve), event_f1,
            intersection_f1, segment_f1, events (of the ground truth).
        tables: number of operating points; None where PSDS is exact.
        f1_threshold: threshold of the table that the F1 scores are of; None where the detections
            came as they are.
        roc: scenario -> rates (effective false positives per hour), effective (true positive ratio
            at these rates) and classes (true positive ratio of each class): the PSD-ROC, thinned.
    """

    classes: tuple[str, ...]
    clips: int
    seconds: float
    overall: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_class: dict[str, dict[str, Any]]
    tables: int | None
    f1_threshold: float | None
    roc: dict[str, dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Give the scores as plain data for results.json."""
        return {
            "overall": {name: or_none(score) for name, score in self.overall.items()},
            "intervals": {name: list(pair) for name, pair in self.intervals.items()},
            "per_class": self.per_class,
            "tables": self.tables,
            "f1_threshold": self.f1_threshold,
            "clips": self.clips,
            "seconds": self.seconds,
            "classes": list(self.classes),
            "roc": self.roc,
        }


def score_tables(
    tables: Mapping[float, Events],
    truth: GroundTruth,
    *,
    classes: Sequence[str],
    bootstrap: int = 1000,
    seed: int = 0,
) -> EventScores:
    """Score detection tables, each of which is one operating point.

    The F1 scores are those of the table whose threshold is nearest to 0.5, of two equally near the
    lower: of the usual 0.01, 0.03 ... 0.99 that of 0.49.

    Args:
        tables: detections by threshold; overlaps within a class are merged.
        truth: the ground truth of all files.
        classes: names in the order of the class indices.
        bootstrap: resamples of the files for the intervals; 0 turns them off.
        seed: of the resampling.

    Raises:
        DataError: for no table, or detections of files or classes that the ground truth has not.
        ValueError: for another number of classes than the ground truth has.
    """
    if not tables:
        raise DataError("there is no detection table; at least one threshold is needed to score")
    _require_classes(classes, truth)
    threshold = nearest_threshold(tables)
    ordered = [tables[key] for key in sorted(tables)]
    psds = psds_of_tables(ordered, truth, {**SCENARIOS, **AS_OF_2021})
    counts = _f1_counts(tables[threshold], truth)
    totals = (*_psds_totals(ordered, truth), *_f1_totals(counts)) if bootstrap else ()
    return EventScores(
        classes=tuple(classes),
        clips=len(truth.durations),
        seconds=float(truth.durations.sum()),
        overall=_overall(psds, counts),
        intervals=_intervals(totals, bootstrap=bootstrap, seed=seed),
        per_class=_class_cells(psds, counts, truth, classes),
        tables=len(tables),
        f1_threshold=float(threshold),
        roc=_curves(psds, classes),
    )


def score_events(
    candidates: Candidates,
    detections: Events,
    truth: GroundTruth,
    *,
    classes: Sequence[str],
    bootstrap: int = 1000,
    seed: int = 0,
) -> EventScores:
    """Score events of all thresholds: exact PSDS, F1 scores of the events that were decided for.

    An exact PSDS of a thousand resamples would take minutes. Its interval is that of the PSDS of 50
    thresholds, moved by the difference of the two on all files: as if 50 thresholds missed as
    much in every resample. On 300 clips of ten classes its ends lay within 0.006 of those of 200
    exact resamples, where the intervals were 0.07 and 0.08 wide.

    Args:
        candidates: of frame scores (after the median filter) or of scored events; scores lie
            between 0 and 1.
        detections: of the thresholds that were chosen, one or one for each class.
        truth: the ground truth of all files.
        classes: names in the order of the class indices.
        bootstrap: resamples of the files for the intervals; 0 turns them off.
        seed: of the resampling.

    Raises:
        DataError: for candidates or detections of files or classes that the ground truth has not.
        ValueError: for another number of classes than the ground truth has.
    """
    _require_classes(classes, truth)
    exact = psds_exact(candidates, truth, SCENARIOS)
    tables = [candidates.at(threshold) for threshold in THRESHOLDS]
    of_tables = psds_of_tables(tables, truth, {**SCENARIOS, **AS_OF_2021})
    counts = _f1_counts(detections, truth)
    totals = (*_psds_totals(tables, truth, suffix=FIFTY), *_f1_totals(counts)) if bootstrap else ()
    intervals = _intervals(totals, bootstrap=bootstrap, seed=seed)
    for name in SCENARIOS:
        if name + FIFTY in intervals:
            missed = exact[name].value - of_tables[name].value
            low, high = (min(max(bound + missed, 0), 1) for bound in intervals[name + FIFTY])
            intervals[name] = (float(low), float(high))
    beside = {name + FIFTY: of_tables[name] for name in SCENARIOS}
    beside |= {name: of_tables[name] for name in AS_OF_2021}
    return EventScores(
        classes=tuple(classes),
        clips=len(truth.durations),
        seconds=float(truth.durations.sum()),
        overall=_overall({**exact, **beside}, counts),
        intervals=intervals,
        per_class=_class_cells(exact, counts, truth, classes),
        tables=None,
        f1_threshold=None,
        roc=_curves(exact, classes),
    )


def nearest_threshold(thresholds: Iterable[float]) -> float:
    """The threshold nearest to 0.5; of two equally near the lower.

    >>> nearest_threshold([0.1, 0.49, 0.51])
    0.49
    """
    return min(thresholds, key=lambda each: (round(abs(each - HALF), 9), each))


def _require_classes(classes: Sequence[str], truth: GroundTruth) -> None:
    if len(classes) != truth.class_count:
        raise ValueError(f"{truth.class_count} names of classes are needed, received {classes}")


def _f1_counts(detections: Events, truth: GroundTruth) -> dict[str, np.ndarray]:
    """Counts (files, classes, 3) of each kind of F1."""
    shape = {"file_count": len(truth.durations), "class_count": truth.class_count}
    return {
        "event_f1": event_counts(detections, truth.given, **shape),
        "intersection_f1": intersection_counts(detections, truth),
        "segment_f1": segment_counts(detections, truth.events, **shape),
    }


def _overall(psds: Mapping[str, Psds], counts: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The scores of both scenarios, the F1 scores, then what stands beside."""
    f1 = {
        f"{kind}_macro": float(f1_scores(each.sum(axis=0))["f1_macro"])
        for kind, each in counts.items()
    }
    main = {name: psds[name].value for name in SCENARIOS}
    return main | f1 | {name: each.value for name, each in psds.items() if name not in main}


def _class_cells(
    psds: Mapping[str, Psds],
    counts: Mapping[str, np.ndarray],
    truth: GroundTruth,
    classes: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """What is known of each class."""
    columns = {name: psds[name].per_class for name in SCENARIOS}
    columns |= {kind: f1_scores(each.sum(axis=0))["f1"] for kind, each in counts.items()}
    return {
        label: {
            **{name: or_none(values[number]) for name, values in columns.items()},
            "events": int(truth.counts[number]),
        }
        for number, label in enumerate(classes)
    }


def _psds_totals(tables: Sequence[Events], truth: GroundTruth, *, suffix: str = "") -> list[Totals]:
    """What the PSDS of both scenarios is resampled from."""

    def scores_of(name: str, scenario: Scenario) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        return lambda sums: {name + suffix: psds_of_totals(sums, scenario)}

    return [
        (psds_totals(tables, truth, scenario), scores_of(name, scenario))
        for name, scenario in SCENARIOS.items()
    ]


def _f1_totals(counts: Mapping[str, np.ndarray]) -> list[Totals]:
    """What the F1 scores are resampled from."""

    def scores_of(kind: str) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        return lambda sums: {f"{kind}_macro": f1_scores(sums)["f1_macro"]}

    return [(each, scores_of(kind)) for kind, each in counts.items()]


def _intervals(
    totals: Iterable[Totals], *, bootstrap: int, seed: int
) -> dict[str, tuple[float, float]]:
    """Intervals of all scores, each from the same resamples of the files."""
    intervals: dict[str, tuple[float, float]] = {}
    for each, scores_of in totals:
        rng = np.random.default_rng(seed)
        intervals |= bootstrap_intervals(
            totals=each, scores_of=scores_of, resamples=bootstrap, rng=rng
        )
    return intervals


def _curves(psds: Mapping[str, Psds], classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The staircases of both scenarios, read off at rates that lie equally far apart."""
    curves = {}
    for name in SCENARIOS:
        score = psds[name]
        rates = np.linspace(0.0, score.max_efpr, CURVE_POINTS)
        places = np.searchsorted(score.rates, rates, side="right") - 1
        curves[name] = {
            "rates": rates.tolist(),
            "effective": _rounded(score.effective[places]),
            "classes": {
                label: _rounded(ratios[places])
                for label, ratios in zip(classes, score.class_ratios, strict=True)
            },
        }
    return curves


def _rounded(ratios: np.ndarray) -> list[float | None]:
    """Plain numbers as exact as a picture shows them."""
    return [or_none(ratio) for ratio in ratios.round(5)]
