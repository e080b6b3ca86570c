"""Tables and sections of sound events: PSDS and F1 scores, overall and by class, the PSD-ROC."""

from collections.abc import Mapping
from typing import Any

from utils.report.folds import fold_table
from utils.report.measures import MEASURES
from utils.report.plots_events import psd_roc
from utils.report.section import Section
from utils.report.size import count
from utils.report.tables import Column, Row, Table

Scores = Mapping[str, Any]

_OF_CLASS = (
    ("event_f1", "event_f1_macro"),
    ("intersection_f1", "intersection_f1_macro"),
    ("segment_f1", "segment_f1_macro"),
    ("psds_scenario1", "psds_scenario1"),
    ("psds_scenario2", "psds_scenario2"),
)
"""Scores of a class, and the overall score that each is a part of."""
_HOUR = 3600.0


def overall_table(scores: Scores) -> Table:
    """All overall scores with their 95 % intervals.

    Args:
        scores: ``EventScores.as_dict()``.
    """
    columns = (Column("Score", words=True), Column("Value"), Column("95 %"))
    intervals = scores.get("intervals", {})
    rows = tuple(
        Row(
            (
                measure.heading,
                measure.number(scores["overall"][key]),
                measure.spread(intervals.get(key)),
            )
        )
        for key, measure in MEASURES.items()
        if key in scores["overall"]
    )
    return Table("Scores", columns, rows, _overall_note(scores))


def _overall_note(scores: Scores) -> str:
    """What the scores are of, and what is peculiar to them."""
    parts = [
        f"{count(scores['clips'])} clips, {scores['seconds'] / _HOUR:.2f} hours. PSDS 1 asks for "
        "exact times, PSDS 2 for the right class; both from 0 to 1."
    ]
    exact = scores["tables"] is None
    if exact:
        parts.append("PSDS is over all thresholds where no number of them is named.")
    else:
        parts.append(
            f"PSDS is of {count(scores['tables'])} thresholds, F1 at {scores['f1_threshold']:g}."
        )
    parts.append("F1: mean over classes. As of 2021: with that year's mean of cross-triggers.")
    if scores.get("intervals"):
        moved = "; that of PSDS over all thresholds is the one of 50, moved" if exact else ""
        parts.append(f"95 %: clips drawn again (bootstrap){moved}.")
    return " ".join(parts)


def class_table(scores: Scores) -> Table:
    """F1 scores and PSDS of each class, in the order of the classes; the last row sums up.

    Args:
        scores: ``EventScores.as_dict()``.
    """
    columns = (
        Column("Class", words=True),
        Column("Event F1 %", "Event %"),
        Column("Intersection F1 %", "Inters. %"),
        Column("Segment F1 %", "Segm. %"),
        Column("PSDS 1"),
        Column("PSDS 2"),
        Column("Events"),
    )
    rows = [
        Row(
            (
                name,
                *(MEASURES[overall].number(cell[key]) for key, overall in _OF_CLASS),
                count(cell["events"]),
            )
        )
        for name, cell in scores["per_class"].items()
    ]
    total = sum(cell["events"] for cell in scores["per_class"].values())
    whole = (MEASURES[key].number(scores["overall"][key]) for _, key in _OF_CLASS)
    rows.append(Row(("all", *whole, count(total)), summary=True))
    note = (
        "PSDS of a class: area under its own curve. Last row: F1 is the mean over classes; PSDS is "
        "the area under the mean of the curves less their standard deviation."
    )
    return Table("Classes", columns, tuple(rows), note)


def network_table(scores: Scores) -> Table:
    """Student and teacher side by side.

    Args:
        scores: ``EventScores.as_dict()`` with ``networks``: overall scores by name.
    """
    networks = scores["networks"]
    shown = [measure for key, measure in MEASURES.items() if key in scores["overall"]]
    rows = tuple(
        Row((measure.heading, *(measure.number(each[measure.key]) for each in networks.values())))
        for measure in shown
    )
    return Table("Networks", (Column("Score", words=True), *map(Column, networks)), rows)


def event_tables(scores: Scores) -> tuple[Table, ...]:
    """What the console shows: each class, folds where there are several, the scores last.

    Args:
        scores: ``EventScores.as_dict()``, with ``per_fold`` where there are folds.
    """
    folds = fold_table(scores)
    return (class_table(scores), *((folds,) if folds is not None else ()), overall_table(scores))


def event_sections(scores: Scores) -> tuple[Section, ...]:
    """The blocks of a report on sound events; folds have a block of their own.

    Args:
        scores: ``EventScores.as_dict()``.

    Returns:
        Results, PSD-ROC.
    """
    return (
        Section("Results", tables=(overall_table(scores), class_table(scores))),
        Section(
            "PSD-ROC",
            "How much is found for how many false alarms, as the threshold falls. The thick line "
            "is the mean of the classes less their standard deviation, the shaded area PSDS.",
            figures=(psd_roc(scores),),
        ),
    )
