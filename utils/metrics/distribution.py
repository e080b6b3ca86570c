"""How far predicted distributions are from true ones, and which of the words they find.

The truth of a clip is the share of each class, the prediction a probability of each; both sum
to 1. A class is *present* in a clip where its share is above 0.

Recalls count the present classes among the k most likely. Equal probabilities at the k-th place
(the uniform prediction; int8 outputs, which are multiples of 1/256) share the places that are left:
a recall is then what drawing among the equals by lot gives on average, whatever the order of the
classes.
"""

import numpy as np

from utils.metrics.classification import ratio

FLOOR = 1e-7  # of shares and probabilities in logarithms: keras.config.epsilon()


def kl_divergence(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of each clip, sum of y ln(y / p) over classes.

    Shares y and probabilities p are kept within [1e-7, 1], as ``keras.losses.KLDivergence`` does,
    and rows are not rescaled. An absent class then adds 1e-7 ln(1e-7 / p), and a probability of 0
    on a share of 1/4 costs 3.68.

    Args:
        truth: shares (clips, classes).
        predicted: probabilities (clips, classes).

    Returns:
        float64 (clips,) in nats.

    Raises:
        ValueError: when the two differ in shape.
    """
    truth, predicted = _same_shape(truth, predicted)
    shares, probabilities = (np.clip(rows, FLOOR, 1.0) for rows in (truth, predicted))
    return np.sum(shares * np.log(shares / probabilities), axis=1)


def most_likely(predicted: np.ndarray, *, k: int) -> np.ndarray:
    """Chance of each class to be among the k most likely of its clip, equals drawn by lot.

    A class above the k-th largest probability has chance 1, one below it 0; those equal to it share
    the places left: (k - classes above) / (classes equal).

    Args:
        predicted: probabilities (clips, classes), no NaN.
        k: how many; all classes where there are fewer.

    Returns:
        float64 (clips, classes); rows sum to k, or to the number of classes if that is less.

    Raises:
        ValueError: for k below 1.
    """
    if k < 1:
        raise ValueError(f"k of at least 1 is needed, received {k}")
    predicted = np.asarray(predicted, dtype=np.float64)
    places = min(k, predicted.shape[1])
    threshold = np.partition(predicted, -places, axis=1)[:, [-places]]
    above, equal = predicted > threshold, predicted == threshold
    left = places - above.sum(axis=1, keepdims=True)
    return above + equal * left / equal.sum(axis=1, keepdims=True)


def clip_recall(truth: np.ndarray, predicted: np.ndarray, *, k: int) -> np.ndarray:
    """Of the classes present in a clip, the share that is among the k most likely.

    Equals count as :func:`most_likely` says: the uniform prediction has k / classes on every clip.

    Args:
        truth: shares (clips, classes).
        predicted: probabilities (clips, classes).
        k: how many of the most likely classes count as said to be there.

    Returns:
        float64 (clips,); NaN for a clip without a class.
    """
    truth, predicted = _same_shape(truth, predicted)
    present = truth > 0
    hits = present * most_likely(predicted, k=k)
    return ratio(hits.sum(axis=1), present.sum(axis=1))


def top_k_recall(truth: np.ndarray, predicted: np.ndarray, *, k: int) -> float:
    """Mean of :func:`clip_recall` over clips; NaN without clips.

    With four distinct words in each clip and k = 4 it is also the precision.
    """
    recalls = clip_recall(truth, predicted, k=k)
    known = recalls[~np.isnan(recalls)]
    return float(known.mean()) if known.size else float("nan")


def class_recall(truth: np.ndarray, predicted: np.ndarray, *, k: int) -> np.ndarray:
    """Of the clips in which a class is present, the share that has it among the k most likely.

    Equals count as :func:`most_likely` says.

    Args:
        truth: shares (clips, classes).
        predicted: probabilities (clips, classes).
        k: how many of the most likely classes count as said to be there.

    Returns:
        float64 (classes,); NaN for a class that is present nowhere.
    """
    truth, predicted = _same_shape(truth, predicted)
    present = truth > 0
    hits = present * most_likely(predicted, k=k)
    return ratio(hits.sum(axis=0), present.sum(axis=0))


def average_precision(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Average precision of each class: clips ordered by its probability, presence is the hit.

    The sum over thresholds of (R_n - R_n-1) P_n without interpolation, clips of equal probability
    at one threshold, as ``sklearn.metrics.average_precision_score``.

    Args:
        truth: shares (clips, classes).
        predicted: probabilities (clips, classes).

    Returns:
        float64 (classes,); NaN for a class that is present nowhere.
    """
    truth, predicted = _same_shape(truth, predicted)
    columns = zip((truth > 0).T, predicted.T, strict=True)
    return np.array([_average_precision(present, scores) for present, scores in columns])


def _average_precision(present: np.ndarray, scores: np.ndarray) -> float:
    """Average precision of one class from presence (clips,) and probabilities (clips,)."""
    if not present.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    found = np.cumsum(present[order])[ends]
    gained = np.diff(found, prepend=0) / present.sum()
    return float(np.sum(gained * found / (ends + 1)))


def _same_shape(truth: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 (clips, classes)."""
    truth, predicted = (np.asarray(rows, dtype=np.float64) for rows in (truth, predicted))
    if truth.ndim != 2 or truth.shape != predicted.shape:
        raise ValueError(
            "truth and prediction of the same shape (clips, classes) are needed, "
            f"received {truth.shape} and {predicted.shape}"
        )
    return truth, predicted
