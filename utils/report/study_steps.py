"""Tables of the first steps of a study's arms: their losses, their gradients, their time."""

from utils.report.measures import MISSING
from utils.report.study import FIRST, LONGER, Study, StudyArm
from utils.report.study_cells import RATIO, Writer, number, seeds
from utils.report.study_statistics import Spread
from utils.report.tables import Column, Row, Table


def logged_lengths(study: Study) -> tuple[int, ...]:
    """Of 8 and 100 the numbers of first steps that some run logs."""
    return tuple(
        steps for steps in (FIRST, LONGER) if any(arm.mean_losses(steps) for arm in study.arms)
    )


def steps_table(study: Study) -> Table:
    """One row an arm: mean losses of the first steps, and paired differences to the reference."""
    lengths = logged_lengths(study)
    has_ratio = study.baseline is not None and LONGER in lengths
    columns = [Column("Arm", words=True), Column("First loss", "First")]
    for steps in lengths:
        columns += [
            Column(f"Mean of {steps}", f"of {steps}"),
            Column(f"Difference of {steps}", "Diff."),
            Column(f"95 % of {steps}", "95 %"),
            Column(f"n of {steps}", "n"),
        ]
    columns += [Column(f"Ratio to {study.baseline}", "Ratio")] if has_ratio else []
    writers = _writers(study)
    rows = []
    for arm in study.arms:
        cells = [arm.name, writers[0](arm.mean_loss(1))]
        for steps in lengths:
            cells += _length_cells(study, arm, steps, *writers)
        cells += [RATIO(study.loss_ratio(arm))] if has_ratio else []
        rows.append(Row(tuple(cells)))
    return Table("First steps", tuple(columns), tuple(rows), _steps_note(study))


def _writers(study: Study) -> tuple[Writer, Writer]:
    """For losses, and for their differences."""
    losses, differences = [], []
    for arm in study.arms:
        for steps in (1, FIRST, LONGER):
            losses += list(arm.mean_losses(steps).values())
        for steps in (FIRST, LONGER):
            difference = study.to_reference(arm, steps)
            differences += [] if difference is None else [difference.mean]
    return Writer.of(losses), Writer.of(differences)


def _length_cells(
    study: Study, arm: StudyArm, steps: int, write: Writer, write_difference: Writer
) -> tuple[str, ...]:
    """Mean, difference, interval and seeds of so many first steps."""
    losses, difference = arm.mean_losses(steps), study.to_reference(arm, steps)
    is_reference = arm is study.reference
    compared = study.reference is not None and not is_reference
    told = ("reference", MISSING) if is_reference else write_difference.difference(difference)
    return (
        write.mean(Spread.of(losses.values())),
        *told,
        seeds(len(losses), difference, compared=compared),
    )


def _steps_note(study: Study) -> str:
    notes = [
        f"Of each run the mean loss of the first {FIRST} and the first {LONGER} steps, as far as "
        "they are logged and are numbers; mean ± standard deviation (n - 1) over n seeds, of runs "
        "that diverged later too."
    ]
    if study.reference is not None:
        which = "the baseline" if study.reference.name == study.baseline else "the best arm"
        notes.append(
            f"Difference: to {study.reference.name}, {which}, seed by seed; 95 %: its t interval "
            "over the seeds that both have, not corrected for the number of arms; in brackets "
            "their number, where it is less than n."
        )
    if study.baseline is not None:
        notes.append(f"Ratio: of the means of {LONGER} steps, over the same seeds.")
    return " ".join(notes)


def gradients_table(study: Study) -> Table:
    """One row an arm: gradients and time of the logged steps."""
    write = Writer.of(arm.gradient_norm for arm in study.arms if arm.gradient_norm is not None)
    clipped = any(arm.clip_norm is not None for arm in study.arms)
    columns = (
        Column("Arm", words=True),
        Column("Gradient norm", "Norm"),
        *((Column("Clipped to", "Clip"), Column("Above", ">")) if clipped else ()),
        Column("s a step", "s/step"),
        Column("Training s", "Train"),
    )
    rows = []
    for arm in study.arms:
        cells = [arm.name, write(arm.gradient_norm)]
        if clipped:
            share = arm.above_clip
            cells.append(number(arm.clip_norm, "{:g}"))
            cells.append(number(share and 100 * share, "{:.0f} %"))
        cells += [number(arm.seconds_a_step, "{:.3g}"), number(arm.seconds, "{:,.0f}")]
        rows.append(Row(tuple(cells)))
    return Table("Gradients and time", columns, tuple(rows), _gradients_note(clipped=clipped))


def _gradients_note(*, clipped: bool) -> str:
    notes = ["Norm: of all gradients together, before clipping, the median over the logged steps."]
    if clipped:
        notes.append(
            "Clip: norm to which all together are clipped; clipping of each variable on its own "
            "(clipnorm, clipvalue) is not shown. Above (>): share of the logged steps whose norm "
            "is greater, or no number."
        )
    notes.append(
        "s a step: median over the logged steps; Training s: mean over the runs. The arms may have "
        "shared the machine."
    )
    return " ".join(notes)
