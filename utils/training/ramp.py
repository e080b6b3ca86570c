"""A learning rate that rises as the consistency of a mean teacher does.

Imported only once training begins: the schedule is a Keras class.
"""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="utils")
class ExponentialWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """``highest exp(-5 (1 - s / w)^2)`` before step ``w``, then another schedule from its start.

    Source: S. Laine, T. Aila, Temporal Ensembling for Semi-Supervised Learning, ICLR 2017, appendix
    A; the baseline of DCASE 2021 task 4 has it for the learning rate too.

    Args:
        highest: rate at step ``w``.
        warmup_steps: ``w``, at least 1.
        after: rate of the steps after it, counted from 0; a number stays.
    """

    def __init__(self, highest: float, warmup_steps: int, after: Any) -> None:
        super().__init__()
        self.highest, self.warmup_steps, self.after = highest, warmup_steps, after

    def __call__(self, step: Any) -> Any:
        """Rate of a step, counted from 0."""
        step = ops.cast(step, "float32")
        left = 1.0 - ops.minimum(step / self.warmup_steps, 1.0)
        later = ops.maximum(step - self.warmup_steps, 0.0)
        after = self.after(later) if callable(self.after) else self.after
        rising = self.highest * ops.exp(-5.0 * ops.square(left))
        return ops.where(step < self.warmup_steps, rising, after)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {
            "highest": self.highest,
            "warmup_steps": self.warmup_steps,
            "after": keras.saving.serialize_keras_object(self.after),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ExponentialWarmup":
        """The schedule of a saved configuration."""
        return cls(**{**config, "after": keras.saving.deserialize_keras_object(config["after"])})
