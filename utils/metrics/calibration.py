"""Whether probabilities mean what they say, and one number that mends them if they do not."""

import math
from dataclasses import dataclass

import numpy as np

from utils.metrics.classification import ratio
from utils.metrics.distribution import FLOOR

COLDEST, HOTTEST = 0.05, 20.0  # temperatures that are tried


def temper(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities to the power 1/T, rescaled to a sum of 1.

    It is the softmax of the logits divided by T. T above 1 flattens, below 1 sharpens; the order of
    classes stays. Reference: Guo et al., On Calibration of Modern Neural Networks, ICML 2017,
    section 4.2.

    Args:
        probabilities: (clips, classes); raised to 1e-7 first, so that 0 does not stay 0.
        temperature: T, positive.

    Returns:
        float64 (clips, classes); rows sum to 1.

    Raises:
        ValueError: for a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"a positive temperature is needed, received {temperature}")
    scaled = _logs(probabilities) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_temperature(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature of least mean cross-entropy, which is also that of least KL divergence.

    The two differ by the entropy of the truth, which no temperature changes. The cross-entropy is
    convex in 1/T, so a bounded search over ln T finds the one minimum.

    Args:
        truth: shares (clips, classes) of clips that the network has not learnt.
        probabilities: (clips, classes) of the same clips.

    Returns:
        A temperature within [0.05, 20]; exactly 1 where none is better than leaving things as they
        are.

    Raises:
        ValueError: for no clips, or shapes that differ.
    """
    from scipy.optimize import minimize_scalar

    truth = np.asarray(truth, dtype=np.float64)
    if truth.ndim != 2 or truth.shape != np.shape(probabilities) or not len(truth):
        raise ValueError(
            "truth and probabilities of the same shape (clips, classes) are needed, "
            f"received {truth.shape} and {np.shape(probabilities)}"
        )
    logs = _logs(probabilities)

    def cross_entropy(log_temperature: float) -> float:
        scaled = logs / math.exp(log_temperature)
        highest = scaled.max(axis=1, keepdims=True)
        totals = highest + np.log(np.exp(scaled - highest).sum(axis=1, keepdims=True))
        return float(np.sum(truth * (totals - scaled)) / len(truth))

    bounds = (math.log(COLDEST), math.log(HOTTEST))
    found = minimize_scalar(cross_entropy, bounds=bounds, method="bounded")
    gain = cross_entropy(0.0) - float(found.fun)
    return float(math.exp(found.x)) if gain > 1e-12 else 1.0


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predicted probability against true share.

    Attributes:
        edges: limits of the bins, (bins + 1,).
        counts: pairs of clip and class in each bin, int64 (bins,).
        predicted: mean probability of the pairs, (bins,); NaN for an empty bin.
        shares: mean true share of the pairs, (bins,); NaN for an empty bin.
        presence: share of the pairs whose class is present, (bins,); NaN for an empty bin.
        error: the expected calibration error.
    """

    edges: np.ndarray
    counts: np.ndarray
    predicted: np.ndarray
    shares: np.ndarray
    presence: np.ndarray
    error: float


def reliability(truth: np.ndarray, probabilities: np.ndarray, *, bins: int) -> Reliability:
    """Sort every pair of clip and class into bins by its probability; compare with the true share.

    The expected calibration error is sum over bins of n_b / n |p_b - y_b|: n_b of the n = clips x
    classes pairs lie in the bin, with mean probability p_b and mean true share y_b. Guo et al.
    (2017, equation 3) take the most likely class alone and how often it is right; here all classes
    count, for a clip holds several, and the share stands for being right. As most pairs are absent
    words of small probability, the error is small even for a poor network: compare it only between
    predictions of the same classes.

    Args:
        truth: shares (clips, classes).
        probabilities: (clips, classes) in [0, 1].
        bins: number of bins of equal width over [0, 1]; a limit belongs to the bin above it, 1 to
            the last.

    Raises:
        ValueError: for no bins, no pairs, or shapes that differ.
    """
    truth = np.asarray(truth, dtype=np.float64)
    if truth.shape != np.shape(probabilities) or not truth.size or bins < 1:
        raise ValueError(
            "some bins, and truth and probabilities of the same shape are needed, "
            f"received {bins}, {truth.shape} and {np.shape(probabilities)}"
        )
    pairs = np.asarray(probabilities, dtype=np.float64).ravel()
    edges = np.linspace(0.0, 1.0, bins + 1)
    places = np.clip(np.searchsorted(edges, pairs, side="right") - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    predicted, shares, presence = (
        ratio(np.bincount(places, weights=weights, minlength=bins), counts)
        for weights in (pairs, truth.ravel(), (truth > 0).ravel())
    )
    gaps = np.abs(predicted - shares)[counts > 0]
    error = float(np.sum(gaps * counts[counts > 0]) / pairs.size)
    return Reliability(edges, counts, predicted, shares, presence, error)


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), FLOOR))
