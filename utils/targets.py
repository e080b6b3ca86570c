"""Labels of clips -> target arrays."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from utils.errors import DataError

if TYPE_CHECKING:
    from utils.datasets.base import Clip


def encode(
    clips: Sequence["Clip"],
    *,
    classes: Sequence[str],
    kind: Literal["single_label", "multi_label"],
) -> np.ndarray:
    """Encode the labels of clips as one-hot (single_label) or multi-hot (multi_label) rows.

    Args:
        clips: labelled clips.
        classes: class order, the second axis of the result.
        kind: whether a clip has exactly one label or one and more.

    Returns:
        float32 (clips, classes) of zeros and ones.

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
                "set target.kind: multi_label or keep one."
            )
        for label in clip.labels:
            if label not in column:
                raise DataError(
                    f"{clip.name}: label {label!r} is none of the {len(column)} classes "
                    f"({', '.join(classes)})."
                )
            targets[row, column[label]] = 1.0
    return targets
