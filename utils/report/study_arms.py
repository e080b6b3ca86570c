"""What each run of a study came to, and each arm over its seeds."""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from utils.config.export_section import LimitSettings
from utils.report.results import read_results
from utils.report.study_costs import Quantity, RunCost, run_cost
from utils.report.study_statistics import Spread, finite_or_none, mean_of, median_of

End = Literal["done", "diverged", "failed"]


def overall_scores(folder: Path) -> dict[str, float]:
    """Scores of a run's test part by name, as its results.json has them.

    Args:
        folder: of the run.

    Returns:
        Those that are defined; none where there is no results.json.

    Raises:
        UserError: when the file is there and is no results.json.
    """
    path = folder / "results.json"
    if not path.exists():
        return {}
    overall = read_results(path).overall
    return {key: value for key, value in overall.items() if value is not None}


def cost_of(folder: Path, limits: LimitSettings) -> RunCost | None:
    """What a run's network costs, as its results.json has it.

    Args:
        folder: of the run.
        limits: section of its set.

    Returns:
        None where there is no results.json, or no network in it.

    Raises:
        UserError: when the file is there and is no results.json, and when the judged file was not
            exported.
    """
    path = folder / "results.json"
    return run_cost(read_results(path), limits) if path.exists() else None


@dataclass(frozen=True)
class StudyRun:
    """One run of an arm.

    Attributes:
        arm: name of the arm.
        learning_rate: that the optimizer began with; None where it states none.
        seed: of the run.
        set_id: of the arm with this rate.
        folder: of the run.
        state: done, or the loss became no number, or the run ended for another reason.
        curve: the metric after each epoch; NaN where it is no number.
        losses: of the first steps, as far as they are logged.
        norms: of their gradients, before clipping.
        step_seconds: that they took.
        seconds: of the training; None where it is not over.
        problem: what a run said that is not done.
        scores: of the test part by name, as in results.json; none where it was not tested.
        cost: of its network and judged file; None where it was not tested.
        kept: value of the network after the last step of its compression, and its epoch there; None
            without such a step.
    """

    arm: str
    learning_rate: float | None
    seed: int
    set_id: str
    folder: str
    state: End
    curve: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()
    norms: tuple[float, ...] = ()
    step_seconds: tuple[float, ...] = ()
    seconds: float | None = None
    problem: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    cost: RunCost | None = None
    kept: tuple[float, int] | None = None

    @property
    def end(self) -> End:
        """The state; diverged too where the metric was no number in any epoch."""
        never = bool(self.curve) and not any(map(math.isfinite, self.curve))
        return "diverged" if self.state == "done" and never else self.state

    def best(self, mode: str) -> tuple[float, int] | None:
        """Best value and its epoch, counted from 1; None of a run that is not done.

        Of a compressed network those of the last step, as it is that network that is tested.
        """
        if self.state == "done" and self.kept is not None:
            return self.kept if math.isfinite(self.kept[0]) else None
        finite = [(value, n) for n, value in enumerate(self.curve, 1) if math.isfinite(value)]
        if self.state != "done" or not finite:
            return None
        sign = 1 if mode == "min" else -1
        return min(finite, key=lambda pair: (sign * pair[0], pair[1]))

    @property
    def last(self) -> float | None:
        """Value of the last epoch; None where it is no number, and of a run that is not done."""
        return finite_or_none(self.curve[-1]) if self.state == "done" and self.curve else None

    def mean_loss(self, steps: int) -> float | None:
        """Mean loss of the first steps; None where fewer are logged, or one is no number."""
        if len(self.losses) < steps:
            return None
        return finite_or_none(statistics.fmean(self.losses[:steps]))


@dataclass(frozen=True)
class StudyArm:
    """An arm with its runs.

    Attributes:
        name: of the arm.
        changes: what it differs by, as text.
        mode: which way the metric is better.
        learning_rate: that its runs began with; None where none was found or stated.
        clip_norm: norm to which all gradients together are clipped; None where they are not.
        searched: short runs of the search, one a learning rate.
        runs: one a seed.
    """

    name: str
    changes: str
    mode: Literal["min", "max"]
    learning_rate: float | None
    clip_norm: float | None
    searched: tuple[StudyRun, ...]
    runs: tuple[StudyRun, ...]

    @cached_property
    def values(self) -> dict[int, float]:
        """Best value by seed, of the runs that are done."""
        return {run.seed: best[0] for run in self.runs if (best := run.best(self.mode))}

    @property
    def epoch(self) -> float | None:
        """Mean epoch of the best values."""
        return mean_of(best[1] for run in self.runs if (best := run.best(self.mode)))

    def count(self, end: End) -> int:
        """Number of runs that ended so."""
        return sum(run.end == end for run in self.runs)

    def mean_losses(self, steps: int) -> dict[int, float]:
        """Mean loss of the first steps by seed, of runs that log so many numbers."""
        means = {run.seed: run.mean_loss(steps) for run in self.runs}
        return {seed: mean for seed, mean in means.items() if mean is not None}

    def mean_loss(self, steps: int) -> float | None:
        """Mean of ``mean_losses`` over its seeds; None without any."""
        return mean_of(self.mean_losses(steps).values())

    @property
    def first_losses(self) -> dict[int, float]:
        """Loss of the first step by seed."""
        return {run.seed: run.losses[0] for run in self.runs if run.losses}

    @property
    def tested(self) -> tuple[StudyRun, ...]:
        """Runs that are done and tested."""
        return tuple(run for run in self.runs if run.end == "done" and run.scores)

    def score(self, key: str) -> Spread | None:
        """A test score over the tested runs; None without any, and where one of them lacks it."""
        return _if_all_known(run.scores.get(key) for run in self.tested)

    @property
    def costs(self) -> tuple[RunCost, ...]:
        """Of the runs that are done and tested."""
        return tuple(run.cost for run in self.runs if run.end == "done" and run.cost is not None)

    def cost(self, quantity: Quantity) -> float | None:
        """Mean bytes or operations over the tested runs; None where one of them has none."""
        counted = [cost.of(quantity) for cost in self.costs]
        known = [one for one in counted if one is not None]
        return mean_of(known) if len(known) == len(counted) else None

    @property
    def whole(self) -> float | None:
        """Mean bytes over the tested runs, zeros too; None where one of them has none."""
        known = [cost.whole for cost in self.costs if cost.whole is not None]
        return mean_of(known) if len(known) == len(self.costs) else None

    def file_score(self, key: str) -> Spread | None:
        """A test score of the judged file over the tested runs; None where one of them lacks it."""
        return _if_all_known(cost.scores.get(key) for cost in self.costs)

    def file_values(self, metric: str) -> dict[int, float] | None:
        """The metric of the judged file by seed; None where the file of a run was not asked."""
        told = {
            run.seed: run.cost.validation.get(metric, math.nan)
            for run in self.runs
            if run.end == "done" and run.cost is not None
        }
        return told if all(map(math.isfinite, told.values())) else None

    @property
    def broken(self) -> list[str]:
        """Names of the limits that the network or file of some run breaks."""
        names = [one.name for cost in self.costs for one in cost.verdicts if not one.passed]
        return list(dict.fromkeys(names))

    @property
    def search_end(self) -> str:
        """Why there is no run: how the search ended; "" where there are runs, or was no search."""
        if self.runs or not self.searched:
            return ""
        if all(run.end == "diverged" for run in self.searched):
            return "diverged at every rate"
        return "search failed"

    @property
    def gradient_norm(self) -> float | None:
        """Median over the logged steps of all seeds."""
        return median_of(norm for run in self.runs for norm in run.norms)

    @property
    def above_clip(self) -> float | None:
        """Share of the logged steps whose gradients are longer than the norm they are clipped to.

        A norm that is no number counts.
        """
        norms = [norm for run in self.runs for norm in run.norms]
        if self.clip_norm is None or not norms:
            return None
        return sum(not norm <= self.clip_norm for norm in norms) / len(norms)

    @property
    def seconds_a_step(self) -> float | None:
        """Median over the logged steps of all seeds."""
        return median_of(seconds for run in self.runs for seconds in run.step_seconds)

    @property
    def seconds(self) -> float | None:
        """Mean seconds of a training."""
        return mean_of(run.seconds for run in self.runs if run.seconds is not None)


def _if_all_known(values: Iterable[float | None]) -> Spread | None:
    """Their spread; None without any, and where one is missing or no number."""
    found = list(values)
    known = [one for one in found if one is not None and math.isfinite(one)]
    return Spread.of(known) if len(known) == len(found) else None
