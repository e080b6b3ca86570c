"""Layers of small networks for acoustic scenes; named in a layer list as those of Keras are."""

from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.special import betaincinv

PACKAGE = "models"
_SOFTENED = 0.1  # variance of a mel that is halved
_QUANTILES = 2049  # of the Beta distribution, between which shares are drawn evenly


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
        _check_epsilon(epsilon)
        self.bands, self.momentum, self.epsilon = bands, momentum, epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make scale, offset and moving statistics, (bands, channels) each."""
        _check_rank(input_shape)
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
        _check_epsilon(epsilon)
        self.shortcut, self.epsilon = shortcut, epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Compare the input's shape."""
        _check_rank(input_shape)
        super().build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Normalise the inputs (batch, mels, frames, channels)."""
        values = ops.cast(inputs, "float32")
        factor = 1.0
        normal, variance = _centred(values)
        if not training:  # int8 is too coarse for soft mels: first loud ones are softened, by any
            # factor, then the variance is that of the products
            factor = ops.rsqrt(variance + _SOFTENED)
            normal, variance = _centred(normal * factor)
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
        _check_epsilon(epsilon)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make scale and offset."""
        _check_rank(input_shape)
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


@keras.saving.register_keras_serializable(package=PACKAGE)
class FreqMixStyle(keras.layers.Layer):
    """While training, clips take on a part of each other's sound of the device.

    Mean and standard deviation of each mel, over channels and frames, are mixed with those of
    another clip of the batch; the share that a clip keeps is drawn from Beta(alpha, alpha). No
    gradient flows through the statistics. A batch is changed as a whole or not at all; none in use.

    Source: F. Schmid et al., Knowledge Distillation from Transformers for Low-Complexity Acoustic
    Scene Classification, DCASE Workshop 2022; after K. Zhou et al., Domain Generalization with
    MixStyle, ICLR 2021 (arXiv 2104.02008).

    Args:
        alpha: of the distribution; small values keep most clips near one of the two.
        probability: share of the batches that are changed.
        epsilon: added to the variance.
        seed: of what is drawn; by default drawn from Keras' seed.

    Input and output: (batch, mels, frames, channels).

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        alpha: float = 0.3,
        probability: float = 0.4,
        epsilon: float = 1e-6,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if alpha <= 0:
            raise ValueError(f"alpha is {alpha}; it must be above 0")
        if not 0 <= probability <= 1:
            raise ValueError(f"probability is {probability}; it must be from 0 to 1")
        _check_epsilon(epsilon)
        self.alpha, self.probability, self.epsilon = alpha, probability, epsilon
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Compare the input's shape and tabulate the distribution."""
        _check_rank(input_shape)
        chances = np.linspace(0.0, 1.0, _QUANTILES)
        self._quantiles = betaincinv(self.alpha, self.alpha, chances).astype(np.float32)
        super().build(input_shape)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Mix the statistics of the inputs (batch, mels, frames, channels) if ``training``."""
        if not training:
            return inputs
        values = ops.cast(inputs, "float32")
        batch, seed = ops.shape(inputs)[0], self.seed_generator
        chosen = keras.random.uniform((), dtype="float32", seed=seed) < self.probability
        kept = self._shares(batch)
        partner = keras.random.shuffle(ops.arange(batch), seed=seed)
        fixed = ops.stop_gradient(values)
        mean = ops.mean(fixed, axis=(2, 3), keepdims=True)
        deviation = ops.sqrt(ops.var(fixed, axis=(2, 3), keepdims=True) + self.epsilon)
        new_mean, new_deviation = (
            kept * one + (1.0 - kept) * ops.take(one, partner, axis=0) for one in (mean, deviation)
        )
        mixed = (values - mean) / deviation * new_deviation + new_mean
        return ops.cast(ops.where(chosen, mixed, values), self.compute_dtype)

    def _shares(self, batch: Any) -> Any:
        """Draws from Beta(alpha, alpha), (batch, 1, 1, 1).

        By quantiles: ``keras.random.beta`` cannot be compiled by XLA on TensorFlow.
        """
        place = keras.random.uniform((batch,), dtype="float32", seed=self.seed_generator)
        place = place * (_QUANTILES - 1)
        below = ops.minimum(ops.floor(place), _QUANTILES - 2)
        index, quantiles = ops.cast(below, "int32"), ops.convert_to_tensor(self._quantiles)
        low, high = ops.take(quantiles, index), ops.take(quantiles, index + 1)
        return ops.reshape(low + (high - low) * (place - below), (batch, 1, 1, 1))

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "probability": self.probability,
            "epsilon": self.epsilon,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class StridedDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """A depthwise convolution whose strides over mels and frames may differ.

    TensorFlow has no kernel for strides of (2, 1) on any device. Here the columns of the kernel
    (rows, where the mels are strided) are convolutions of their own on every second frame, which
    are summed: the same numbers by the same number of operations. TensorFlow Lite does have the
    operator: while ``as_exported`` is set, a graph that is traced holds it, and normalisation can
    be merged into it. TensorFlow itself cannot run such a graph.

    Args:
        kernel_size: number, or one for mels and one for frames.
        strides: the same; of two that differ one is 1.
        padding: ``valid`` or ``same``.
        use_bias: whether there is one.
        activation: of the output.
        depthwise_initializer: of the kernel (rows, columns, channels, multiplier).
        depthwise_regularizer: of the kernel.

    Other arguments, input and output: those of ``DepthwiseConv2D``, channels last.

    Raises:
        ValueError: for other strides, or another data format.
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        use_bias: bool = True,
        activation: Any = None,
        depthwise_initializer: Any = "glorot_uniform",
        depthwise_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides=strides,
            padding=padding,
            use_bias=use_bias,
            activation=activation,
            depthwise_initializer=depthwise_initializer,
            depthwise_regularizer=depthwise_regularizer,
            **kwargs,
        )
        if len(set(self.strides)) > 1 and 1 not in self.strides:
            raise ValueError(f"strides are {self.strides}; they must be alike, or one of them 1")
        if self.data_format != "channels_last":
            raise ValueError(f"data_format is {self.data_format}; it must be channels_last")
        self.as_exported = False

    def call(self, inputs: Any) -> Any:
        """Convolve the inputs (batch, mels, frames, channels)."""
        if len(set(self.strides)) == 1 or self.as_exported:
            return super().call(inputs)
        axis = 0 if self.strides[0] > 1 else 1
        outputs = self._summed(self._padded(inputs), axis, self.compute_output_shape(inputs.shape))
        if self.use_bias:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)

    def _padded(self, inputs: Any) -> Any:
        """The inputs with the zeros that ``padding: same`` puts around them."""
        if self.padding != "same":
            return inputs
        sides = []
        for size, kernel, stride in zip(
            inputs.shape[1:3], self.kernel_size, self.strides, strict=True
        ):
            missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            sides.append((missing // 2, missing - missing // 2))
        return ops.pad(inputs, ((0, 0), *sides, (0, 0)))

    def _summed(self, inputs: Any, axis: int, output_shape: tuple[int | None, ...]) -> Any:
        """One convolution for each place of the kernel on ``axis`` (0 mels, 1 frames), summed."""
        stride, length = self.strides[axis], output_shape[1 + axis]
        outputs = None
        for place in range(self.kernel_size[axis]):
            last = place + (length - 1) * stride + 1  # type: ignore[operator]
            if axis == 0:
                taken, kernel = inputs[:, place:last:stride], self.kernel[place : place + 1]
            else:
                taken, kernel = inputs[:, :, place:last:stride], self.kernel[:, place : place + 1]
            part = ops.depthwise_conv(taken, kernel, strides=1, padding="valid")
            outputs = part if outputs is None else outputs + part
        return outputs


def _centred(values: Any) -> tuple[Any, Any]:
    """Values less the mean of their mel and clip, and the variance, (batch, mels, 1, 1).

    A product of matrices sums the squares: in int8, squares by themselves would lose small ones.
    """
    centred = values - ops.mean(values, axis=(2, 3), keepdims=True)
    batch, mels, frames, channels = ops.shape(centred)
    row = ops.reshape(centred, (batch, mels, 1, frames * channels))
    column = ops.reshape(centred, (batch, mels, frames * channels, 1))
    return centred, ops.matmul(row, column) / ops.cast(frames * channels, "float32")


def _check_rank(input_shape: tuple[int | None, ...]) -> None:
    if len(input_shape) != 4:
        raise ValueError(f"expects (batch, mels, frames, channels), receives {input_shape}")


def _check_epsilon(epsilon: float) -> None:
    if epsilon <= 0:
        raise ValueError(f"epsilon is {epsilon}; it must be above 0")
