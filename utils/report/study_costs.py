"""What the networks of a study cost, beside how well they do; which of them no other beats."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from utils.config.export_section import LimitSettings
from utils.report.limits import KERAS_FLOAT16, WITH_ZEROS, counts_zeros, judge, size_of
from utils.report.results import Results, Verdict
from utils.report.study_statistics import Spread

Quantity = Literal["bytes", "MAC"]
INT8_FILES = ("int8", "int8_qat")
"""Files whose bytes ``study.under.int8_bytes`` is about."""


@dataclass(frozen=True)
class RunCost:
    """What the network of one run costs, and how its judged file did on the test part.

    Attributes:
        file: what ``limits.format`` names: an exported file, or Keras in float16.
        size: bytes of its parameters, as limits judge them: those that are not zero, or all where
            limits count zeros; None where the file was not exported.
        macs: multiply-accumulate operations for one clip, of all passes.
        scores: of the file on the test part by name; those of the Keras model where it has none.
        verdicts: on the limits that the set has now.
        whole: bytes of all parameters, zeros too.
        validation: of the file on the validation clips, by column of history.csv; none of Keras.
    """

    file: str
    size: int | None
    macs: int
    scores: Mapping[str, float] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    whole: int | None = None
    validation: Mapping[str, float] = field(default_factory=dict)

    def of(self, quantity: Quantity) -> int | None:
        """Its bytes, or its operations."""
        return self.size if quantity == "bytes" else self.macs


def run_cost(results: Results, limits: LimitSettings) -> RunCost | None:
    """What a run costs; it is judged anew, as limits may have changed since it was made.

    Args:
        results: of the run.
        limits: section of its set.

    Returns:
        None where no network was counted.

    Raises:
        ConfigError: when the judged file was not exported.
    """
    file = limits.format
    model, exported = results.model, results.exports.get(file)
    if model is None:
        return None
    scores = exported.scores if exported and exported.scores else results.overall
    verdicts = judge(limits, model=model, exports=results.exports)
    size = whole = None
    if exported is not None:
        whole = exported.parameter_bytes
        size = size_of(exported, zeros=counts_zeros(verdicts))
    elif file == KERAS_FLOAT16:
        size = whole = model.keras_float16_bytes
    return RunCost(
        file=file,
        size=size,
        macs=model.clip_macs,
        scores={key: value for key, value in scores.items() if value is not None},
        verdicts=verdicts,
        whole=whole,
        validation={} if exported is None else exported.validation,
    )


@dataclass(frozen=True)
class LeftOut:
    """An arm that was not run, as its network costs more than ``study.under`` allows.

    Attributes:
        name: of the arm.
        changes: what it differs by, as text.
        reasons: what it has of what is allowed, one a limit that it breaks.
    """

    name: str
    changes: str
    reasons: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """For the console and the report."""
        return f"left out before training: {self.name}: {'; '.join(self.reasons)}"


@dataclass(frozen=True)
class Bound:
    """A limit as a line in a picture.

    Attributes:
        name: of the limit.
        allowed: the most.
        quantity: what it is about.
    """

    name: str
    allowed: int
    quantity: Quantity


@dataclass(frozen=True)
class Point:
    """An arm as a point of a picture.

    Attributes:
        name: of the arm.
        cost: mean over the seeds.
        validation: value of the metric over the seeds, by the judged file where it was asked.
        test: score of the judged file over the seeds; None where nothing was tested.
        whole: the cost with zeros; None where that is no other.
    """

    name: str
    cost: float
    validation: Spread
    test: Spread | None
    whole: float | None = None

    def costs_beside(self, other: "Point") -> float:
        """Its cost, to be compared with that of another.

        Arms that validate the same are one network as several files: how many of its weights round
        to zero in a file says nothing of them, so zeros count.
        """
        return self.cost if self.validation != other.validation else self.whole or self.cost


def front(points: Sequence[Point], mode: str) -> tuple[Point, ...]:
    """The points that no other beats (Pareto's front), by their mean validation values.

    A point beats another that costs no less and is no better, unless both are the same in both.

    Args:
        points: in any order.
        mode: which way validation values are better, ``min`` or ``max``.

    Returns:
        Those on the front, from the cheapest to the dearest.
    """
    sign = 1 if mode == "max" else -1
    worth = {point.name: sign * point.validation.mean for point in points}
    kept = [
        point
        for point in points
        if not any(
            (cost := other.costs_beside(point)) <= (own := point.costs_beside(other))
            and worth[other.name] >= worth[point.name]
            and (cost < own or worth[other.name] > worth[point.name])
            for other in points
        )
    ]
    return tuple(sorted(kept, key=lambda point: (point.cost, point.name)))


def bounds_of(costs: Iterable[RunCost]) -> tuple[Bound, ...]:
    """The limits by which runs were judged on operations, and on such bytes as are told, once."""
    found: dict[Bound, None] = {}
    for cost in costs:
        unit = WITH_ZEROS if counts_zeros(cost.verdicts) else "bytes"
        for one in cost.verdicts:
            if one.unit == unit:
                found[Bound(one.name, one.allowed, "bytes")] = None
            elif one.unit == "MAC":
                found[Bound(one.name, one.allowed, "MAC")] = None
    return tuple(found)
