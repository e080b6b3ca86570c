"""Charts of sound events: the PSD-ROC, and what was detected under a clip's spectrogram."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from utils.datasets.base import Event
from utils.report.plots import (
    BLUE,
    FAINT,
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY)
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)))
_NAMED = len(COLOURS) * len(_DASHES)  # classes that lines tell apart
_SCENARIOS = {"psds_scenario1": "Scenario 1", "psds_scenario2": "Scenario 2"}
_LEGEND_COLUMNS = 5
_COLUMNS = 2000  # of a spectrogram: more than a picture has dots
_GUIDED = 60  # events up to which lines lead from the spectrogram to them


def psd_roc(scores: Mapping[str, Any], *, form: Literal["svg", "png"] = "svg") -> Picture:
    """PSD-ROC of both scenarios: the effective curve over the curves of the classes.

    Args:
        scores: ``EventScores.as_dict()``.
        form: SVG for a report, PNG for a file of its own.
    """
    classes = list(scores["classes"])
    named = len(classes) <= _NAMED
    with drawing(9.2, 3.6 + 0.2 * named * (len(classes) // _LEGEND_COLUMNS)) as figure:
        panels = figure.subplots(1, len(_SCENARIOS), sharey=True)
        for panel, (key, title) in zip(panels, _SCENARIOS.items(), strict=True):
            curve = scores["roc"][key]
            for number, name in enumerate(classes):
                ratios = _floats(curve["classes"][name])
                if np.isfinite(ratios).any():
                    colour, dash = _line(number) if named else (GREY, "-")
                    panel.step(curve["rates"], ratios, where="post", color=colour, ls=dash,
                               lw=1.1 if named else 0.7, label=name)  # fmt: skip
            effective = _floats(curve["effective"])
            panel.fill_between(curve["rates"], effective, step="post", color=FAINT, zorder=0.5)
            value = scores["overall"][key]
            panel.step(curve["rates"], effective, where="post", color=INK, lw=2.2,
                       label="all classes: area under it is PSDS")  # fmt: skip
            shown = "" if value is None else f": PSDS {value:.3f}"
            panel.set(title=f"{title}{shown}", xlabel="effective false positives per hour",
                      xlim=(0, curve["rates"][-1]), ylim=(0, 1.02))  # fmt: skip
        panels[0].set_ylabel("true positive ratio")
        _legend(figure, panels[0], columns=_LEGEND_COLUMNS if named else 1)
        caption = "Polyphonic sound detection ROC of both scenarios"
        if form == "svg":
            return Picture(caption, as_svg(figure))
        return Picture(caption, png=as_png(figure))


def _floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def _line(number: int) -> tuple[str, Any]:
    """Colour and dashes of a class."""
    return COLOURS[number % len(COLOURS)], _DASHES[number // len(COLOURS) % len(_DASHES)]


def _legend(figure: "Figure", panel: "Axes", *, columns: int) -> None:
    """One legend for all panels; where classes are not told apart, of the effective curve alone."""
    handles, labels = panel.get_legend_handles_labels()
    if columns == 1:
        handles, labels = handles[-1:], labels[-1:]
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8.5)


def event_picture(
    spectrogram: np.ndarray,
    events: Sequence[Event],
    *,
    hop_seconds: float,
    name: str = "",
    truth: Sequence[Event] | None = None,
) -> Picture:
    """A clip's spectrogram and below it, on one time axis, a line for each class that was detected.

    Args:
        spectrogram: log-mel values (mels, frames).
        events: what was detected.
        hop_seconds: time between two frames.
        name: of the clip, as title; "" for none.
        truth: what was there, drawn above what was detected; None: unknown.

    Raises:
        ValueError: for a spectrogram without frames.
    """
    if spectrogram.ndim != 2 or not spectrogram.size:
        raise ValueError(f"a spectrogram (mels, frames) is needed, received {spectrogram.shape}")
    seconds = spectrogram.shape[1] * hop_seconds
    labels = sorted({event.label for event in (*events, *(truth or ()))})
    lanes = 0.5 + 0.3 * max(1, len(labels))
    with drawing(float(np.clip(seconds / 4, 8.0, 16.0)), 3.0 + lanes) as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, lanes))
        _draw_spectrogram(above, spectrogram, seconds)
        for number, label in enumerate(labels):
            here = [event for event in events if event.label == label]
            there = [event for event in truth or () if event.label == label]
            colour = COLOURS[number % len(COLOURS)]
            low = number - (0.05 if truth is not None else 0.32)
            below.broken_barh(_spans(here), (low, number + 0.32 - low), color=colour)
            below.broken_barh(_spans(there), (number - 0.32, 0.18), color=INK)
            for event in here if len(events) <= _GUIDED else ():
                for edge in (event.onset, event.offset):
                    above.axvline(edge, color="white", lw=2.2, alpha=0.6)
                    above.axvline(edge, color=colour, lw=1.2)
        if name:
            above.set_title(name)
        _finish_lanes(below, labels, seconds, known=truth is not None)
        what = f"Spectrogram of {name}" if name else "Spectrogram"
        return Picture(f"{what} with {len(events)} events detected", png=as_png(figure))


def _draw_spectrogram(panel: "Axes", values: np.ndarray, seconds: float) -> None:
    """The values, the greatest of each few frames where there are more than can be seen."""
    block = -(-values.shape[1] // _COLUMNS)
    if block > 1:
        values = np.maximum.reduceat(values, np.arange(0, values.shape[1], block), axis=1)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [1, 99.5]) if finite.size else (0.0, 1.0)
    panel.imshow(values, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high,
                 extent=(0, seconds, 0, len(values)), interpolation="nearest")  # fmt: skip
    panel.set_ylabel("mel band")
    panel.grid(visible=False)


def _spans(events: Sequence[Event]) -> list[tuple[float, float]]:
    """Begin and length of each event."""
    return [(event.onset, event.offset - event.onset) for event in events]


def _finish_lanes(panel: "Axes", labels: Sequence[str], seconds: float, *, known: bool) -> None:
    """Names of the classes at the left, from the top; a legend where the truth is drawn too."""
    panel.set(xlabel="time (s)", xlim=(0, seconds), ylim=(max(1, len(labels)) - 0.5, -0.5))
    panel.set_yticks(range(len(labels)), labels)
    panel.tick_params(axis="y", length=0)
    panel.grid(visible=False, axis="y")
    if not labels:
        panel.set_yticks([0], ["nothing detected"])
    if known:
        from matplotlib.patches import Patch

        patches = [Patch(color=GREY, label="detected"), Patch(color=INK, label="true")]
        panel.legend(handles=patches, loc="lower right", ncols=2, bbox_to_anchor=(1.0, 1.0),
                     borderaxespad=0.2, handlelength=1.0)  # fmt: skip
