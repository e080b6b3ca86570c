"""Tables of a study: its arms, their test scores, the search of learning rates, every run."""

from utils.report.measures import MISSING, headline_measures
from utils.report.study import Study, StudyArm, StudyRun
from utils.report.study_arms import End
from utils.report.study_cells import RATIO, Writer, mean_cell, number, rate, seeds
from utils.report.study_front import front_table
from utils.report.study_steps import gradients_table, steps_table
from utils.report.tables import Column, Row, Table


def study_tables(study: Study) -> tuple[Table, ...]:
    """What the console shows: arms; costs, test scores, first steps, search where there are any."""
    tables = [arms_table(study)]
    if study.is_priced:
        tables.append(front_table(study))
    if headline_measures(study.measured):
        tables.append(scores_table(study))
    if any(run.losses for arm in study.arms for run in arm.runs):
        tables += [steps_table(study), gradients_table(study)]
    if any(arm.searched for arm in study.arms):
        tables.append(search_table(study))
    return tuple(tables)


def arms_table(study: Study) -> Table:
    """One row an arm: its value over the seeds, and the paired difference to the best arm."""
    write = Writer.of(value for arm in study.arms for value in study.values(arm).values())
    write_difference = Writer.of(
        difference.mean for arm in study.arms if (difference := study.to_best(arm))
    )
    has_ratio, incomplete = study.baseline is not None, _incomplete(study)
    columns = (
        Column("Arm", words=True),
        Column("Learning rate", "Rate"),
        Column(study.validated_by, study.metric),
        Column("Epoch"),
        Column("To the best", "To best"),
        Column("95 %"),
        Column("n"),
        *((Column(f"Ratio to {study.baseline}", "Ratio"),) if has_ratio else ()),
        *((Column("Not done", "Lost", words=True),) if incomplete else ()),
    )
    rows = []
    for arm in study.arms:
        difference = study.to_best(arm)
        is_best = arm is study.best
        values = study.values(arm)
        compared = study.best is not None and not is_best and bool(values)
        cells = [
            arm.name,
            rate(arm.learning_rate),
            write.mean(study.validation(arm)),
            MISSING if arm.epoch is None else f"{arm.epoch:.1f}",
            *(("best", MISSING) if is_best else write_difference.difference(difference)),
            seeds(len(values), difference, compared=compared),
        ]
        cells += [RATIO(study.value_ratio(arm))] if has_ratio else []
        lost = _lost(arm)
        cells += [lost] if incomplete else []
        rows.append(Row(tuple(cells), tone="bad" if incomplete and lost else ""))
    return Table(f"Arms by {study.metric}", columns, tuple(rows), _arms_note(study))


def _arms_note(study: Study) -> str:
    which = "lowest" if study.mode == "min" else "highest"
    told = f"Best: the {which} of a run's epochs"
    if study.is_validated_by_files:
        told = f"{study.validated_by}: of what limits.format names, not of the network in Keras"
    notes = [
        f"{told}, mean ± standard deviation (n - 1) over n seeds. To "
        "best: mean difference to the best arm, seed by seed; 95 %: its t interval over the seeds "
        "that both finished, not corrected for the number of arms, nor for the best arm being "
        "chosen by these values. It is over seeds alone: what other validation files would say is "
        "not in it."
    ]
    if _incomplete(study):
        notes.append(
            "The best arm is one of those that finished most seeds; in brackets: the seeds that "
            "an arm shares with it, where they are fewer than n."
        )
    if study.baseline is not None:
        notes.append(f"Ratio: to {study.baseline}, over the same seeds.")
    return " ".join(notes)


def _incomplete(study: Study) -> bool:
    return any(arm.count("done") < len(study.seeds) for arm in study.arms)


def _lost(arm: StudyArm) -> str:
    """What became of runs that are not done."""
    if not arm.runs:
        return arm.search_end
    ends: tuple[End, ...] = ("diverged", "failed")
    told = [(arm.count(end), end) for end in ends]
    return ", ".join(f"{count} {end}" for count, end in told if count)


def scores_table(study: Study) -> Table:
    """One row an arm: its scores of the test part, over the seeds that were tested."""
    measures = headline_measures(study.measured)
    columns = (
        Column("Arm", words=True),
        *(Column(measure.heading, measure.short_heading) for measure in measures),
        Column("n"),
    )
    rows = [
        Row(
            (
                arm.name,
                *(mean_cell(arm.score(measure.key), measure.number) for measure in measures),
                str(len(arm.tested)),
            )
        )
        for arm in study.arms
    ]
    note = (
        "Scores of the test part as in results.json: mean ± standard deviation (n - 1) over the n "
        "seeds that are done and tested. Nothing in this study was chosen by them."
    )
    return Table("Test", columns, tuple(rows), note)


def search_table(study: Study) -> Table:
    """One row an arm that was searched, one column a learning rate."""
    searched = [arm for arm in study.arms if arm.searched]
    rates = sorted({run.learning_rate or 0.0 for arm in searched for run in arm.searched})
    values = [run.last for arm in searched for run in arm.searched]
    write = Writer.of(value for value in values if value is not None)
    columns = (Column("Arm", words=True), *(Column(rate(one)) for one in rates), Column("Taken"))
    rows = []
    for arm in searched:
        by_rate = {run.learning_rate: run for run in arm.searched}
        cells = [_searched(by_rate[one], write) if one in by_rate else "" for one in rates]
        rows.append(Row((arm.name, *cells, rate(arm.learning_rate))))
    note = (
        f"{study.metric} after the last epoch of short runs, with the first seed, by learning rate."
    )
    return Table("Search of learning rates", columns, tuple(rows), note)


def _searched(run: StudyRun, write: Writer) -> str:
    return write(run.last) if run.end == "done" else run.end


def runs_table(study: Study) -> Table:
    """Every run, those of the search first."""
    runs = [run for arm in study.arms for run in arm.searched]
    runs += [run for arm in study.arms for run in arm.runs]
    write = Writer.of(best[0] for run in runs if (best := run.best(study.mode)))
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
                    run.problem or run.end,
                    run.folder,
                )
            )
        )
    return Table("Runs", columns, tuple(rows))
