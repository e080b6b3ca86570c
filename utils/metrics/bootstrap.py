"""Bootstrap confidence intervals of scores whose totals add up over units."""

from collections.abc import Callable

import numpy as np

DRAWS_AT_ONCE = 4_000_000  # bounds the memory of the weight matrix to 32 MB


def bootstrap_intervals(
    *,
    totals: np.ndarray,
    scores_of: Callable[[np.ndarray], dict[str, np.ndarray]],
    resamples: int,
    rng: np.random.Generator,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals by resampling whole units with replacement.

    Clips of one location are alike, so drawing single clips makes intervals too narrow: draw the
    locations. A resample is told by how often it holds each unit; its totals are then one matrix
    product, which makes a thousand resamples cheap. Reference: B. Efron and R. Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).

    Args:
        totals: statistics that add up over units (units, ...).
        scores_of: gives named scores (resamples,) of summed totals (resamples, ...).
        resamples: number of resamples; 0 gives no intervals.
        rng: source of randomness; the same state gives the same intervals.
        level: share of the resamples within an interval.

    Returns:
        Score name to (low, high); resamples for which a score is NaN do not count, and a score that
        is NaN for all of them is left out.

    Raises:
        ValueError: for no units, a negative number of resamples, or a level outside (0, 1).
    """
    units = len(totals)
    if units == 0 or resamples < 0 or not 0.0 < level < 1.0:
        raise ValueError(
            f"some units, resamples >= 0 and a level in (0, 1) are needed, "
            f"received {units}, {resamples}, {level}"
        )
    if resamples == 0:
        return {}
    flat = np.asarray(totals, dtype=np.float64).reshape(units, -1)
    sums = np.concatenate(
        [
            unit_counts(units=units, resamples=count, rng=rng) @ flat
            for count in _block_lengths(resamples, max(1, DRAWS_AT_ONCE // units))
        ]
    )
    scores = scores_of(sums.reshape(resamples, *np.shape(totals)[1:]))
    tail = (1.0 - level) / 2.0
    intervals = {}
    for name, values in scores.items():
        known = values[~np.isnan(values)]
        if known.size:
            low, high = np.quantile(known, [tail, 1.0 - tail])
            intervals[name] = (float(low), float(high))
    return intervals


def unit_counts(*, units: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw resamples of all units with replacement and count the units in each.

    Args:
        units: number of units, which is also the number of draws in a resample.
        resamples: number of resamples.
        rng: source of randomness.

    Returns:
        float64 (resamples, units); each row sums to ``units``.
    """
    draws = rng.integers(units, size=(resamples, units))
    draws += np.arange(resamples)[:, np.newaxis] * units
    counts = np.bincount(draws.ravel(), minlength=resamples * units)
    return counts.reshape(resamples, units).astype(np.float64)


def _block_lengths(total: int, longest: int) -> list[int]:
    """Split ``total`` into parts of at most ``longest``."""
    return [min(longest, total - start) for start in range(0, total, longest)]
