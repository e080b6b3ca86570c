"""Charts of separation: the score against the time of training, the improvement of each file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from utils.report.plots import BLUE, FAINT, GREY, INK, RED, Picture, as_svg, drawing

_MINUTES, _HOURS = 60.0, 3600.0
_LONG = 2 * _HOURS  # a training from here on is told in hours


def score_by_time(
    history: Sequence[Mapping[str, float]], *, seconds: float, best_epoch: int | None
) -> Picture:
    """Improvement of SI-SDR on validation stretches against the time of training.

    Epochs have as many steps each, so they are taken to last equally long.

    Args:
        history: a row an epoch with ``val_si_sdr_improvement``.
        seconds: of all epochs, validation included.
        best_epoch: epoch (from 1) whose weights were kept; None marks none.
    """
    unit, name = (_HOURS, "hours") if seconds >= _LONG else (_MINUTES, "minutes")
    times = np.arange(1, len(history) + 1) * seconds / len(history) / unit
    values = [row["val_si_sdr_improvement"] for row in history]
    with drawing(6.4, 3.4) as figure:
        panel = figure.subplots()
        panel.plot(times, values, color=RED, marker="." if len(history) <= 60 else "")
        panel.axhline(0.0, color=GREY, lw=0.9, ls="--")
        if best_epoch is not None:
            panel.axvline(times[best_epoch - 1], color=INK, lw=0.9, ls=":",
                          label=f"kept: epoch {best_epoch}")  # fmt: skip
            panel.legend(loc="lower right")
        panel.set(xlabel=f"training on this machine ({name})", ylabel="SI-SDR improvement (dB)")
        panel.set_title("Validation score by training time")
        return Picture(
            "SI-SDR improvement on validation stretches by training time", as_svg(figure)
        )


def improvements(scores: Mapping[str, Any]) -> Picture:
    """Improvement of each test file, sorted, with the mean and its interval.

    Args:
        scores: ``SeparationScores.as_dict()``.
    """
    files = [cell["si_sdr_improvement"] for cell in scores["per_file"].values()]
    known = np.sort([value for value in files if value is not None])
    mean = scores["overall"]["si_sdr_improvement"]
    with drawing(6.4, 3.4) as figure:
        panel = figure.subplots()
        bounds = scores["intervals"].get("si_sdr_improvement")
        if bounds is not None:
            panel.axhspan(*bounds, color=FAINT, label="95 % of the mean")
        if mean is not None:
            panel.axhline(mean, color=INK, lw=1.2, label=f"mean {mean:.2f} dB")
        panel.axhline(0.0, color=GREY, lw=0.9, ls="--")
        panel.plot(np.arange(1, len(known) + 1), known, ".", color=BLUE)
        panel.set(xlabel="test files, sorted", ylabel="SI-SDR improvement (dB)")
        panel.set_title("Improvement over the mixture")
        panel.legend(loc="lower right")
        return Picture("SI-SDR improvement of each test file", as_svg(figure))
