"""Labels of clips -> target arrays."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from utils.errors import DataError

if TYPE_CHECKING:
    from utils.datasets.base import Clip

TargetKind = Literal["single_label", "multi_label", "distribution"]
"""What a task predicts of a clip: one class, each class that is there, or the classes' shares."""


def encode(clips: Sequence["Clip"], *, classes: Sequence[str], kind: TargetKind) -> np.ndarray:
    """Encode the labels of clips as one-hot, multi-hot or distribution rows.

    Args:
        clips: labelled clips.
        classes: class order, the second axis of the result.
        kind: whether a clip has exactly one label, one and more, or a share of each: its weights,
            or equal shares where it has none.

    Returns:
        float32 (clips, classes): zeros and ones, or shares that sum to 1.

    Raises:
        DataError: for a clip without a label, with a label that is no class, or, for single_label,
            with several labels; the message names the clip.
    """
    column = {name: place for place, name in enumerate(classes)}
    targets = np.zeros((len(clips), len(classes)), np.float32)
    for row, clip in enumerate(clips):
        if not clip.labels:
            raise DataError(f"{clip.name}: has no label; only labelled clips can be targets.")
        if kind == "single_label" and len(clip.labels) > 1:
            raise DataError(
                f"{clip.name}: has {len(clip.labels)} labels ({', '.join(clip.labels)}); "
                "this task takes one; remove the others."
            )
        shares = (1.0,) * len(clip.labels)
        if kind == "distribution":
            shares = clip.weights or (1 / len(clip.labels),) * len(clip.labels)
        for label, share in zip(clip.labels, shares, strict=True):
            if label not in column:
                raise DataError(
                    f"{clip.name}: label {label!r} is none of the {len(column)} classes "
                    f"({', '.join(classes)})."
                )
            targets[row, column[label]] += share
    return np.minimum(targets, 1.0)
