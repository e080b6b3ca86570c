"""Weak-prediction masking: what a clip as a whole says of a class limits its frames."""

import numpy as np


def mask_weak(strong: np.ndarray, weak: np.ndarray) -> np.ndarray:
    """Frame scores times the clip score of the same class.

    A class that the clip as a whole is said not to have gets low scores in all of its frames, which
    takes away events of confused classes. The idea is that of H. Nam et al., Heavily Augmented
    Sound Event Detection utilizing Weak Predictions, DCASE 2021 (arXiv 2107.03649); that it is a
    product, and not a threshold on the clip score, is ours.

    Args:
        strong: scores of frames (clips, frames, classes).
        weak: scores of clips (clips, classes).

    Returns:
        (clips, frames, classes).

    Raises:
        ValueError: for shapes that do not fit.
    """
    if np.ndim(strong) != 3 or np.shape(weak) != np.shape(strong)[::2]:
        raise ValueError(
            "scores of frames (clips, frames, classes) and of clips (clips, classes) are needed, "
            f"received {np.shape(strong)} and {np.shape(weak)}"
        )
    return np.asarray(strong) * np.asarray(weak)[:, np.newaxis, :]
