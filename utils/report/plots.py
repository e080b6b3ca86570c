"""Charts as SVG and spectrograms as PNG, without pyplot's global state, the same every time."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito (2008), Color Universal Design: told apart with every common colour blindness. Their
# yellow is too faint for lines.
BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#8a8f98"
SKY, PURPLE = "#56b4e9", "#cc79a7"
INK, FAINT = "#1f2430", "#d9dce1"

_STYLE = {
    "svg.hashsalt": "dcase", "svg.fonttype": "none",
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9.5,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": GREY, "axes.titlesize": 10.5,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8,
    "axes.grid": True, "grid.color": FAINT, "grid.linewidth": 0.7,
    "xtick.color": GREY, "ytick.color": GREY, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "legend.frameon": False, "lines.linewidth": 1.6, "figure.dpi": 100.0,
}  # fmt: skip
_NAMES = {
    "categorical_accuracy": "accuracy",
    "binary_accuracy": "accuracy",
    "si_sdr_improvement": "SI-SDR improvement (dB)",
}
PANELS_A_ROW = 3
_NO_CURVES = ("epoch", "seconds", "learning_rate")
_WAVEFORM_POINTS = 600  # more than a panel has dots


@dataclass(frozen=True)
class Picture:
    """A picture of a report: exactly one of SVG text and PNG bytes.

    Attributes:
        caption: what it shows; also what screen readers say.
        svg: an ``<svg>`` element without prolog, fit to stand inside HTML.
        png: content of a PNG file.
    """

    caption: str
    svg: str = ""
    png: bytes = b""

    def __post_init__(self) -> None:
        if bool(self.svg) == bool(self.png):
            raise ValueError(f"{self.caption}: a picture is either SVG or PNG")


@dataclass(frozen=True)
class WrongClip:
    """A wrongly classified clip.

    Attributes:
        name: its file name.
        features: log-mel spectrogram (mels, frames) or waveform (samples,).
        truth: true class.
        predicted: predicted class.
        probability: what the model gave the predicted class.
    """

    name: str
    features: np.ndarray
    truth: str
    predicted: str
    probability: float


@contextmanager
def drawing(width: float, height: float) -> "Iterator[Figure]":
    """A figure of the given size in inches, in the style of all plots."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def as_svg(figure: "Figure") -> str:
    """The figure as an ``<svg>`` element: no date, no ids but those that it refers to itself."""
    stream = io.StringIO()
    figure.savefig(
        stream, format="svg", transparent=True,
        metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
    )  # fmt: skip
    text = stream.getvalue()
    text = text[text.index("<svg") :].rstrip()
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", text))
    return re.sub(
        r' id="([^"]+)"', lambda found: found.group(0) if found.group(1) in used else "", text
    )


def as_png(figure: "Figure", *, dots_per_inch: int = 130) -> bytes:
    """The figure as a PNG file without a date."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return stream.getvalue()


def learning_curves(history: Sequence[Mapping[str, float]], *, best_epoch: int | None) -> Picture:
    """Loss and metrics by epoch, training against validation, the kept epoch marked.

    Args:
        history: a row an epoch: ``epoch`` (from 1), ``loss``, metrics and their ``val_`` twins;
            scores of validation clips alone, and their ``val_teacher_`` twins.
        best_epoch: epoch (from 1) whose weights were kept; None marks none.

    Raises:
        ValueError: when there is no epoch.
    """
    if not history:
        raise ValueError("learning curves need at least one epoch")
    keys = (k.removeprefix("val_").removeprefix("teacher_") for k in history[0])
    names = [name for name in dict.fromkeys(keys) if name not in _NO_CURVES]
    epochs = [row.get("epoch", number + 1) for number, row in enumerate(history)]
    marker = "." if len(history) <= 30 else ""
    columns = min(len(names), PANELS_A_ROW)
    lines = -(-len(names) // columns)
    with drawing(4.6 * columns, 3.1 * lines) as figure:
        panels = np.ravel(figure.subplots(lines, columns))
        for panel in panels[len(names) :]:
            panel.set_axis_off()
        for panel, name in zip(panels, names, strict=False):
            shown = _NAMES.get(name, name.replace("_", " "))
            factor = 100.0 if shown == "accuracy" else 1.0
            for key, label, colour, dash in (
                (name, "training", BLUE, (4, 1.5)),
                (f"val_{name}", "validation", RED, ()),
                (f"val_teacher_{name}", "teacher, validation", GREEN, (1, 1)),
            ):
                if key in history[0]:
                    values = [_plain(row.get(key)) * factor for row in history]
                    line = (0, dash) if dash else "-"
                    panel.plot(epochs, values, color=colour, ls=line, marker=marker, label=label)
            if best_epoch is not None:
                panel.axvline(best_epoch, color=INK, lw=0.9, ls=":", label=f"kept: {best_epoch}")
            panel.set(title=shown[0].upper() + shown[1:], xlabel="epoch")
            panel.set_ylabel(f"{shown} (%)" if factor != 1.0 else shown)
            panel.xaxis.get_major_locator().set_params(integer=True)
        panels[len(names) - 1].legend(loc="best")
        return Picture("Learning curves of training and validation", as_svg(figure))


def _plain(value: float | str | None) -> float:
    return float("nan") if value is None or value == "" else float(value)


def confusion_matrix(counts: np.ndarray, *, classes: Sequence[str]) -> Picture:
    """Confusion matrix: colour by the share of the true class, clips as numbers.

    Args:
        counts: clips by true and predicted class, (classes, classes).
        classes: names in the order of both axes.
    """
    totals = counts.sum(axis=1, keepdims=True)
    shares = 100.0 * counts / np.maximum(totals, 1)
    side = max(4.2, 2.2 + 0.43 * len(classes))
    with drawing(side + 1.1, side) as figure:
        panel = figure.subplots()
        image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        if len(classes) <= 30:
            for (row, column), number in np.ndenumerate(counts):
                if number:
                    colour = "white" if shares[row, column] > 55 else INK
                    panel.text(column, row, f"{int(number)}", ha="center", va="center",
                               color=colour, fontsize=8.5)  # fmt: skip
        panel.set_xticks(
            range(len(classes)), classes, rotation=40, ha="right", rotation_mode="anchor"
        )
        panel.set_yticks(range(len(classes)), classes)
        panel.set(xlabel="predicted", ylabel="true")
        panel.grid(visible=False)
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=panel, shrink=0.75, label="share of the true class (%)")
        bar.outline.set_visible(False)
        return Picture("Confusion matrix: true classes against predicted classes", as_svg(figure))


def device_bars(
    per_device: Mapping[str, Mapping[str, Any]], *, classes: int, unseen: Sequence[str] = ()
) -> Picture:
    """Accuracy and log loss of each device, with the line of chance.

    Args:
        per_device: ``accuracy`` (fraction) and ``log_loss`` by device.
        classes: number of classes; chance is 1 / classes and ln(classes).
        unseen: devices without training clips, in another colour.
    """
    names = [name.upper() for name in per_device]
    colours = [ORANGE if name in unseen else BLUE for name in per_device]
    accuracies = [100.0 * _plain(result["accuracy"]) for result in per_device.values()]
    losses = [_plain(result["log_loss"]) for result in per_device.values()]
    with drawing(9.2, 3.1) as figure:
        left, right = figure.subplots(1, 2)
        for panel, values, chance, form in (
            (left, accuracies, 100.0 / classes, "{:.0f}"),
            (right, losses, float(np.log(classes)), "{:.2f}"),
        ):
            bars = panel.bar(names, values, color=colours, width=0.72)
            labels = [form.format(v) if np.isfinite(v) else "" for v in values]
            panel.bar_label(bars, labels, fontsize=8.5, padding=1.5)
            panel.axhline(chance, color=INK, lw=1.0, ls="--")
            panel.annotate("chance", (1.0, chance), xycoords=("axes fraction", "data"),
                           xytext=(3, 0), textcoords="offset points",
                           va="center", fontsize=8.5)  # fmt: skip
            panel.grid(visible=False, axis="x")
            panel.margins(y=0.12)
            panel.set_xlabel("device")
        left.set(title="Accuracy", ylabel="accuracy (%)")
        right.set(title="Log loss", ylabel="log loss (nat)")
        if any(name in unseen for name in per_device):
            _colour_key(left, {"seen in training": BLUE, "unseen": ORANGE})
        return Picture("Accuracy and log loss of each device, means over classes", as_svg(figure))


def _colour_key(panel: "Axes", colours: Mapping[str, str]) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(color=colour, label=label) for label, colour in colours.items()]
    panel.legend(handles=patches, loc="upper right", ncols=2, borderaxespad=0.0,
                 bbox_to_anchor=(1.0, 1.12), handlelength=1.0)  # fmt: skip


def wrong_clips(clips: Sequence[WrongClip], *, hop_seconds: float | None) -> Picture:
    """Spectrograms of wrongly classified clips on one colour scale, or waveforms on one scale.

    Args:
        clips: at least one clip; all have spectrograms or all have waveforms. Of several channels
            the first is drawn.
        hop_seconds: time between two frames, or between two samples of waveforms; None numbers
            them.
    """
    columns = min(3, len(clips))
    rows = -(-len(clips) // columns)
    drawn = [one.features[..., 0] if one.features.ndim == 3 else one.features for one in clips]
    spectrograms = drawn[0].ndim == 2
    with drawing(3.3 * columns + 0.6, 2.15 * rows + 0.3) as figure:
        panels = figure.subplots(rows, columns, squeeze=False)
        shown = list(panels.flat[: len(clips)])
        for panel, clip in zip(shown, clips, strict=True):
            panel.set_title(f"{clip.truth} →\n{clip.predicted} ({100 * clip.probability:.0f} %)",
                            fontsize=9)  # fmt: skip
            panel.set_xlabel(clip.name.rpartition("/")[2], fontsize=7.5, color=GREY)
        for panel in panels.flat[len(clips) :]:
            panel.set_axis_off()
        draw = _draw_spectrograms if spectrograms else _draw_waveforms
        draw(shown, drawn, hop_seconds or 1.0)
        step = "frame" if spectrograms else "sample"
        figure.supxlabel("time (s)" if hop_seconds else step, fontsize=9.5)
        figure.supylabel("band" if spectrograms else "amplitude", fontsize=9.5)
        if spectrograms:
            image = shown[0].images[0]
            figure.colorbar(image, ax=panels, label="value", shrink=0.8, aspect=30)
        what = "Spectrograms" if spectrograms else "Waveforms"
        return Picture(f"{what} of wrongly classified clips", png=as_png(figure))


def _draw_spectrograms(
    panels: "Sequence[Axes]", spectrograms: Sequence[np.ndarray], step: float
) -> None:
    finite = np.concatenate([values[np.isfinite(values)] for values in spectrograms])
    low, high = np.percentile(finite, [1, 99.5]) if finite.size else (0.0, 1.0)
    for panel, values in zip(panels, spectrograms, strict=True):
        mels, frames = values.shape
        panel.imshow(values, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high,
                     extent=(0, frames * step, 0, mels), interpolation="nearest")  # fmt: skip
        panel.grid(visible=False)


def _draw_waveforms(panels: "Sequence[Axes]", waveforms: Sequence[np.ndarray], step: float) -> None:
    """The band between the least and the greatest sample of each short stretch."""
    peak = max(float(np.abs(samples).max()) for samples in waveforms) or 1.0
    for panel, samples in zip(panels, waveforms, strict=True):
        stretch = -(-samples.size // _WAVEFORM_POINTS)
        starts = np.arange(0, samples.size, stretch)
        low, high = (extreme.reduceat(samples, starts) for extreme in (np.minimum, np.maximum))
        panel.fill_between(starts * step, low, high, color=BLUE, lw=0.6)
        panel.set(xlim=(0, samples.size * step), ylim=(-1.05 * peak, 1.05 * peak))
