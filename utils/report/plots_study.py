"""Pictures of a study: curves by arm, losses of the first steps, the search of learning rates."""

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.report.plots import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    Picture,
    as_png,
    as_svg,
    drawing,
)
from utils.report.study import Study, StudyArm
from utils.report.study_statistics import t_factor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, INK, GREY)
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)))
_WIDE = 20.0  # ratio of values from which on an axis is logarithmic
_FAR = 1000.0  # times the usual least value of a line, from where on lines leave the picture
_LABELLED = 10  # most steps of which each has a label
_DOTTED = 30  # most epochs of which each has a dot
_BAND = (
    "and where there are several the 95 % band of the mean (Student's t), which the edge of the "
    "picture may cut off"
)


def curves_picture(study: Study, *, png: bool = False) -> Picture:
    """The metric by epoch: of each arm the mean over its seeds, and the 95 % band of that mean.

    A line goes as far as all runs of its arm go that are done; the others are not in it.

    Args:
        study: with at least one finished run.
        png: PNG rather than SVG.
    """
    from matplotlib.ticker import MaxNLocator

    with drawing(8.4, 4.2) as figure:
        panel = figure.subplots()
        shown: list[np.ndarray] = []
        for arm, style in _styled(study.arms):
            curves = [run.curve for run in arm.runs if run.end == "done" and run.curve]
            if curves:
                marker = "." if min(map(len, curves)) <= _DOTTED else ""
                shown.append(_draw_mean(panel, curves, label=arm.name, marker=marker, **style))
        _stretch(panel, shown)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        better = "lower" if study.mode == "min" else "higher"
        panel.set(xlabel="epoch", ylabel=f"{study.metric} ({better} is better)")
        _legend(panel)
        return _picture(figure, _curves_caption(study), png=png)


def _curves_caption(study: Study) -> str:
    lost = [
        f"{arm.name} ({len(arm.runs) - done} of {len(arm.runs)})"
        for arm in study.arms
        if (done := arm.count("done")) < len(arm.runs)
    ]
    caption = f"{study.metric} by epoch: mean over the seeds whose runs are done, {_BAND}"
    return f"{caption}; not done, so not in it: {', '.join(lost)}" if lost else caption


def steps_picture(study: Study) -> Picture:
    """Loss and gradient norm of the first steps: mean over an arm's seeds, its 95 % band."""
    with drawing(9.6, 3.7) as figure:
        left, right = figure.subplots(1, 2)
        for panel, name, title in (
            (left, "losses", "Loss of each batch"),
            (right, "norms", "Gradient norm before clipping"),
        ):
            shown = []
            for arm, style in _styled(study.arms):
                rows = [getattr(run, name) for run in arm.runs if getattr(run, name)]
                if rows:
                    style = style | {"lw": 1.2}
                    shown.append(_draw_mean(panel, rows, label=arm.name, **style))
            panel.set_xscale("log")
            panel.xaxis.set_major_formatter("{x:g}")
            few = max((part.shape[1] for part in shown), default=0) <= _LABELLED
            panel.xaxis.set_minor_formatter("{x:g}" if few else "")
            _stretch(panel, shown)
            panel.set(title=title, xlabel="step")
        for arm, style in _styled(study.arms):
            if arm.clip_norm is not None:
                right.axhline(arm.clip_norm, color=style["color"], lw=0.8, ls=":")
        _legend(right)
        caption = (
            f"The first steps, as far as all seeds of an arm log them: mean over the seeds, {_BAND}"
            "; dotted: norms to which an arm clips"
        )
        return _picture(figure, caption)


def _draw_mean(panel: "Axes", rows: Sequence[Sequence[float]], **style: Any) -> np.ndarray:
    """Draw the mean of rows, of several with the 95 % band of the mean, by Student's t.

    The axes hold every row, and not the band, which of two rows is 9 deviations high on each side.

    Args:
        panel: where.
        rows: one a seed; drawn as far as all of them go.
        style: of the line.

    Returns:
        The rows as far as they are drawn (rows, places).
    """
    values = np.array([row[: min(map(len, rows))] for row in rows], dtype=np.float64)
    places, mean = np.arange(1, values.shape[1] + 1), values.mean(axis=0)
    panel.plot(places, mean, **style)
    if len(values) > 1:
        with np.errstate(invalid="ignore"):  # infinity has no deviation
            half = t_factor(len(values)) * values.std(axis=0, ddof=1)
            low, high = mean - half, mean + half
        limits = panel.dataLim.frozen()
        panel.fill_between(places, low, high, color=style["color"], alpha=0.16, lw=0)
        panel.dataLim.set(limits)
        panel.update_datalim([(place, value) for row in values for place, value in
                              zip(places, row, strict=True)])  # fmt: skip
    return values


def search_picture(study: Study) -> Picture:
    """The metric after short runs by learning rate; the rate that was taken is ringed."""
    caption = (
        f"{study.metric} after the last epoch of the short runs, by learning rate; ringed: the "
        "rate that was taken; a cross: diverged"
    )
    with drawing(8.4, 3.7) as figure:
        panel = figure.subplots()
        shown, crossed = [], []
        for arm, style in _styled(study.arms):
            found = sorted(
                (run.learning_rate or 0.0, run.last) for run in arm.searched if run.last is not None
            )
            crossed += [
                (run.learning_rate or 0.0, style["color"])
                for run in arm.searched
                if run.end == "diverged"
            ]
            if found:
                rates, values = zip(*found, strict=True)
                panel.plot(rates, values, label=arm.name, marker=".", ms=8, **style)
                taken = [pair for pair in found if pair[0] == arm.learning_rate]
                for pair in taken:
                    panel.plot(*pair, "o", ms=11, mfc="none", mec=style["color"])
                shown.append(np.array(values))
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter("{x:g}")
        _stretch(panel, shown)
        for place, (rate, colour) in enumerate(crossed):
            below = sum(rate == other for other, _ in crossed[:place])  # one below the other
            panel.plot([rate], [0.97 - 0.06 * below], marker="x", color=colour, ms=7, mew=1.8,
                       transform=panel.get_xaxis_transform(), clip_on=False)  # fmt: skip
        panel.set(xlabel="learning rate", ylabel=study.metric)
        _legend(panel)
        return _picture(figure, caption)


def _styled(arms: Sequence[StudyArm]) -> list[tuple[StudyArm, dict[str, Any]]]:
    """Colour and dash of each arm, the same in all pictures."""
    return [
        (
            arm,
            {
                "color": _COLOURS[number % len(_COLOURS)],
                "ls": _DASHES[number // len(_COLOURS) % len(_DASHES)],
            },
        )
        for number, arm in enumerate(arms)
    ]


def _stretch(panel: "Axes", shown: Sequence[np.ndarray]) -> None:
    """A logarithmic axis where positive values are of different orders of magnitude.

    An arm that runs away leaves the picture, so that the others can be told from each other.
    """
    parts = [part[np.isfinite(part)] for part in shown]
    parts = [part for part in parts if part.size]
    low = min((float(part.min()) for part in parts), default=0.0)
    high = max((float(part.max()) for part in parts), default=0.0)
    if low <= 0 or high / low <= _WIDE:
        return
    from matplotlib.ticker import LogLocator

    panel.set_yscale("log")
    panel.yaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    panel.yaxis.set_minor_formatter("{x:g}" if min(high, _FAR * low) / low < _FAR else "")
    far = _FAR * statistics.median_low(float(part.min()) for part in parts)
    if high > far:
        panel.set_ylim(top=far)


def _legend(panel: "Axes") -> None:
    """Names beside the panel, where they hide no line."""
    if panel.get_legend_handles_labels()[0]:
        panel.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)


def _picture(figure: "Figure", caption: str, *, png: bool = False) -> Picture:
    return Picture(caption, png=as_png(figure)) if png else Picture(caption, as_svg(figure))
