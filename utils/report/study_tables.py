"""Tables of a study: its arms, their first steps, the search of learning rates, every run."""

import math
import statistics
from collections.abc import Iterable

from utils.report.measures import MISSING
from utils.report.study import FIRST, LONGER, Study, StudyArm, StudyRun
from utils.report.tables import Column, Row, Table

_DIGITS = 4  # of the usual value of a column
_HUGE = 1e6  # from here on a number is written with an exponent


def study_tables(study: Study) -> tuple[Table, ...]:
    """What the console shows: arms; first steps and search where there are any."""
    tables = [arms_table(study)]
    if any(run.losses for arm in study.arms for run in arm.runs):
        tables.append(steps_table(study))
    if any(arm.searched for arm in study.arms):
        tables.append(search_table(study))
    return tuple(tables)


def arms_table(study: Study) -> Table:
    """One row an arm: its best value over the seeds, and the paired difference to the best arm."""
    write = _writer(value for arm in study.arms for value in arm.values.values())
    has_ratio, incomplete = study.baseline is not None, _incomplete(study)
    columns = (
        Column("Arm", words=True),
        Column("Learning rate", "Rate"),
        Column(f"Best {study.metric}", study.metric),
        Column("Epoch"),
        Column("To the best", "To best"),
        Column("95 %"),
        Column("n"),
        *((Column(f"Ratio to {study.baseline}", "Ratio"),) if has_ratio else ()),
        *((Column("Not done", "Lost", words=True),) if incomplete else ()),
    )
    rows = []
    for arm in study.arms:
        spread, difference = arm.spread, study.to_best(arm)
        value = MISSING
        if spread is not None:
            more = "" if spread.deviation is None else f" ± {write(spread.deviation)}"
            value = f"{write(spread.mean)}{more}"
        to_best = interval = MISSING
        if arm is study.best:
            to_best = "best"
        elif difference is not None:
            to_best = f"{write(difference.mean, sign=True)}"
            if difference.low is not None and difference.high is not None:
                interval = f"{write(difference.low)} to {write(difference.high)}"
        cells = [
            arm.name,
            rate(arm.learning_rate),
            value,
            MISSING if arm.epoch is None else f"{arm.epoch:.1f}",
            to_best,
            interval,
            str(len(arm.values)),
        ]
        cells += [_RATIO(study.value_ratio(arm))] if has_ratio else []
        cells += [_lost(arm)] if incomplete else []
        lost = arm.count("done") < len(arm.runs)
        rows.append(Row(tuple(cells), tone="bad" if incomplete and lost else ""))
    return Table(f"Arms by {study.metric}", columns, tuple(rows), _arms_note(study))


def _arms_note(study: Study) -> str:
    which = "lowest" if study.mode == "min" else "highest"
    notes = [
        f"Best: the {which} of a run's epochs, mean ± standard deviation (n - 1) over seeds. To "
        "best: mean difference to the best arm, seed by seed; 95 %: its t interval over n seeds, "
        "not corrected for the number of arms, nor for the best arm being chosen by these values."
    ]
    if study.baseline is not None:
        notes.append(f"Ratio: to {study.baseline}, over the same seeds.")
    return " ".join(notes)


def _incomplete(study: Study) -> bool:
    return any(arm.count("done") < len(study.seeds) for arm in study.arms)


def _lost(arm: StudyArm) -> str:
    """What became of runs that are not done."""
    if not arm.runs:
        diverged = arm.searched and all(run.state == "diverged" for run in arm.searched)
        return "diverged at every rate" if diverged else "search failed"
    told = [(arm.count(state), state) for state in ("diverged", "failed")]
    return ", ".join(f"{count} {state}" for count, state in told if count)


def steps_table(study: Study) -> Table:
    """One row an arm: losses of the first steps, gradients, time."""
    losses = [
        mean
        for arm in study.arms
        for mean in (arm.mean_loss(1), arm.mean_loss(FIRST), arm.mean_loss(LONGER))
        if mean is not None
    ]
    norms = [arm.gradient_norm for arm in study.arms if arm.gradient_norm is not None]
    write, write_norm = _writer(losses), _writer(norms)
    clipped = any(arm.clip_norm is not None for arm in study.arms)
    has_ratio = study.baseline is not None
    columns = (
        Column("Arm", words=True),
        Column("First loss", "First"),
        Column(f"Mean of {FIRST}", f"of {FIRST}"),
        Column(f"Mean of {LONGER}", f"of {LONGER}"),
        *((Column(f"Ratio to {study.baseline}", "Ratio"),) if has_ratio else ()),
        Column("Gradient norm", "Norm"),
        *((Column("Clipped to", "Clip"), Column("Above", ">")) if clipped else ()),
        Column("s a step", "s/step"),
        Column("Training s", "Train"),
    )
    rows = []
    for arm in study.arms:
        cells = [arm.name, *(write(arm.mean_loss(steps)) for steps in (1, FIRST, LONGER))]
        cells += [_RATIO(study.loss_ratio(arm))] if has_ratio else []
        cells.append(write_norm(arm.gradient_norm))
        if clipped:
            share = arm.above_clip
            cells += [number(arm.clip_norm, "{:g}"), number(share and 100 * share, "{:.0f} %")]
        cells += [number(arm.seconds_a_step, "{:.3g}"), number(arm.seconds, "{:,.0f}")]
        rows.append(Row(tuple(cells)))
    note = (
        f"Mean losses of the first, the first {FIRST} and the first {LONGER} steps over the seeds; "
        "norm: median over the logged steps, before clipping; time: the arms may have shared the "
        "machine."
    )
    return Table("First steps", columns, tuple(rows), note)


def search_table(study: Study) -> Table:
    """One row an arm that was searched, one column a learning rate."""
    searched = [arm for arm in study.arms if arm.searched]
    rates = sorted({run.learning_rate or 0.0 for arm in searched for run in arm.searched})
    runs = [run for arm in searched for run in arm.searched]
    write = _writer(best[0] for run in runs if (best := run.best(study.mode)))
    columns = (Column("Arm", words=True), *(Column(rate(one)) for one in rates), Column("Taken"))
    rows = []
    for arm in searched:
        by_rate = {run.learning_rate: run for run in arm.searched}
        cells = [_searched(by_rate[one], study, write) if one in by_rate else "" for one in rates]
        rows.append(Row((arm.name, *cells, rate(arm.learning_rate))))
    note = f"{study.metric} of short runs by learning rate, with the first seed."
    return Table("Search of learning rates", columns, tuple(rows), note)


def _searched(run: StudyRun, study: Study, write: "_Writer") -> str:
    best = run.best(study.mode)
    return write(best[0]) if best else {"done": MISSING}.get(run.state, run.state)


def runs_table(study: Study) -> Table:
    """Every run, those of the search first."""
    runs = [run for arm in study.arms for run in arm.searched]
    runs += [run for arm in study.arms for run in arm.runs]
    write = _writer(best[0] for run in runs if (best := run.best(study.mode)))
    columns = (
        Column("Set", words=True), Column("Seed"), Column("Epochs"), Column("Best"),
        Column("in epoch"), Column("Last"), Column("s"), Column("State", words=True),
        Column("Folder", words=True),
    )  # fmt: skip
    rows = []
    for run in runs:
        best = run.best(study.mode)
        rows.append(
            Row(
                (
                    run.set_id,
                    str(run.seed),
                    str(len(run.curve)),
                    write(best and best[0]),
                    str(best[1]) if best else MISSING,
                    write(run.curve[-1] if run.curve else None),
                    number(run.seconds, "{:,.0f}"),
                    run.problem or run.state,
                    run.folder,
                )
            )
        )
    return Table("Runs", columns, tuple(rows))


def rate(value: float | None) -> str:
    """A learning rate as one writes it."""
    return MISSING if value is None else f"{value:g}"


def number(value: float | None, form: str) -> str:
    """A number in a form, a dash where there is none."""
    return MISSING if value is None or not math.isfinite(value) else form.format(value)


class _Writer:
    """Writes numbers with as many decimals as the usual one of them needs."""

    def __init__(self, decimals: int) -> None:
        self.decimals = decimals

    def __call__(self, value: float | None, *, sign: bool = False) -> str:
        form = ".3g" if value is not None and abs(value) >= _HUGE else f"z.{self.decimals}f"
        return number(value, f"{{:{'+' if sign else ''}{form}}}")


_RATIO = _Writer(3)


def _writer(values: Iterable[float]) -> _Writer:
    """A writer for values that stand below each other."""
    sizes = [abs(value) for value in values if math.isfinite(value) and value]
    usual = statistics.median_low(sizes) if sizes else 1.0  # one that runs away changes nothing
    return _Writer(min(max(_DIGITS - 1 - math.floor(math.log10(usual)), 0), 6))
