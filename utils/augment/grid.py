"""What augmentations of features know of the features and targets of sound events.

Features are (batch, mels, frames), linear magnitudes: a gain is a factor, silence is 0. Targets
are a dictionary of ``strong`` float32 (batch, steps, classes), ``weak`` float32 (batch, classes)
and ``kind`` float32 (batch,). A step of the labels' grid stands for ``frames_per_step`` frames,
and steps are ``frames // frames_per_step``: 156 steps of 4 frames leave 2 of 626 frames over.
Embeddings of the clips, (batch, steps, size), may stand among the targets: they are mixed, moved
and silenced as the features are.
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import tensorflow as tf

EMBEDDINGS = "embeddings"  # name among the targets

Targets = dict[str, "tf.Tensor"]


class Grid(NamedTuple):
    """Sizes that do not change from batch to batch.

    Attributes:
        mels: Rows of the features.
        hop_seconds: From one frame to the next.
        frames_per_step: Frames for which a step of the strong targets stands.
    """

    mels: int
    hop_seconds: float
    frames_per_step: int
