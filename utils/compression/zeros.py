"""Weights that become zero while a network is trained further, the smallest first.

Zeros leave the network as wide as it was: its operations and its file stay what they are, but the
limit of DCASE 2021 counts parameters that are not zero.

Source: M. Zhu, S. Gupta, To Prune, or Not to Prune: Exploring the Efficacy of Pruning for Model
Compression, ICLR workshop 2018 (arXiv 1710.01878), section 3: every kernel has the same share of
zeros, which rises by equation 1 and then stays; depthwise kernels, which are few and small, are
left out.

Imported only once training begins: the callback is a Keras class.
"""

from typing import Any

import keras
import numpy as np

EVERY = 10  # most steps between two rises; the paper finds 100 to 1,000 of many more steps alike
_RISES = 20  # at least, of few steps
PRUNED = ("Conv1D", "Conv2D", "Conv3D", "Dense")


class Masked(keras.constraints.Constraint):
    """Keep the zeros of a weight: applied by the optimiser after each step.

    Args:
        mask: of the weight's shape, 1 where it may differ from 0.
        before: another constraint that the weight has, applied first.
    """

    def __init__(self, mask: Any, before: Any = None) -> None:
        self.mask, self.before = mask, before

    def __call__(self, weight: Any) -> Any:
        """The weight without what is masked."""
        found = weight if self.before is None else self.before(weight)
        return found * keras.ops.cast(self.mask, weight.dtype)


class MoreZeros(keras.callbacks.Callback):
    """Raise the share of zeros in kernels while a network trains, then leave it.

    What becomes zero follows from weights, epoch and step alone, so a training that goes on from a
    checkpoint has the same zeros. A weight that is zero stays zero.

    Args:
        share: of each kernel, zeros at the end.
        epochs: after which it is reached; 0: before the first step.
        every: steps between two rises; fewer where the share would rise in less than 20 of them.
    """

    def __init__(self, *, share: float, epochs: int, every: int = EVERY) -> None:
        super().__init__()
        self.share, self.epochs, self.every = share, epochs, every
        self.kernels: list[Any] = []
        self.masks: list[Any] = []
        self.steps, self.first = 1, 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Constrain the kernels, before the training step is traced."""
        self.steps = self.params["steps"]
        self.kernels = kernels_of(self.model)
        self.masks = [keras.Variable(_left(kernel), trainable=False) for kernel in self.kernels]
        for kernel, mask in zip(self.kernels, self.masks, strict=True):
            kernel.constraint = Masked(mask, kernel.constraint)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the steps; a checkpoint holds the kernels, of which the masks are read."""
        self.first = epoch * self.steps
        for kernel, mask in zip(self.kernels, self.masks, strict=True):
            mask.assign(_left(kernel))

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Let weights become zero before the step."""
        step, last = self.first + batch, self.epochs * self.steps
        every = max(1, min(self.every, last // _RISES))
        if step > last or (step % every and step != last):
            return
        share = share_at(step, last=self.share, steps=last)
        for kernel, mask in zip(self.kernels, self.masks, strict=True):
            mask.assign(largest(np.asarray(kernel), share) * _left(kernel))
            kernel.assign(kernel * mask)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Give the kernels back what they were constrained by before."""
        for kernel in self.kernels:
            kernel.constraint = kernel.constraint.before


def share_at(step: int, *, last: float, steps: int) -> float:
    """Share of zeros before a step, from 0: fast at first, slower as less is left (equation 1).

    Args:
        step: from 0.
        last: share that is reached.
        steps: after which it is reached.
    """
    done = min(step / steps, 1.0) if steps else 1.0
    return last * (1.0 - (1.0 - done) ** 3)


def largest(weights: np.ndarray, share: float) -> np.ndarray:
    """0 at a share of the smallest amplitudes, else 1; of equal ones the first are 0.

    Args:
        weights: of any shape.
        share: 0 to 1, rounded to whole weights.

    Returns:
        float32 of the weights' shape.
    """
    mask = np.ones(weights.size, np.float32)
    order = np.argsort(np.abs(weights), axis=None, kind="stable")
    mask[order[: round(share * weights.size)]] = 0.0
    return mask.reshape(weights.shape)


def _left(kernel: Any) -> np.ndarray:
    """1 where a kernel is not zero."""
    return (np.asarray(kernel) != 0).astype(np.float32)


def kernels_of(model: keras.Model) -> list[Any]:
    """Kernels that get zeros: of convolutions and dense layers, no biases, nothing depthwise."""
    return [
        layer.kernel
        for layer in model._flatten_layers()
        if type(layer).__name__ in PRUNED and layer.kernel.trainable
    ]
