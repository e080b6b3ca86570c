"""The int8 file of a network as operators and tensors, with the weights that were rounded for it.

TensorFlow Lite folds batch normalisations, joins activations with what stands before them and
decides which tensors become int8. A simulation that is built from the finished file has exactly
these; one that is built from the Keras layers has to guess them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.export.flatbuffer import builtin_name

BIASED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""Operators of an input, weights and a bias, by position."""

LOWEST, HIGHEST = -128, 127
_TYPES = {0: np.float32, 2: np.int32, 4: np.int64, 9: np.int8}  # by number of the schema


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file.

    Attributes:
        index: in the file.
        name: in the file.
        shape: with a batch of one.
        scales: of int8 values, one or one a channel; empty for other types.
        zero_point: the int8 value of 0.
        axis: of the channels that scales are of.
        constant: what the file holds of it; None of what is computed.
        exact: the float32 values that were rounded for it; of others what it stands for; None where
            it is no constant of real numbers.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    scales: np.ndarray = field(repr=False)
    zero_point: int
    axis: int
    constant: np.ndarray | None = field(repr=False)
    exact: np.ndarray | None = field(repr=False)

    @property
    def range(self) -> tuple[float, float]:
        """Least and greatest value that the int8 numbers of a tensor of one scale stand for."""
        scale = float(self.scales[0])
        return scale * (LOWEST - self.zero_point), scale * (HIGHEST - self.zero_point)


@dataclass(frozen=True)
class Operator:
    """A step of the network.

    Attributes:
        kind: name in TensorFlow Lite's schema, such as ``CONV_2D``.
        options: of the kind, by their names in the schema.
        inputs: indices of tensors; -1 for one that is left out.
        output: index of a tensor.
        shape: of the output, with a batch of one.
    """

    kind: str
    options: SimpleNamespace
    inputs: tuple[int, ...]
    output: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """An int8 file.

    Attributes:
        tensors: all of them.
        operators: in the order in which they run.
        input: index of the tensor that takes a clip.
        output: index of what is said of it.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    input: int
    output: int

    @classmethod
    def of(cls, quantised: bytes, exact: bytes) -> "Graph":
        """Read an int8 file.

        Args:
            quantised: a ``.tflite`` file, int8 throughout.
            exact: the same network in float32, where tensors have the same names.

        Raises:
            UserError: for a file with several graphs, inputs or outputs.
        """
        from ai_edge_litert import schema_py_generated as schema

        model = schema.ModelT.InitFromPackedBuf(quantised, 0)
        graph = model.subgraphs[0]
        if [len(model.subgraphs), len(graph.inputs), len(graph.outputs)] != [1, 1, 1]:
            raise UserError(
                "export.qat needs a network of one input and one output, without "
                f"loops; this one has {len(graph.inputs)} and {len(graph.outputs)}."
            )
        known = dict(_floats(schema.ModelT.InitFromPackedBuf(exact, 0)))
        return cls(
            tensors=tuple(_tensor(model, place, known) for place in range(len(graph.tensors))),
            operators=tuple(_operator(model, each) for each in graph.operators),
            input=int(graph.inputs[0]),
            output=int(graph.outputs[0]),
        )


def _operator(model: Any, operator: Any) -> Operator:
    code = model.operatorCodes[operator.opcodeIndex]
    kind = builtin_name(code.builtinCode, code.deprecatedBuiltinCode)
    if len(operator.outputs) != 1:
        raise UserError(f"export.qat is not possible with {kind}, which gives several outputs.")
    output = int(operator.outputs[0])
    return Operator(
        kind=kind,
        options=SimpleNamespace(**vars(operator.builtinOptions or SimpleNamespace())),
        inputs=tuple(map(int, operator.inputs)),
        output=output,
        shape=_shape(model.subgraphs[0].tensors[output]),
    )


def _floats(model: Any) -> Iterator[tuple[bytes, np.ndarray]]:
    """Names and values of the float32 constants of a file."""
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if data is not None and _TYPES.get(tensor.type) is np.float32:
            yield tensor.name, np.frombuffer(bytes(data), np.float32).reshape(_shape(tensor))


def _tensor(model: Any, place: int, known: Mapping[bytes, np.ndarray]) -> Tensor:
    tensor = model.subgraphs[0].tensors[place]
    data, quantisation = model.buffers[tensor.buffer].data, tensor.quantization
    scales = None if quantisation is None else quantisation.scale
    points = None if quantisation is None else quantisation.zeroPoint
    shape, axis = _shape(tensor), 0 if quantisation is None else quantisation.quantizedDimension
    scales = np.asarray([] if scales is None else scales, np.float32)
    point = 0 if points is None or not len(points) else int(points[0])
    constant = exact = None
    if data is not None and tensor.type in _TYPES:
        constant = np.frombuffer(bytes(data), _TYPES[tensor.type]).reshape(shape)
    if constant is not None and scales.size:
        steps = scales.reshape([-1 if each == axis else 1 for each in range(len(shape))])
        exact = (constant.astype(np.float32) - point) * steps
        given = known.get(tensor.name)
        if given is not None and given.shape == shape and np.all(abs(given - exact) <= steps):
            exact = given
    return Tensor(place, tensor.name.decode(), shape, scales, point, axis, constant, exact)


def _shape(tensor: Any) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(map(int, tensor.shape))
