"""Accuracy, log loss and F1 of clips that carry one label each.

Everything rests on three totals for each class: its clips, those classified rightly, and the sum of
their log losses. Totals of parts (devices, folds, locations) add up, so one set of functions serves
a whole data set, a single device, and a thousand bootstrap resamples at once: leading axes are
kept everywhere.

**Classes absent from the truth** have no recall and no log loss of their own (NaN) and are left out
of means over classes, for a device or fold may lack a class. The official score of a full test set
is not touched by that; ``sed_eval`` would count an absent class as 0.
"""

import numpy as np

OVERALL_SCORES = ("accuracy", "accuracy_micro", "log_loss", "log_loss_micro")


def confusion_matrix(*, truth: np.ndarray, predicted: np.ndarray, class_count: int) -> np.ndarray:
    """Count each pair of true and predicted class.

    Args:
        truth: class indices (clips,).
        predicted: class indices (clips,).
        class_count: number of classes.

    Returns:
        int64 (classes, classes); row: true class, column: predicted class.

    Raises:
        ValueError: when the two differ in length or an index is not a class.
    """
    truth = _class_indices(truth, class_count=class_count, name="truth")
    predicted = _class_indices(predicted, class_count=class_count, name="predicted")
    if truth.shape != predicted.shape:
        raise ValueError(f"{truth.size} true and {predicted.size} predicted classes were received")
    pairs = np.bincount(truth * class_count + predicted, minlength=class_count**2)
    return pairs.reshape(class_count, class_count)


def class_f1(*, confusion: np.ndarray) -> np.ndarray:
    """F1 of each class, 2 TP / (2 TP + FP + FN).

    Args:
        confusion: (classes, classes); row: true class, column: predicted class.

    Returns:
        float64 (classes,); NaN for a class that is neither true nor predicted anywhere.
    """
    hits = np.diagonal(confusion)
    return ratio(2.0 * hits, confusion.sum(axis=0) + confusion.sum(axis=1))


def clip_log_losses(*, truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Natural-log loss of each clip, -ln p(true class).

    As in scikit-learn, p is kept within [eps, 1 - eps] with eps the machine epsilon of the
    probabilities' type (float32: at most 15.94 a clip; float64: at most 36.04), and rows are not
    rescaled to a sum of one.

    Args:
        truth: class indices (clips,).
        probabilities: (clips, classes) float32 or float64 in [0, 1].

    Returns:
        float64 (clips,).

    Raises:
        ValueError: when shapes do not fit, an index is not a class, or a value is no probability.
    """
    probabilities = np.asarray(probabilities)
    if probabilities.ndim != 2 or probabilities.shape[0] != np.size(truth):
        raise ValueError(
            f"probabilities (clips, classes) for {np.size(truth)} clips are needed, "
            f"received shape {probabilities.shape}"
        )
    if not np.all((probabilities >= 0) & (probabilities <= 1)):
        raise ValueError("probabilities within 0 and 1 are needed, received others or NaN")
    truth = _class_indices(truth, class_count=probabilities.shape[1], name="truth")
    kind = probabilities.dtype if probabilities.dtype == np.float32 else np.dtype(np.float64)
    eps = float(np.finfo(kind).eps)
    of_truth = probabilities[np.arange(truth.size), truth].astype(np.float64)
    return -np.log(np.clip(of_truth, eps, 1.0 - eps))


def class_totals(
    *,
    truth: np.ndarray,
    probabilities: np.ndarray,
    units: np.ndarray | None = None,
    unit_count: int = 1,
) -> np.ndarray:
    """Clips, right clips and summed log loss of each class, for each unit.

    Args:
        truth: class indices (clips,).
        probabilities: (clips, classes); the largest is the prediction, the first of equals.
        units: unit index of each clip (clips,), such as its location; None: one unit.
        unit_count: number of units.

    Returns:
        float64 (units, 3, classes); the middle axis holds clips, right clips, summed log loss.

    Raises:
        ValueError: as ``clip_log_losses``.
    """
    losses = clip_log_losses(truth=truth, probabilities=probabilities)
    class_count = probabilities.shape[1]
    truth = np.asarray(truth, dtype=np.int64)
    units = np.zeros_like(truth) if units is None else np.asarray(units, dtype=np.int64)
    right = (probabilities.argmax(axis=1) == truth).astype(np.float64)
    cells = units * class_count + truth
    sums = [
        np.bincount(cells, weights=weights, minlength=unit_count * class_count)
        for weights in (np.ones_like(losses), right, losses)
    ]
    return np.stack([each.reshape(unit_count, class_count) for each in sums], axis=1)


def class_scores(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy (recall) and log loss of each class.

    Args:
        totals: (..., 3, classes) of ``class_totals``; leading axes are kept.

    Returns:
        ``accuracy`` and ``log_loss``, each (..., classes); NaN for classes without clips.
    """
    clips, right, loss = np.moveaxis(totals, -2, 0)
    return {"accuracy": ratio(right, clips), "log_loss": ratio(loss, clips)}


def overall_scores(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy and log loss over all classes, as means of classes (macro) and of clips (micro).

    DCASE ranks by the macro figures: accuracy is the mean of the classes' recalls, log loss the
    mean of the classes' log losses. The baseline of 2021 printed the micro log loss; the two agree
    where all classes have equally many clips.

    Args:
        totals: (..., 3, classes) of ``class_totals``; leading axes are kept.

    Returns:
        The names of ``OVERALL_SCORES``, each (...,); NaN where there is no clip at all.
    """
    clips, right, loss = np.moveaxis(totals, -2, 0)
    return {
        "accuracy": _mean_of_classes(right, clips),
        "accuracy_micro": ratio(right.sum(axis=-1), clips.sum(axis=-1)),
        "log_loss": _mean_of_classes(loss, clips),
        "log_loss_micro": ratio(loss.sum(axis=-1), clips.sum(axis=-1)),
    }


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide element by element; NaN, without a warning, where the denominator is 0."""
    numerator = np.asarray(numerator, dtype=np.float64)
    blank = np.full(np.broadcast_shapes(numerator.shape, np.shape(denominator)), np.nan)
    return np.divide(numerator, denominator, out=blank, where=np.asarray(denominator) != 0)


def _mean_of_classes(sums: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """Mean over the last axis of sums / clips, classes without clips left out."""
    present = clips != 0
    means = np.divide(sums, clips, out=np.zeros(sums.shape), where=present)
    return ratio(means.sum(axis=-1), present.sum(axis=-1))


def _class_indices(values: np.ndarray, *, class_count: int, name: str) -> np.ndarray:
    """Check and return class indices as int64 (clips,)."""
    indices = np.asarray(values)
    if indices.ndim != 1 or (indices.size and not np.issubdtype(indices.dtype, np.integer)):
        raise ValueError(
            f"{name}: integers of shape (clips,) are needed, "
            f"received {indices.dtype} of shape {indices.shape}"
        )
    if indices.size and not 0 <= indices.min() <= indices.max() < class_count:
        raise ValueError(
            f"{name}: classes 0 to {class_count - 1} are known, "
            f"received {indices.min()} to {indices.max()}"
        )
    return indices.astype(np.int64)
