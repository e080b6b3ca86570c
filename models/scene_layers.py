"""Layers of small networks for acoustic scenes; named in a layer list as those of Keras are."""

from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.special import betaincinv

from models.normalisation_layers import PACKAGE, check_epsilon, check_rank

_QUANTILES = 2049  # of the Beta distribution, between which shares are drawn evenly


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
        check_epsilon(epsilon)
        self.alpha, self.probability, self.epsilon = alpha, probability, epsilon
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Compare the input's shape and tabulate the distribution."""
        check_rank(input_shape)
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


@keras.saving.register_keras_serializable(package=PACKAGE)
class FrequencyAveragePooling(keras.layers.Layer):
    """The mean over all mels, which stay an axis of length 1.

    What ``AveragePooling2D`` over the whole height gives, but for int8: TensorFlow Lite's mean has
    a range of its own, its pooling that of what is pooled, of which means fill a small part.

    Source: B. Kim, S. Chang, J. Lee, D. Sung, Broadcasted Residual Learning for Efficient Keyword
    Spotting, Interspeech 2021 (arXiv 2106.04140), section 2.

    Input: (batch, mels, frames, channels). Output: (batch, 1, frames, channels).

    Raises:
        ValueError: for an input of another rank.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Compare the input's shape."""
        check_rank(input_shape)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Average the inputs (batch, mels, frames, channels)."""
        return ops.mean(inputs, axis=1, keepdims=True)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's with one mel."""
        return (input_shape[0], 1, *input_shape[2:])
