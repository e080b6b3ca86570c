"""Scores of clips that hold several words: divergence, words found, and whether to believe them.

The truth of a clip is a share of each word (one in four of four words: 1/4), the prediction a
distribution over all words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.evaluation.predictions import Predictions, require_distributions
from utils.files import or_none
from utils.metrics.bootstrap import bootstrap_intervals
from utils.metrics.calibration import Reliability, reliability
from utils.metrics.classification import ratio
from utils.metrics.distribution import (
    average_precision,
    class_recall,
    clip_recall,
    kl_divergence,
)

BINS = 40  # of the reliability: 0.025 wide, ten of them up to the share of one word in four


@dataclass(frozen=True)
class WordScores:
    """Scores of predicted distributions. Recalls are shares (0 to 1); None marks an empty cell.

    Attributes:
        classes: the words.
        words: number of words in most clips, the k of the recalls.
        clips: number of clips.
        overall: kl (mean over clips, nats), top<words>_recall, kl_uniform (of equal probabilities
            on the same clips), ece (expected calibration error).
        intervals: 95 % bootstrap intervals (low, high) of kl and top<words>_recall, resampled by
            ``Predictions.groups``, clip by clip where there are none; empty when resampling is off.
        per_class: word -> recall (among the top k of the clips that hold it), average_precision,
            mean_present and mean_absent (mean probability in clips with and without it), clips
            (that hold it).
        calibration: ece, and bins: for each bin of probability that is not empty low, high, count
            (pairs of clip and word), predicted, share, presence (means of the pairs).
    """

    classes: tuple[str, ...]
    words: int
    clips: int
    overall: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_class: dict[str, dict[str, Any]]
    calibration: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Give the scores as plain data for results.json."""
        return {
            "overall": dict(self.overall),
            "intervals": {name: list(pair) for name, pair in self.intervals.items()},
            "per_class": self.per_class,
            "calibration": self.calibration,
            "words": self.words,
            "clips": self.clips,
            "classes": list(self.classes),
        }


def score_words(
    predictions: Predictions, *, classes: Sequence[str], bootstrap: int = 1000, seed: int = 0
) -> WordScores:
    """Score predicted distributions against the true shares.

    Args:
        predictions: with truth (clips, classes).
        classes: the words in the order of the columns.
        bootstrap: resamples of the clips for the intervals; 0 turns them off.
        seed: of the resampling.

    Returns:
        The scores.

    Raises:
        DataError: when there is no clip, no truth, or a row is not a distribution.
        ValueError: when the columns are not the classes, or the truth is one label a clip.
    """
    truth, predicted = predictions.known_truth, predictions.probabilities
    require_distributions(predictions, class_count=len(classes))
    if truth.shape != predicted.shape:
        raise ValueError(f"truth {predicted.shape} is needed, received {truth.shape}")
    words = _usual_count(truth)
    totals = _totals(predictions, truth, words=words)
    named = _named(words)
    uniform = np.full(truth.shape, 1 / len(classes))
    bins = reliability(truth, predicted, bins=BINS)
    return WordScores(
        classes=tuple(classes),
        words=words,
        clips=len(truth),
        overall={
            **{name: float(score) for name, score in named(totals.sum(axis=0)).items()},
            "kl_uniform": float(kl_divergence(truth, uniform).mean()),
            "ece": bins.error,
        },
        intervals=bootstrap_intervals(
            totals=totals, scores_of=named, resamples=bootstrap, rng=np.random.default_rng(seed)
        ),
        per_class=_word_cells(truth, predicted, classes=classes, words=words),
        calibration={"ece": bins.error, "bins": _filled_bins(bins)},
    )


def _usual_count(truth: np.ndarray) -> int:
    """Number of words that most clips hold, the smallest of equals."""
    counts = np.bincount(np.count_nonzero(truth > 0, axis=1))
    counts[0] = 0
    return max(1, int(counts.argmax()))


def _totals(predictions: Predictions, truth: np.ndarray, *, words: int) -> np.ndarray:
    """Clips, and sums of their divergence and recall, of each group (units, 3)."""
    units = predictions.units
    columns = (
        np.ones(len(truth)),
        kl_divergence(truth, predictions.probabilities),
        clip_recall(truth, predictions.probabilities, k=words),
    )
    sums = [np.bincount(units, weights=column, minlength=units.max() + 1) for column in columns]
    return np.stack(sums, axis=1)


def _named(words: int) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """What gives the scores of summed totals (..., 3) by name."""

    def scores(totals: np.ndarray) -> dict[str, np.ndarray]:
        clips, divergence, recall = np.moveaxis(totals, -1, 0)
        return {"kl": ratio(divergence, clips), f"top{words}_recall": ratio(recall, clips)}

    return scores


def _word_cells(
    truth: np.ndarray, predicted: np.ndarray, *, classes: Sequence[str], words: int
) -> dict[str, dict[str, Any]]:
    """What is known of each word."""
    present = truth > 0
    sums = np.where(present, predicted, 0).sum(axis=0, dtype=np.float64)
    clips = present.sum(axis=0)
    rest = predicted.sum(axis=0, dtype=np.float64) - sums
    columns = {
        "recall": class_recall(truth, predicted, k=words),
        "average_precision": average_precision(truth, predicted),
        "mean_present": ratio(sums, clips),
        "mean_absent": ratio(rest, len(truth) - clips),
    }
    return {
        word: {
            **{name: or_none(values[number]) for name, values in columns.items()},
            "clips": int(clips[number]),
        }
        for number, word in enumerate(classes)
    }


def _filled_bins(bins: Reliability) -> list[dict[str, float]]:
    """The bins that hold pairs, as plain data."""
    return [
        {
            "low": float(bins.edges[number]),
            "high": float(bins.edges[number + 1]),
            "count": int(bins.counts[number]),
            "predicted": float(bins.predicted[number]),
            "share": float(bins.shares[number]),
            "presence": float(bins.presence[number]),
        }
        for number in np.flatnonzero(bins.counts)
    ]
