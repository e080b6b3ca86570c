"""Layers of networks that separate by masks; named in a layer list as those of Keras are."""

from typing import Any

import keras
from keras import ops

PACKAGE = "models"


@keras.saving.register_keras_serializable(package=PACKAGE)
class Stack(keras.layers.Layer):
    """Several inputs of one shape on an axis of their own: (a, b, ...) is the axis that is new.

    The masks of a separation network stand so side by side: they are one tensor (batch, stems,
    frames, bins, channels) with the stems in the order of ``from:``.

    Args:
        axis: the new axis, 1 or later; 0 is the batch. Negative ones count from the end.

    Inputs: at least two of one shape. Output: the same with one axis more.

    Raises:
        ValueError: for an axis that there is not, fewer inputs, or other shapes.
    """

    def __init__(self, axis: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape: Any) -> None:
        """Compare the shapes of the inputs."""
        several = isinstance(input_shape, list | tuple) and isinstance(input_shape[0], list | tuple)
        shapes = [tuple(shape) for shape in input_shape] if several else []
        if len(shapes) < 2 or len(set(shapes)) > 1:
            raise ValueError(f"expects several inputs of one shape, receives {input_shape}")
        rank = len(shapes[0])
        if not (1 <= self.axis <= rank or -rank <= self.axis <= -1):
            raise ValueError(f"axis is {self.axis}; it must be from 1 to {rank}")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Stack the inputs."""
        return ops.stack(inputs, axis=self.axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of one input with the number of inputs put in."""
        shape = list(input_shape[0])
        place = self.axis if self.axis > 0 else len(shape) + 1 + self.axis
        return (*shape[:place], len(input_shape), *shape[place:])

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {**super().get_config(), "axis": self.axis}


@keras.saving.register_keras_serializable(package=PACKAGE)
class InferenceMode(keras.layers.Wrapper):
    """A layer that may be kept in inference mode while the network trains.

    TF2-Spleeter trains so: nothing tells its batch normalisation that training is on, hence it
    divides by the initial statistics, mean 0 and variance 1, which never move; scale and offset are
    trained. ``trainable: false`` would keep those too.

    Args:
        layer: for instance ``BatchNormalization``.
        while_training: whether it is in inference mode while training as well; 0 and 1 serve where
            a constant says so. Without it the layer is what it is alone.

    Input and output: those of the layer.
    """

    def __init__(self, layer: Any, while_training: bool = True, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        if while_training not in (0, 1):
            raise ValueError(f"while_training is {while_training}; it must be 0 or 1")
        self.while_training = bool(while_training)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Apply the layer in the mode that is asked for."""
        return self.layer(inputs, training=False if self.while_training else training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """What the layer gives."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {**super().get_config(), "while_training": self.while_training}
