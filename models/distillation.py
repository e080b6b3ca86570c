"""A network that learns from labels and from what its teachers say of the same clips.

G. Hinton, O. Vinyals, J. Dean: Distilling the Knowledge in a Neural Network, NIPS 2014 workshop
(arXiv 1503.02531). Only ``keras`` is used, so it trains on every backend.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from utils.targets import LABELS, TEACHER

PARTS = ("label_loss", "distillation_loss")
"""Columns of ``history.csv``: both parts of the loss, before they are weighted."""

LEAST = 1e-30  # a probability that is taken for 0, whose logarithm would be infinite


def softened(
    probabilities: np.ndarray, *, temperature: float, weights: Sequence[float] | None = None
) -> np.ndarray:
    """What several teachers say together at a temperature.

    Their logits are averaged, as F. Schmid et al. average the teachers of CP-Mobile (DCASE 2023,
    task 1), and divided by the temperature: ``softmax(mean(z) / T)``. Logarithms of probabilities
    serve as logits. They differ from those by a number for each clip and teacher, which no softmax
    sees, so the result is exact but for probabilities below 1e-30.

    Args:
        probabilities: of the teachers (teachers, clips, classes), rows sum to 1.
        temperature: T, above 0; 1 leaves a single teacher as it is.
        weights: of the teachers in the mean, divided by their sum; None: all alike.

    Returns:
        float32 (clips, classes), rows sum to 1.
    """
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), LEAST))
    logits = np.average(logits, axis=0, weights=weights)
    powers = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


class DistillationLoss(keras.losses.Loss):
    """``(1 - w) label loss + w T^2 KL(teacher at T || student at T)``, mean over the clips.

    With T^2 the gradients of the second part keep their size when T is changed (Hinton et al.,
    section 2.1). The student's probabilities at T are the softmax of ``ln p / T``; this is that of
    its logits divided by T, exactly, since ``ln p`` are the logits less a number for each clip (but
    for probabilities below 1e-30).

    Args:
        label_loss: a loss of Keras by its name, or a function of (truth, prediction).
        temperature: T, above 0.
        weight: w, from 0 to 1.

    Targets are (batch, classes), or (batch, 2 classes) with the teachers' probabilities at T behind
    the labels; without them it is the label loss alone.
    """

    def __init__(self, label_loss: Any, *, temperature: float, weight: float) -> None:
        super().__init__(name="distillation")
        found = keras.losses.get(label_loss)
        self.label_loss = found.call if isinstance(found, keras.losses.Loss) else found
        self.temperature, self.weight = temperature, weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each clip, (batch,)."""
        classes = y_pred.shape[-1]
        if y_true.shape[-1] == classes:
            return self.label_loss(y_true, y_pred)
        label, distillation = self.parts(y_true[:, :classes], y_true[:, classes:], y_pred)
        return (1.0 - self.weight) * label + self.weight * distillation

    def parts(self, labels: Any, teacher: Any, y_pred: Any) -> tuple[Any, Any]:
        """Label loss and ``T^2 KL`` of each clip, (batch,) both, not weighted."""
        logits = ops.log(ops.maximum(y_pred, LEAST)) / self.temperature
        told = ops.log(ops.maximum(teacher, LEAST))
        divergence = ops.sum(teacher * (told - ops.log_softmax(logits, axis=-1)), axis=-1)
        return self.label_loss(labels, y_pred), self.temperature**2 * divergence


class Student(keras.Model):
    """A network that learns by :class:`DistillationLoss`; scores see the labels alone.

    It computes as the network alone does, and has its weights in its order. While it is trained, an
    epoch also reports ``label_loss`` and ``distillation_loss``; on clips without teachers (targets
    that are no mapping), as in validation, its loss is the network's own. In mixed precision the
    network's last layer computes as its weights are stored: the gradient of the loss holds 1/p,
    which is infinite for a small p in float16.

    Args:
        network: its output is a softmax (batch, classes), in the last layer.
        temperature: of the loss.
        weight: of the loss.

    Targets: ``{"labels": (batch, classes), "teacher": (batch, classes)}``, or labels alone.
    """

    def __init__(self, network: keras.Model, *, temperature: float, weight: float) -> None:
        super().__init__(name=f"{network.name}_student")
        for last in network.layers[-1:]:  # a simulated int8 file has none
            if last.compute_dtype != last.variable_dtype:
                last.dtype_policy = last.variable_dtype
        self.network, self.temperature, self.weight = network, temperature, weight
        self.means = {name: keras.metrics.Mean(name=name) for name in PARTS}
        self.judged = False
        self.built = True

    def compile(self, optimizer: Any, *, loss: Any, **more: Any) -> None:
        """Compile with a label loss, to which that of the teachers is added."""
        both = DistillationLoss(loss, temperature=self.temperature, weight=self.weight)
        super().compile(optimizer=optimizer, loss=both, **more)
        self.both = both

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Probabilities (batch, classes)."""
        return self.network(inputs, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Weighted sum of both parts, which are kept as metrics, and what layers add."""
        if isinstance(y, Mapping):
            labels, teacher = y[LABELS], y[TEACHER]
            parts = self.both.parts(labels, teacher, ops.cast(y_pred, teacher.dtype))
            for name, values in zip(PARTS, parts, strict=True):
                self.means[name].update_state(values)
            y = ops.concatenate([labels, teacher], axis=-1)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Metrics of the labels."""
        labels = y[LABELS] if isinstance(y, Mapping) else y
        return super().compute_metrics(x, labels, y_pred, sample_weight)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Judge clips by their labels: no teacher has answered them."""
        with self._judging():
            return super().evaluate(*args, **kwargs)

    def get_metrics_result(self) -> dict[str, Any]:
        """All metrics; without the parts of the loss where clips are judged."""
        found = super().get_metrics_result()
        return {name: value for name, value in found.items() if not self._hides(name)}

    def _hides(self, name: str) -> bool:
        return self.judged and name in PARTS

    @contextmanager
    def _judging(self) -> Iterator[None]:
        self.judged = True
        try:
            yield
        finally:
            self.judged = False
