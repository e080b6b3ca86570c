"""From rates of each class to the PSD-ROC and its area, whatever the rates were counted from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.metrics.intersection import GroundTruth

HOUR = 3600.0


@dataclass(frozen=True)
class Scenario:
    """What a PSDS asks of a system (Bilen et al. 2020, sections 3 and 4).

    Attributes:
        dtc: detection tolerance criterion, ρ_DTC.
        gtc: ground truth intersection criterion, ρ_GTC.
        cttc: cross-trigger tolerance criterion, ρ_CTTC; needed where ``alpha_ct`` is above 0.
        alpha_ct: weight of cross-triggers in the effective false positive rate, α_CT.
        alpha_st: weight of the spread over classes in the effective true positive rate, α_ST.
        max_efpr: effective false positives per hour up to which the area is taken, e_max.
        all_classes: the cross-trigger term is divided by the number of classes, not by that of the
            other classes: what psds_eval 0.3 did, with which the results of 2021 were published.

    Raises:
        ValueError: for a value out of range, or cross-triggers without their criterion.
    """

    dtc: float
    gtc: float
    cttc: float | None = None
    alpha_ct: float = 0.0
    alpha_st: float = 0.0
    max_efpr: float = 100.0
    all_classes: bool = False

    def __post_init__(self) -> None:
        shares = [self.dtc, self.gtc, self.alpha_ct, 0.0 if self.cttc is None else self.cttc]
        if not all(0.0 <= share <= 1.0 for share in shares):
            raise ValueError(f"criteria and alpha_ct within 0 and 1 are needed, received {self}")
        if not (self.alpha_st >= 0.0 and 0.0 < self.max_efpr < np.inf):
            raise ValueError(f"alpha_st >= 0 and a finite max_efpr > 0 are needed, received {self}")
        if self.alpha_ct > 0.0 and self.cttc is None:
            raise ValueError(f"cross-triggers need their criterion cttc, received {self}")

    @property
    def counted(self) -> float | None:
        """Cross-trigger criterion where cross-triggers count, else None."""
        return self.cttc if self.alpha_ct > 0.0 else None


SCENARIOS = {  # DCASE 2021 task 4: reacting fast; not confusing classes
    "psds_scenario1": Scenario(dtc=0.7, gtc=0.7, alpha_st=1.0),
    "psds_scenario2": Scenario(dtc=0.1, gtc=0.1, cttc=0.3, alpha_ct=0.5, alpha_st=1.0),
}


@dataclass(frozen=True)
class Psds:
    """A polyphonic sound detection score and the curves that it is the area of.

    Curves are staircases: a value holds from its rate to the next one, the last to ``max_efpr``.
    Classes without ground truth are NaN and count nowhere.

    Attributes:
        value: PSDS, from 0 to 1; NaN where no class has ground truth.
        per_class: area under each class' own curve to ``max_efpr``, divided by it, (classes,).
        rates: effective false positives per hour, ascending from 0, below ``max_efpr`` (points,).
        class_ratios: true positive ratio of each class at these rates, (classes, points).
        effective: effective true positive ratio, mean - alpha_st * deviation, (points,).
        max_efpr: where the curves end.
    """

    value: float
    per_class: np.ndarray
    rates: np.ndarray
    class_ratios: np.ndarray
    effective: np.ndarray
    max_efpr: float


def effective_rates(
    false: np.ndarray,
    crossed: np.ndarray | None,
    *,
    seconds: np.ndarray,
    total: float,
    scenario: Scenario,
) -> np.ndarray:
    """Effective false positives per hour of operating points.

    eFPR_c = FPR_c + α_CT · mean over the other classes k of CTR_c,k, where FPR is per hour of
    audio and CTR per hour of ground truth of k. Classes without ground truth are no other classes.

    Args:
        false: false positives of a class or several (...,).
        crossed: their cross-triggers on each class (..., classes), 0 on the own class; None where
            α_CT is 0.
        seconds: summed length of each class' ground truth (classes,); 0 without any.
        total: seconds of audio.
        scenario: the weights.

    Returns:
        float64 (...,).
    """
    rates = false * HOUR / total
    present = seconds > 0
    others = np.count_nonzero(present) - (0 if scenario.all_classes else 1)
    if crossed is None or others < 1:
        return rates
    hourly = crossed[..., present] * HOUR / seconds[present]
    return rates + scenario.alpha_ct * (hourly.sum(axis=-1) / others)


def psd_roc(curves: Sequence[tuple[np.ndarray, np.ndarray]], scenario: Scenario) -> Psds:
    """Bring the classes' operating points to curves, their mean and spread, and the area.

    The curve of a class is the best ratio at no higher rate, from the point (0, 0) on: a staircase
    without interpolation. eTPR = max(0, mean - α_ST · standard deviation over classes), and PSDS is
    its area up to e_max, divided by e_max.

    Args:
        curves: for each class ratios and rates of its operating points, each (points,), in any
            order; NaN ratios of a class without ground truth.
        scenario: the weights and e_max.
    """
    limit = scenario.max_efpr
    steps = [_frontier(ratios, rates, limit) for ratios, rates in curves]
    rates = np.unique(np.concatenate([[0.0], *(own for _, own in steps)]))
    class_ratios = np.full((len(steps), len(rates)), np.nan)
    for row, (ratios, own) in zip(class_ratios, steps, strict=True):
        if len(own):
            row[:] = ratios[np.searchsorted(own, rates, side="right") - 1]
    known = class_ratios[[len(own) > 0 for _, own in steps]]
    if len(known):
        spread = scenario.alpha_st * known.std(axis=0)
        effective = np.maximum(known.mean(axis=0) - spread, 0.0)
    else:
        effective = np.full(len(rates), np.nan)
    widths = np.diff(rates, append=limit) / limit
    return Psds(
        value=float(effective @ widths),
        per_class=class_ratios @ widths,
        rates=rates,
        class_ratios=class_ratios,
        effective=effective,
        max_efpr=limit,
    )


def present_classes(truth: GroundTruth) -> np.ndarray:
    """Indices of the classes that have ground truth."""
    return np.flatnonzero(truth.counts > 0)


def _frontier(ratios: np.ndarray, rates: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Operating points that are better than all at no higher rate, by rate, (0, 0) included.

    Both empty for a class without ground truth.
    """
    if np.isnan(ratios).any():
        return np.zeros(0), np.zeros(0)
    below = rates < limit
    ratios, rates = np.append(ratios[below], 0.0), np.append(rates[below], 0.0)
    order = np.lexsort((-ratios, rates))
    best = np.maximum.accumulate(ratios[order])
    steps = order[np.diff(best, prepend=-1.0) > 0]
    return ratios[steps], rates[steps]
