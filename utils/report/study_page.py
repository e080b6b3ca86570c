"""report.html of a study: which arm is best, and whether that can be told."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from utils.report.html import Headline, write_page
from utils.report.plots_study import curves_picture, search_picture, steps_picture
from utils.report.section import Section
from utils.report.study import Study
from utils.report.study_tables import (
    arms_table,
    rate,
    runs_table,
    search_table,
    steps_table,
)
from utils.report.tables import Column, Row, Table


def write_study_page(
    path: Path, study: Study, *, parameters_yaml: str, facts: Mapping[str, str]
) -> None:
    """Write the page.

    Args:
        path: the file.
        study: the outcome.
        parameters_yaml: the study as resolved.
        facts: what more stands below the heading, by name.

    Raises:
        UserError: when the file cannot be written.
    """
    write_page(
        path,
        title=study.study_id,
        kind="Study",
        description=study.description,
        facts={
            "base": study.base,
            "data": f"{study.data} ({study.data_identity})",
            "seeds": ", ".join(map(str, study.seeds)),
            "commit": study.commit or "unknown",
            **facts,
        },
        demo=study.demo,
        headlines=_headlines(study),
        sections=_sections(study, parameters_yaml),
    )


def findings(study: Study) -> tuple[str, ...]:
    """What the comparison says in words: the best arm, which it can be told from, what is lost."""
    return (*_order(study), *_losses(study))


def _order(study: Study) -> list[str]:
    if study.best is None:
        return ["No arm finished a run."]
    differences = {arm.name: study.to_best(arm) for arm in study.arms}
    several = {name: one for name, one in differences.items() if one is not None and one.n > 1}
    groups = {
        "Worse, by intervals that leave 0 out": [n for n, one in several.items() if one.is_clear],
        "Not told apart from it by these seeds": [
            name for name, one in several.items() if not one.is_clear
        ],
        "By one seed alone, so without an interval": [
            name for name, one in differences.items() if one is not None and one.n == 1
        ],
    }
    return [f"Best by {study.metric}: {study.best.name}.", *_told(groups)]


def _losses(study: Study) -> list[str]:
    groups = {
        words: [
            f"{arm.name} ({arm.count(state)} of {len(arm.runs)})"
            for arm in study.arms
            if arm.count(state)
        ]
        for state, words in (("diverged", "Diverged"), ("failed", "Failed"))
    }
    groups["Diverged at every learning rate of the search"] = [
        arm.name
        for arm in study.arms
        if arm.searched and all(run.state == "diverged" for run in arm.searched)
    ]
    return _told(groups)


def _told(groups: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{words}: {', '.join(names)}." for words, names in groups.items() if names]


def _headlines(study: Study) -> tuple[Headline, ...]:
    if study.best is None or study.best.spread is None:
        return ()
    spread = study.best.spread
    note = "one seed" if spread.deviation is None else f"± {spread.deviation:.2g}, n = {spread.n}"
    done = sum(arm.count("done") for arm in study.arms)
    diverged = sum(arm.count("diverged") for arm in study.arms)
    runs = sum(len(arm.runs) for arm in study.arms)
    return (
        Headline("Best arm", study.best.name, f"learning rate {rate(study.best.learning_rate)}"),
        Headline(f"Its {study.metric}", f"{spread.mean:.4g}", note),
        Headline("Arms", str(len(study.arms)), f"{len(study.seeds)} seeds each"),
        Headline("Runs done", f"{done} of {runs}", f"{diverged} diverged" if diverged else ""),
    )


def _sections(study: Study, parameters_yaml: str) -> list[Section]:
    runs = [run for arm in study.arms for run in arm.runs]
    finished = study.best is not None
    figures = (curves_picture(study),) if finished else ()
    sections = [Section("Notes", items=study.notes)] if study.notes else []
    sections.append(
        Section("Arms", items=findings(study), tables=(arms_table(study),), figures=figures)
    )
    if any(run.losses for run in runs):
        paired = {
            None: "",
            True: "The first loss is the same in all arms of a seed, to the last digit.",
            False: "The first losses of a seed differ from arm to arm: they are not paired.",
        }[study.is_paired]
        tables, figures = (steps_table(study),), (steps_picture(study),)
        sections.append(Section("First steps", paired, tables=tables, figures=figures))
    if any(arm.searched for arm in study.arms):
        tables, figures = (search_table(study),), (search_picture(study),)
        sections.append(Section("Search", tables=tables, figures=figures))
    columns = (Column("Arm", words=True), Column("Differs by", words=True))
    changes = tuple(Row((arm.name, arm.changes or "nothing")) for arm in study.arms)
    sections.append(Section("What differs", tables=(Table("What differs", columns, changes),)))
    sections.append(Section("Runs", tables=(runs_table(study),), folded=True))
    sections.append(Section("Parameters", listing=parameters_yaml, folded=True))
    return sections
