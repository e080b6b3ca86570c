"""How large a network is: parameters, multiply-accumulate operations, memory of its activations."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import prod
from operator import mul
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]

_CONVOLUTIONS = (
    *("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D"),
    *("SeparableConv1D", "SeparableConv2D"),
)
_TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
_RECURRENT = ("LSTM", "GRU", "SimpleRNN")
_ELEMENTWISE = (  # weights, but no product of weights that is summed
    *("BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization"),
    *("Normalization", "PReLU", "Embedding"),
)
_UNCOUNTED = ("Attention", "AdditiveAttention", "Dot", "MelSpectrogram", "STFTSpectrogram")


@dataclass(frozen=True)
class LayerComplexity:
    """One layer of a network.

    Attributes:
        name: the layer's name; inside a composite layer ``outer/inner``.
        kind: its class.
        output_shape: of one clip, without the batch axis.
        parameters: number of weights, those that are not trained included.
        macs: multiply-accumulate operations for one clip; None where they cannot be counted.
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    macs: int | None


@dataclass(frozen=True)
class Complexity:
    """What a network costs.

    Attributes:
        parameters: number of weights, moving statistics of batch normalisation included.
        trainable: of these, those that are trained.
        non_zero: of all, those that are not zero.
        macs: multiply-accumulate operations for one clip, layers of ``unknown`` left out.
        peak_activation_bytes: largest sum of one layer's inputs and outputs as float32. Tensors
            that wait for a later layer (skip connections) are not in it.
        keras_float16_bytes: size by the rule of the DCASE 2021 challenge: every weight counts,
            2 bytes each, 4 in batch normalisation, which Keras keeps in float32.
        layers: layer by layer, in the order of computation.
    """

    parameters: int
    trainable: int
    non_zero: int
    macs: int
    peak_activation_bytes: int
    keras_float16_bytes: int
    layers: tuple[LayerComplexity, ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of layers that compute but whose operations could not be counted."""
        return tuple(layer.name for layer in self.layers if layer.macs is None)


@dataclass(frozen=True)
class _Call:
    """One use of a layer on one clip; shapes without the batch axis."""

    layer: "keras.Layer"
    name: str
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]


def count(model: "keras.Model") -> Complexity:
    """Count what a network costs for one clip.

    The network is run or traced once, on a clip of zeros, to learn the shapes; so this works on
    every Keras backend, for nested networks and for layers made of layers. Operations counted are
    products of a weight and an activation that are summed: convolutions, dense and recurrent
    layers. Pooling, normalisation, activation functions and biases count nothing. A transposed
    convolution counts each input position times its kernel. A layer that is used several times
    counts each use.

    An own layer with weights of its own says its operations by a method
    ``count_macs(input_shape, output_shape) -> int`` (shapes without the batch axis); without it
    the layer is listed in ``unknown``.

    Args:
        model: a built network; its axes beside the batch axis have fixed lengths.

    Returns:
        The counts.

    Raises:
        ValueError: when an axis beside the batch axis is open.
    """
    import keras

    calls = _record(model)
    layers = _rows(calls)
    normalised = _batch_normalisation_weights(model)
    values, used, sizes = [], [], []
    for variable in model.weights:
        values.append(prod(variable.shape))
        used.append(int(np.count_nonzero(keras.ops.convert_to_numpy(variable))))
        sizes.append(4 if id(variable) in normalised else 2)
    return Complexity(
        parameters=sum(values),
        trainable=sum(prod(variable.shape) for variable in model.trainable_weights),
        non_zero=sum(used),
        macs=sum(layer.macs or 0 for layer in layers),
        peak_activation_bytes=max((_activation_bytes(call) for call in calls), default=0),
        keras_float16_bytes=sum(map(mul, values, sizes)),
        layers=layers,
    )


def _batch_normalisation_weights(model: "keras.Model") -> set[int]:
    """Identities of the variables that stay in float32 in a float16 network."""
    import keras

    from models.normalisation_layers import SubSpectralNormalization

    kinds = (keras.layers.BatchNormalization, SubSpectralNormalization)
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, kinds)]
    return {id(variable) for layer in layers for variable in layer.weights}


def _activation_bytes(call: _Call) -> int:
    """Bytes of a layer's inputs and outputs as float32."""
    return 4 * sum(prod(shape) for shape in (*call.inputs, *call.outputs))


def _rows(calls: Sequence[_Call]) -> tuple[LayerComplexity, ...]:
    """Sum up the uses of each layer, in the order of its first use."""
    rows: dict[int, LayerComplexity] = {}
    for call in calls:
        key, macs = id(call.layer), _macs(call.layer, call.inputs, call.outputs)
        if key not in rows:
            parameters = sum(prod(variable.shape) for variable in _own_weights(call.layer))
            kind = type(call.layer).__name__
            rows[key] = LayerComplexity(call.name, kind, call.outputs[0], parameters, macs)
        elif macs is not None:
            rows[key] = replace(rows[key], macs=(rows[key].macs or 0) + macs)
    return tuple(rows.values())


# --- shapes: which layers are used, on what ---


def _record(model: "keras.Model") -> list[_Call]:
    """Run or trace the network once on a clip of zeros and note every use of a layer."""
    import keras

    for tensor in model.inputs:
        if None in tensor.shape[1:]:
            raise ValueError(f"{model.name}: input {tensor.shape} has an open axis, fix its length")
    zeros = keras.tree.map_structure(
        lambda tensor: keras.ops.zeros((1, *tensor.shape[1:]), dtype=tensor.dtype), model.input
    )
    calls: list[_Call] = []
    with ExitStack() as stack:
        for layer, name in _parts(model, ""):
            stack.enter_context(_watched(layer, name, calls))
        if keras.config.backend() == "tensorflow" and _has_loops(model):
            _trace(model, zeros)
        else:
            model(zeros, training=False)
    return calls


def _has_loops(model: "keras.Model") -> bool:
    """Whether layers go step by step, which takes seconds outside a graph."""
    return any(_is_any(part, _RECURRENT) for part in model._flatten_layers())


def _trace(model: "keras.Model", zeros: Any) -> None:
    """Call a network without computing anything; shapes are known of a graph too."""
    import tensorflow as tf

    tf.function(lambda: model(zeros, training=False), autograph=False).get_concrete_function()


def _parts(layer: "keras.Layer", prefix: str) -> Iterator[tuple["keras.Layer", str]]:
    """Layers that are counted as one, with their names: composite layers are taken apart."""
    for child in layer._flatten_layers(include_self=False, recursive=False):
        name = prefix + child.name
        if not _is_composite(child):
            yield child, name
            continue
        if _own_weights(child):
            yield child, name
        yield from _parts(child, name + "/")


def _is_composite(layer: "keras.Layer") -> bool:
    """Whether a layer is a network, or an own layer made of layers, and cannot count itself."""
    import keras

    if isinstance(layer, keras.Model):
        return True
    own = not type(layer).__module__.startswith("keras.") and not hasattr(layer, "count_macs")
    return own and bool(layer._flatten_layers(include_self=False))


def _own_weights(layer: "keras.Layer") -> list[Any]:
    """Weights of a layer, without those of its parts if it is composite."""
    if not _is_composite(layer):
        return layer.weights
    parts = {id(variable) for part, _ in _parts(layer, "") for variable in part.weights}
    return [variable for variable in layer.weights if id(variable) not in parts]


@contextmanager
def _watched(layer: "keras.Layer", name: str, calls: list[_Call]) -> Iterator[None]:
    """Note the shapes of every call of a layer."""
    original: Callable[..., Any] = layer.call

    def call(*args: Any, **kwargs: Any) -> Any:
        outputs = original(*args, **kwargs)
        calls.append(_Call(layer, name, _shapes((args, kwargs)), _shapes(outputs)))
        return outputs

    object.__setattr__(layer, "call", call)  # past Keras, which tracks attributes
    try:
        yield
    finally:
        object.__delattr__(layer, "call")


def _shapes(nested: Any) -> tuple[Shape, ...]:
    """Shapes of all tensors in a nested structure, without the batch axis."""
    import keras

    tensors = [leaf for leaf in keras.tree.flatten(nested) if keras.ops.is_tensor(leaf)]
    return tuple(tuple(int(n) for n in tensor.shape[1:]) for tensor in tensors)


# --- operations ---


def _macs(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int | None:
    """Multiply-accumulate operations of one use of a layer; None where they are not known."""
    if hasattr(layer, "count_macs"):
        return int(layer.count_macs(inputs[0], outputs[0]))
    if _is_any(layer, ("Dense",)):
        return prod(outputs[0]) * int(layer.kernel.shape[0])
    if _is_any(layer, _CONVOLUTIONS):
        return _positions(layer, outputs[0]) * _kernel_size(layer)
    if _is_any(layer, _TRANSPOSED):
        return _positions(layer, inputs[0]) * _kernel_size(layer)
    if _is_any(layer, _RECURRENT):
        cell = layer.cell
        return inputs[0][0] * (prod(cell.kernel.shape) + prod(cell.recurrent_kernel.shape))
    if _is_any(layer, ("Bidirectional",)):
        parts = [
            _macs(part, inputs, outputs) for part in (layer.forward_layer, layer.backward_layer)
        ]
        return None if None in parts else sum(part for part in parts if part is not None)
    if _is_any(layer, ("TimeDistributed",)):
        steps = inputs[0][0]
        part = _macs(layer.layer, (inputs[0][1:],), (outputs[0][1:],))
        return None if part is None else steps * part
    counts_nothing = not layer.weights and not _is_any(layer, _UNCOUNTED)
    return 0 if counts_nothing or _is_any(layer, _ELEMENTWISE) else None


def _is_any(layer: "keras.Layer", kinds: Sequence[str]) -> bool:
    """Whether a layer is of one of the Keras classes named."""
    import keras

    return isinstance(layer, tuple(getattr(keras.layers, kind) for kind in kinds))


def _positions(layer: Any, shape: Shape) -> int:
    """Places of a feature map: the product of its axes without the channel axis."""
    return prod(shape[1:] if layer.data_format == "channels_first" else shape[:-1])


def _kernel_size(layer: Any) -> int:
    """Products at one place: the size of the kernel, which knows groups and channels.

    A separable convolution has two, both applied at each place of the output.
    """
    if hasattr(layer, "pointwise_kernel"):
        return prod(layer.depthwise_kernel.shape) + prod(layer.pointwise_kernel.shape)
    return prod(layer.kernel.shape)
