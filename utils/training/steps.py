"""The first steps of a training one by one: loss of each batch, norm of its gradients, seconds.

``history.csv`` has means over epochs; how an optimiser begins shows in its first steps alone.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import ConfigError, UserError
from utils.files import write_csv

if TYPE_CHECKING:
    import keras

NAME = "steps.csv"


class DivergedError(UserError):
    """The loss of a training is no number any more."""


@dataclass(frozen=True)
class Step:
    """One step of a training.

    Attributes:
        step: number, from 1 for the first batch of the training.
        epoch: number, from 1.
        loss: of this batch alone, with what layers add, before the step.
        gradient_norm: Euclidean norm of all gradients together, before any clipping.
        seconds: that the step took, its batch included; the first one with the tracing.
    """

    step: int
    epoch: int
    loss: float
    gradient_norm: float
    seconds: float


def read_steps(path: Path) -> tuple[Step, ...]:
    """Read steps.csv; nothing where there is none.

    Raises:
        UserError: for a file that is no such table.
    """
    if not path.exists():
        return ()
    kinds = [field.type for field in fields(Step)]
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream)
        if header != [field.name for field in fields(Step)]:
            raise ValueError("other columns")
        return tuple(
            Step(*(kind(cell) for kind, cell in zip(kinds, row, strict=True)))  # type: ignore[operator]
            for row in rows
        )
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is no table of steps ({error}); delete it.") from error


class StepLog:
    """steps.csv in the making: what was written, and the steps since.

    A training that was cut off goes on after its last checkpoint; the steps after that are done
    once more and therefore taken out.

    Args:
        path: the file.
        number: steps that are logged, from the first.
        done: steps before the checkpoint that the training goes on from.

    Raises:
        UserError: for a file that is no table of steps.
    """

    def __init__(self, path: Path, *, number: int, done: int) -> None:
        self.path, self.number = path, number
        self.rows = [row for row in read_steps(path) if row.step <= min(done, number)]
        self._written = 0

    def wants(self, step: int) -> bool:
        """Whether a step, from 1, is logged."""
        return step <= self.number

    def add(self, row: Step) -> None:
        """Take a step."""
        self.rows.append(row)

    def write(self) -> None:
        """Write the file, whole or not at all, if it has become longer."""
        if len(self.rows) > self._written:
            write_csv(self.path, [field.name for field in fields(Step)], map(astuple, self.rows))
            self._written = len(self.rows)


def require_loggable(replicas: int) -> None:
    """Refuse to log steps where the values of a step lie on several devices.

    Raises:
        ConfigError: naming the parameter.
    """
    import keras

    if replicas > 1:
        raise ConfigError(
            f"training.log_steps: is for one device, and {replicas} are mirrored; set it to 0 or "
            "training.strategy to single."
        )
    if keras.backend.backend() != "tensorflow":
        raise ConfigError("training.log_steps: is for Keras on TensorFlow; set it to 0.")


class Meter:
    """Holds what the last training step measured, as variables on the device."""

    def __init__(self) -> None:
        import tensorflow as tf

        self._loss, self._norm = (
            tf.Variable(math.nan, trainable=False, dtype=tf.float32) for _ in range(2)
        )

    def values(self) -> tuple[float, float]:
        """Loss and gradient norm of the last step."""
        return float(self._loss.numpy()), float(self._norm.numpy())

    def take_loss(self, loss: Any) -> None:
        """Keep the loss of a batch; inside the training step."""
        import tensorflow as tf

        self._loss.assign(tf.cast(loss, tf.float32))

    def take_gradients(self, gradients: Sequence[Any], scale: Any) -> None:
        """Keep the norm of gradients (none for unused variables); inside the training step.

        Args:
            gradients: of a loss that was multiplied by ``scale``.
            scale: 1 without mixed precision.
        """
        import tensorflow as tf

        given = [tf.convert_to_tensor(one) for one in gradients if one is not None]
        squares = [tf.reduce_sum(tf.square(tf.cast(one, tf.float32) / scale)) for one in given]
        self._norm.assign(tf.sqrt(tf.add_n(squares)))


@contextmanager
def metered(model: "keras.Model", meter: Meter) -> Iterator[None]:
    """Let each training step of a compiled model tell a meter its loss and its gradients.

    The step computes what it computes without; only two calls of this model and of its optimiser
    are listened to while training runs. What an optimiser clips, it clips afterwards.

    Args:
        model: before its training step is traced, on TensorFlow and one device.
        meter: is told.
    """
    optimizer = model.optimizer
    compute_loss, apply = model.compute_loss, optimizer.apply

    def heard_loss(*args: Any, training: bool = True, **kwargs: Any) -> Any:
        loss = compute_loss(*args, training=training, **kwargs)
        if training:
            meter.take_loss(loss)
        return loss

    def heard_gradients(gradients: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        gradients = list(gradients)
        meter.take_gradients(gradients, optimizer.scale_loss(1.0))
        return apply(gradients, *args, **kwargs)

    # past Keras, which tracks attributes
    object.__setattr__(model, "compute_loss", heard_loss)
    object.__setattr__(optimizer, "apply", heard_gradients)
    try:
        yield
    finally:
        object.__delattr__(model, "compute_loss")
        object.__delattr__(optimizer, "apply")
