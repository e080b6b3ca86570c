"""Charts of overlapped words: words found, and probabilities against true shares."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from utils.report.plots import BLUE, GREY, INK, ORANGE, Picture, as_svg, drawing


def word_bars(recalls: Mapping[str, float | None], *, words: int, chance: float) -> Picture:
    """Recall of each word, the best first, with the line of chance.

    Args:
        recalls: share of its clips in which a word is among the most likely; None: unknown.
        words: how many are the most likely.
        chance: recall of words drawn by lot.
    """
    known = {word: 100.0 * recall for word, recall in recalls.items() if recall is not None}
    ordered = sorted(known, key=lambda word: -known[word])
    with drawing(max(3.5, 1.2 + 0.27 * len(ordered)), 3.1) as figure:
        panel = figure.subplots()
        places = np.arange(len(ordered))
        bars = panel.bar(places, [known[word] for word in ordered], color=BLUE, width=0.74)
        panel.bar_label(bars, [f"{known[word]:.0f}" for word in ordered], fontsize=8, padding=1.5)
        panel.axhline(100.0 * chance, color=INK, lw=1.0, ls="--")
        panel.annotate("chance", (1.0, 100.0 * chance), xycoords=("axes fraction", "data"),
                       xytext=(3, 0), textcoords="offset points",
                       va="center", fontsize=8.5)  # fmt: skip
        panel.set_xticks(places, ordered, rotation=50, ha="right", rotation_mode="anchor")
        panel.tick_params(axis="x", length=0)
        panel.set_xlim(-0.7, max(len(ordered), 1) - 0.3)
        panel.grid(visible=False, axis="x")
        panel.margins(y=0.1)
        panel.set(title=f"Top-{words} recall", ylabel="recall (%)")
        return Picture(f"Recall of each word among the {words} most likely", as_svg(figure))


def reliability(curves: Mapping[str, Mapping[str, Any]]) -> Picture:
    """Mean true share against mean probability, and how many pairs of clip and word lie where.

    Args:
        curves: ``calibration`` of ``WordScores`` by label; the last is drawn above the others.
    """
    colours = [*[ORANGE] * (len(curves) - 1), BLUE]
    with drawing(9.2, 3.4) as figure:
        left, right = figure.subplots(1, 2)
        top = 0.0
        for (label, curve), colour in zip(curves.items(), colours, strict=True):
            bins = curve["bins"]
            predicted, shares = ([row[key] for row in bins] for key in ("predicted", "share"))
            top = max(top, *predicted, *shares)
            text = f"{label} (error {curve['ece']:.4f})"
            left.plot(predicted, shares, "o-", color=colour, ms=4.5, label=text)
            last = colour == BLUE
            right.bar(
                [row["low"] for row in bins], [row["count"] for row in bins],
                [row["high"] - row["low"] for row in bins], align="edge",
                color=BLUE if last else "none", edgecolor="white" if last else colour,
                lw=0.5 if last else 1.3, zorder=1 if last else 2, label=label,
            )  # fmt: skip
        left.plot([0, top], [0, top], color=GREY, lw=1.0, ls="--", zorder=1)
        left.set(title="Reliability", xlabel="mean probability", ylabel="mean true share")
        left.legend(loc="upper left")
        right.set(title="How often", xlabel="probability", ylabel="pairs of clip and word")
        right.set_yscale("log")
        right.set_ylim(bottom=0.7)
        if len(curves) > 1:
            right.legend(loc="upper right")
        return Picture("Mean true share against mean probability", as_svg(figure))
