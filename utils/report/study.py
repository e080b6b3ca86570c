"""A study's outcome: the best arm, paired differences to it; as JSON and as csv."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from utils.files import write_csv, write_json
from utils.report.limits import KERAS_FLOAT16, counts_zeros
from utils.report.measures import Measure, headline_measures
from utils.report.study_arms import StudyArm, StudyRun, cost_of, overall_scores
from utils.report.study_costs import (
    INT8_FILES,
    Bound,
    LeftOut,
    Point,
    Quantity,
    bounds_of,
    front,
)
from utils.report.study_statistics import Difference, Spread, finite_or_none, median_of, ratio

__all__ = [
    "FIRST", "LONGER", "PAIRED", "LeftOut", "Study", "StudyArm", "StudyRun", "cost_of",
    "overall_scores", "write_study",
]  # fmt: skip

FIRST, LONGER = 8, 100
"""Numbers of steps of which the mean loss is told."""

QUANTITIES: tuple[Quantity, ...] = ("bytes", "MAC")
PAIRED = 1e-5
"""Relative difference of first losses that are one; other numbers of threads make about 1e-6."""


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
        left_out: arms that were not run, as they cost too much.
        bounds: limits of ``study.under``.
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
    left_out: tuple[LeftOut, ...] = ()
    bounds: tuple[Bound, ...] = ()

    @cached_property
    def best(self) -> StudyArm | None:
        """The arm with the best mean, among those done with most seeds; None where none is done."""
        return self.best_of(self.arms)

    def best_of(self, arms: Sequence[StudyArm]) -> StudyArm | None:
        """The arm with the best mean, of those of these done with most seeds; None of none."""
        most = max((len(self.values(arm)) for arm in arms), default=0)
        sign = 1 if self.mode == "min" else -1
        able = [
            (sign * spread.mean, arm)
            for arm in arms
            if (spread := self.validation(arm)) and spread.n == most
        ]
        return min(able, key=lambda pair: pair[0])[1] if able else None

    def to_best(self, arm: StudyArm) -> Difference | None:
        """Paired difference of an arm to the best one; None for that itself."""
        if self.best is None or arm is self.best:
            return None
        return Difference.of(self.values(arm), self.values(self.best))

    @property
    def reference(self) -> StudyArm | None:
        """Arm to which the first steps are compared: the baseline, else the best."""
        return self._baseline or self.best

    def to_reference(self, arm: StudyArm, steps: int) -> Difference | None:
        """Paired difference of the mean loss of the first steps; None for the reference itself."""
        if self.reference is None or arm is self.reference:
            return None
        return Difference.of(arm.mean_losses(steps), self.reference.mean_losses(steps))

    def value_ratio(self, arm: StudyArm) -> float | None:
        """Mean value as a share of the baseline's, over the seeds that both have."""
        base = self._baseline
        return None if base is None else ratio(self.values(arm), self.values(base))

    def loss_ratio(self, arm: StudyArm) -> float | None:
        """Mean loss of the first 100 steps as a share of the baseline's, over the same seeds."""
        base = self._baseline
        return None if base is None else ratio(arm.mean_losses(LONGER), base.mean_losses(LONGER))

    @property
    def _baseline(self) -> StudyArm | None:
        return next((arm for arm in self.arms if arm.name == self.baseline), None)

    @property
    def _beginnings(self) -> list[list[float]]:
        """First losses of the arms, seed by seed, where several arms log one."""
        by_seed: dict[int, list[float]] = {}
        for arm in self.arms:
            for seed, loss in arm.first_losses.items():
                by_seed.setdefault(seed, []).append(loss)
        return [losses for losses in by_seed.values() if len(losses) > 1]

    @property
    def is_paired(self) -> bool | None:
        """Whether all arms of a seed begin with one loss, to 1e-5; None where that is not known."""
        several = self._beginnings
        if not several:
            return None
        return all(
            math.isclose(loss, losses[0], rel_tol=PAIRED) for losses in several for loss in losses
        )

    @property
    def is_paired_exactly(self) -> bool:
        """Whether all arms of a seed are known to begin with one loss, to the last digit."""
        several = self._beginnings
        return bool(several) and all(len(set(losses)) == 1 for losses in several)

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the test scores that some run has."""
        runs = [run for arm in self.arms for run in arm.tested]
        return tuple(dict.fromkeys(key for run in runs for key in run.scores))

    @cached_property
    def main_score(self) -> Measure | None:
        """The test score that stands first in summaries; None where nothing was tested."""
        return next(iter(headline_measures(self.measured)), None)

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """In what the arms' networks differ: bytes, operations; none where they cost the same."""
        found: list[Quantity] = []
        for quantity in QUANTITIES:
            costs = {arm.cost(quantity) for arm in self.arms} - {None}
            found += [quantity] if len(costs) > 1 else []
        return tuple(found)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that the arms are judged by."""
        return tuple(dict.fromkeys(cost.file for arm in self.arms for cost in arm.costs))

    @property
    def is_priced(self) -> bool:
        """Whether arms differ in what they cost, or in the file that is judged."""
        return bool(self.quantities) or len(self.files) > 1

    @cached_property
    def is_validated_by_files(self) -> bool:
        """Whether arms are compared by what their judged files say of the validation clips.

        They are where they cost differently, and each file that was judged was asked.
        """
        counted = [arm for arm in self.arms if arm.costs]
        return self.is_priced and all(arm.file_values(self.metric) for arm in counted)

    @property
    def validated_by(self) -> str:
        """What arms are compared by."""
        of_files = f"{self.metric} of the file"
        return of_files if self.is_validated_by_files else f"Best {self.metric}"

    def values(self, arm: StudyArm) -> dict[int, float]:
        """How well an arm validates, by seed: its judged files, or else its networks' best."""
        return arm.file_values(self.metric) or {} if self.is_validated_by_files else arm.values

    def validation(self, arm: StudyArm) -> Spread | None:
        """The same over the seeds."""
        return Spread.of(self.values(arm).values())

    def points(self, quantity: Quantity) -> tuple[Point, ...]:
        """The arms that are done and counted, by what they cost and how well they validate."""
        key = self.main_score.key if self.main_score else ""
        found = [(arm, arm.cost(quantity), self.validation(arm)) for arm in self.arms]
        return tuple(
            Point(
                arm.name,
                cost,
                spread,
                arm.file_score(key),
                whole=arm.whole if quantity == "bytes" else None,
            )
            for arm, cost, spread in found
            if cost is not None and spread is not None
        )

    def front(self, quantity: Quantity) -> tuple[Point, ...]:
        """The arms that no other beats, from the cheapest on, of those done with most seeds."""
        points = self.points(quantity)
        most = max((point.validation.n for point in points), default=0)
        return front([point for point in points if point.validation.n == most], self.mode)

    def bounds_on(self, quantity: Quantity) -> tuple[Bound, ...]:
        """The limits on bytes or operations: of the study, and those that runs were judged by.

        The study's own limit on bytes is one on int8, so it stands beside no other files.
        """
        judged = bounds_of(cost for arm in self.arms for cost in arm.costs)
        alike = quantity != "bytes" or set(self.files) <= set(INT8_FILES)
        own = self.bounds if alike else ()
        return tuple(one for one in (*own, *judged) if one.quantity == quantity)

    @property
    def bytes_text(self) -> str:
        """Which bytes are told of: Keras in float16, and what limits judge so, with its zeros."""
        costs = [cost for arm in self.arms for cost in arm.costs]
        files = [cost for cost in costs if cost.file != KERAS_FLOAT16]
        groups = {
            "all parameters": [one.file for one in files if counts_zeros(one.verdicts)],
            "the parameters that are not zero": [
                one.file for one in files if not counts_zeros(one.verdicts)
            ],
        }
        told = ["all parameters in Keras in float16"] if len(files) < len(costs) else []
        told += [f"{of} ({', '.join(dict.fromkeys(file))})" for of, file in groups.items() if file]
        return ", of ".join(told)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data for JSON: None for what is no number."""
        head = {
            "study": self.study_id, "description": self.description, "base": self.base,
            "data": self.data, "data_identity": self.data_identity, "demo": self.demo,
            "commit": self.commit, "metric": self.metric, "mode": self.mode,
            "compared_by": self.validated_by,
            "seeds": list(self.seeds), "baseline": self.baseline,
            "best": self.best.name if self.best else None, "paired": self.is_paired,
            "paired_exactly": self.is_paired_exactly,
            "reference": self.reference.name if self.reference else None,
            "notes": list(self.notes),
            "left_out": [asdict(one) for one in self.left_out],
            "front": {one: [point.name for point in self.front(one)] for one in self.quantities},
        }  # fmt: skip
        return head | {"arms": [self._arm_dict(arm) for arm in self.arms]}

    def _arm_dict(self, arm: StudyArm) -> dict[str, Any]:
        difference, spread = self.to_best(arm), self.validation(arm)
        return {
            "name": arm.name,
            "changes": arm.changes,
            "learning_rate": arm.learning_rate,
            "clip_norm": arm.clip_norm,
            "mean": spread and spread.mean,
            "deviation": spread and spread.deviation,
            "n": len(self.values(arm)),
            "to_best": difference and asdict(difference),
            "ratio": self.value_ratio(arm),
            "test": {key: found and asdict(found) for key, found in self._scores(arm).items()},
            **self._cost_dict(arm),
            f"ratio_first_{LONGER}": self.loss_ratio(arm),
            **self._first_dict(arm, FIRST),
            **self._first_dict(arm, LONGER),
            "gradient_norm": arm.gradient_norm,
            "above_clip": arm.above_clip,
            "seconds_a_step": arm.seconds_a_step,
            "search": [_run_dict(run, self.mode) for run in arm.searched],
            "runs": [_run_dict(run, self.mode) for run in arm.runs],
        }

    def _scores(self, arm: StudyArm) -> dict[str, Spread | None]:
        return {key: arm.score(key) for key in self.measured} if arm.tested else {}

    def _cost_dict(self, arm: StudyArm) -> dict[str, Any]:
        """What the arm's network costs, and the main score of its judged file."""
        score = self.main_score and arm.file_score(self.main_score.key)
        return {
            "file": arm.costs[0].file if arm.costs else None,
            "bytes": arm.cost("bytes"),
            "macs": arm.cost("MAC"),
            "file_test": score and asdict(score),
            "broken_limits": arm.broken,
        }

    def _first_dict(self, arm: StudyArm, steps: int) -> dict[str, Any]:
        """Mean loss of the first steps over the seeds, and what it is to the reference's."""
        spread = Spread.of(arm.mean_losses(steps).values())
        difference = self.to_reference(arm, steps)
        return {
            f"first_{steps}": spread and spread.mean,
            f"first_{steps}_deviation": spread and spread.deviation,
            f"first_{steps}_n": spread.n if spread else 0,
            f"first_{steps}_to_reference": difference and asdict(difference),
        }


def _run_dict(run: StudyRun, mode: str) -> dict[str, Any]:
    best = run.best(mode)
    return {
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "state": run.end,
        "best": best and best[0],
        "epoch": best and best[1],
        "last": finite_or_none(run.curve[-1]) if run.curve else None,
        "seconds": run.seconds,
        "set_id": run.set_id,
        "folder": run.folder,
        "problem": run.problem,
        "scores": {key: finite_or_none(value) for key, value in run.scores.items()},
        "curve": list(map(finite_or_none, run.curve)),
        "losses": list(map(finite_or_none, run.losses)),
        "gradient_norms": list(map(finite_or_none, run.norms)),
    }


_COLUMNS = (
    "kind", "arm", "learning_rate", "seed", "state", "best", "epoch", "last", "epochs",
    "first_loss", f"first_{FIRST}", f"first_{LONGER}", "gradient_norm", "seconds_a_step",
    "seconds", "folder", "file", "bytes", "macs",
)  # fmt: skip


def write_study(folder: Path, study: Study) -> None:
    """Write study.json, which programs read, and study.csv, a row a run.

    Test scores are columns ``test_<name>`` at its end, where there are any.

    Args:
        folder: where the files go.
        study: the outcome.

    Raises:
        UserError: when a file cannot be written.
    """
    write_json(folder / "study.json", study.as_dict())
    kinds = [("search", run) for arm in study.arms for run in arm.searched]
    kinds += [("run", run) for arm in study.arms for run in arm.runs]
    columns = (*_COLUMNS, *(f"test_{key}" for key in study.measured))
    rows = []
    for kind, run in kinds:
        cells = _csv_row(kind, run, study.mode)
        rows.append(["" if (cell := cells.get(name)) is None else cell for name in columns])
    write_csv(folder / "study.csv", columns, rows)


def _csv_row(kind: str, run: StudyRun, mode: str) -> dict[str, object]:
    """Cells by column."""
    cost = run.cost
    return {
        **_run_dict(run, mode),
        "kind": kind,
        "arm": run.arm,
        "epochs": len(run.curve),
        "first_loss": run.mean_loss(1),
        f"first_{FIRST}": run.mean_loss(FIRST),
        f"first_{LONGER}": run.mean_loss(LONGER),
        "gradient_norm": median_of(run.norms),
        "seconds_a_step": median_of(run.step_seconds),
        **({"file": cost.file, "bytes": cost.size, "macs": cost.macs} if cost else {}),
        **{f"test_{key}": finite_or_none(value) for key, value in run.scores.items()},
    }
