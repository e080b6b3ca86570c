"""Section ``study``: a set that is varied, arm by arm, and how its arms are compared.

A study is resolved by ``utils.config.resolve``: each arm is a set of its own, ``STUDY/ARM``.
"""

import math
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from utils.config.fields import AsGiven, Count, Many, Positive, Section, misplaced

RATES = "learning_rates"
"""Key of an arm that is the study's own: its list for the search."""
OF_THE_STUDY = ("set_id", "based_on", "task", "ensemble", "study", "seed")
"""Keys of a set that no arm can have."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")
_TAKEN = ("latest", "comparisons")  # names in the study's folder


class SearchSettings(Section):
    """Short runs by the first seed that choose each arm's learning rate."""

    learning_rates: Many[Positive] = Field(
        (), description="rates of the arms that have no `learning_rates` of their own"
    )
    epochs: Count = Field(
        1,
        description="of each short run, which is judged by the last of them; a rate that does well "
        "in so many and diverges later loses its arm",
    )
    widen: Annotated[int, Field(ge=0)] = Field(
        3,
        description="while the best rate of an arm is the greatest or the least of those tried, "
        "the next one beyond is tried too, at most so many an arm",
    )


class UnderSettings(Section):
    """What an arm's network may cost at most; counted of the network before any is trained.

    Sizes are those of the file that the network will become, with normalisation merged into the
    layers before it, and without the channels that `compression.channels` takes away; the report's
    verdicts are of the files themselves.
    """

    limits: bool = Field(
        False, description="true: those of the arm's own section `limits`, besides the following"
    )
    int8_bytes: Count | None = Field(
        None,
        description="bytes of the parameters in int8: one a weight, four a bias; not asked of an "
        "arm with `compression.zeros`, whose zeros are not counted then; null: any",
    )
    parameters: Count | None = Field(None, description="numbers in the file; null: any")
    macs: Count | None = Field(
        None, description="multiply-accumulate operations for one clip; null: any"
    )

    @model_validator(mode="after")
    def something_is_limited(self) -> "UnderSettings":
        """Refuse no limit at all."""
        if not self.limits and {self.int8_bytes, self.parameters, self.macs} == {None}:
            raise misplaced(
                "study.under", "expected a limit, such as macs: 30000000, or limits: true"
            )
        return self


class StudySettings(Section):
    """A set and what is varied in it: arms by seeds, from the same weights and batches."""

    base: str = Field(description="the set that is varied")
    common: AsGiven[dict[str, Any]] = Field(
        default_factory=dict, description="differences that all arms have; as in a set"
    )
    arms: AsGiven[dict[str, dict[str, Any]]] = Field(
        description="for each arm the differences that it alone has; as in a set, and "
        "`learning_rates`, its own list for the search (empty: it is not searched); with `grid` "
        "they may be left out"
    )
    grid: AsGiven[dict[str, Any]] | None = Field(
        None,
        description="more arms, the product of its axes: a path of a set with a list of numbers, "
        "words, true, false or null (`model.constants.WIDTH: [16, 32]`), or a name that no section "
        "has with alternatives that are differences as in `arms` (`kind: {small: {...}, large: "
        "{...}}`); named after them, `width16-small`; an axis of null is left out",
    )
    under: UnderSettings | None = Field(
        None, description="leave out arms whose networks cost more, before any run; null: run all"
    )
    seeds: Many[Annotated[int, Field(ge=0)]] = Field(
        (0, 1, 2), description="each arm is run with each of them"
    )
    search: SearchSettings | None = Field(
        None, description="choose each arm's learning rate first; null: the arms' own"
    )
    metric: str | None = Field(
        None,
        description="column of history.csv that is compared, by its best epoch; null: that of the "
        "base's `training.select`, or `val_loss` where that is `epoch`",
    )
    mode: Literal["min", "max"] | None = Field(
        None, description="which way is better; null: min for a `metric` that ends in `loss`"
    )
    baseline: str | None = Field(None, description="arm that the others are shown as a ratio to")
    whole: bool = Field(
        True,
        description="false: a run ends with its training, without test, export and report; "
        "`-s STUDY/ARM` goes on from there. Runs of the search always end so",
    )
    jobs: Count | None = Field(
        None,
        description="runs at a time, which share the cores; null: half as many as cores, at least "
        "two, and one where there is a GPU or one core",
    )

    @model_validator(mode="after")
    def arms_can_be_sets(self) -> "StudySettings":
        """Refuse no arm, a name that makes no folder, and keys that an arm cannot have."""
        if not self.arms:
            raise misplaced("study.arms", "expected at least one arm")
        for name in self.arms:
            if not _NAME.fullmatch(name) or name in _TAKEN:
                raise misplaced(
                    "study.arms",
                    f"'{name}' is no name of an arm; take letters, digits, _, - and +, and neither "
                    f"{' nor '.join(_TAKEN)}",
                )
        laid = {"study.common": self.common}
        laid |= {f"study.arms.{name}": arm for name, arm in self.arms.items()}
        for path, differences in laid.items():
            for key in OF_THE_STUDY:
                if key in differences:
                    hint = "; seeds stand in study.seeds" if key == "seed" else ""
                    raise misplaced(f"{path}.{key}", f"an arm has no '{key}' of its own{hint}")
        if RATES in self.common:
            raise misplaced(
                f"study.common.{RATES}",
                "the rates of all arms stand in study.search.learning_rates",
            )
        for name, arm in self.arms.items():
            if "paths" in arm:
                raise misplaced(
                    f"study.arms.{name}.paths", "arms lie side by side; put it under study.common"
                )
        return self

    @model_validator(mode="after")
    def seeds_differ(self) -> "StudySettings":
        """Refuse no seed and the same one twice."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise misplaced("study.seeds", "expected at least one seed, each of them once")
        return self

    @model_validator(mode="after")
    def baseline_is_an_arm(self) -> "StudySettings":
        """Refuse a baseline that is not run."""
        if self.baseline is not None and self.baseline not in self.arms:
            raise misplaced(
                "study.baseline", f"'{self.baseline}' is no arm; arms: {', '.join(self.arms)}"
            )
        return self

    @model_validator(mode="after")
    def better_is_known(self) -> "StudySettings":
        """Refuse a metric of which it is not said which way is better, and the reverse."""
        if self.metric is None and self.mode is not None:
            raise misplaced("study.mode", "belongs to study.metric, which is not given")
        if self.metric is not None and self.mode is None and not self.metric.endswith("loss"):
            raise misplaced("study.metric", f"is {self.metric} better high or low? Give study.mode")
        return self

    @model_validator(mode="after")
    def rates_are_searched(self) -> "StudySettings":
        """Refuse rates without a search, a search without rates, and a rate that is none."""
        if self.search is not None:
            _require_rates("study.search.learning_rates", self.search.learning_rates)
        for name, arm in self.arms.items():
            path = f"study.arms.{name}.{RATES}"
            if RATES in arm:
                _require_rates(path, arm[RATES])
                if self.search is None:
                    raise misplaced(path, "has no effect without study.search")
            elif self.search is not None and not self.search.learning_rates:
                raise misplaced(
                    "study.search.learning_rates",
                    f"expected a list, or one for the arm '{name}' (study.arms.{name}.{RATES})",
                )
        return self

    def rates(self, arm: str) -> tuple[float, ...]:
        """Learning rates that are tried for an arm; empty where it is not searched."""
        if self.search is None:
            return ()
        own = self.arms[arm].get(RATES, self.search.learning_rates)
        return tuple(float(rate) for rate in own)

    def judged(
        self, metric: str, mode: Literal["min", "max"]
    ) -> "tuple[str, Literal['min', 'max']]":
        """Column that is compared, and which way is better.

        Args:
            metric: that of the base's ``training.select``.
            mode: which way of it is better.
        """
        if self.metric is not None:
            return self.metric, self.mode or "min"
        return ("val_loss", "min") if metric == "epoch" else (metric, mode)


def _require_rates(path: str, rates: Any) -> None:
    """Refuse what is no list of learning rates, each of them once."""
    listed = isinstance(rates, Sequence) and not isinstance(rates, str)
    if not listed or any(not is_rate(rate) for rate in rates):
        raise misplaced(path, "expected a list of numbers above 0")
    if len({float(rate) for rate in rates}) < len(rates):
        raise misplaced(path, "a rate is given twice; name each once")


def is_rate(value: Any) -> bool:
    """Whether a value is a number above 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > 0


def rate_text(rate: float) -> str:
    """A learning rate as it stands in the id of a set: all digits, no more."""
    return repr(float(rate)).removesuffix(".0")
