"""Scores of several folds side by side: their mean and how far they lie apart."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class OverallScores(Protocol):
    """Scores of any task."""

    @property
    def overall(self) -> dict[str, float]:
        """Scores over all clips by name."""


def summarise_folds(folds: Mapping[str, OverallScores]) -> dict[str, dict[str, Any]]:
    """Overall scores of each fold, their mean and their standard deviation.

    Args:
        folds: fold name -> scores; at least one.

    Returns:
        ``folds``: name -> overall scores; ``mean`` and ``deviation`` (n - 1; None for one fold):
        score name -> value, for the scores that every fold has.

    Raises:
        ValueError: for no folds.
    """
    if not folds:
        raise ValueError("at least one fold is needed, received none")
    overall = {name: dict(fold.overall) for name, fold in folds.items()}
    first, *others = overall.values()
    shared = [key for key in first if all(key in scores for scores in others)]
    values = {key: [scores[key] for scores in overall.values()] for key in shared}
    return {
        "folds": overall,
        "mean": {key: float(np.mean(scores)) for key, scores in values.items()},
        "deviation": {
            key: float(np.std(scores, ddof=1)) if len(scores) > 1 else None
            for key, scores in values.items()
        },
    }
