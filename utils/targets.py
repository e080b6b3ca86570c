"""Labels of clips -> target arrays."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from utils.errors import DataError

if TYPE_CHECKING:
    from utils.datasets.base import Clip

TargetKind = Literal["single_label", "multi_label", "distribution", "events", "stems"]
"""What a task predicts of a clip: one class, each class that is there, or the classes' shares; of
``events`` what sounds when."""

LABELS, DEVICE, TEACHER = "labels", "device", "teacher"
"""Names of the targets where there are more than labels: what a clip was recorded by, what other
networks say of it."""

STRONG, WEAK, UNLABELLED = 2.0, 1.0, 0.0
DIGITS = 9  # of a place on the grid of steps
"""What is known of a clip: onsets and offsets, its labels, nothing."""


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


def encode_events(
    clips: Sequence["Clip"], *, classes: Sequence[str], steps: int, step_seconds: float
) -> dict[str, np.ndarray]:
    """Encode what sounds when on a grid of steps, and what sounds at all.

    An event is there from the step that its onset lies in to the one before its offset is reached:
    ``int(onset / step)`` to ``ceil(offset / step)``, as in the baseline of DCASE 2021 task 4.

    Args:
        clips: with events, with labels alone, or with neither.
        classes: class order, the last axis of the results.
        steps: of the grid; what lies behind it is left out.
        step_seconds: length of a step.

    Returns:
        ``strong`` float32 (clips, steps, classes), zeros where events are not known; ``weak``
        float32 (clips, classes); ``kind`` float32 (clips,): STRONG, WEAK or UNLABELLED.

    Raises:
        DataError: for a label that is no class; the message names the clip.
    """
    column = {name: place for place, name in enumerate(classes)}
    found = {
        "strong": np.zeros((len(clips), steps, len(classes)), np.float32),
        "weak": np.zeros((len(clips), len(classes)), np.float32),
        "kind": np.full(len(clips), UNLABELLED, np.float32),
    }
    for row, clip in enumerate(clips):
        known = clip.events is not None
        found["kind"][row] = STRONG if known else WEAK if clip.labels else UNLABELLED
        for label in (*clip.labels, *(event.label for event in clip.events or ())):
            if label not in column:
                raise DataError(
                    f"{clip.name}: label {label!r} is none of the {len(column)} classes "
                    f"({', '.join(classes)})."
                )
            found["weak"][row, column[label]] = 1.0
        for event in clip.events or ():
            # 2.752 s is step 43 of 0.064 s, which binary fractions miss by a hair
            first = int(round(event.onset / step_seconds, DIGITS))
            last = math.ceil(round(event.offset / step_seconds, DIGITS))
            found["strong"][row, first:last, column[event.label]] = 1.0
    return found
