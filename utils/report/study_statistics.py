"""Statistics over the seeds of a study: means, paired differences, Student's interval, ratios."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

CONFIDENCE = 0.95
Verdict = Literal["better", "worse", "open", "single"]


def t_factor(n: int) -> float:
    """Half of a mean's 95 % interval, in standard deviations of the values (Student 1908).

    Args:
        n: number of the values, at least 2; the deviation is that of n - 1.
    """
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) / math.sqrt(n)


@dataclass(frozen=True)
class Spread:
    """Mean over seeds, and standard deviation (n - 1); None of one."""

    mean: float
    deviation: float | None
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """Of values; None without any."""
        known = list(values)
        if not known:
            return None
        deviation = statistics.stdev(known) if len(known) > 1 else None
        return cls(statistics.fmean(known), deviation, len(known))


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences with its 95 % interval; None of one pair."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @classmethod
    def of(cls, one: Mapping[int, float], other: Mapping[int, float]) -> "Difference | None":
        """One minus the other, seed by seed, with Student's t interval of n - 1 degrees of freedom.

        Args:
            one: values by seed.
            other: the same; seeds that only one of them has are left out.

        Returns:
            None without a seed that both have.
        """
        spread = Spread.of(one[seed] - other[seed] for seed in one if seed in other)
        if spread is None:
            return None
        if spread.deviation is None:
            return cls(spread.mean, None, None, spread.n)
        half = t_factor(spread.n) * spread.deviation
        return cls(spread.mean, spread.mean - half, spread.mean + half, spread.n)

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

    def favours(self, mode: str) -> bool:
        """Whether the first is better in the mean, where ``min`` or ``max`` is better."""
        return self.mean < 0 if mode == "min" else self.mean > 0

    def verdict(self, mode: str) -> Verdict:
        """What the first is to the other.

        Args:
            mode: ``min`` or ``max``: which way values are better.

        Returns:
            ``better`` or ``worse`` by an interval that leaves 0 out, ``open`` where it does not,
            ``single`` of one pair, which has no interval.
        """
        if self.low is None:
            return "single"
        if not self.is_clear:
            return "open"
        return "better" if self.favours(mode) else "worse"


def ratio(one: Mapping[int, float], base: Mapping[int, float]) -> float | None:
    """Mean of one as a share of the mean of the other, over the seeds that both have.

    Args:
        one: values by seed.
        base: the same.

    Returns:
        None without a seed that both have, and unless both means are above 0.
    """
    seeds = [seed for seed in one if seed in base]
    over, under = (mean_of(values[seed] for seed in seeds) for values in (one, base))
    if over is None or under is None or min(over, under) <= 0:
        return None
    return over / under


def finite_or_none(value: float) -> float | None:
    """A number; None for what is none, and for infinity."""
    return value if math.isfinite(value) else None


def mean_of(values: Iterable[float]) -> float | None:
    """Mean; None without values, and where one is no number."""
    known = list(values)
    return finite_or_none(statistics.fmean(known)) if known else None


def median_of(values: Iterable[float]) -> float | None:
    """Median of the values that are numbers; None without any."""
    finite: Sequence[float] = [value for value in values if math.isfinite(value)]
    return float(np.median(finite)) if finite else None
