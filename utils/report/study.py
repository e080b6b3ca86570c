"""A study's outcome: what each run came to, means over seeds, paired differences; JSON and csv."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from utils.files import write_csv, write_json

CONFIDENCE = 0.95
FIRST, LONGER = 8, 100
"""Numbers of steps of which the mean loss is told."""


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
    """

    arm: str
    learning_rate: float | None
    seed: int
    set_id: str
    folder: str
    state: Literal["done", "diverged", "failed"]
    curve: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()
    norms: tuple[float, ...] = ()
    step_seconds: tuple[float, ...] = ()
    seconds: float | None = None
    problem: str = ""

    def best(self, mode: str) -> tuple[float, int] | None:
        """Best value and its epoch, counted from 1; None of a run that is not done."""
        finite = [(value, n) for n, value in enumerate(self.curve, 1) if math.isfinite(value)]
        if self.state != "done" or not finite:
            return None
        sign = 1 if mode == "min" else -1
        return min(finite, key=lambda pair: (sign * pair[0], pair[1]))

    def mean_loss(self, steps: int) -> float | None:
        """Mean loss of the first steps; None where fewer are logged, or one is no number."""
        if len(self.losses) < steps:
            return None
        return _or_none(statistics.fmean(self.losses[:steps]))


@dataclass(frozen=True)
class Spread:
    """Mean over seeds, and standard deviation (n - 1); None of one."""

    mean: float
    deviation: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """Of values; None without any."""
        if not values:
            return None
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), deviation, len(values))


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
        pairs = [one[seed] - other[seed] for seed in one if seed in other]
        spread = Spread.of(pairs)
        if spread is None:
            return None
        if spread.deviation is None:
            return cls(spread.mean, None, None, spread.n)
        from scipy.stats import t

        half = float(t.ppf((1 + CONFIDENCE) / 2, spread.n - 1)) * spread.deviation
        half /= math.sqrt(spread.n)
        return cls(spread.mean, spread.mean - half, spread.mean + half, spread.n)

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class StudyArm:
    """An arm with its runs.

    Attributes:
        name: of the arm.
        changes: what it differs by, as text.
        mode: which way the metric is better.
        learning_rate: that its runs began with; None where none was found or stated.
        clip_norm: norm to which gradients are clipped; None where they are not.
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
    def spread(self) -> Spread | None:
        """Of the best values over the seeds."""
        return Spread.of(list(self.values.values()))

    @property
    def epoch(self) -> float | None:
        """Mean epoch of the best values."""
        return _mean(best[1] for run in self.runs if (best := run.best(self.mode)))

    def count(self, state: str) -> int:
        """Number of runs of a state."""
        return sum(run.state == state for run in self.runs)

    def mean_loss(self, steps: int) -> float | None:
        """Mean loss of the first steps over seeds that log so many; None if one is no number."""
        means = [run.mean_loss(steps) for run in self.runs if len(run.losses) >= steps]
        known = [mean for mean in means if mean is not None]
        return _mean(known) if len(known) == len(means) else None

    @property
    def first_losses(self) -> dict[int, float]:
        """Loss of the first step by seed."""
        return {run.seed: run.losses[0] for run in self.runs if run.losses}

    @property
    def gradient_norm(self) -> float | None:
        """Median over the logged steps of all seeds."""
        return _median(norm for run in self.runs for norm in run.norms)

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
        return _median(seconds for run in self.runs for seconds in run.step_seconds)

    @property
    def seconds(self) -> float | None:
        """Mean seconds of a training."""
        return _mean(run.seconds for run in self.runs if run.seconds is not None)


@dataclass(frozen=True)
class Study:
    """A study's outcome.

    Attributes:
        study_id: id of the study.
        description: in a sentence.
        base: the set that was varied.
        data: ``demo`` or the name of the data set.
        data_identity: identity of the data.
        demo: whether the data was generated.
        commit: of the code.
        metric: column of history.csv that is compared.
        mode: which way it is better.
        seeds: of the runs.
        baseline: arm to which the others are a ratio; None without one.
        arms: in their order.
        notes: what a reader must know.
    """

    study_id: str
    description: str
    base: str
    data: str
    data_identity: str
    demo: bool
    commit: str
    metric: str
    mode: Literal["min", "max"]
    seeds: tuple[int, ...]
    baseline: str | None
    arms: tuple[StudyArm, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def best(self) -> StudyArm | None:
        """The arm with the best mean, among those done with most seeds; None where none is done."""
        most = max(len(arm.values) for arm in self.arms)
        sign = 1 if self.mode == "min" else -1
        able = [arm for arm in self.arms if arm.values and len(arm.values) == most]
        return min(able, key=lambda arm: sign * statistics.fmean(arm.values.values()), default=None)

    def to_best(self, arm: StudyArm) -> Difference | None:
        """Paired difference of an arm to the best one; None for that itself."""
        if self.best is None or arm is self.best:
            return None
        return Difference.of(arm.values, self.best.values)

    def value_ratio(self, arm: StudyArm) -> float | None:
        """Mean best value as a share of the baseline's, over the seeds that both have."""
        base = self._baseline
        if base is None:
            return None
        seeds = [seed for seed in arm.values if seed in base.values]
        return _share(*(_mean(one.values[seed] for seed in seeds) for one in (arm, base)))

    def loss_ratio(self, arm: StudyArm) -> float | None:
        """Mean loss of the first 100 steps as a share of the baseline's."""
        base = self._baseline
        return None if base is None else _share(arm.mean_loss(LONGER), base.mean_loss(LONGER))

    @property
    def _baseline(self) -> StudyArm | None:
        return next((arm for arm in self.arms if arm.name == self.baseline), None)

    @property
    def is_paired(self) -> bool | None:
        """Whether all arms of a seed begin with one loss; None where that is not known."""
        by_seed: dict[int, list[float]] = {}
        for arm in self.arms:
            for seed, loss in arm.first_losses.items():
                by_seed.setdefault(seed, []).append(loss)
        several = [losses for losses in by_seed.values() if len(losses) > 1]
        return all(len(set(losses)) == 1 for losses in several) if several else None

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data for JSON: None for what is no number."""
        head = {
            "study": self.study_id, "description": self.description, "base": self.base,
            "data": self.data, "data_identity": self.data_identity, "demo": self.demo,
            "commit": self.commit, "metric": self.metric, "mode": self.mode,
            "seeds": list(self.seeds), "baseline": self.baseline,
            "best": self.best.name if self.best else None, "paired": self.is_paired,
            "notes": list(self.notes),
        }  # fmt: skip
        return head | {"arms": [self._arm_dict(arm) for arm in self.arms]}

    def _arm_dict(self, arm: StudyArm) -> dict[str, Any]:
        difference, spread = self.to_best(arm), arm.spread
        return {
            "name": arm.name,
            "changes": arm.changes,
            "learning_rate": arm.learning_rate,
            "clip_norm": arm.clip_norm,
            "mean": spread and spread.mean,
            "deviation": spread and spread.deviation,
            "n": len(arm.values),
            "to_best": difference and vars(difference),
            "ratio": self.value_ratio(arm),
            f"ratio_first_{LONGER}": self.loss_ratio(arm),
            f"first_{FIRST}": arm.mean_loss(FIRST),
            f"first_{LONGER}": arm.mean_loss(LONGER),
            "gradient_norm": arm.gradient_norm,
            "above_clip": arm.above_clip,
            "seconds_a_step": arm.seconds_a_step,
            "search": [_run_dict(run, self.mode) for run in arm.searched],
            "runs": [_run_dict(run, self.mode) for run in arm.runs],
        }


def _run_dict(run: StudyRun, mode: str) -> dict[str, Any]:
    best = run.best(mode)
    return {
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "state": run.state,
        "best": best and best[0],
        "epoch": best and best[1],
        "last": _or_none(run.curve[-1]) if run.curve else None,
        "seconds": run.seconds,
        "set_id": run.set_id,
        "folder": run.folder,
        "problem": run.problem,
        "curve": list(map(_or_none, run.curve)),
        "losses": list(map(_or_none, run.losses)),
        "gradient_norms": list(map(_or_none, run.norms)),
    }


_COLUMNS = (
    "kind", "arm", "learning_rate", "seed", "state", "best", "epoch", "last", "epochs",
    "first_loss", f"first_{FIRST}", f"first_{LONGER}", "gradient_norm", "seconds_a_step",
    "seconds", "folder",
)  # fmt: skip


def write_study(folder: Path, study: Study) -> None:
    """Write study.json, which programs read, and study.csv, a row a run.

    Args:
        folder: where the files go.
        study: the outcome.

    Raises:
        UserError: when a file cannot be written.
    """
    write_json(folder / "study.json", study.as_dict())
    kinds = [("search", run) for arm in study.arms for run in arm.searched]
    kinds += [("run", run) for arm in study.arms for run in arm.runs]
    rows = [_csv_row(kind, run, study.mode) for kind, run in kinds]
    write_csv(folder / "study.csv", _COLUMNS, rows)


def _csv_row(kind: str, run: StudyRun, mode: str) -> list[object]:
    found = _run_dict(run, mode)
    cells = {
        "kind": kind,
        "arm": run.arm,
        "epochs": len(run.curve),
        "first_loss": run.mean_loss(1),
        f"first_{FIRST}": run.mean_loss(FIRST),
        f"first_{LONGER}": run.mean_loss(LONGER),
        "gradient_norm": _median(run.norms),
        "seconds_a_step": _median(run.step_seconds),
    }
    return ["" if (cell := (found | cells)[name]) is None else cell for name in _COLUMNS]


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _share(one: float | None, whole: float | None) -> float | None:
    """One as a share of the whole; None unless both are above 0."""
    if one is None or whole is None or min(one, whole) <= 0:
        return None
    return one / whole


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return _or_none(statistics.fmean(known)) if known else None


def _median(values: Iterable[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.median(finite)) if finite else None
