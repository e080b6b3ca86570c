"""The search of learning rates: which rate is the best, and which are worth a try beyond it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.config.study_section import StudySettings, is_rate
from utils.errors import ConfigError
from utils.report.study import StudyRun

if TYPE_CHECKING:
    from utils.config import Resolved

_ALONE = 10.0  # ratio to the next rate where there is one rate alone
_DIGITS = 6  # of a rate beyond those that were listed


def require_more_than_warmup(study: StudySettings, name: str, arm: "Resolved") -> None:
    """Refuse a search that ends before the warm-up of an arm does.

    Args:
        study: the section.
        name: of the arm.
        arm: as resolved.

    Raises:
        ConfigError: with the epochs of both.
    """
    search, warmup = study.search, arm.settings.training.schedule.warmup_epochs
    if search is not None and study.rates(name) and warmup >= search.epochs:
        raise ConfigError(
            f"study.search.epochs: {search.epochs} of them are all warm-up in the arm "
            f"{name} (training.schedule.warmup_epochs: {warmup:g}); raise it."
        )


def best_rate(searched: Sequence[StudyRun], mode: str) -> StudyRun | None:
    """The short run with the best last epoch, of equal ones that of the least rate.

    A rate that comes down and goes up again is judged by where it ends.

    Args:
        searched: short runs of an arm.
        mode: which way the metric is better, ``min`` or ``max``.

    Returns:
        None where no run is done with a number.
    """
    sign = 1 if mode == "min" else -1
    able = [
        (sign * run.curve[-1], run.learning_rate or 0.0, run)
        for run in searched
        if run.state == "done" and run.curve and math.isfinite(run.curve[-1])
    ]
    return min(able, key=lambda one: one[:2])[2] if able else None


def rates_beyond(searched: Sequence[StudyRun], mode: str, *, most: int) -> tuple[float, ...]:
    """Rates to try next: beyond the greatest or the least, where that is the best.

    The next one is as far as its two neighbours are from each other. What diverged was tried, so
    beside it the best one is at no end.

    Args:
        searched: short runs of an arm.
        mode: which way the metric is better, ``min`` or ``max``.
        most: most rates to give.

    Returns:
        At most two, of which one rate alone has one on each side; none where a run failed.
    """
    best = best_rate(searched, mode)
    if best is None or any(run.state == "failed" for run in searched):
        return ()
    tried = sorted(run.learning_rate or 0.0 for run in searched)
    up, down = (tried[-1] / tried[-2], tried[1] / tried[0]) if len(tried) > 1 else (_ALONE,) * 2
    ends = ((tried[-1], tried[-1] * up), (tried[0], tried[0] / down))
    found = [_rounded(beyond) for end, beyond in ends if end == best.learning_rate]
    return tuple(rate for rate in found if is_rate(rate) and rate not in tried)[:most]


def _rounded(rate: float) -> float:
    """A rate without the last digits of a division: it is part of a set's id."""
    return float(f"{rate:.{_DIGITS}g}")
