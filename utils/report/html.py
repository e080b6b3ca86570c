"""A self-contained page: no script, no link to another file, all text escaped."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.files import write_text
from utils.report.folds import fold_table
from utils.report.limits import broken_limits
from utils.report.measures import headline_measures, use_of
from utils.report.plots import learning_curves
from utils.report.results import Results
from utils.report.section import Section
from utils.report.size import (
    count,
    export_table,
    kilobytes,
    layers_table,
    limits_table,
    millions,
    steps_table,
)
from utils.report.tables import Column, Row, Table

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Headline:
    """One large number of the summary.

    Attributes:
        label: what it is.
        value: the number with its unit.
        note: its interval or what it refers to.
        tone: ``good`` or ``bad`` colour it.
    """

    label: str
    value: str
    note: str = ""
    tone: str = ""


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined,
    )  # fmt: skip
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode("ascii")
    return environment


def write_page(
    path: Path,
    *,
    title: str,
    kind: str,
    facts: Mapping[str, str],
    demo: bool,
    sections: Sequence[Section],
    description: str = "",
    headlines: Sequence[Headline] = (),
) -> None:
    """Write a page made of sections.

    Args:
        path: the file.
        title: heading of the page.
        kind: what sort of page it is, above the heading.
        facts: data, seed, commit and the like by name, below the heading.
        demo: whether a banner says that the data was generated.
        sections: the blocks in order.
        description: a sentence below the heading.
        headlines: large numbers above the sections.

    Raises:
        UserError: when the file cannot be written.
    """
    text = (
        _templates()
        .get_template("report.html.j2")
        .render(
            title=title, kind=kind, facts=facts, demo=demo, sections=sections,
            description=description, headlines=headlines,
        )
    )  # fmt: skip
    write_text(path, text)


def write_report(
    path: Path, results: Results, sections: Sequence[Section], parameters_yaml: str
) -> None:
    """Write report.html of a run.

    Args:
        path: the file.
        results: what results.json says.
        sections: the task's own blocks (scores, curves, pictures), shown after the summary.
        parameters_yaml: the set as resolved.

    Raises:
        UserError: when the file cannot be written.
    """
    write_page(
        path,
        title=results.set_id,
        kind="Report",
        description=results.description,
        facts={
            "data": f"{results.data} ({results.data_identity})",
            "seed": str(results.seed),
            "commit": results.commit or "unknown",
        },
        demo=results.demo,
        headlines=_headlines(results),
        sections=(*_notes(results), *sections, *_closing(results, parameters_yaml)),
    )


def training_section(
    history: Sequence[Mapping[str, float]], *, best_epoch: int | None, fold: str = ""
) -> Section:
    """The block of the learning curves.

    Args:
        history: a row an epoch, as ``training.fit`` gives it.
        best_epoch: epoch (from 1) whose weights were kept.
        fold: name of the fold where there are several; its block is closed at first, so that the
            curves of many folds do not bury the scores.
    """
    text = f"{len(history)} epochs."
    if best_epoch is not None:
        text = f"{len(history)} epochs; the weights of epoch {best_epoch} are kept."
    return Section(
        f"Training: {fold}" if fold else "Training",
        text,
        figures=(learning_curves(history, best_epoch=best_epoch),),
        folded=bool(fold),
    )


def _headlines(results: Results) -> tuple[Headline, ...]:
    cards = []
    for measure in headline_measures(results.overall):
        value = f"{measure.number(results.overall[measure.key])} {measure.unit}".rstrip()
        bounds = results.interval(measure.key)
        note = f"95 %: {measure.spread(bounds)}" if bounds is not None else ""
        cards.append(Headline(measure.name, value, note))
    if results.model is not None:
        cards.append(Headline("Parameters", count(results.model.parameters), "in Keras"))
        per = f"MAC per {use_of(results.overall).takes}"
        cards.append(Headline("Operations", f"{millions(results.model.macs)} M", per))
    if "int8" in results.exports:
        size = results.exports["int8"].parameter_bytes
        cards.append(Headline("Size in int8", f"{kilobytes(size)} KB", f"{count(size)} bytes"))
    if results.limits:
        broken = sum(not verdict.passed for verdict in results.limits)
        kept = len(results.limits) - broken
        tone = "bad" if broken else "good"
        cards.append(Headline("Limits", f"{kept} of {len(results.limits)}", "are kept", tone))
    return tuple(cards)


def _notes(results: Results) -> tuple[Section, ...]:
    """What a reader must know before the numbers: leaks, skipped audio, what the demo changed."""
    tables = []
    if results.differences_in_demo:
        columns = (Column("Parameter", words=True), Column("On demo data", words=True))
        rows = tuple(Row(pair) for pair in _flattened(results.differences_in_demo))
        tables.append(Table("What the set changes on demo data", columns, rows))
    if not tables and not results.notes:
        return ()
    return (Section("Notes", items=results.notes, tables=tuple(tables)),)


def _flattened(tree: Mapping[str, Any], path: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping):
            pairs += _flattened(value, f"{path}{key}.")
        else:
            pairs.append((f"{path}{key}", str(value)))
    return pairs


def _closing(results: Results, parameters_yaml: str) -> list[Section]:
    sections = []
    folds = fold_table(results.scores)
    if folds is not None:
        sections.append(Section("Folds", tables=(folds,)))
    if results.steps:
        sections.append(Section("Compression", tables=(steps_table(results),)))
    if results.exports or results.limits:
        broken = broken_limits(results)
        tables = [export_table(results)] if results.exports else []
        tables += [limits_table(results.limits)] if results.limits else []
        sections.append(Section("Export and limits", items=broken, tables=tuple(tables)))
    if results.model is not None and results.model.layers:
        layers = layers_table(results.model, takes=use_of(results.overall).takes)
        sections.append(Section("Layers", tables=(layers,), folded=True))
    sections.append(Section("Parameters", listing=parameters_yaml, folded=True))
    sections.append(Section("Environment", tables=_environment(results), folded=True))
    return sections


def _environment(results: Results) -> tuple[Table, ...]:
    versions = tuple(Row(pair) for pair in results.versions.items())
    stages = tuple(Row((name, f"{seconds:,.1f}")) for name, seconds in results.stages.items())
    return (
        Table("Time", (Column("Stage", words=True), Column("Seconds")), stages),
        Table("Versions", (Column("Package", words=True), Column("Version", words=True)), versions),
    )
