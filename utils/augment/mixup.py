"""Mixup: weighted sums of two clips of a batch and of their targets, on waveforms.

``x = r x_i + (1 - r) x_j`` and ``y = r y_i + (1 - r) y_j`` with r from Beta(alpha, alpha).

Reference:
    H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz: mixup: Beyond Empirical Risk Minimization,
    ICLR 2018.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from utils.augment.partners import MixingParameters, draw_mixing, weighted_sum
from utils.config.schema import MixupSettings

if TYPE_CHECKING:
    import tensorflow as tf


def from_settings(
    settings: MixupSettings, *, sample_rate: int
) -> "tuple[Callable[..., MixingParameters], Callable[..., tf.Tensor]]":
    """``draw`` with the configured values, and ``apply``; the same at each sample rate."""
    return partial(draw, **settings.model_dump()), apply


def draw(
    seed: "tf.Tensor", batch_size: "tf.Tensor", *, alpha: float, probability: float
) -> MixingParameters:
    """Draw a partner and a share from Beta(alpha, alpha) for each clip.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips.
        alpha: Near 0 the shares are near 0 and 1, at 1 they are uniform, above near 1/2.
        probability: Chance of each clip to be mixed.
    """
    return draw_mixing(seed, batch_size, partial(draw_shares, alpha=alpha), probability=probability)


def draw_shares(seed: "tf.Tensor", number: "tf.Tensor", *, alpha: float) -> "tf.Tensor":
    """Draw from Beta(alpha, alpha): ``G1 / (G1 + G2)`` of two Gamma(alpha) variables.

    Their logarithms are drawn, since for small alpha both variables round to 0: Gamma(alpha) is
    ``Gamma(alpha + 1) U^(1 / alpha)`` (G. Marsaglia, W. W. Tsang: A simple method for generating
    gamma variables, ACM Transactions on Mathematical Software 26(3), 2000, section 6).

    Args:
        seed: int32 (2,).
        number: How many.
        alpha: Above 0.

    Returns:
        float32 (number,) from 0 to 1.
    """
    import tensorflow as tf

    for_gamma, for_power = tf.unstack(tf.random.split(seed, 2))
    gamma = tf.random.stateless_gamma([2, number], for_gamma, alpha + 1.0)
    uniform = 1.0 - tf.random.stateless_uniform([2, number], for_power)  # above 0
    logarithm = tf.math.log(gamma) + tf.math.log(uniform) / alpha
    return tf.sigmoid(logarithm[0] - logarithm[1])


def apply(batch: "tf.Tensor", parameters: MixingParameters) -> "tf.Tensor":
    """Mix the clips' samples by their shares.

    Args:
        batch: float32 (batch, samples).
        parameters: From ``draw``.

    Returns:
        float32 (batch, samples).
    """
    share = parameters.share
    return weighted_sum(batch, parameters.partner, share, 1.0 - share)
