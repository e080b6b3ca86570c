"""Several runs side by side: one table, one plot; and the list that ``--show_results`` prints."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.files import write_bytes, write_text
from utils.report.html import write_page
from utils.report.limits import NETWORK, NOUNS, WITH_ZEROS, broken_limits, counts_zeros, size_of
from utils.report.measures import MISSING, Measure, headline_measures, use_of
from utils.report.plots import BLUE, GREY, INK, RED, Picture, as_png, as_svg, drawing
from utils.report.results import Results
from utils.report.section import Section
from utils.report.size import count, millions
from utils.report.tables import Column, Row, Table, to_markdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SMALLEST_FIRST = ("int8", "dynamic", "float16", "float32")


def comparison_table(runs: Sequence[Results]) -> Table:
    """One row a run, in the given order: scores with intervals, size, operations, limits, time.

    Where seeds differ, a column names them, and each set that ran with several has a last row with
    the means of its scores and their standard deviations (n - 1).

    Args:
        runs: at least one run.

    Returns:
        The table; its note explains the deviations and says when the runs were scored on different
        data.
    """
    measures = _shared_measures(runs)
    size_format = _shared_format(runs)
    seeds, limited = _seeds_differ(runs), any(run.limits for run in runs)
    columns = (
        Column("Set", words=True),
        *((Column("Seed"),) if seeds else ()),
        *(Column(m.heading, m.short_heading) for m in measures),
        Column("Parameters", "Param."),
        Column(f"{size_format} bytes", size_format),
        Column("MMAC"),
        Column("Training s", "Train"),
        *((Column("Broken limits", "Broken", words=True),) if limited else ()),
    )
    rows = [
        _comparison_row(run, measures, size_format, seed=seeds, limited=limited) for run in runs
    ]
    means = [_mean_row(same, measures, len(columns)) for same in _repeated(runs)]
    notes = []
    if any(run.interval(m.key) is not None for run in runs for m in measures):
        where = " of a run" if means else ""
        notes.append(f"±{where}: half the width of the 95 % bootstrap interval.")
    if means:
        notes.append("± of a mean: standard deviation over seeds (n - 1).")
    if len({(run.data, run.data_identity) for run in runs}) > 1:
        notes.append(
            "The runs were scored on different data, or on another split of it: compare their "
            "scores only to see what that does."
        )
    return Table("Scores, size and operations", columns, (*rows, *means), " ".join(notes))


def _seeds_differ(runs: Sequence[Results]) -> bool:
    return len({run.seed for run in runs}) > 1


def _repeated(runs: Sequence[Results]) -> list[list[Results]]:
    """The runs of each set that ran on the same data with several seeds, one a seed."""
    of_set: dict[tuple[str, str, str], dict[int, Results]] = {}
    for run in runs:
        of_set.setdefault((run.set_id, run.data, run.data_identity), {})[run.seed] = run
    return [list(of_seed.values()) for of_seed in of_set.values() if len(of_seed) > 1]


def _mean_row(runs: Sequence[Results], measures: Sequence[Measure], width: int) -> Row:
    cells = [runs[0].set_id, "mean"]
    for measure in measures:
        values = [run.overall.get(measure.key) for run in runs]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            mean, deviation = statistics.fmean(known), statistics.stdev(known)
            cells.append(f"{measure.number(mean)} ± {measure.number(deviation)}")
        else:
            cells.append(MISSING)
    return Row((*cells, *[""] * (width - len(cells))), summary=True)


def _comparison_row(
    run: Results, measures: Sequence[Measure], size_format: str, *, seed: bool, limited: bool
) -> Row:
    export = run.exports.get(size_format)
    seconds = training_seconds(run)
    broken = dict.fromkeys(NOUNS[v.unit] for v in run.limits if not v.passed)
    return Row(
        (
            run.set_id,
            *((str(run.seed),) if seed else ()),
            *(m.plus_minus(run.overall.get(m.key), run.interval(m.key)) for m in measures),
            count(run.model.parameters if run.model else None),
            count(export.parameter_bytes if export else None),
            millions(run.model.clip_macs if run.model else None),
            MISSING if seconds is None else f"{seconds:,.0f}",
            *(((", ".join(broken) or "none") if run.limits else MISSING,) if limited else ()),
        ),
        tone=("bad" if broken else "good") if run.limits else "",
    )


def training_seconds(run: Results) -> float | None:
    """Seconds of all training stages (one a fold); None where nothing was trained."""
    spent = [
        seconds
        for name, seconds in run.stages.items()
        if name.rpartition("/")[2].strip().lower() == "training"
    ]
    return sum(spent) if spent else None


def results_table(runs: Sequence[tuple[str, Results]]) -> Table:
    """What ``--show_results`` prints: a row for each finished run.

    Args:
        runs: short name of the run (the hash in its folder's name) and its results.
    """
    measures = _shared_measures([run for _, run in runs])
    columns = (
        Column("Set", words=True),
        Column("Data", words=True),
        Column("Seed"),
        *(Column(m.heading, m.short_heading) for m in measures),
        Column("Run", words=True),
        Column("Description", words=True),
    )
    rows = tuple(
        Row(
            (
                run.set_id,
                run.data,
                str(run.seed),
                *(m.number(run.overall.get(m.key)) for m in measures),
                name,
                run.description,
            )
        )
        for name, run in runs
    )
    return Table("Results", columns, rows)


def _shared_measures(runs: Sequence[Results]) -> tuple[Measure, ...]:
    return headline_measures(key for run in runs for key in run.overall)


def _shared_format(runs: Sequence[Results]) -> str:
    """The export format that is judged, if all runs have it; else the smallest that most have."""
    sets = [set(run.exports) for run in runs]
    sizes = [one for run in runs for one in run.limits if NOUNS[one.unit] == NOUNS["bytes"]]
    judged = {verdict.judged for verdict in sizes}
    shared = set.intersection(*sets)
    for candidates in (shared & judged, shared, set.union(*sets)):
        for name in _SMALLEST_FIRST:
            if name in candidates:
                return name
    return _SMALLEST_FIRST[0]


def comparison_picture(runs: Sequence[Results], *, png: bool = False) -> Picture:
    """Scores against size and operations: a row a run, a panel a quantity, limits as lines.

    Args:
        runs: at least one run.
        png: PNG rather than SVG.
    """
    caption = "Scores, size and operations of the compared sets"
    measures = _shared_measures(runs)
    with drawing(2.0 + 2.3 * (len(measures) + 2), 1.35 + 0.42 * len(runs)) as figure:
        _draw(figure, runs, measures)
        if png:
            return Picture(caption, png=as_png(figure))
        return Picture(caption, as_svg(figure))


def _draw(figure: "Figure", runs: Sequence[Results], measures: Sequence[Measure]) -> None:
    panels = figure.subplots(1, len(measures) + 2, sharey=True)
    for panel, measure in zip(panels, measures, strict=False):
        _score_panel(panel, runs, measure)
    size_format = _shared_format(runs)
    exports = [run.exports.get(size_format) for run in runs]
    whole = counts_zeros(verdict for run in runs for verdict in run.limits)
    _cost_panel(
        panels[-2],
        runs,
        values=[np.nan if one is None else size_of(one, zeros=whole) / 1024 for one in exports],
        limit=_tightest(runs, WITH_ZEROS if whole else "bytes", size_format, divisor=1024),
        title=f"{size_format} size",
        label="parameters (KB)" if whole else "non-zero parameters (KB)",
    )
    _cost_panel(
        panels[-1],
        runs,
        values=[run.model.clip_macs / 1e6 if run.model else np.nan for run in runs],
        limit=_tightest(runs, "MAC", NETWORK, divisor=1e6),
        title="Operations",
        label=f"MMAC per {use_of(measure.key for measure in measures).takes}",
    )
    panels[0].set_yticks(range(len(runs)), _names(runs))
    panels[0].set_ylim(len(runs) - 0.4, -0.6)


def _names(runs: Sequence[Results]) -> list[str]:
    """What tells the runs apart: the set, and the seed where seeds differ."""
    if _seeds_differ(runs):
        return [f"{run.set_id}, seed {run.seed}" for run in runs]
    return [run.set_id for run in runs]


def _score_panel(panel: "Axes", runs: Sequence[Results], measure: Measure) -> None:
    for place, run in enumerate(runs):
        value, bounds = run.overall.get(measure.key), run.interval(measure.key)
        if value is None:
            continue
        shown = value * measure.factor
        if bounds is not None:
            panel.plot([b * measure.factor for b in bounds], [place, place], color=BLUE, lw=2.2)
        panel.plot([shown], [place], "o", color=BLUE, ms=6.5)
        panel.annotate(measure.number(value), (shown, place), xytext=(0, 5.5),
                       textcoords="offset points", ha="center", fontsize=8.5)  # fmt: skip
    better = "higher" if measure.higher_is_better else "lower"
    unit = f"{measure.unit}, " if measure.unit else ""
    panel.set(title=measure.name, xlabel=f"{measure.in_text} ({unit}{better} is better)")
    panel.margins(x=0.18)
    panel.tick_params(axis="y", length=0)


def _cost_panel(
    panel: "Axes",
    runs: Sequence[Results],
    *,
    values: Sequence[float],
    limit: float | None,
    title: str,
    label: str,
) -> None:
    over = [limit is not None and value > limit for value in values]
    colours = [RED if beyond else GREY for beyond in over]
    bars = panel.barh(range(len(runs)), values, color=colours, height=0.5)
    panel.bar_label(bars, [f"{v:,.1f}" if np.isfinite(v) else "" for v in values],
                    padding=2, fontsize=8.5)  # fmt: skip
    if limit is not None:
        panel.axvline(limit, color=INK, lw=1.0, ls="--")
        panel.annotate("limit", (limit, 0.0), xycoords=("data", "axes fraction"),
                       xytext=(3, 3), textcoords="offset points", fontsize=8.5)  # fmt: skip
    panel.set(title=title, xlabel=label)
    panel.margins(x=0.25)
    panel.tick_params(axis="y", length=0)


def _tightest(runs: Sequence[Results], unit: str, judged: str, *, divisor: float) -> float | None:
    """The smallest limit of a unit on what the panel shows; None where nothing limits it."""
    allowed = [
        v.allowed for run in runs for v in run.limits if (v.unit, v.judged) == (unit, judged)
    ]
    return min(allowed) / divisor if allowed else None


def broken_by_any(runs: Sequence[Results]) -> tuple[str, ...]:
    """One sentence a limit that a set breaks, said once though several seeds of it do."""
    return tuple(dict.fromkeys(line for run in runs for line in broken_limits(run)))


def write_comparison(folder: Path, runs: Sequence[Results]) -> Path:
    """Write comparison.html, comparison.md and comparison.png: one table and one plot.

    Args:
        folder: where the files go.
        runs: the runs, in the order of the rows.

    Returns:
        Path of comparison.html.

    Raises:
        UserError: when a file cannot be written.
    """
    table = comparison_table(runs)
    broken = broken_by_any(runs)
    sections = [Section("Comparison", tables=(table,), figures=(comparison_picture(runs),))]
    if broken:
        sections.append(Section("Broken limits", items=broken))
    picture = comparison_picture(runs, png=True)
    lines = [to_markdown(table), f"![{picture.caption}](comparison.png)\n"]
    if broken:
        lines.append("\n".join(f"* {item}" for item in broken) + "\n")
    write_bytes(folder / "comparison.png", picture.png)
    write_text(folder / "comparison.md", "\n".join(lines))
    path = folder / "comparison.html"
    write_page(
        path,
        title=", ".join(dict.fromkeys(run.set_id for run in runs)),
        kind="Comparison",
        facts=_facts(runs),
        demo=any(run.demo for run in runs),
        sections=sections,
    )
    return path


def _facts(runs: Sequence[Results]) -> dict[str, str]:
    """What the runs have in common or not: data, seeds, commits."""
    values = {
        "data": (f"{run.data} ({run.data_identity})" for run in runs),
        "seed": (str(run.seed) for run in runs),
        "commit": (run.commit or "unknown" for run in runs),
    }
    return {name: ", ".join(dict.fromkeys(texts)) for name, texts in values.items()}
