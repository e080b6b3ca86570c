"""Tables and sections of separation: scores overall, by stem, by file; the speed of every file."""

from collections.abc import Iterator, Mapping
from typing import Any

from utils.report.measures import MEASURES
from utils.report.plots_separation import improvements
from utils.report.section import Section
from utils.report.size import count
from utils.report.tables import Column, Row, Table

Scores = Mapping[str, Any]

_OF_FILES = ("si_sdr_improvement", "si_sdr", "sdr_improvement", "sdr")
_UNITS = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def tables(scores: Scores) -> tuple[Table, ...]:
    """What the console shows: stems where they have names, the scores, the speed.

    Args:
        scores: ``SeparationScores.as_dict()`` with ``real_time`` and ``window_seconds``.
    """
    return (*score_tables(scores), speed_table(scores))


def score_tables(scores: Scores) -> tuple[Table, ...]:
    """Scores of the stems where they have names, and of all.

    Args:
        scores: ``SeparationScores.as_dict()``.
    """
    stems = (stem_table(scores),) if scores["per_class"] else ()
    return (*stems, overall_table(scores))


def sections(scores: Scores) -> list[Section]:
    """Blocks of the report.

    Args:
        scores: as :func:`tables`.
    """
    return [
        Section("Scores", tables=tables(scores), figures=(improvements(scores),)),
        Section("Files", tables=(file_table(scores),), folded=True),
    ]


def overall_table(scores: Scores) -> Table:
    """All overall scores with their 95 % intervals."""
    columns = (Column("Score", words=True), Column("Value"), Column("95 %"))
    shown = [measure for key, measure in MEASURES.items() if key in scores["overall"]]
    rows = tuple(
        Row(
            (
                measure.heading,
                measure.number(scores["overall"][measure.key]),
                measure.spread(scores["intervals"].get(measure.key)),
            )
        )
        for measure in shown
    )
    return Table("Scores", columns, rows, _overall_note(scores))


def _overall_note(scores: Scores) -> str:
    """What the scores are of."""
    parts = [
        f"{count(scores['files'])} files, {_duration(scores['seconds'])}. Improvement: over the "
        "mixture taken as it is."
    ]
    if "bss_sdr" in scores["overall"]:
        parts.append(
            "BSS Eval v4: medians over files of medians over frames of 1 s, as museval has them; "
            "the others are means over files."
        )
    if not scores["per_class"]:
        parts.append("Sources in the order that suits them best.")
    parts += _left_out(scores)
    if scores["intervals"]:
        parts.append("95 %: files drawn again (bootstrap).")
    return " ".join(parts)


def _left_out(scores: Scores) -> Iterator[str]:
    """Stems and files that scores are not of."""
    with_bss = "bss_sdr" in scores["overall"]
    if scores["silent"]:
        silent, files = count(scores["silent"]), count(scores["silent_files"])
        yield f"Silent stems are left out ({silent}, in {files} of the files)."
        if with_bss:
            yield "Of such files BSS Eval is that of the other stems alone; museval refuses them."
    if scores["single_files"]:
        yield (
            f"No improvement is told of {count(scores['single_files'])} of them, in which one stem "
            "sounds alone."
        )
    if with_bss and scores["without_bss"]:
        yield (
            f"BSS Eval has no score of {count(scores['without_bss'])} of the files: they have no "
            "frame in which all stems and all estimates sound, or the estimates are exact."
        )


def _duration(seconds: float) -> str:
    """A time with one decimal in the largest unit that it fills: ``32.1 minutes``."""
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{seconds / size:.1f} {unit}"


def stem_table(scores: Scores) -> Table:
    """Scores of each stem."""
    shown = [measure for key, measure in MEASURES.items() if key in scores["overall"]]
    columns = (Column("Stem", words=True), *(Column(m.short_heading) for m in shown))
    rows = tuple(
        Row((name, *(measure.number(cell[measure.key]) for measure in shown)))
        for name, cell in scores["per_class"].items()
    )
    return Table("Stems", columns, rows)


def file_table(scores: Scores) -> Table:
    """Scores of each file, the worst first."""
    shown = [MEASURES[key] for key in _OF_FILES]
    columns = (Column("File", words=True), *(Column(m.short_heading) for m in shown))
    files = scores["per_file"]
    order = sorted(files, key=lambda name: _or_least(files[name]["si_sdr_improvement"]))
    rows = tuple(
        Row((name, *(measure.number(files[name][measure.key]) for measure in shown)))
        for name in order
    )
    return Table("Files", columns, rows)


def _or_least(value: float | None) -> float:
    return float("-inf") if value is None else value


def speed_table(scores: Scores) -> Table:
    """How many seconds of audio each model file separates in a second."""
    columns = (Column("Model", words=True), Column("Times real time"))
    rows = tuple(Row((name, f"{times:.1f}")) for name, times in scores["real_time"].items())
    note = (
        f"Whole test files in windows of {scores['window_seconds']:.3g} s, on all cores; reading "
        "them is not included."
    )
    return Table("Speed", columns, rows, note)
