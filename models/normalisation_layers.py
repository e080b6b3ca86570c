"""Normalisations of networks for acoustic scenes; named in a layer list as those of Keras are."""

from typing import Any

import keras
from keras import ops

PACKAGE = "models"
_SOFTENED = 0.1  # variance of a mel that is halved


@keras.saving.register_keras_serializable(package=PACKAGE)
class SubSpectralNormalization(keras.layers.Layer):
    """Batch normalisation of bands of mels by themselves.

    The mels are divided into bands of equal width. Each channel of a band has mean, variance, scale
    and offset of its own, so that what is common at low frequencies does not hide what is at high
    ones. Statistics are those of the batch while training, else moving averages, as in
    ``BatchNormalization``; all are float32.

    Source: S. Chang, H. Park, J. Cho, H. Park, S. Yun, K. Hwang, SubSpectral Normalization for
    Neural Audio Data Processing, ICASSP 2021, section 3 (arXiv 2103.13620).

    Args:
        bands: number of bands, S in the paper; it divides the mels.
        momentum: share of the old moving average that a step keeps.
        epsilon: added to the variance.

    Input and output: (batch, mels, frames, channels).

    Raises:
        ValueError: for an argument out of range, or mels that the bands do not divide.
    """

    def __init__(
        self, bands: int = 5, momentum: float = 0.99, epsilon: float = 1e-3, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if bands < 1:
            raise ValueError(f"bands is {bands}; it must be 1 or more")
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum is {momentum}; it must be from 0 to 1")
        check_epsilon(epsilon)
        self.bands, self.momentum, self.epsilon = bands, momentum, epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make scale, offset and moving statistics, (bands, channels) each."""
        check_rank(input_shape)
        mels, channels = input_shape[1], input_shape[3]
        if mels is None or mels % self.bands:
            raise ValueError(
                f"{self.bands} bands do not divide {mels} mels; choose another number of bands"
            )
        shape = (self.bands, channels)
        fixed: dict[str, Any] = {"shape": shape, "dtype": "float32", "autocast": False}
        self.gamma = self.add_weight(name="gamma", initializer="ones", **fixed)
        self.beta = self.add_weight(name="beta", initializer="zeros", **fixed)
        fixed["trainable"] = False
        self.moving_mean = self.add_weight(name="moving_mean", initializer="zeros", **fixed)
        self.moving_variance = self.add_weight(name="moving_variance", initializer="ones", **fixed)
        super().build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Normalise the inputs (batch, mels, frames, channels)."""
        batch, mels, frames, channels = ops.shape(inputs)
        banded = (batch, self.bands, mels // self.bands * frames, channels)
        values = ops.cast(inputs, "float32")
        if training and self.trainable:
            values = ops.reshape(values, banded)
            mean, variance = self._statistics(values)
            scale = own = self.gamma * ops.rsqrt(variance + self.epsilon)
        else:
            # what the bands share first: a converter merges it into the convolution before, whose
            # int8 outputs then have one range in all channels
            mean = ops.convert_to_tensor(self.moving_mean)
            scale = self.gamma * ops.rsqrt(self.moving_variance + self.epsilon)
            shared = ops.maximum(ops.max(ops.abs(scale), axis=0), 1e-12)
            values, own = ops.reshape(values * shared, banded), scale / shared
        values = values * own[:, None, :] + (self.beta - mean * scale)[:, None, :]
        return ops.cast(ops.reshape(values, (batch, mels, frames, channels)), self.compute_dtype)

    def _statistics(self, values: Any) -> tuple[Any, Any]:
        """Mean and variance of a batch (batch, bands, places, channels); the moving ones follow."""
        mean, variance = ops.moments(values, axes=(0, 2))
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + new * (1.0 - self.momentum))
        return mean, variance

    def count_macs(self, input_shape: Any, output_shape: Any) -> int:
        """None: normalisation is not counted."""
        return 0

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {
            **super().get_config(),
            "bands": self.bands,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class ResidualNormalization(keras.layers.Layer):
    """What a device adds is taken out frequency by frequency, but for a share that stays.

    ``shortcut * x + FreqIN(x)``, where FreqIN takes the mean of each mel of each clip, over
    channels and frames, and divides by the standard deviation. The frequency response of a
    microphone is an offset of log-mels and goes; so does what a scene always sounds like, of which
    the shortcut keeps a share. Without weights.

    Source: B. Kim, S. Yang, J. Kim, S. Chang, Domain Generalization on Efficient Acoustic Scene
    Classification using Residual Normalization, DCASE Workshop 2021 (arXiv 2111.06531), section 2.

    Args:
        shortcut: share of the input that is added, lambda in the paper.
        epsilon: added to the variance.

    Input and output: (batch, mels, frames, channels).
    """

    def __init__(self, shortcut: float = 0.1, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_epsilon(epsilon)
        self.shortcut, self.epsilon = shortcut, epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Compare the input's shape."""
        check_rank(input_shape)
        super().build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Normalise the inputs (batch, mels, frames, channels)."""
        values = ops.cast(inputs, "float32")
        normal, factor = values - ops.mean(values, axis=(2, 3), keepdims=True), 1.0
        variance = _mean_square(normal)
        if not training:  # int8 is too coarse for soft mels: first loud ones are softened, by any
            # factor, then the variance is that of the products
            factor = ops.rsqrt(variance + _SOFTENED)
            normal = normal * factor
            variance = _mean_square(normal)
        normal = normal * ops.rsqrt(variance + self.epsilon * factor * factor)
        return ops.cast(self.shortcut * values + normal, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {**super().get_config(), "shortcut": self.shortcut, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package=PACKAGE)
class GlobalResponseNormalization(keras.layers.Layer):
    """Channels compete: each is multiplied by how loud it is beside the mean of all channels.

    ``gamma * x * g / mean(g) + beta + x`` with ``g`` the Euclidean norm of a channel over mels and
    frames. ``gamma`` and ``beta`` start at 0, so that the layer starts as nothing. Here they are
    one number each for all channels, as CP-Mobile has them; ConvNeXt V2, which brought the layer,
    has them by channel.

    Source: S. Woo et al., ConvNeXt V2, CVPR 2023 (arXiv 2301.00808), section 3; F. Schmid et al.,
    Distilling the Knowledge of Transformers and CNNs with CP-Mobile, DCASE Workshop 2023.

    Args:
        epsilon: added to the mean of the norms.

    Input and output: (batch, mels, frames, channels).
    """

    def __init__(self, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_epsilon(epsilon)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make scale and offset."""
        check_rank(input_shape)
        self.gamma = self.add_weight(name="gamma", shape=(), initializer="zeros", autocast=False)
        self.beta = self.add_weight(name="beta", shape=(), initializer="zeros", autocast=False)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Normalise the inputs (batch, mels, frames, channels)."""
        values = ops.cast(inputs, "float32")
        # the root of the mean square, as places are alike for all channels; silence has a gradient
        power = ops.mean(values * values, axis=(1, 2), keepdims=True)
        loudness = power * ops.rsqrt(power + self.epsilon**2)
        total = ops.mean(loudness, axis=3, keepdims=True) + self.epsilon
        gamma, beta = ops.cast(self.gamma, "float32"), ops.cast(self.beta, "float32")
        values = values + gamma * values * (loudness / total) + beta
        return ops.cast(values, self.compute_dtype)

    def count_macs(self, input_shape: Any, output_shape: Any) -> int:
        """None: normalisation is not counted."""
        return 0

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {**super().get_config(), "epsilon": self.epsilon}


def _mean_square(values: Any) -> Any:
    """Mean square of each mel of each clip, (batch, mels, 1, 1).

    A product of matrices sums the squares: in int8, squares by themselves would lose small ones.
    """
    batch, mels, frames, channels = ops.shape(values)
    row = ops.reshape(values, (batch, mels, 1, frames * channels))
    column = ops.reshape(values, (batch, mels, frames * channels, 1))
    return ops.matmul(row, column) / ops.cast(frames * channels, "float32")


def check_rank(input_shape: tuple[int | None, ...]) -> None:
    """Refuse what is not (batch, mels, frames, channels)."""
    if len(input_shape) != 4:
        raise ValueError(f"expects (batch, mels, frames, channels), receives {input_shape}")


def check_epsilon(epsilon: float) -> None:
    """Refuse what is not above 0."""
    if epsilon <= 0:
        raise ValueError(f"epsilon is {epsilon}; it must be above 0")
