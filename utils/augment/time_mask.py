"""Time mask: a stretch of a clip becomes silence, and what happened there leaves the labels.

The stretch is made of whole steps of the labels' grid, so that no step is half silent. Frames that
are left over behind the last step go with it.

Weak labels follow as far as they can. Of a clip with strong labels, a class that is active in no
step any more is not there any more. Of a clip that has weak labels alone nobody knows where its
events lie, so its labels stay: they are wrong where the mask hides all of a class.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from utils.augment.grid import EMBEDDINGS, Grid, Targets
from utils.augment.selection import choose
from utils.config.event_sections import TimeMaskSettings
from utils.targets import STRONG

if TYPE_CHECKING:
    import tensorflow as tf


class TimeMaskParameters(NamedTuple):
    """What was drawn for each clip of a batch.

    Attributes:
        chosen: bool (batch,), whether the clip is masked.
        share: float32 (batch,), length of the stretch, share of the clip's steps.
        place: float32 (batch,) in [0, 1), where it lies: 0 at the earliest.
    """

    chosen: "tf.Tensor"
    share: "tf.Tensor"
    place: "tf.Tensor"


def from_settings(
    settings: TimeMaskSettings, grid: Grid
) -> "tuple[Callable[..., TimeMaskParameters], Callable[..., tuple[tf.Tensor, Targets]]]":
    """``draw`` with the configured range, and ``apply`` on the grid of the labels."""
    drawn = partial(draw, **settings.model_dump())
    return drawn, partial(apply, frames_per_step=grid.frames_per_step)


def draw(
    seed: "tf.Tensor",
    batch_size: "tf.Tensor",
    *,
    min_share: float,
    max_share: float,
    probability: float,
) -> TimeMaskParameters:
    """Draw length and place of a stretch, both uniform, for each clip.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips.
        min_share: Shortest stretch, share of the clip.
        max_share: Longest stretch.
        probability: Chance of each clip to be masked.
    """
    import tensorflow as tf

    for_choice, for_share, for_place = tf.unstack(tf.random.split(seed, 3))
    return TimeMaskParameters(
        chosen=choose(for_choice, batch_size, probability=probability),
        share=tf.random.stateless_uniform([batch_size], for_share, min_share, max_share),
        place=tf.random.stateless_uniform([batch_size], for_place),
    )


def masked_steps(parameters: TimeMaskParameters, steps: "tf.Tensor") -> "tf.Tensor":
    """Tell which steps of each clip are masked.

    Args:
        parameters: From ``draw``.
        steps: Number of steps of a clip; stretches are rounded to whole ones.

    Returns:
        bool (batch, steps).
    """
    import tensorflow as tf

    length = tf.cast(tf.round(parameters.share * tf.cast(steps, tf.float32)), tf.int32)
    starts = tf.cast(steps - length + 1, tf.float32)
    start = tf.cast(parameters.place * starts, tf.int32)
    step = tf.range(steps)
    inside = tf.logical_and(step >= start[:, None], step < (start + length)[:, None])
    return tf.logical_and(parameters.chosen[:, None], inside)


def apply(
    features: "tf.Tensor",
    targets: Targets,
    parameters: TimeMaskParameters,
    *,
    frames_per_step: int,
) -> "tuple[tf.Tensor, Targets]":
    """Set the frames of the drawn stretches, and their strong targets, to 0.

    Args:
        features: float32 (batch, mels, frames), linear: 0 is silence.
        targets: ``strong``, ``weak`` and ``kind``.
        parameters: From ``draw``.
        frames_per_step: Of the labels' grid.

    Returns:
        Features and targets in the same shapes.
    """
    import tensorflow as tf

    steps = tf.shape(targets["strong"])[1]
    masked = masked_steps(parameters, steps)
    step_of_frame = tf.minimum(tf.range(tf.shape(features)[2]) // frames_per_step, steps - 1)
    masked_frames = tf.gather(masked, step_of_frame, axis=1)
    strong = tf.where(masked[:, :, None], 0.0, targets["strong"])
    known = tf.logical_and(parameters.chosen, tf.equal(targets["kind"], STRONG))
    gone = tf.logical_not(tf.reduce_any(strong > 0, axis=1))
    weak = tf.where(tf.logical_and(known[:, None], gone), 0.0, targets["weak"])
    silenced = tf.where(masked_frames[:, None, :], 0.0, features)
    more = {}
    if EMBEDDINGS in targets:
        more = {EMBEDDINGS: tf.where(masked[:, :, None], 0.0, targets[EMBEDDINGS])}
    return silenced, {**targets, **more, "strong": strong, "weak": weak}
