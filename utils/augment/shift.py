"""Circular shift in time, on waveforms."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from utils.augment.selection import apply_to_chosen, choose
from utils.config.schema import ShiftSettings

if TYPE_CHECKING:
    import tensorflow as tf


class ShiftParameters(NamedTuple):
    """What was drawn for each clip of a batch.

    Attributes:
        chosen: bool (batch,), whether the clip is shifted.
        samples: int32 (batch,), shift towards later times; negative is earlier.
    """

    chosen: "tf.Tensor"
    samples: "tf.Tensor"


def from_settings(
    settings: ShiftSettings, *, sample_rate: int
) -> "tuple[Callable[..., ShiftParameters], Callable[..., tf.Tensor]]":
    """``draw`` with the configured range, in samples of this rate (hertz), and ``apply``."""
    max_samples = round(settings.max_seconds * sample_rate)
    return partial(draw, max_samples=max_samples, probability=settings.probability), apply


def draw(
    seed: "tf.Tensor", batch_size: "tf.Tensor", *, max_samples: int, probability: float
) -> ShiftParameters:
    """Draw a whole number of samples, uniform in [-max_samples, max_samples], for each clip.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips.
        max_samples: Longest shift in either direction.
        probability: Chance of each clip to be shifted.
    """
    import tensorflow as tf

    for_choice, for_shift = tf.unstack(tf.random.split(seed, 2))
    return ShiftParameters(
        chosen=choose(for_choice, batch_size, probability=probability),
        samples=tf.random.stateless_uniform(
            [batch_size], for_shift, -max_samples, max_samples + 1, dtype=tf.int32
        ),
    )


def apply(batch: "tf.Tensor", parameters: ShiftParameters) -> "tf.Tensor":
    """Roll the chosen clips: what leaves at one end enters at the other (``numpy.roll``).

    Args:
        batch: float32 (batch, samples).
        parameters: From ``draw``.

    Returns:
        float32 (batch, samples).
    """
    return apply_to_chosen(_roll, batch, parameters.chosen, (parameters.samples,))


def _roll(clip: "tf.Tensor", samples: "tf.Tensor") -> "tf.Tensor":
    """One clip (samples,), rolled."""
    import tensorflow as tf

    return tf.roll(clip, samples, axis=0)
