"""White Gaussian noise at a random signal-to-noise ratio, on waveforms."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from utils.augment.selection import apply_to_chosen, choose
from utils.config.schema import NoiseSettings

if TYPE_CHECKING:
    import tensorflow as tf


class NoiseParameters(NamedTuple):
    """What was drawn for each clip of a batch.

    Attributes:
        chosen: bool (batch,), whether the clip gets noise.
        snr_db: float32 (batch,), power of the clip over power of its noise.
        seed: int32 (batch, 2), from which the clip's noise is made.
    """

    chosen: "tf.Tensor"
    snr_db: "tf.Tensor"
    seed: "tf.Tensor"


def from_settings(
    settings: NoiseSettings, *, sample_rate: int
) -> "tuple[Callable[..., NoiseParameters], Callable[..., tf.Tensor]]":
    """``draw`` with the configured range, and ``apply``; the same at each sample rate."""
    return partial(draw, **settings.model_dump()), apply


def draw(
    seed: "tf.Tensor",
    batch_size: "tf.Tensor",
    *,
    min_snr_db: float,
    max_snr_db: float,
    probability: float,
) -> NoiseParameters:
    """Draw a signal-to-noise ratio, uniform in decibels, and a noise seed for each clip.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips.
        min_snr_db: Lowest (noisiest) ratio.
        max_snr_db: Highest ratio.
        probability: Chance of each clip to get noise.
    """
    import tensorflow as tf

    for_choice, for_ratio, for_noise = tf.unstack(tf.random.split(seed, 3))
    return NoiseParameters(
        chosen=choose(for_choice, batch_size, probability=probability),
        snr_db=tf.random.stateless_uniform([batch_size], for_ratio, min_snr_db, max_snr_db),
        seed=tf.random.split(for_noise, batch_size),
    )


def apply(batch: "tf.Tensor", parameters: NoiseParameters) -> "tf.Tensor":
    """Add the drawn noise; a silent clip stays silent, since it has no signal power.

    Args:
        batch: float32 (batch, samples).
        parameters: From ``draw``.

    Returns:
        float32 (batch, samples).
    """
    return apply_to_chosen(
        _add_noise, batch, parameters.chosen, (parameters.snr_db, parameters.seed)
    )


def _add_noise(clip: "tf.Tensor", snr_db: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
    """``clip + n`` with ``10 log10(mean(clip²) / E[n²]) = snr_db``."""
    import tensorflow as tf

    power = tf.reduce_mean(tf.square(clip))
    deviation = tf.sqrt(power) * tf.pow(10.0, -snr_db / 20.0)
    return clip + deviation * tf.random.stateless_normal(tf.shape(clip), seed)
