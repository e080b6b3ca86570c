"""A network that computes as its int8 file does, in floats that can be trained.

Every tensor that is int8 in the file is rounded to the values that its 256 numbers stand for, and
gradients pass the rounding as if it were not there (Jacob et al.: Quantization and Training of
Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018). Weights are rounded
channel by channel, by their largest amplitude; biases to the product of input and weight scale;
activations by ranges that are trained too (Esser et al.: Learned Step Size Quantization, ICLR 2020;
the gradients are those of ``tf.quantization.fake_quant_with_min_max_vars``).

Imported only where it is needed: the network is a Keras class.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from utils.compression.graph import BIASED, Graph, Operator, Tensor
from utils.compression.operators import FIXED_SCALE, FUNCTIONS, MOVES, SAME_SCALE, applied
from utils.compression.zeros import Masked
from utils.errors import UserError

STEPS = 255.0  # between the least and the greatest of 256 numbers
LARGEST = 127.0  # of a weight
LARGEST_BIAS = 2.0**30
LEAST = 1e-12  # amplitude of a channel, so that a channel of zeros has a scale


class Simulation(keras.Model):
    """The int8 file of a network as a trainable network.

    It takes batches as the network does and gives what the file gives, as real numbers. While it is
    trained the last rounding is left out: a probability that is rounded to 0 has no gradient.

    Args:
        graph: of the file.
        keep_zeros: whether weights of convolutions and dense layers that are zero stay so.

    Raises:
        UserError: for an operator that is not known here.
    """

    def __init__(self, graph: Graph, *, keep_zeros: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _check(graph)
        self.graph, self.owners = graph, range_owners(graph)
        fixed = {self.owners[place] for place in _fixed(graph)}
        self.ranges = {
            owner: self._weight(f"range_{owner}", graph.tensors[owner].range, owner not in fixed)
            for owner in sorted(set(self.owners.values()))
        }
        self.constants = {
            place: self._weight(f"constant_{place}", values, trainable=True)
            for place, values in trained(graph).items()
        }
        for place in kernel_places(graph) & self.constants.keys() if keep_zeros else ():
            weight = self.constants[place]
            weight.constraint = Masked(np.asarray(weight) != 0)
        self.built = True

    def _weight(self, name: str, values: Any, trainable: bool) -> Any:
        given = np.asarray(values, np.float32)

        def initial(*_: Any, **__: Any) -> Any:
            return tf.constant(given)

        return self.add_weight(
            name=name, shape=given.shape, initializer=initial, trainable=trainable
        )

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Compute a batch (batch, ...)."""
        graph = self.graph
        values = {graph.input: self._rounded(graph.input, inputs)}
        for op in graph.operators:
            exact = bool(training) and op.output == graph.output
            values[op.output] = self.computed(op, values, exact=exact)
        return values[graph.output]

    def computed(self, op: Operator, values: dict[int, Any], *, exact: bool = False) -> Any:
        """What an operator gives.

        Args:
            op: the operator.
            values: what was computed before it, by place.
            exact: whether the last rounding is left out.
        """
        y = applied(op, self._inputs(op, values))
        return y if exact or op.kind in MOVES else self._rounded(op.output, y)

    def limits(self, place: int) -> tuple[Any, Any]:
        """Least and greatest value of a computed tensor; 0 is always between them."""
        low, high = tf.unstack(tf.convert_to_tensor(self.ranges[self.owners[place]]))
        return tf.minimum(low, 0.0), tf.maximum(high, LEAST)

    def weight_steps(self, op: Operator) -> Any:
        """Scales of the weights of a convolution or dense layer, (channels,)."""
        kernel = self.graph.tensors[op.inputs[1]]
        weights = tf.convert_to_tensor(self.constants[kernel.index])
        rest = [axis for axis in range(len(kernel.shape)) if axis != kernel.axis]
        amplitudes = tf.reduce_max(tf.abs(weights), axis=rest)
        steps = tf.maximum(tf.maximum(amplitudes, LEAST) / LARGEST, self._least_steps(op))
        if kernel.scales.size == 1:  # one for all channels
            steps = tf.fill(steps.shape, tf.reduce_max(steps))
        return steps

    def _least_steps(self, op: Operator) -> Any:
        """Scales of weights below which a bias has no place in int32, (channels,) or 0.

        They matter for channels whose weights are zero or nearly so.
        """
        place = op.inputs[2] if len(op.inputs) > 2 else -1
        if place < 0:
            return 0.0
        bias = self.constants.get(place, self.graph.tensors[place].exact)
        low, high = self.limits(op.inputs[0])
        return tf.stop_gradient(tf.abs(bias) / ((high - low) / STEPS) / LARGEST_BIAS)

    def bias_steps(self, op: Operator) -> Any:
        """Scales of the bias of such a layer, (channels,)."""
        low, high = self.limits(op.inputs[0])
        return (high - low) / STEPS * self.weight_steps(op)

    def _rounded(self, place: int, values: Any) -> Any:
        return tf.quantization.fake_quant_with_min_max_vars(values, *self.limits(place))

    def _inputs(self, op: Operator, values: dict[int, Any]) -> list[Any]:
        """What an operator takes: computed values, rounded weights, arguments."""
        return [
            values[place] if place in values else self._constant(op, position)
            for position, place in enumerate(op.inputs)
            if place >= 0
        ]

    def _constant(self, op: Operator, position: int) -> Any:
        tensor = self.graph.tensors[op.inputs[position]]
        if has_range_of_output(op, tensor):
            return self._rounded(op.output, self.constants.get(tensor.index, tensor.exact))
        if tensor.index not in self.constants:
            return tensor.constant if tensor.exact is None else tensor.exact
        weights = tf.convert_to_tensor(self.constants[tensor.index])
        if op.kind not in BIASED:
            return tf.quantization.fake_quant_with_min_max_vars(weights, *operand_limits(weights))
        if position == 2:
            steps = tf.stop_gradient(self.bias_steps(op))
            return weights + tf.stop_gradient(tf.round(weights / steps) * steps - weights)
        limits = tf.stop_gradient(self.weight_steps(op)) * LARGEST
        order = [axis for axis in range(len(tensor.shape)) if axis != tensor.axis] + [tensor.axis]
        moved = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            tf.transpose(weights, order), -limits, limits, narrow_range=True
        )
        return tf.transpose(moved, np.argsort(order))


def has_range_of_output(op: Operator, tensor: Tensor) -> bool:
    """Whether a constant is rounded as the output is: int8 numbers of one scale are compared."""
    return op.kind in SAME_SCALE and tensor.exact is not None


def operand_limits(weights: Any) -> tuple[Any, Any]:
    """Least and greatest value of a constant that is added, multiplied and so on, 0 included."""
    low, high = tf.reduce_min(weights), tf.reduce_max(weights)
    return tf.minimum(low, 0.0), tf.maximum(high, LEAST)


def trained(graph: Graph) -> dict[int, np.ndarray]:
    """Constants that a training changes, by place: weights, biases, operands of several numbers.

    A bias of one number is one of them too: its scale is that of input and weights, which change.
    """
    places = sorted({place for op in graph.operators for place in op.inputs if place >= 0})
    known = {place: graph.tensors[place].exact for place in places}
    of_layers = {place for op in graph.operators if op.kind in BIASED for place in op.inputs[1:]}
    return {
        place: exact
        for place, exact in known.items()
        if exact is not None and (exact.size > 1 or place in of_layers)
    }


def kernel_places(graph: Graph) -> set[int]:
    """Places of the weights of convolutions and dense layers."""
    return {op.inputs[1] for op in graph.operators if op.kind in BIASED}


def range_owners(graph: Graph) -> dict[int, int]:
    """For each computed tensor the one whose range it has: operators that move numbers keep it."""
    owners = {graph.input: graph.input}
    for op in graph.operators:
        owners[op.output] = op.output
        if op.kind in SAME_SCALE:
            joined = {op.output, *(owners[place] for place in op.inputs if place in owners)}
            first = min(joined)
            owners = {each: first if owner in joined else owner for each, owner in owners.items()}
    return owners


def _fixed(graph: Graph) -> set[int]:
    """Tensors whose range may not change: the input, and what the specification fixes."""
    return {graph.input, *(op.output for op in graph.operators if op.kind in FIXED_SCALE)}


def _check(graph: Graph) -> None:
    unknown = sorted({op.kind for op in graph.operators} - set(FUNCTIONS))
    if unknown:
        raise UserError(
            f"export.qat: TensorFlow Lite made {', '.join(unknown)} of a layer, which cannot be "
            "trained in int8; replace the layer, or set export.qat to null."
        )
