"""A moving average of a network's weights: epochs are judged by it, and it is what is kept."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


class WeightAverage:
    """Exponential moving average of a network's weights over the steps of its training.

    After step ``t`` (from 1) it is ``(1 - m) / (1 - m^t)`` times the sum over the steps ``s`` up to
    ``t`` of ``m^(t - s) w_s``: the divisor takes out the bias towards a start at zero, so the
    weights before the first step, which are random, have no part in it (with ``mixed_float16`` they
    have, where the loss scale has the first steps left out).

    Moving means and variances of batch normalisation are averaged like what is learnt, since they
    are statistics of the network whose weights they stand beside. Whole numbers are not averaged.

    References:
        D. P. Kingma, J. Ba: Adam, ICLR 2015, section 7.2 (temporal averaging).
        M. Tan, Q. Le: EfficientNet, ICML 2019, whose published training averages the statistics of
        batch normalisation too.

    Args:
        model: built; made under the same device strategy.
        momentum: ``m``, above 0 and below 1.

    Attributes:
        variables: its whole state: the number of steps, then an average for each floating weight.
    """

    def __init__(self, model: "keras.Model", *, momentum: float) -> None:
        import keras
        import tensorflow as tf

        self.model = model
        self._steps = keras.Variable(0.0, trainable=False, dtype="float32", name="averaged_steps")
        self._pairs = [
            (weight, _zeros_like(weight))
            for weight in model.weights
            if keras.backend.is_float_dtype(weight.dtype)
        ]
        self.variables = [self._steps, *(mean for _, mean in self._pairs)]
        self._log_momentum = math.log(momentum)
        self._own: list[np.ndarray] | None = None
        self.update: Callable[[], None] = tf.function(self._update)
        """Take in the weights as they are after a step."""

    def _update(self) -> None:
        from keras import ops

        self._steps.assign_add(1.0)
        one, all_ = (ops.expm1(self._log_momentum * n) for n in (ops.ones(()), self._steps.value))
        share = one / all_  # (1 - m) / (1 - m^t), 1 for the first step
        for weight, mean in self._pairs:
            change = ops.subtract(weight, mean)
            mean.assign_add(ops.cast(share, mean.dtype) * change)

    def get_weights(self) -> list[np.ndarray]:
        """The average in the order of ``model.get_weights()``; other weights as they are."""
        import keras

        means = {id(weight): mean for weight, mean in self._pairs}
        found = (means.get(id(weight), weight) for weight in self.model.weights)
        return [keras.ops.convert_to_numpy(variable.value) for variable in found]

    def enter(self) -> None:
        """Put the average into the network; nothing where it is there already."""
        if self._own is None:
            self._own = self.model.get_weights()
            self.model.set_weights(self.get_weights())

    def leave(self) -> None:
        """Put the network's own weights back."""
        if self._own is not None:
            self.model.set_weights(self._own)
            self._own = None

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The network with the average as its weights."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def judged(
        self, score: "Callable[[keras.Model], Mapping[str, float]]"
    ) -> "Callable[[keras.Model], Mapping[str, float]]":
        """What scores a network, as what scores it with the average as its weights."""

        def of_average(model: "keras.Model") -> Mapping[str, float]:
            with self.in_place():
                return score(model)

        return of_average


def _zeros_like(weight: Any) -> Any:
    import keras

    return keras.Variable(
        np.zeros(weight.shape, weight.dtype), trainable=False, dtype=weight.dtype, name="average"
    )
