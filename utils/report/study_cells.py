"""How the tables of a study write rates, means, paired differences and numbers of seeds."""

import math
import statistics
from collections.abc import Callable, Iterable

from utils.report.measures import MISSING
from utils.report.study_statistics import Difference, Spread

_DIGITS = 4  # of the usual value of a column
_HUGE = 1e6  # from here on a number is written with an exponent


def rate(value: float | None) -> str:
    """A learning rate as one writes it."""
    return MISSING if value is None else f"{value:g}"


def number(value: float | None, form: str) -> str:
    """A number in a form, a dash where there is none."""
    return MISSING if value is None or not math.isfinite(value) else form.format(value)


def mean_cell(spread: Spread | None, write: Callable[[float], str]) -> str:
    """Mean and standard deviation, ``0.50 ± 0.13``; of one value that alone."""
    if spread is None:
        return MISSING
    more = "" if spread.deviation is None else f" ± {write(spread.deviation)}"
    return f"{write(spread.mean)}{more}"


class Writer:
    """Writes numbers with as many decimals as the usual one of them needs."""

    def __init__(self, decimals: int) -> None:
        self.decimals = decimals

    @classmethod
    def of(cls, values: Iterable[float]) -> "Writer":
        """For values that stand below each other."""
        sizes = [abs(value) for value in values if math.isfinite(value) and value]
        usual = statistics.median_low(sizes) if sizes else 1.0  # one that runs away changes nothing
        return cls(min(max(_DIGITS - 1 - math.floor(math.log10(usual)), 0), 6))

    def __call__(self, value: float | None, *, sign: bool = False) -> str:
        """The number, a dash where there is none; with a sign where that is asked for."""
        form = ".3g" if value is not None and abs(value) >= _HUGE else f"z.{self.decimals}f"
        return number(value, f"{{:{'+' if sign else ''}{form}}}")

    def mean(self, spread: Spread | None) -> str:
        """Mean and standard deviation of values of the column."""
        return mean_cell(spread, self)

    def difference(self, difference: Difference | None) -> tuple[str, str]:
        """Two cells: a difference with its sign, and its interval."""
        if difference is None:
            return MISSING, MISSING
        mean = self(difference.mean, sign=True)
        if difference.low is None:
            return mean, MISSING
        return mean, f"{self(difference.low)} to {self(difference.high)}"


RATIO = Writer(3)


def seeds(n: int, difference: Difference | None, *, compared: bool) -> str:
    """Number of seeds of a mean; in brackets that of the pairs, where they are fewer.

    Args:
        n: seeds of the mean.
        difference: of that mean to another; None where no seed is shared.
        compared: whether it is compared at all.
    """
    pairs = difference.n if difference else 0
    return f"{n} ({pairs})" if compared and pairs < n else str(n)
