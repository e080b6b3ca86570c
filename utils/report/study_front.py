"""What the arms of a study cost and how well they do: the table, and what it says in words."""

from utils.report.limits import NOUNS
from utils.report.measures import MISSING
from utils.report.size import count, millions
from utils.report.study import Study, StudyArm
from utils.report.study_cells import Writer, mean_cell
from utils.report.tables import Column, Row, Table


def front_table(study: Study) -> Table:
    """One row an arm, the cheapest first: sizes, operations, scores, on which front it is."""
    write = Writer.of(value for arm in study.arms for value in study.values(arm).values())
    score = study.main_score
    files = study.files
    counted = [arm for arm in study.arms if arm.costs]
    incomplete = any(len(study.values(arm)) < len(study.seeds) for arm in counted)
    limited = any(cost.verdicts for arm in counted for cost in arm.costs)
    fronts = {
        quantity: {point.name for point in study.front(quantity)} for quantity in study.quantities
    }
    columns = (
        Column("Arm", words=True),
        *((Column("File", words=True),) if len(files) > 1 else ()),
        Column("Bytes" if len(files) > 1 else f"{files[0]} bytes", "Bytes"),
        Column("MMAC"),
        Column(study.validated_by, "Valid."),
        *((Column("n"),) if incomplete else ()),
        *((Column(f"Test {score.in_text} {score.unit}".rstrip(), "Test"),) if score else ()),
        Column("On the front", "Front", words=True),
        *((Column("Broken limits", "Broken", words=True),) if limited else ()),
    )
    rows = []
    for arm in sorted(counted, key=_dearness):
        on = [NOUNS[quantity] for quantity, names in fronts.items() if arm.name in names]
        cells = [
            arm.name,
            *((arm.costs[0].file,) if len(files) > 1 else ()),
            count(_whole(arm.cost("bytes"))),
            millions(_whole(arm.cost("MAC"))),
            write.mean(study.validation(arm)),
            *((str(len(study.values(arm))),) if incomplete else ()),
            *((mean_cell(arm.file_score(score.key), score.number),) if score else ()),
            ", ".join(on) or MISSING,
            *((", ".join(arm.broken) or "none",) if limited else ()),
        ]
        rows.append(Row(tuple(cells), tone="good" if on else ""))
    return Table("Cost and score", columns, tuple(rows), _note(study))


def _dearness(arm: StudyArm) -> tuple[float, float, str]:
    return arm.cost("bytes") or 0.0, arm.cost("MAC") or 0.0, arm.name


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _note(study: Study) -> str:
    by = "that of the judged file" if study.is_validated_by_files else "of the network in Keras"
    return (
        f"Bytes: of {study.bytes_text}, mean over the seeds; the test scores are of the judged "
        "file. On the front: no other arm costs less without being worse by its mean "
        f"{study.metric}, which is {by}; of the arms done with most seeds. "
        "Arms that validate the same are compared by bytes with zeros. Neighbours on it may not "
        "be told apart by so few seeds. Test scores chose nothing here; whoever picks an "
        "arm by them chooses on test clips, and can no longer report them."
    )


def front_findings(study: Study) -> tuple[str, ...]:
    """Which arms no other beats, and which is best of those that keep every limit."""
    told = [
        f"On the front of {NOUNS[quantity]} and {study.metric}, the cheapest first: "
        f"{', '.join(point.name for point in study.front(quantity))}."
        for quantity in study.quantities
    ]
    keeping = [arm for arm in study.arms if arm.costs and study.validation(arm) and not arm.broken]
    if len(keeping) < len([arm for arm in study.arms if arm.costs]):
        told.append(
            f"Best by {study.metric} of the arms that keep every limit: {_best_of(study, keeping)}."
        )
    return tuple(told)


def _best_of(study: Study, arms: list[StudyArm]) -> str:
    """The best of those done with most seeds; with their number where others have more."""
    best = study.best_of(arms)
    if best is None:
        return "none"
    most = len(study.values(best))
    few = f" ({most} of {len(study.seeds)} seeds)" if most < len(study.seeds) else ""
    return f"{best.name}{few}"


def left_out_table(study: Study) -> Table:
    """One row an arm that was not run, and what it costs more than is allowed."""
    columns = (
        Column("Arm", words=True),
        Column("Differs by", words=True),
        Column("Costs more than allowed", words=True),
    )
    rows = tuple(
        Row((one.name, one.changes or "nothing", "; ".join(one.reasons))) for one in study.left_out
    )
    note = (
        "Counted of the network before any training; what was trained is judged by its own file. "
        "Zeros that a training would make are not foreseen."
    )
    return Table("Left out before training", columns, rows, note)
