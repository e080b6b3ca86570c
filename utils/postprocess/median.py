"""Median filters over time, of a length for each class.

The median of an odd number of scores is above a threshold exactly where the median of the decisions
"above the threshold" is true. So scores are filtered once and serve every threshold, and the result
is that of the DCASE 2021 task 4 baseline, which decides first and filters each decision.
"""

import numpy as np
from numpy.typing import ArrayLike

from utils.postprocess.frames import EPSILON, checked_scores, of_classes


def median_filter(scores: np.ndarray, lengths: ArrayLike) -> np.ndarray:
    """Median of the scores around each frame, class by class.

    Clips are mirrored at both ends, the outermost frames included: ``mode="reflect"`` of
    ``scipy.ndimage.median_filter``, which the baseline uses with 7 frames. All frames count, also
    those of padding behind the end of a clip, as in the baseline.

    Args:
        scores: (clips, frames, classes), float32 or float64.
        lengths: odd numbers of frames (classes,), or one for all; 1 changes nothing.

    Returns:
        A new array of the same shape and kind.

    Raises:
        DataError: for a score that is NaN or infinite.
        ValueError: for lengths that are not odd, or shapes that do not fit.
    """
    scores = checked_scores(scores)
    widths = of_classes(lengths, scores.shape[2], name="lengths of median filters", lowest=1)
    if not np.issubdtype(widths.dtype, np.integer) or np.any(widths % 2 == 0):
        raise ValueError(f"median filters have odd numbers of frames, received {lengths!r}")
    filtered = scores.copy()
    if not scores.size:
        return filtered
    for width in np.unique(widths[widths > 1]):
        which = np.flatnonzero(widths == width)
        filtered[:, :, which] = _filtered(scores[:, :, which], int(width))
    return filtered


def odd_frames(seconds: ArrayLike, *, hop_seconds: float) -> np.ndarray:
    """Odd numbers of frames nearest to lengths in seconds, at least 1; halfway goes up.

    Args:
        seconds: of any shape, 0 or more.
        hop_seconds: length of a frame.

    Returns:
        int64 of the same shape.

    Raises:
        ValueError: for a hop that is not positive, or a length below 0.
    """
    frames = frames_of(seconds, hop_seconds=hop_seconds)
    return 2 * np.floor(frames / 2).astype(np.int64) + 1


def frames_of(seconds: ArrayLike, *, hop_seconds: float) -> np.ndarray:
    """Lengths in frames, not rounded but for the last digits: 0.448 s of 0.064 s are 7, not less.

    Args:
        seconds: of any shape, 0 or more.
        hop_seconds: length of a frame.

    Raises:
        ValueError: for a hop that is not positive, or a length below 0.
    """
    lengths = np.asarray(seconds, dtype=np.float64)
    if not hop_seconds > 0 or not np.all((lengths >= 0) & np.isfinite(lengths)):
        raise ValueError(
            f"lengths of 0 s or more and a positive hop are needed, "
            f"received {seconds!r} and {hop_seconds}"
        )
    return lengths / hop_seconds + EPSILON


def _filtered(scores: np.ndarray, width: int) -> np.ndarray:
    """One length of filter for all classes.

    All clips lie one after the other, mirrored parts between them, as SciPy's filter of one
    dimension takes hardly longer for long filters; that of three sorts every window anew.
    """
    from scipy import ndimage

    clips, frames, classes = scores.shape
    half = width // 2
    rows = np.moveaxis(scores, 1, 2).reshape(clips * classes, frames)
    rows = np.pad(rows, ((0, 0), (half, half)), mode="symmetric")
    flat = ndimage.median_filter(rows.ravel(), size=width, mode="nearest")
    kept = flat.reshape(rows.shape)[:, half : half + frames]
    return np.moveaxis(kept.reshape(clips, classes, frames), 2, 1)
