"""report.html of a study: which arm is best, and whether that can be told."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from utils.report.html import Headline, write_page
from utils.report.measures import headline_measures
from utils.report.plots_front import front_picture
from utils.report.plots_study import curves_picture, search_picture, steps_picture
from utils.report.section import Section
from utils.report.study import PAIRED, Study
from utils.report.study_arms import End
from utils.report.study_cells import rate
from utils.report.study_front import front_findings, front_table, left_out_table
from utils.report.study_statistics import Difference, Verdict
from utils.report.study_steps import gradients_table, logged_lengths, steps_table
from utils.report.study_tables import arms_table, runs_table, scores_table, search_table
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
    return (*_order(study), *front_findings(study), *_losses(study))


def _order(study: Study) -> list[str]:
    if study.best is None:
        return ["No arm finished a run."]
    differences = {arm.name: study.to_best(arm) for arm in study.arms}
    ahead = any(one.favours(study.mode) for one in differences.values() if one is not None)
    which = ", of the arms that finished most seeds" if ahead else ""
    groups = _by_verdict(
        differences,
        study.mode,
        {
            "worse": "Worse, by intervals that leave 0 out",
            "better": "Better on the seeds that both finished, by intervals that leave 0 out",
            "open": "Not told apart from it by these seeds",
            "single": "By one seed alone, so without an interval",
        },
    )
    groups["Not compared, as it finished none of their seeds"] = [
        arm.name
        for arm in study.arms
        if study.values(arm) and arm is not study.best and differences[arm.name] is None
    ]
    by = study.validated_by if study.is_validated_by_files else study.metric
    return [f"Best by {by}{which}: {study.best.name}.", *_told(groups)]


def _by_verdict(
    differences: Mapping[str, Difference | None], mode: str, words: Mapping[Verdict, str]
) -> dict[str, list[str]]:
    """Names of arms by what is said of them; those without a difference are left out."""
    known = {name: one.verdict(mode) for name, one in differences.items() if one is not None}
    return {
        text: [name for name, found in known.items() if found == verdict]
        for verdict, text in words.items()
    }


def steps_findings(study: Study) -> tuple[str, ...]:
    """What the first steps say in words: whose mean loss differs from the reference's."""
    if study.reference is None:
        return ()
    name, told = study.reference.name, []
    for steps in logged_lengths(study):
        first = f"First {steps} steps"
        differences = {arm.name: study.to_reference(arm, steps) for arm in study.arms}
        words: dict[Verdict, str] = {
            "better": f"{first}, less mean loss than {name}, by intervals that leave 0 out",
            "worse": f"{first}, more mean loss than {name}, by intervals that leave 0 out",
            "open": f"{first}, not told apart from {name} by these seeds",
            "single": f"{first}, compared with {name} by one seed alone",
        }
        told += _told(_by_verdict(differences, "min", words))
    return tuple(told)


def _losses(study: Study) -> list[str]:
    ends: tuple[tuple[End, str], ...] = (("diverged", "Diverged"), ("failed", "Failed"))
    groups = {
        words: [
            f"{arm.name} ({arm.count(end)} of {len(arm.runs)})"
            for arm in study.arms
            if arm.count(end)
        ]
        for end, words in ends
    }
    groups["Diverged at every learning rate of the search"] = [
        arm.name
        for arm in study.arms
        if arm.searched and all(run.end == "diverged" for run in arm.searched)
    ]
    groups["Left out, as a run of the search failed"] = [
        arm.name for arm in study.arms if arm.search_end == "search failed"
    ]
    return _told(groups)


def _told(groups: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{words}: {', '.join(names)}." for words, names in groups.items() if names]


def _headlines(study: Study) -> tuple[Headline, ...]:
    spread = None if study.best is None else study.validation(study.best)
    if study.best is None or spread is None:
        return ()
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
    if study.is_priced:
        sections.append(
            Section(
                "Cost and score",
                items=front_findings(study),
                tables=(front_table(study),),
                figures=tuple(front_picture(study, one) for one in study.quantities),
            )
        )
    if study.left_out:
        sections.append(Section("Left out", tables=(left_out_table(study),)))
    if headline_measures(study.measured):
        sections.append(Section("Test", tables=(scores_table(study),)))
    if any(run.losses for run in runs):
        sections.append(
            Section(
                "First steps",
                _pairing(study),
                items=steps_findings(study),
                tables=(steps_table(study), gradients_table(study)),
                figures=(steps_picture(study),),
            )
        )
    if any(arm.searched for arm in study.arms):
        tables, figures = (search_table(study),), (search_picture(study),)
        sections.append(Section("Search", tables=tables, figures=figures))
    columns = (Column("Arm", words=True), Column("Differs by", words=True))
    changes = tuple(Row((arm.name, arm.changes or "nothing")) for arm in study.arms)
    sections.append(Section("What differs", tables=(Table("What differs", columns, changes),)))
    sections.append(Section("Runs", tables=(runs_table(study),), folded=True))
    sections.append(Section("Parameters", listing=parameters_yaml, folded=True))
    return sections


def _pairing(study: Study) -> str:
    """Whether the arms of a seed begin with one loss; "" where that is not known."""
    if study.is_paired is None:
        return ""
    if study.is_paired_exactly:
        return "The first loss is the same in all arms of a seed, to the last digit."
    if study.is_paired:
        return (
            f"The first losses of a seed agree in all arms to a relative {PAIRED:g}, though not to "
            "the last digit, as they do where runs had other numbers of threads."
        )
    return (
        f"The first losses of a seed differ from arm to arm by more than a relative {PAIRED:g}: "
        "they are not paired."
    )
