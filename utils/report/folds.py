"""Scores of folds side by side, for every task that has folds."""

from collections.abc import Mapping
from typing import Any

from utils.report.measures import MEASURES, Measure, headline_measures
from utils.report.tables import Column, Row, Table

_HELD_OUT = "of clips held out of all folds, by the mean of all their networks"
_TOGETHER = "of these parts together"


def fold_table(scores: Mapping[str, Any]) -> Table | None:
    """Headline scores of each fold, their mean and deviation; None for fewer than two folds.

    Args:
        scores: ``per_fold`` holds ``folds`` (scores by fold name), ``mean`` and ``deviation``;
            with ``out_of_fold`` there are test clips outside of all folds.
    """
    summary = scores.get("per_fold", {})
    folds = summary.get("folds", {})
    if len(folds) < 2:
        return None
    measures = (*headline_measures(summary["mean"]), *_micro(folds))
    columns = (Column("Fold", words=True), *(Column(m.heading, m.short_heading) for m in measures))
    named = [(name, found, False) for name, found in folds.items()]
    named += [("mean", summary["mean"], True), ("deviation", summary["deviation"], True)]
    rows = tuple(
        Row((name, *(m.number(found.get(m.key)) for m in measures)), summary=sums_up)
        for name, found, sums_up in named
    )
    others = _HELD_OUT if "out_of_fold" in scores else _TOGETHER
    note = (
        f"Each fold: its own test part; the other scores are {others}. "
        "Deviation: standard deviation over folds (n - 1)."
    )
    if _micro(folds):
        note += " Accuracy is the mean over classes, micro the share of the clips."
    return Table("Folds", columns, rows, note)


def _micro(folds: Mapping[str, Mapping[str, float]]) -> tuple[Measure, ...]:
    """The share of right clips, where classes of other sizes make it another number."""
    micro, macro = MEASURES["accuracy_micro"], MEASURES["accuracy"]
    if not all({micro.key, macro.key} <= set(found) for found in folds.values()):
        return ()
    differs = any(
        micro.number(found[micro.key]) != macro.number(found[macro.key]) for found in folds.values()
    )
    return (micro,) if differs else ()
