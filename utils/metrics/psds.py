"""Polyphonic sound detection score (PSDS) from detection tables, one per threshold.

C. Bilen, G. Ferroni, F. Tuveri, J. Azcarreta and S. Krstulovic, A Framework for the Robust
Evaluation of Sound Event Detection, ICASSP 2020 (arXiv 1910.08440). Equal to the package
``psds_eval`` 0.5.3 within 1e-6. A few thresholds miss operating points, so the score is a little
too low (about 3 % with 50); ``utils.metrics.psds_exact`` takes all of them.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from utils.events import Events
from utils.metrics.classification import ratio
from utils.metrics.intersection import GroundTruth, Matches, count
from utils.metrics.psds_roc import Psds, Scenario, effective_rates, psd_roc


def psds_of_tables(
    tables: Sequence[Events],
    truth: GroundTruth,
    scenarios: Mapping[str, Scenario],
    *,
    tolerance: float = 0.0,
) -> dict[str, Psds]:
    """PSDS of detection tables, each of which is one operating point of every class.

    Args:
        tables: detections at each threshold, in any order; overlaps within a class are merged.
        truth: the ground truth of all files.
        scenarios: what is asked, by name (``psds_roc.SCENARIOS``); intersections are shared.
        tolerance: by how much a share may miss its criterion. 0 is what ``psds_eval`` does; where
            truth and detections lie on one grid of times, shares often equal a criterion but for
            rounding, and the 1e-9 of ``psds_exact`` then gives another score.

    Returns:
        The score of each scenario.

    Raises:
        DataError: when detections name files or classes that the ground truth has not.
    """
    matches = Matches.of(tables, truth)
    return {
        name: _score(matches, scenario, tolerance=tolerance) for name, scenario in scenarios.items()
    }


def psds_totals(tables: Sequence[Events], truth: GroundTruth, scenario: Scenario) -> np.ndarray:
    """Statistics of each file that add up to a PSDS, for ``bootstrap.bootstrap_intervals``.

    Args:
        tables: detections at each threshold; overlaps within a class are merged.
        truth: the ground truth of all files.
        scenario: what is asked.

    Returns:
        float64 (files, classes, columns). Columns: events, their seconds, seconds of the file, true
        positives at each table, false positives at each table, and where cross-triggers count
        those at each table on each class.

    Raises:
        DataError: as :func:`psds_of_tables`.
    """
    counts = count(
        Matches.of(tables, truth),
        dtc=scenario.dtc,
        gtc=scenario.gtc,
        cttc=scenario.counted,
        by_file=True,
    )
    shape = (len(truth.durations), truth.class_count)
    cells = truth.events.files * shape[1] + truth.events.classes
    lengths = truth.events.offsets - truth.events.onsets
    columns = [
        np.bincount(cells, minlength=shape[0] * shape[1]).reshape(*shape, 1),
        np.bincount(cells, weights=lengths, minlength=shape[0] * shape[1]).reshape(*shape, 1),
        np.broadcast_to(truth.durations[:, np.newaxis, np.newaxis], (*shape, 1)),
        counts.found.swapaxes(1, 2),
        counts.false.swapaxes(1, 2),
    ]
    if counts.crossed is not None:
        columns.append(counts.crossed.swapaxes(1, 2).reshape(*shape, -1))
    return np.concatenate(columns, axis=-1).astype(np.float64)


def psds_of_totals(totals: np.ndarray, scenario: Scenario) -> np.ndarray:
    """PSDS of sums of :func:`psds_totals` over files.

    Args:
        totals: (resamples, classes, columns), of the same scenario.
        scenario: what is asked.

    Returns:
        float64 (resamples,); NaN for a resample without ground truth.
    """
    classes = totals.shape[1]
    width = 2 if scenario.counted is None else 2 + classes
    tables = (totals.shape[2] - 3) // width
    values = np.empty(len(totals))
    for number, (sums, points) in enumerate(zip(totals[..., :3], totals[..., 3:], strict=True)):
        found, false, rest = np.split(points, [tables, 2 * tables], axis=1)
        crossed = None
        if scenario.counted is not None:
            crossed = rest.reshape(classes, tables, classes).swapaxes(0, 1)
        values[number] = _roc(
            found.T,
            false.T,
            crossed,
            counts=sums[:, 0],
            seconds=sums[:, 1],
            total=float(sums[0, 2]),
            scenario=scenario,
        ).value
    return values


def _score(matches: Matches, scenario: Scenario, *, tolerance: float) -> Psds:
    """Count, rate and integrate one scenario."""
    counts = count(
        matches, dtc=scenario.dtc, gtc=scenario.gtc, cttc=scenario.counted, tolerance=tolerance
    )
    return _roc(
        counts.found[0],
        counts.false[0],
        None if counts.crossed is None else counts.crossed[0],
        counts=matches.truth.counts,
        seconds=matches.truth.seconds,
        total=float(matches.truth.durations.sum()),
        scenario=scenario,
    )


def _roc(
    found: np.ndarray,
    false: np.ndarray,
    crossed: np.ndarray | None,
    *,
    counts: np.ndarray,
    seconds: np.ndarray,
    total: float,
    scenario: Scenario,
) -> Psds:
    """PSDS of counts (tables, classes) and (tables, classes, other classes)."""
    ratios = ratio(found, counts)
    rates = effective_rates(false, crossed, seconds=seconds, total=total, scenario=scenario)
    return psd_roc(list(zip(ratios.T, rates.T, strict=True)), scenario)
