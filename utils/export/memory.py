"""Memory that the activations of a TFLite file take, counted from the flatbuffer."""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from utils.export.flatbuffer import type_name
from utils.inference.metadata import flatbuffer

_WITHOUT_SIZE = ("string", "resource", "variant")


def peak_memory(path: Path) -> int:
    """Most bytes of tensors, constants left out, that are needed at one moment.

    At each operator these are its inputs and outputs and what earlier operators left for later
    ones, in the order of the file. It is what NeSsi (Ancilotto, github.com/AlbertoAncilotto/NeSsi),
    the tool of the DCASE challenges of 2022 and 2023, prints as memory use: 65,280 bytes for the
    baseline of 2022. An interpreter's arena may be larger (alignment, scratch buffers). Bodies of
    loops are not looked into.

    Args:
        path: a ``.tflite`` file.

    Raises:
        UserError: when the file is missing or damaged.
    """
    with flatbuffer(path) as model:
        graph = model.Subgraphs(0)
        operators = [graph.Operators(index) for index in range(graph.OperatorsLength())]
        made: dict[int, int] = dict.fromkeys(_numbers(graph.InputsAsNumpy()), 0)
        last: dict[int, int] = dict.fromkeys(made, 0)
        for step, operator in enumerate(operators):
            for tensor in _numbers(operator.InputsAsNumpy()):
                if tensor in made:
                    last[tensor] = step
            for tensor in _numbers(operator.OutputsAsNumpy()):
                made[tensor] = last[tensor] = step
        end = len(operators) - 1
        last |= {tensor: end for tensor in _numbers(graph.OutputsAsNumpy()) if tensor in made}
        sizes = {tensor: _bytes(graph.Tensors(tensor)) for tensor in made}
    return max(
        (
            sum(sizes[tensor] for tensor in made if made[tensor] <= step <= last[tensor])
            for step in range(len(operators))
        ),
        default=0,
    )


def _numbers(indices: Any) -> list[int]:
    """Indices of tensors; -1 stands for an input that is left out, and 0 alone for no list."""
    return [] if isinstance(indices, int) else [int(index) for index in indices if index >= 0]


def _bytes(tensor: Any) -> int:
    """Bytes of a tensor; open axes count as one."""
    kind = type_name(tensor)
    if kind in _WITHOUT_SIZE or tensor.ShapeLength() == 0:
        return 0 if kind in _WITHOUT_SIZE else np.dtype(kind).itemsize
    return prod(max(1, int(axis)) for axis in tensor.ShapeAsNumpy()) * np.dtype(kind).itemsize
