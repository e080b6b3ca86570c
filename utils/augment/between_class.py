"""Between-class learning: two clips of a batch at a ratio of loudness that is their targets'.

Of clips i and j with the levels G_i and G_j (decibels), and r uniform between 0 and 1::

    p = 1 / (1 + 10^((G_i - G_j) / 20) (1 - r) / r)
    x = (p x_i + (1 - p) x_j) / sqrt(p^2 + (1 - p)^2)
    y = r y_i + (1 - r) y_j

so that the clips are heard at the amplitudes r : (1 - r), and the sum of two clips of equal energy
has that energy. A clip's level is its highest A-weighted level in windows of about 0.1 s.

References:
    Y. Tokozume, Y. Ushiku, T. Harada: Learning from Between-class Examples for Deep Sound
    Recognition, ICLR 2018 (window lengths and overlap as in the authors' program).
    IEC 61672-1:2013, Electroacoustics - Sound level meters, annex E (A-weighting).

Where this differs from the paper: partners are drawn without regard to classes, so a partner may be
of the same class; and where one clip is silent, p is r. A silent clip has no level that could be
matched: in the formula's limit its partner would vanish, and a silent sum would have to be told
apart by its target.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from utils.augment.partners import MixingParameters, draw_mixing, weighted_sum
from utils.config.schema import BetweenClassSettings

if TYPE_CHECKING:
    import tensorflow as tf

WINDOW_SECONDS = 0.1  # the window is the nearest power of two: 2048 at 16 and 22.05 kHz
POLES = (20.598997, 107.65265, 737.86223, 12194.217)  # hertz, of the A-weighting
REFERENCE = 1000.0  # hertz, where its gain is 1
SILENT = 1e-8  # weighted power of a window; a sine of full scale has about 10^6


def from_settings(
    settings: BetweenClassSettings, *, sample_rate: int
) -> "tuple[Callable[..., MixingParameters], Callable[..., tf.Tensor]]":
    """``draw`` with the configured probability, and ``apply`` at this rate (hertz)."""
    return partial(draw, **settings.model_dump()), partial(apply, sample_rate=sample_rate)


def draw(seed: "tf.Tensor", batch_size: "tf.Tensor", *, probability: float) -> MixingParameters:
    """Draw a partner and a uniform share for each clip.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips.
        probability: Chance of each clip to be mixed.
    """
    import tensorflow as tf

    return draw_mixing(
        seed,
        batch_size,
        lambda for_share, number: tf.random.stateless_uniform([number], for_share),
        probability=probability,
    )


def apply(batch: "tf.Tensor", parameters: MixingParameters, *, sample_rate: int) -> "tf.Tensor":
    """Mix the clips' samples so that their loudness has the ratio of the shares.

    Args:
        batch: float32 (batch, samples).
        parameters: From ``draw``.
        sample_rate: Of the waveforms, in hertz.

    Returns:
        float32 (batch, samples).
    """
    import tensorflow as tf

    power = loudest_power(batch, sample_rate=sample_rate)
    partner_power = tf.gather(power, parameters.partner)
    heard = tf.minimum(power, partner_power) > SILENT
    ratio = tf.sqrt(tf.where(heard, power / tf.where(heard, partner_power, 1.0), 1.0))
    own, other = parameters.share, (1.0 - parameters.share) * ratio
    own /= own + other  # p, without a division by a share of 0
    other = 1.0 - own
    gain = 1.0 / tf.sqrt(tf.square(own) + tf.square(other))
    return weighted_sum(batch, parameters.partner, gain * own, gain * other)


def loudest_power(batch: "tf.Tensor", *, sample_rate: int) -> "tf.Tensor":
    """Highest A-weighted power of a clip's windows: ``10^(G / 10)`` up to a constant factor.

    Hann windows that overlap by a half, from the clip's start; the last ones are filled up with
    zeros. Clips go one after the other, so that memory stays that of one clip.

    Args:
        batch: float32 (batch, samples).
        sample_rate: In hertz.

    Returns:
        float32 (batch,).
    """
    import tensorflow as tf

    length = window_length(sample_rate)
    window = np.hanning(length + 1)[:-1].astype(np.float32)
    gains = a_weighting(np.fft.rfftfreq(length, 1 / sample_rate)).astype(np.float32)

    def of_clip(clip: "tf.Tensor") -> "tf.Tensor":
        frames = tf.signal.frame(clip, length, length // 2, pad_end=True)
        spectrum = tf.signal.rfft(frames * window)
        power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
        return tf.reduce_max(tf.linalg.matvec(power, gains))

    return tf.map_fn(of_clip, batch, parallel_iterations=1)


def window_length(sample_rate: int) -> int:
    """The power of two nearest to WINDOW_SECONDS, in samples."""
    return 2 ** max(1, round(np.log2(WINDOW_SECONDS * sample_rate)))


def a_weighting(frequencies: np.ndarray) -> np.ndarray:
    """Gain of power by the A-weighting, 1 at 1 kHz (IEC 61672-1, annex E).

    The response of amplitudes is
    ``f4^2 f^4 / ((f^2 + f1^2) sqrt((f^2 + f2^2) (f^2 + f3^2)) (f^2 + f4^2))`` over that at 1 kHz.

    Args:
        frequencies: In hertz.

    Returns:
        float64, as many.
    """

    def response(square: np.ndarray) -> np.ndarray:
        first, second, third, fourth = np.square(POLES)
        steep = square**2 / ((square + first) * (square + fourth))
        return steep**2 / ((square + second) * (square + third))

    return response(np.square(frequencies)) / response(np.square(REFERENCE))
