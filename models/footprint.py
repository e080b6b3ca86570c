"""What a network will weigh as an exported file, told before it is trained or converted."""

from collections.abc import Collection
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

_BYTES = {"float32": (4, 4), "float16": (2, 2)}  # of a weight, and of a bias
_OF_INT8 = (1, 4)


@dataclass(frozen=True)
class Footprint:
    """Numbers that an exported file holds, normalisation merged as the converter does.

    Attributes:
        weights: kernels, and factors and offsets of what cannot be merged.
        biases: numbers that a convolution or a dense layer adds, one an output channel; 32 bits
            wide where weights are of 8.
    """

    weights: int
    biases: int

    @property
    def parameters(self) -> int:
        """All numbers."""
        return self.weights + self.biases

    def size(self, file: str) -> int:
        """Bytes of the numbers in a kind of file.

        Args:
            file: its name in ``export``. Weights of all but ``float32`` and ``float16`` have 8
                bits; where some layers stay wider, it is the least that the file can be.
        """
        of_weight, of_bias = _BYTES.get(file, _OF_INT8)
        return of_weight * self.weights + of_bias * self.biases


def estimate(model: "keras.Model") -> Footprint:
    """Estimate what an exported file of a network holds.

    A batch normalisation right behind a convolution or a dense layer becomes part of it: its kernel
    is scaled, and there is one bias a channel. Any other normalisation by moving statistics keeps a
    factor and an offset, and so does one behind a convolution whose output other layers take too.
    What does nothing in use, such as dropout, may lie between. TensorFlow Lite gives each
    convolution and dense layer a bias; a separable convolution is two.

    A layer that is used more than once is counted once, without a bias that it has not, and merges
    nothing; its file may hold more.

    Args:
        model: a built network.

    Returns:
        The numbers; the file itself may differ by what the converter finds to simplify.
    """
    weights = biases = 0
    outputs = {id(tensor) for tensor in model.outputs}
    for layer in model._flatten_layers():
        own = _own_weights(layer)
        numbers = sum(prod(variable.shape) for variable in own)
        if _is_normalisation(layer):
            weights += 0 if _is_merged(layer, outputs) else numbers // 2
        elif hasattr(layer, "pointwise_kernel") and _is_in_graph(layer):
            kernels = prod(layer.depthwise_kernel.shape) + prod(layer.pointwise_kernel.shape)
            weights += kernels
            biases += prod(layer.depthwise_kernel.shape[-2:]) + layer.pointwise_kernel.shape[-1]
        elif _adds_bias(layer):
            bias = sum(prod(variable.shape) for variable in own if variable is layer.bias)
            biases += bias or int(layer.output.shape[-1])
            weights += numbers - bias
        else:
            weights += numbers
    return Footprint(weights, biases)


def _own_weights(layer: "keras.Layer") -> list[Any]:
    """Weights of a layer, without those of its parts."""
    parts = layer._flatten_layers(include_self=False)
    inner = {id(variable) for part in parts for variable in part.weights}
    return [variable for variable in layer.weights if id(variable) not in inner]


def _is_normalisation(layer: "keras.Layer") -> bool:
    """Whether a layer has factor, offset, mean and variance."""
    return hasattr(layer, "moving_mean") and hasattr(layer, "moving_variance")


def _adds_bias(layer: "keras.Layer") -> bool:
    """Whether a layer is one operator with a kernel and a bias in an exported file."""
    return hasattr(layer, "kernel") and hasattr(layer, "bias") and _is_in_graph(layer)


def _is_merged(layer: "keras.Layer", outputs: Collection[int]) -> bool:
    """Whether a normalisation stands right behind what can take it up, and alone takes its output.

    Args:
        layer: the normalisation.
        outputs: identities of the network's outputs.
    """
    import keras

    if not isinstance(layer, keras.layers.BatchNormalization) or not _is_in_graph(layer):
        return False
    before = layer.input._keras_history.operation
    while _is_idle(before) and _is_in_graph(before) and _is_taken_once(before, outputs):
        before = before.input._keras_history.operation
    linear = getattr(before, "activation", None) in (None, keras.activations.linear)
    kernel = hasattr(before, "kernel") or hasattr(before, "pointwise_kernel")
    return linear and kernel and _is_taken_once(before, outputs)


def _is_idle(layer: Any) -> bool:
    """Whether a layer does nothing in use."""
    import keras

    kinds = (
        *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout"),
        *("AlphaDropout", "ActivityRegularization", "Identity"),
    )
    return isinstance(layer, tuple(getattr(keras.layers, kind) for kind in kinds))


def _is_taken_once(layer: Any, outputs: Collection[int]) -> bool:
    """Whether one layer alone takes what a layer gives."""
    nodes = layer._outbound_nodes
    return len(nodes) == 1 and id(layer.output) not in outputs


def _is_in_graph(layer: "keras.Layer") -> bool:
    """Whether the network uses a layer once, with one input."""
    import keras

    nodes = layer._inbound_nodes
    return len(nodes) == 1 and isinstance(layer.input, keras.KerasTensor)
