"""Pictures of what a study's arms cost and how well they do, with Pareto's front and the limits."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.report.limits import NOUNS
from utils.report.plots import BLUE, GREY, INK, RED, Picture, as_png, as_svg, drawing
from utils.report.study import Study
from utils.report.study_costs import Bound, Point, Quantity
from utils.report.study_statistics import Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

_DECADES = 2  # of an axis, from where on it has numbers at powers of ten alone
_WIDTH, _LETTER = 320.0, 4.9  # points: of a panel, and of a letter of a name
_CLOSE = 1.06  # ratio of limits whose lines share one label
_FIRST, _LINE, _STEPS = 9, 10, 9  # points from a point to its name, and further where it is taken


def front_picture(study: Study, quantity: Quantity, *, png: bool = False) -> Picture:
    """Validation values and test scores against bytes or operations, on a logarithmic axis.

    The front is that of the validation values, on the left; on the right the same arms are marked,
    wherever they lie.

    Args:
        study: whose arms differ in the quantity.
        quantity: what the axis is.
        png: PNG rather than SVG.
    """
    points, chosen = study.points(quantity), study.front(quantity)
    score, better = study.main_score, "lower" if study.mode == "min" else "higher"
    with drawing(10.4, 4.6) as figure:
        left, right = figure.subplots(1, 2, sharex=True)
        left.set(title=study.validated_by, ylabel=f"{better} is better")
        _draw(left, points, chosen, [point.validation for point in points])
        _mark_limits(left, study.bounds_on(quantity), low=study.mode == "max")
        left.plot([one.cost for one in chosen], [one.validation.mean for one in chosen],
                  color=BLUE, lw=1.4, zorder=2)  # fmt: skip
        if score is not None:
            better = "higher" if score.higher_is_better else "lower"
            unit = f"{score.unit}, " if score.unit else ""
            right.set(title=f"Test: {score.in_text}", ylabel=f"{unit}{better} is better")
            _draw(right, points, chosen, [one.test for one in points], factor=score.factor)
            _mark_limits(right, study.bounds_on(quantity), low=score.higher_is_better)
        for panel in (left, right):
            panel.set(xscale="log", xlabel=_axis(study, quantity))
            panel.margins(x=0.06, y=0.2)
        _make_room(left, max((len(point.name) for point in chosen), default=0))
        _ticks(left)
        figure.draw_without_rendering()  # names find their places when all else has its own
        _label(left, chosen, [one.validation for one in chosen], above=study.mode == "max")
        if score is not None:
            tests = [one.test for one in chosen]
            _label(right, chosen, tests, above=score.higher_is_better, factor=score.factor)
        caption = _caption(study, quantity)
        return Picture(caption, png=as_png(figure)) if png else Picture(caption, as_svg(figure))


def _axis(study: Study, quantity: Quantity) -> str:
    """What the axis of costs is."""
    if quantity == "MAC":
        return "MAC per clip"
    return f"bytes of {study.bytes_text}"


def _caption(study: Study, quantity: Quantity) -> str:
    several = " ± standard deviation over the seeds" if len(study.seeds) > 1 else ""
    return (
        f"Score against {NOUNS[quantity]}: mean{several}. Blue: arms that no other beats by their "
        f"validation values, which are joined on the left; their test scores, on the right, chose "
        "nothing. Dashed: limits"
    )


def _draw(
    panel: "Axes",
    points: Sequence[Point],
    chosen: Sequence[Point],
    spreads: Sequence[Spread | None],
    *,
    factor: float = 1.0,
) -> None:
    """Means with their standard deviations: those of the front in blue, the others grey.

    Where an arm is done with fewer seeds than others, their number stands beside it.
    """
    names = {point.name for point in chosen}
    most = max((point.validation.n for point in points), default=0)
    for point, spread in zip(points, spreads, strict=True):
        if spread is None:
            continue
        is_on = point.name in names
        deviation = spread.deviation
        panel.errorbar(
            [point.cost], [factor * spread.mean],
            yerr=None if deviation is None else [factor * deviation],
            fmt="o" if is_on else "s", ms=7 if is_on else 5, color=BLUE if is_on else GREY,
            elinewidth=1.0, capsize=2.5, zorder=3 if is_on else 1,
        )  # fmt: skip
        if point.validation.n < most:
            panel.annotate(
                f"n = {point.validation.n}", (point.cost, factor * spread.mean), xytext=(5, -8),
                textcoords="offset points", fontsize=7, color=GREY,
            )  # fmt: skip


def _mark_limits(panel: "Axes", bounds: Sequence[Bound], *, low: bool) -> None:
    """A dashed line a limit, its name low or high beside it; lines that nearly meet share one."""
    groups: list[list[Bound]] = []
    for bound in sorted(bounds, key=lambda one: one.allowed):
        if groups and bound.allowed <= _CLOSE * groups[-1][0].allowed:
            groups[-1].append(bound)
        else:
            groups.append([bound])
    for group in groups:
        for allowed in dict.fromkeys(bound.allowed for bound in group):
            panel.axvline(allowed, color=RED, lw=1.0, ls="--", zorder=0)
        names = ", ".join(dict.fromkeys(bound.name for bound in group))
        panel.annotate(names, (group[0].allowed, 0.015 if low else 0.985),
                       xycoords=("data", "axes fraction"), xytext=(-3, 0),
                       textcoords="offset points", rotation=90, ha="right",
                       va="bottom" if low else "top", fontsize=7.5, color=RED)  # fmt: skip


def _make_room(panel: "Axes", letters: int) -> None:
    """Let the axis begin where the name beside the cheapest point begins."""
    low, high = panel.get_xlim()
    share = min(letters * _LETTER / _WIDTH, 0.5)  # of the panel, on both axes of the pair
    panel.set_xlim(low / (high / low) ** (share / (1 - share)), high)


def _ticks(panel: "Axes") -> None:
    """Numbers as one reads them: 20k, 128k, 30M."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    low, high = panel.get_xlim()
    wide = math.log10(high / low) >= _DECADES
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _label(
    panel: "Axes",
    chosen: Sequence[Point],
    spreads: Sequence[Spread | None],
    *,
    above: bool,
    factor: float = 1.0,
) -> None:
    """Write the names of the front's arms beside their points, none over another.

    The area beyond the front is free: above its points where more is better, else below.
    """
    from matplotlib.text import Text

    taken: list[Bbox] = []
    for point, spread in zip(chosen, spreads, strict=True):
        if spread is None:
            continue
        for step in range(_STEPS):
            lift = _FIRST + step * _LINE
            text = panel.annotate(
                point.name, (point.cost, factor * spread.mean),
                xytext=(-6, lift if above else -lift), textcoords="offset points", ha="right",
                va="center", fontsize=8, color=INK, zorder=4,
                arrowprops={"arrowstyle": "-", "lw": 0.6, "color": GREY} if step else None,
            )  # fmt: skip
            text.get_window_extent()  # puts it in its place
            box = Text.get_window_extent(text)  # without the line to its point
            if step == _STEPS - 1 or not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()
