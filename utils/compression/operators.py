"""TensorFlow Lite's operators as TensorFlow functions of batches of real numbers.

Each takes its operator and its inputs, and gives its output for a batch of any size; the file tells
of a batch of one, so arguments that name sizes or places of the first axis are opened.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from utils.compression.graph import Operator

PADDING = {0: "SAME", 1: "VALID"}
ACTIVATIONS: dict[int, Callable[[Any], Any]] = {
    0: tf.identity,
    1: tf.nn.relu,
    2: partial(tf.clip_by_value, clip_value_min=-1.0, clip_value_max=1.0),
    3: tf.nn.relu6,
}
TINY = 1e-12  # of which roots and quotients have gradients that are finite, as those of 0 have not
BATCH = 1  # bit of the first axis in the masks of a strided slice


def conv_2d(op: Operator, x: Any, kernel: Any, bias: Any = 0.0) -> Any:
    """Convolution with a kernel (channels, rows, columns, inputs)."""
    o = op.options
    strides, dilations = [o.strideH, o.strideW], [o.dilationHFactor, o.dilationWFactor]
    kernel = tf.transpose(kernel, [1, 2, 3, 0])
    return tf.nn.conv2d(x, kernel, strides, PADDING[o.padding], dilations=dilations) + bias


def depthwise_conv_2d(op: Operator, x: Any, kernel: Any, bias: Any = 0.0) -> Any:
    """Depthwise convolution with a kernel (1, rows, columns, channels * multiplier)."""
    o, (_, rows, columns, count) = op.options, kernel.shape
    kernel = tf.reshape(kernel, [rows, columns, x.shape[-1], count // x.shape[-1]])
    dilations, padding = [o.dilationHFactor, o.dilationWFactor], PADDING[o.padding]
    if o.strideH == o.strideW:
        strides = [1, o.strideH, o.strideW, 1]
        return tf.nn.depthwise_conv2d(x, kernel, strides, padding, dilations=dilations) + bias
    if padding == "SAME":  # TensorFlow has square strides only: every place, then some of them
        sizes = zip(x.shape[1:3], (o.strideH, o.strideW), (rows, columns), dilations, strict=True)
        x = tf.pad(x, [[0, 0], *(_same(*size) for size in sizes), [0, 0]])
    y = tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "VALID", dilations=dilations)
    return y[:, :: o.strideH, :: o.strideW] + bias


def _same(size: int, stride: int, window: int, dilation: int) -> tuple[int, int]:
    """Zeros before and after an axis so that ``ceil(size / stride)`` places remain."""
    reach = (-(-size // stride) - 1) * stride + (window - 1) * dilation + 1
    lacking = max(reach - size, 0)
    return lacking // 2, lacking - lacking // 2


def fully_connected(op: Operator, x: Any, kernel: Any, bias: Any = 0.0) -> Any:
    """Dense layer with a kernel (units, inputs), which may take a map of one place as a row."""
    if not op.options.keepNumDims:
        x = tf.reshape(x, [-1, kernel.shape[1]])
    return tf.linalg.matmul(x, kernel, transpose_b=True) + bias


def _batch_matmul(op: Operator, x: Any, y: Any) -> Any:
    return tf.linalg.matmul(x, y, transpose_a=op.options.adjX, transpose_b=op.options.adjY)


def _pool(function: Callable[..., Any], op: Operator, x: Any) -> Any:
    o = op.options
    window, strides = [o.filterHeight, o.filterWidth], [o.strideH, o.strideW]
    return function(x, window, strides, PADDING[o.padding])


def _reduce(function: Callable[..., Any], op: Operator, x: Any, axes: np.ndarray) -> Any:
    return function(x, axis=axes.tolist(), keepdims=op.options.keepDims)


def _strided_slice(op: Operator, x: Any, begin: Any, end: Any, strides: Any) -> Any:
    o = op.options
    return tf.strided_slice(
        x, begin, end, strides,
        begin_mask=o.beginMask | BATCH, end_mask=o.endMask | BATCH,
        ellipsis_mask=o.ellipsisMask, new_axis_mask=o.newAxisMask,
        shrink_axis_mask=o.shrinkAxisMask,
    )  # fmt: skip


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "ADD": lambda _, x, y: x + y,
    "SUB": lambda _, x, y: x - y,
    "MUL": lambda _, x, y: x * y,
    "DIV": lambda _, x, y: x / tf.where(tf.abs(y) < TINY, TINY, y),
    "SQUARED_DIFFERENCE": lambda _, x, y: tf.math.squared_difference(x, y),
    "MAXIMUM": lambda _, x, y: tf.maximum(x, y),
    "MINIMUM": lambda _, x, y: tf.minimum(x, y),
    "MAX_POOL_2D": partial(_pool, tf.nn.max_pool2d),
    "AVERAGE_POOL_2D": partial(_pool, tf.nn.avg_pool2d),
    "MEAN": partial(_reduce, tf.reduce_mean),
    "SUM": partial(_reduce, tf.reduce_sum),
    "REDUCE_MAX": partial(_reduce, tf.reduce_max),
    "RELU": lambda _, x: tf.nn.relu(x),
    "RELU6": lambda _, x: tf.nn.relu6(x),
    "LEAKY_RELU": lambda op, x: tf.nn.leaky_relu(x, op.options.alpha),
    "ELU": lambda _, x: tf.nn.elu(x),
    "HARD_SWISH": lambda _, x: x * tf.nn.relu6(x + 3.0) / 6.0,
    "LOGISTIC": lambda _, x: tf.sigmoid(x),
    "TANH": lambda _, x: tf.tanh(x),
    "EXP": lambda _, x: tf.exp(x),
    "SQRT": lambda _, x: tf.sqrt(tf.maximum(x, TINY)),
    "RSQRT": lambda _, x: tf.math.rsqrt(tf.maximum(x, TINY)),
    "SOFTMAX": lambda op, x: tf.nn.softmax(op.options.beta * x),
    "QUANTIZE": lambda _, x: x,
    "RESHAPE": lambda op, x, *_: tf.reshape(x, [-1, *op.shape[1:]]),
    "TRANSPOSE": lambda _, x, order: tf.transpose(x, order),
    "SQUEEZE": lambda op, x: tf.reshape(x, [-1, *op.shape[1:]]),
    "EXPAND_DIMS": lambda op, x, _: tf.reshape(x, [-1, *op.shape[1:]]),
    "PAD": lambda _, x, sizes: tf.pad(x, sizes),
    "CONCATENATION": lambda op, *parts: tf.concat(parts, op.options.axis),
    "STRIDED_SLICE": _strided_slice,
    "BROADCAST_TO": lambda op, x, _: tf.broadcast_to(x, [tf.shape(x)[0], *op.shape[1:]]),
}
"""By kind; those with a fused activation have it afterwards, see :func:`applied`."""

MOVES = {
    "RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "PAD", "STRIDED_SLICE", "CONCATENATION",
    "MAX_POOL_2D", "REDUCE_MAX", "BROADCAST_TO", "MAXIMUM", "MINIMUM",
}  # fmt: skip
"""Operators that give numbers that they were given, or 0, so nothing is rounded."""

SAME_SCALE = MOVES | {"AVERAGE_POOL_2D"}
"""Operators whose int8 inputs and outputs have one scale."""

FIXED_SCALE = {"SOFTMAX", "LOGISTIC", "TANH"}
"""Operators whose int8 output has the scale that the specification fixes."""


def applied(op: Operator, inputs: list[Any]) -> Any:
    """The output of an operator, its fused activation included."""
    y = FUNCTIONS[op.kind](op, *inputs)
    return ACTIVATIONS[getattr(op.options, "fusedActivationFunction", 0)](y)
