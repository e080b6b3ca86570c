"""What a simulation has learnt, as numbers of its int8 file."""

from collections import Counter
from typing import Any

import numpy as np

from utils.compression.graph import BIASED, HIGHEST, LOWEST, Operator
from utils.compression.simulation import (
    LARGEST,
    STEPS,
    Simulation,
    has_range_of_output,
    operand_limits,
)
from utils.inference.metadata import packed


def written(simulation: Simulation, quantised: bytes) -> bytes:
    """Put the weights and ranges of a simulation into the file that it is of.

    The converter gives constants that are equal one buffer, such as biases of zeros. What has been
    trained differs, so here each constant has its own.

    Args:
        simulation: trained or not.
        quantised: the int8 ``.tflite`` file.

    Returns:
        The new file, with the metadata of the old one.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(quantised, 0)
    tensors = model.subgraphs[0].tensors
    holders = Counter(tensor.buffer for graph in model.subgraphs for tensor in graph.tensors)
    for place in simulation.owners:
        low, high = (float(limit) for limit in simulation.limits(place))
        scale = (high - low) / STEPS
        _set(tensors[place], np.array([scale]), round(LOWEST - low / scale))
    for op in simulation.graph.operators:
        for position, place in enumerate(op.inputs):
            tensor = simulation.graph.tensors[place]
            if place in simulation.constants or (place >= 0 and has_range_of_output(op, tensor)):
                scales, point, numbers = _numbers(simulation, op, position, place)
                _set(tensors[place], scales, point)
                if holders[tensors[place].buffer] > 1:
                    holders[tensors[place].buffer] -= 1
                    tensors[place].buffer = len(model.buffers)
                    model.buffers.append(schema.BufferT())
                data = np.frombuffer(numbers.tobytes(), np.uint8)
                model.buffers[tensors[place].buffer].data = data
    return packed(model)


def _numbers(
    simulation: Simulation, op: Operator, position: int, place: int
) -> tuple[np.ndarray, int, np.ndarray]:
    """Scales, zero point and integers of a constant."""
    tensor = simulation.graph.tensors[place]
    values = np.asarray(simulation.constants.get(place, tensor.exact), np.float64)
    if op.kind not in BIASED:
        shared = has_range_of_output(op, tensor)
        limits = simulation.limits(op.output) if shared else operand_limits(np.float32(values))
        low, high = map(float, limits)
        scale = (high - low) / STEPS
        point = round(LOWEST - low / scale)
        numbers = np.clip(np.round(values / scale) + point, LOWEST, HIGHEST)
        return np.array([scale]), point, numbers.astype(np.int8)
    of_bias = position == 2
    found = simulation.bias_steps(op) if of_bias else simulation.weight_steps(op)
    steps = np.asarray(found, np.float64)
    scales = steps[: tensor.scales.size]  # one where all channels have the same
    if of_bias:
        return scales, 0, np.round(values / steps).astype(np.int32)
    shape = [-1 if axis == tensor.axis else 1 for axis in range(values.ndim)]
    numbers = np.clip(np.round(values / steps.reshape(shape)), -LARGEST, LARGEST)
    return scales, 0, numbers.astype(np.int8)


def _set(tensor: Any, scales: np.ndarray, point: int) -> None:
    """Give a tensor of the file its scales; all channels have the same zero point."""
    tensor.quantization.scale = scales.tolist()
    tensor.quantization.zeroPoint = [point] * len(scales)
    tensor.quantization.min = tensor.quantization.max = None
