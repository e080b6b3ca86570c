"""A network that learns from strong, weak and no labels, with a slow copy of itself as teacher.

A. Tarvainen, H. Valpola, Mean teachers are better role models, NIPS 2017 (arXiv 1703.01780); as
DCASE 2021 task 4 uses it for sound events. Only ``keras`` is used, so it trains on every backend.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras
from keras import ops

STRONG, WEAK = 2.0, 1.0
"""Values of ``kind`` in the targets: onsets and offsets are known, labels of the clip are known."""


@dataclass(frozen=True)
class Teaching:
    """How the teacher follows, and what its word weighs.

    Attributes:
        decay: of the moving average of the student's weights, once it has run for a while.
        weight: of the consistency in the loss, once it has risen to its full height.
        warmup_steps: training steps over which it rises.
        distance: between student and teacher, mean square or binary cross-entropy.
    """

    decay: float
    weight: float
    warmup_steps: int
    distance: Literal["mse", "bce"] = "mse"


class Uncast(keras.layers.Layer):
    """Calls a function whose variables are those that are stored, whatever the policy around it.

    In half precision a counter stands still at 2,048, and an average keeps no small steps.

    Args:
        function: without arguments.

    Input and output: anything, as it is.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        super().__init__(dtype="float32", autocast=False, name="uncast")
        self.function = function

    def call(self, inputs: Any) -> Any:
        """Call the function; the inputs only give the call its place."""
        self.function()
        return inputs


class EventLearner(keras.Model):
    """A student that gives ``strong`` and ``weak`` probabilities, and its teacher, if any.

    The loss is the binary cross-entropy of ``strong`` over clips with strong labels, that of
    ``weak`` over clips with weak labels, the distance of the student's outputs to those of the
    teacher over all clips, by a weight that rises as ``w exp(-5 (1 - t / T)^2)``, and what the
    student's layers add, such as regularisation. The teacher's weights are
    ``a theta' + (1 - a) theta`` with ``a = min(1 - 1 / (t + 1), decay)``; they move before each
    step. As its inputs pass it in training mode, it has dropout of its own and batch statistics of
    its own, which are not averaged.

    Args:
        student: network with the outputs ``strong`` (batch, steps, classes) and ``weak`` (batch,
            classes), both probabilities.
        teacher: the same network with its own random state; None learns from labels alone. Its
            weights become the student's.
        teaching: needed with a teacher.

    Inputs: features (batch, mels, frames, 1), or ``{"student": ..., "teacher": ...}`` where each
    sees a view of its own; what else such a mapping holds, such as ``embeddings``, both see, and
    ``{"input": ..., "embeddings": ...}`` is one view for both. Targets: ``{"strong": (batch, steps,
    classes), "weak": (batch, classes), "kind": (batch,)}``, 2 for strong labels, 1 for weak labels,
    0 for none.
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model | None = None,
        *,
        teaching: Teaching | None = None,
    ) -> None:
        super().__init__(name=f"{student.name}_learner")
        if (teacher is None) != (teaching is None):
            raise ValueError("a teacher and how it teaches belong together")
        self.student, self.teacher, self.teaching = student, teacher, teaching
        names = ["strong", "weak"] + (["strong_consistency", "weak_consistency"] if teacher else [])
        self.means = {name: keras.metrics.Mean(name=name) for name in names}
        if teacher is not None:
            teacher.set_weights(student.get_weights())
            self.taught = self.add_weight(
                shape=(), initializer="zeros", trainable=False, name="taught_steps"
            )
            self._pairs = list(
                zip(teacher.trainable_variables, student.trainable_variables, strict=True)
            )
            self._following = Uncast(self._follow)
            for slow, _ in self._pairs:
                slow.trainable = False  # the variable alone: the layers stay in training mode
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """Outputs of the student, and while training those of the teacher, by name."""
        outputs = dict(self.student(_view(inputs, "student"), training=training))
        if self.teacher is not None and training:
            inputs = self._following(inputs)
            taught = self.teacher(_view(inputs, "teacher"), training=True)
            outputs |= {f"teacher_{name}": ops.stop_gradient(x) for name, x in taught.items()}
        return outputs

    def _follow(self) -> None:
        """Move the teacher's weights towards the student's."""
        assert self.teaching is not None  # noqa: S101 - for the type checker
        decay = ops.minimum(1.0 - 1.0 / (self.taught + 1.0), self.teaching.decay)
        for slow, quick in self._pairs:
            slow.assign(decay * slow + (1.0 - decay) * quick)
        self.taught.assign(self.taught + 1.0)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Labels' losses, consistency and additions, summed; the parts are kept as metrics."""
        # the cross-entropy of a float16 probability of 0 is infinite
        found = {name: ops.cast(output, "float32") for name, output in y_pred.items()}
        parts = {
            "strong": _mean_of(y["kind"] == STRONG, _cross_entropy(y["strong"], found["strong"])),
            "weak": _mean_of(y["kind"] == WEAK, _cross_entropy(y["weak"], found["weak"])),
        }
        loss = parts["strong"] + parts["weak"] + sum(map(ops.sum, self.student.losses))
        if "teacher_strong" in found:
            for name in ("strong", "weak"):
                parts[f"{name}_consistency"] = self._distance(found[f"teacher_{name}"], found[name])
            consistency = parts["strong_consistency"] + parts["weak_consistency"]
            loss = loss + self._weight() * consistency
        for name, value in parts.items():
            self.means[name].update_state(value)
        return loss

    def _distance(self, expected: Any, output: Any) -> Any:
        assert self.teaching is not None  # noqa: S101 - for the type checker
        if self.teaching.distance == "mse":
            return ops.mean(ops.square(output - expected))
        return ops.mean(_cross_entropy(expected, output))

    def _weight(self) -> Any:
        """Weight of the consistency at this step; ``taught`` counts it already."""
        assert self.teaching is not None  # noqa: S101 - for the type checker
        if not self.teaching.warmup_steps:
            return self.teaching.weight
        share = ops.minimum((self.taught - 1.0) / self.teaching.warmup_steps, 1.0)
        return self.teaching.weight * ops.exp(-5.0 * ops.square(1.0 - share))


def _view(inputs: Any, name: str) -> Any:
    """What one of the networks sees: features, or a mapping of them and of what both see."""
    if not isinstance(inputs, Mapping):
        return inputs
    own = inputs.get(name, inputs.get("input"))
    views = ("student", "teacher", "input")
    more = {key: value for key, value in inputs.items() if key not in views}
    return {"input": own, **more} if more else own


def _cross_entropy(expected: Any, output: Any) -> Any:
    """Binary cross-entropy of each clip, mean over everything else, (batch,)."""
    losses = ops.binary_crossentropy(expected, output)
    return ops.mean(losses, axis=tuple(range(1, len(losses.shape))))


def _mean_of(chosen: Any, values: Any) -> Any:
    """Mean of the chosen values (batch,); 0 where none is chosen."""
    weights = ops.cast(chosen, values.dtype)
    return ops.sum(weights * values) / ops.maximum(ops.sum(weights), 1.0)
