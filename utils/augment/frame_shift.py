"""Circular shift in time of features and strong targets, by whole steps of the labels' grid.

Features and labels stay aligned to the frame: the ring that is turned has
``steps * frames_per_step`` frames. Frames left over behind the last step (2 of 626 with 156 steps
of 4) belong to no label and stay where they are; were they in the ring, what leaves at its end
would enter at its beginning late by so many frames.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from utils.augment.grid import EMBEDDINGS, Grid, Targets
from utils.augment.selection import choose
from utils.config.event_sections import FrameShiftSettings

if TYPE_CHECKING:
    import tensorflow as tf


class FrameShiftParameters(NamedTuple):
    """What was drawn for each clip of a batch.

    Attributes:
        chosen: bool (batch,), whether the clip is shifted.
        steps: int32 (batch,), shift towards later times; negative is earlier.
    """

    chosen: "tf.Tensor"
    steps: "tf.Tensor"


def from_settings(
    settings: FrameShiftSettings, grid: Grid
) -> "tuple[Callable[..., FrameShiftParameters], Callable[..., tuple[tf.Tensor, Targets]]]":
    """``draw`` with the configured deviation, in steps of the grid, and ``apply``."""
    deviation = settings.deviation_seconds / (grid.hop_seconds * grid.frames_per_step)
    drawn = partial(draw, deviation_steps=deviation, probability=settings.probability)
    return drawn, partial(apply, frames_per_step=grid.frames_per_step)


def draw(
    seed: "tf.Tensor", batch_size: "tf.Tensor", *, deviation_steps: float, probability: float
) -> FrameShiftParameters:
    """Draw a whole number of steps, normally distributed around 0 and rounded, for each clip.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips.
        deviation_steps: Standard deviation before rounding.
        probability: Chance of each clip to be shifted.
    """
    import tensorflow as tf

    for_choice, for_shift = tf.unstack(tf.random.split(seed, 2))
    shift = tf.random.stateless_normal([batch_size], for_shift, stddev=deviation_steps)
    return FrameShiftParameters(
        chosen=choose(for_choice, batch_size, probability=probability),
        steps=tf.cast(tf.round(shift), tf.int32),
    )


def apply(
    features: "tf.Tensor",
    targets: Targets,
    parameters: FrameShiftParameters,
    *,
    frames_per_step: int,
) -> "tuple[tf.Tensor, Targets]":
    """Roll the chosen clips and their strong targets (``numpy.roll``).

    Args:
        features: float32 (batch, mels, frames).
        targets: ``strong``, which is rolled; others stay, since a whole clip has what it had.
        parameters: From ``draw``.
        frames_per_step: Of the labels' grid.

    Returns:
        Features and targets in the same shapes.
    """
    import tensorflow as tf

    strong = targets["strong"]
    steps, frames = tf.shape(strong)[1], tf.shape(features)[2]
    shift = tf.where(parameters.chosen, parameters.steps, 0)[:, None]
    from_step = (tf.range(steps) - shift) % steps
    ring, frame = steps * frames_per_step, tf.range(frames)
    from_frame = tf.where(frame < ring, (frame - shift * frames_per_step) % ring, frame)
    rolled = tf.gather(features, from_frame, axis=2, batch_dims=1)
    of_steps = {name: targets[name] for name in ("strong", EMBEDDINGS) if name in targets}
    return tf.ensure_shape(rolled, features.shape), {
        **targets,
        **{
            name: tf.ensure_shape(tf.gather(values, from_step, axis=1, batch_dims=1), values.shape)
            for name, values in of_steps.items()
        },
    }
