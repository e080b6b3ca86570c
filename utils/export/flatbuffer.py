"""What is really inside a TFLite file: parameters and their bytes, counted from the flatbuffer."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.inference.metadata import flatbuffer

_TYPES = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64")
_ARGUMENTS = ("int32", "int64", "bool")  # shapes, axes, indices
WEIGHTED = {
    "CONV_2D": (1, 2),
    "CONV_3D": (1, 2),
    "CONV_3D_TRANSPOSE": (1, 3),
    "DEPTHWISE_CONV_2D": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
    "FULLY_CONNECTED": (1, 2),
}
"""Convolutions and dense layers: which of their inputs are weights and bias."""

# axis of the kernel's output channels; of its input channels
_BY_OUTPUT = {"CONV_2D": 0, "CONV_3D": 4, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
_BY_INPUT = {"TRANSPOSE_CONV": 3, "CONV_3D_TRANSPOSE": 4}
_REPEATED = {"WHILE", "IF", "CALL", "LSTM", "RNN", "UNIDIRECTIONAL_SEQUENCE_LSTM", "CUSTOM"}


@dataclass(frozen=True)
class FileFacts:
    """Facts of a ``.tflite`` file.

    Attributes:
        file_bytes: size of the file.
        parameters: number of weights and biases.
        non_zero: of these, those that are not zero.
        parameter_bytes: bytes that they take.
        non_zero_bytes: bytes of those that are not zero.
        by_type: number of parameters of each type, such as ``{"int8": 45816, "int32": 174}``.
        operators: kinds of operators in the file, sorted, such as ``ADD`` and ``CONV_2D``.
        custom_operators: those that TFLite has not built in, such as ``FlexSvd``.
        macs: multiply-accumulate operations for one clip, counted from the tensors: by other means
            than that of the Keras layers (``models.complexity``), so that what the converter added
            or left out shows; None where they do not follow from the tensors.
        nessi_macs: the same as NeSsi counts them, the tool of the DCASE challenges since 2022:
            means, pooling and sums too.
    """

    file_bytes: int
    parameters: int
    non_zero: int
    parameter_bytes: int
    non_zero_bytes: int
    by_type: dict[str, int]
    operators: tuple[str, ...] = ()
    custom_operators: tuple[str, ...] = ()
    macs: int | None = None
    nessi_macs: int | None = None


def measure(path: Path) -> FileFacts:
    """Count the parameters and operations of a ``.tflite`` file.

    A parameter is a value of a constant tensor that is (1) weight or bias of a convolution or a
    dense layer, of whatever type and size; or (2) an operand of more than one number of any other
    operator (a normalisation's scale, an embedding), unless it is integer and thus a shape, an
    axis or an index. Single numbers such as an epsilon, initial states of loops and metadata are
    no parameters. float16 weights are counted as they are stored. A buffer that is used in several
    places counts once.

    Args:
        path: the file.

    Raises:
        UserError: when the file is missing, damaged, or holds weights of an unknown type.
    """
    with flatbuffer(path) as model:
        tensors: dict[int, Any] = {}
        for number in range(model.SubgraphsLength()):
            for tensor in _parameters(model, model.Subgraphs(number)):
                tensors[tensor.Buffer()] = tensor
        parameters, non_zero, size, used = Counter[str](), 0, 0, 0
        for buffer, tensor in sorted(tensors.items(), key=lambda item: item[0]):
            kind = type_name(tensor)
            if kind not in _TYPES:
                raise UserError(f"{path}: holds weights of type {kind}, which are not counted yet.")
            values = model.Buffers(buffer).DataAsNumpy().view(kind)
            count = int(np.count_nonzero(values != _zero(tensor)))
            parameters[kind] += values.size
            non_zero += count
            size += values.nbytes
            used += count * values.itemsize
        operators, custom = _operators(model)
        macs, by_nessi = _operations(model, _products), _operations(model, _nessi)
    return FileFacts(
        file_bytes=path.stat().st_size,
        parameters=parameters.total(),
        non_zero=non_zero,
        parameter_bytes=size,
        non_zero_bytes=used,
        by_type=dict(parameters),
        operators=operators,
        custom_operators=custom,
        macs=macs,
        nessi_macs=by_nessi,
    )


def _operators(model: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Kinds of operators that a file needs, and those of them that an interpreter must be given."""
    codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
    names = {_code_name(code) for code in codes if code.CustomCode() is None}
    custom = {code.CustomCode().decode() for code in codes if code.CustomCode() is not None}
    return tuple(sorted(names | custom)), tuple(sorted(custom))


def _parameters(model: Any, graph: Any) -> Iterator[Any]:
    """Tensors of a graph that are parameters."""
    operators = [graph.Operators(index) for index in range(graph.OperatorsLength())]
    sources = {  # float16 weights pass through DEQUANTIZE before they are used
        int(operator.Outputs(0)): int(operator.Inputs(0))
        for operator in operators
        if _operator_name(model, operator) == "DEQUANTIZE"
    }
    for operator in operators:
        name = _operator_name(model, operator)
        if name == "DEQUANTIZE":
            continue
        for position in range(operator.InputsLength()):
            index = int(operator.Inputs(position))
            if index < 0:  # an input that is left out
                continue
            tensor = graph.Tensors(sources.get(index, index))
            is_constant = model.Buffers(tensor.Buffer()).DataLength() > 0
            if is_constant and _is_parameter(model, operator, name, position, tensor):
                yield tensor


def _is_parameter(model: Any, operator: Any, name: str, position: int, tensor: Any) -> bool:
    """Whether a constant input of an operator is a parameter."""
    if name in WEIGHTED:
        return position in WEIGHTED[name]
    if type_name(tensor) in _ARGUMENTS or np.prod(tensor.ShapeAsNumpy(), initial=1) <= 1:
        return False
    return name != "WHILE" or _is_kept(model, operator, position)


def _is_kept(model: Any, loop: Any, position: int) -> bool:
    """Whether a loop leaves one of its variables as it is: a weight, not a state."""
    from ai_edge_litert import schema_py_generated as schema

    options = schema.WhileOptions()
    options.Init(loop.BuiltinOptions().Bytes, loop.BuiltinOptions().Pos)
    body = model.Subgraphs(options.BodySubgraphIndex())
    return bool(body.Inputs(position) == body.Outputs(position))


def _operator_name(model: Any, operator: Any) -> str:
    """Name of an operator, such as CONV_2D; a custom one is CUSTOM."""
    return _code_name(model.OperatorCodes(operator.OpcodeIndex()))


def _code_name(code: Any) -> str:
    return builtin_name(code.BuiltinCode(), code.DeprecatedBuiltinCode())


def builtin_name(number: int, deprecated: int) -> str:
    """Name of an operator by its numbers in the schema; old files have the deprecated one only."""
    return _names("BuiltinOperator")[max(number, deprecated)]


def type_name(tensor: Any) -> str:
    """Type of a tensor by NumPy's name."""
    return _names("TensorType")[tensor.Type()].lower()


@cache
def _names(enumeration: str) -> dict[int, str]:
    """Names of an enumeration of the schema by number."""
    from ai_edge_litert import schema_py_generated as schema

    members = vars(getattr(schema, enumeration)).items()
    return {value: name for name, value in members if isinstance(value, int)}


def _operations(model: Any, rule: Callable[[str, Any, Any], int]) -> int | None:
    """Operations for one clip by a rule for one operator: its name, the graph, the operator.

    None for a file with loops, branches or operators that are not built in: there the number does
    not follow from the tensors.
    """
    graph, total = model.Subgraphs(0), 0
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        name = _operator_name(model, operator)
        if name in _REPEATED:
            return None
        total += rule(name, graph, operator)
    return total


def _products(name: str, graph: Any, operator: Any) -> int:
    """Products of a weight and an activation that are summed.

    A convolution or a dense layer has for each number that it gives as many as its kernel has
    numbers for one output channel; a transposed convolution for each number that it takes as many
    as its kernel has for one input channel. Nothing else is counted.
    """
    if name in _BY_OUTPUT:
        return _shared(graph, operator.Outputs(0), operator.Inputs(1), _BY_OUTPUT[name])
    if name in _BY_INPUT:  # shape of the output, kernel, input
        return _shared(graph, operator.Inputs(2), operator.Inputs(1), _BY_INPUT[name])
    return 0


def _nessi(name: str, graph: Any, operator: Any) -> int:
    """The rule of NeSsi (Ancilotto, github.com/AlbertoAncilotto/NeSsi) for a ``.tflite`` file.

    Convolutions as above. A dense layer has for each number that it gives as many as the last axis
    of its input; a mean one for each number that it takes; pooling for each that it gives as many
    as its window; a sum one for each. It gives 29,234,920 for the baseline of 2022, as published.
    """
    given = prod(_shape(graph.Tensors(operator.Outputs(0))))
    taken = _shape(graph.Tensors(operator.Inputs(0)))
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return _products(name, graph, operator)
    if name == "FULLY_CONNECTED":
        return given * taken[-1]
    if name == "MEAN":
        return prod(taken)
    if name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        return given * _window(operator)
    return given if name == "ADD" else 0


def _window(operator: Any) -> int:
    """Numbers that a pooling looks at for each that it gives."""
    from ai_edge_litert import schema_py_generated as schema

    options = schema.Pool2DOptions()
    options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
    return int(options.FilterHeight() * options.FilterWidth())


def _shared(graph: Any, numbers: int, kernel: int, axis: int) -> int:
    """Numbers of a tensor times the kernel's numbers for one of its channels, those of an axis."""
    shape = _shape(graph.Tensors(kernel))
    return prod(_shape(graph.Tensors(numbers))) * prod(shape) // shape[axis]


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(tensor.Shape(axis)) for axis in range(tensor.ShapeLength()))


def _zero(tensor: Any) -> int:
    """What stands for zero in a tensor: its zero point; 0 where each channel has its own scale."""
    quantisation = tensor.Quantization()
    if quantisation is None or quantisation.ZeroPointLength() != 1:
        return 0
    return int(quantisation.ZeroPoint(0))
