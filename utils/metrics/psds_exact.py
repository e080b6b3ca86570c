"""PSDS over all thresholds: no grid of operating points, nothing missed between two of them.

J. Ebbers, R. Haeb-Umbach and R. Serizel, Threshold Independent Evaluation of Sound Event Detection
Scores, ICASSP 2022 (arXiv 2201.13148). Whether a candidate is accepted, false or a cross-trigger
does not depend on the threshold, only whether it exists does; so each is judged once, and counts
are sums of what appears and disappears as the threshold falls.
"""

from collections.abc import Mapping

import numpy as np

from utils.metrics.candidates import Candidates
from utils.metrics.intersection import GroundTruth, Matches
from utils.metrics.psds_roc import (
    Psds,
    Scenario,
    effective_rates,
    present_classes,
    psd_roc,
)

TOLERANCE = 1e-9  # by which a share may miss its criterion: edges of frames are rounded
UNIT = 2.0**40  # shares as integers: what appears and disappears leaves nothing behind


def psds_exact(
    candidates: Candidates, truth: GroundTruth, scenarios: Mapping[str, Scenario]
) -> dict[str, Psds]:
    """PSDS over every threshold that the scores tell apart.

    Args:
        candidates: of frame scores (after the median filter) or of scored events.
        truth: the ground truth of all files.
        scenarios: what is asked, by name (``psds_roc.SCENARIOS``); intersections are shared.

    Returns:
        The score of each scenario.

    Raises:
        DataError: when candidates name files or classes that the ground truth has not.
    """
    nothing = np.full(1, np.nan), np.zeros(1)
    curves = {name: [nothing] * truth.class_count for name in scenarios}
    for number in present_classes(truth):
        own = candidates.taken(candidates.events.classes == number)
        own = own.taken(own.events.offsets > own.events.onsets)
        matches = Matches.of_detections(own.events, truth)
        for name, scenario in scenarios.items():
            curves[name][number] = _curve(int(number), own, matches, scenario)
    return {name: psd_roc(curves[name], scenario) for name, scenario in scenarios.items()}


def _curve(
    number: int, candidates: Candidates, matches: Matches, scenario: Scenario
) -> tuple[np.ndarray, np.ndarray]:
    """Ratio and effective rate of one class at each threshold where anything changes."""
    truth = matches.truth
    accepted = matches.accepted(dtc=scenario.dtc, tolerance=TOLERANCE)
    changes = [_found(candidates, matches, accepted, scenario.gtc)]
    changes.append(_alive(candidates, np.flatnonzero(~accepted & matches.inside)))
    if scenario.counted is not None:
        of, others = matches.crossing(accepted, cttc=scenario.counted, tolerance=TOLERANCE)
        changes += [_alive(candidates, of[others == each]) for each in present_classes(truth)]
    sums = _running(changes)
    crossed = None
    if scenario.counted is not None:
        crossed = np.zeros((len(sums), truth.class_count))
        crossed[:, truth.counts > 0] = sums[:, 2:]
    total = float(truth.durations.sum())
    rates = effective_rates(
        sums[:, 1], crossed, seconds=truth.seconds, total=total, scenario=scenario
    )
    return sums[:, 0] / truth.counts[number], rates


def _alive(candidates: Candidates, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds at which candidates appear (+1) and disappear (-1) as the threshold falls."""
    highs, lows = candidates.highs[which], candidates.lows[which]
    lows = lows[np.isfinite(lows)]
    return np.append(highs, lows), np.repeat([1, -1], [len(highs), len(lows)])


def _found(
    candidates: Candidates, matches: Matches, accepted: np.ndarray, gtc: float
) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds below which an event is found (+1) or no longer found (-1)."""
    pairs = np.flatnonzero(matches.same & accepted[matches.pair_detections])
    of = matches.pair_detections[pairs]
    shares = np.round(matches.event_shares[pairs] * UNIT).astype(np.int64)
    ends = np.isfinite(candidates.lows[of])
    events = np.append(matches.pair_events[pairs], matches.pair_events[pairs][ends])
    thresholds = np.append(candidates.highs[of], candidates.lows[of][ends])
    changes = np.append(shares, -shares[ends])
    order = np.lexsort((-thresholds, events))
    events, thresholds = events[order], thresholds[order]
    covered = np.cumsum(changes[order])
    first = np.diff(events, prepend=-1) != 0  # of its event
    covered -= np.append(0, covered)[np.flatnonzero(first)][np.cumsum(first) - 1]
    last = np.append((np.diff(events) != 0) | (np.diff(thresholds) != 0), True)[: len(events)]
    events, thresholds, covered = events[last], thresholds[last], covered[last]
    found = (covered >= np.ceil((gtc - TOLERANCE) * UNIT)) & (covered > 0)
    before = np.append(False, found)[:-1] & (np.diff(events, prepend=-1) == 0)
    steps = found.astype(np.int64) - before
    return thresholds[steps != 0], steps[steps != 0]


def _running(changes: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Sums of several kinds of changes from the highest threshold down, (thresholds, kinds)."""
    every = np.concatenate([thresholds for thresholds, _ in changes])
    distinct, places = np.unique(-every, return_inverse=True)
    ends = np.cumsum([len(thresholds) for thresholds, _ in changes])[:-1]
    sums = [
        np.bincount(where, weights=steps, minlength=len(distinct))
        for where, (_, steps) in zip(np.split(places, ends), changes, strict=True)
    ]
    return np.cumsum(np.stack(sums, axis=1), axis=0)
