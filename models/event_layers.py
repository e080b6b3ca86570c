"""Layers of networks for sound events; named in a layer list as those of Keras are."""

from typing import Any

import keras
from keras import ops

PACKAGE = "models"


@keras.saving.register_keras_serializable(package=PACKAGE)
class AttentionPooling(keras.layers.Layer):
    """Probabilities of a clip: those of its steps, averaged by weights that the network gives.

    ``weak_c = sum_t s_tc a_tc / sum_t a_tc`` where ``a`` is the softmax of the attention over the
    *classes* of each step, kept within 1e-7 and 1. That is what the baseline of DCASE 2021 task 4
    does; of attention over time one would expect the softmax over steps (``axis: 1``).

    Args:
        axis: of the softmax: 2 classes, 1 steps.

    Inputs: probabilities of the steps and attention before the softmax, (batch, steps, classes)
    both. Output: (batch, classes).

    Raises:
        ValueError: for another axis, or inputs of other shapes.
    """

    def __init__(self, axis: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if axis not in (1, 2):
            raise ValueError(f"axis is {axis}; it must be 2 (classes) or 1 (steps)")
        self.axis = axis

    def build(self, probabilities_shape: Any, attention_shape: Any) -> None:
        """Compare the shapes of both inputs."""
        if len(probabilities_shape) != 3 or tuple(probabilities_shape) != tuple(attention_shape):
            raise ValueError(
                "expects two inputs (batch, steps, classes) of one shape, receives "
                f"{tuple(probabilities_shape)} and {tuple(attention_shape)}"
            )
        super().build(probabilities_shape)

    def call(self, probabilities: Any, attention: Any) -> Any:
        """Average the probabilities (batch, steps, classes) by the attention of the same shape."""
        weights = ops.clip(ops.softmax(attention, axis=self.axis), 1e-7, 1.0)
        return ops.sum(probabilities * weights, axis=1) / ops.sum(weights, axis=1)

    def compute_output_shape(self, probabilities_shape: Any, attention_shape: Any) -> Any:
        """(batch, classes)."""
        return probabilities_shape[0], probabilities_shape[2]

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {**super().get_config(), "axis": self.axis}


@keras.saving.register_keras_serializable(package=PACKAGE)
class FrequencyDynamicConv2D(keras.layers.Layer):
    """A convolution whose kernel differs from mel to mel, by what the clip sounds like there.

    Kernels of a basis are summed by weights that depend on the mel, because a sound's pattern means
    something else when it is moved in frequency: ``y(f) = sum_k w_k(f) (kernel_k * x)(f)``. The
    weights are a softmax over the basis of a small network on the clip's mean over frames: a
    convolution over mels, batch normalisation, ReLU, another convolution; they are divided by
    ``temperature`` before the softmax.

    Source: H. Nam, S.-H. Kim, B.-Y. Ko, Y.-H. Park, Frequency Dynamic Convolution: Frequency-
    Adaptive Pattern Recognition for Sound Event Detection, Interspeech 2022 (arXiv 2203.15296).

    Args:
        filters: channels of the output.
        kernel_size: of the kernels, odd.
        basis: kernels in the basis, K in the paper.
        temperature: of the softmax; high values keep the weights near 1 / K.
        reduction: channels of the small network are those of the input divided by this, 4 at least.

    Input: (batch, mels, frames, channels). Output: (batch, mels, frames, filters).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        basis: int = 4,
        temperature: float = 31.0,
        reduction: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.basis = filters, kernel_size, basis
        self.temperature, self.reduction = temperature, reduction
        for name in ("filters", "kernel_size", "basis", "temperature", "reduction"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        self.kernels = keras.layers.Conv2D(
            filters * basis, kernel_size, padding="same", dtype=self.dtype_policy, name="kernels"
        )
        self.norm = keras.layers.BatchNormalization(dtype=self.dtype_policy, name="norm")
        self.last = keras.layers.Conv1D(basis, 1, dtype=self.dtype_policy, name="weights")
        self.first: Any = None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of the parts."""
        if len(input_shape) != 4:
            raise ValueError(f"expects (batch, mels, frames, channels), receives {input_shape}")
        batch, mels, _, channels = input_shape
        hidden = max(4, (channels or 4) // self.reduction)
        self.first = keras.layers.Conv1D(
            hidden, 3, padding="same", use_bias=False, dtype=self.dtype_policy, name="context"
        )
        self.kernels.build(input_shape)
        self.first.build((batch, mels, channels))
        self.norm.build((batch, mels, hidden))
        self.last.build((batch, mels, hidden))
        super().build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Convolve the inputs (batch, mels, frames, channels)."""
        context = self.first(ops.mean(inputs, axis=2))
        context = ops.relu(self.norm(context, training=training))
        weights = ops.softmax(self.last(context) / self.temperature, axis=-1)
        everything = self.kernels(inputs)
        parts = ops.split(everything, self.basis, axis=-1)
        return sum(
            part * weights[:, :, None, number : number + 1] for number, part in enumerate(parts)
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, mels, frames, filters)."""
        return (*input_shape[:3], self.filters)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "basis": self.basis,
            "temperature": self.temperature,
            "reduction": self.reduction,
        }
