"""Waveform augmentations as TensorFlow functions: drawn from a seed, then applied.

Each file is one augmentation with the same four names: a tuple of the parameters that are drawn,
``draw(seed, batch_size, ...)``, ``apply(batch, parameters)``, and ``from_settings``, which gives
``draw`` with the configured ranges. The clips of a batch are drawn independently, and the same seed
gives the same result, eagerly and inside tf.data.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from utils.augment import noise, pitch, shift
from utils.config.schema import AugmentStep

if TYPE_CHECKING:
    import tensorflow as tf

WAVEFORM = {"Noise": noise, "Shift": shift, "PitchShift": pitch}  # by name in the configuration


def chain(
    steps: Sequence[AugmentStep], *, sample_rate: int
) -> "Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None":
    """Make one function of the waveform augmentations of a configuration.

    Args:
        steps: Augmentations in the order in which they are applied.
        sample_rate: Of the waveforms, in hertz.

    Returns:
        Function of (float32 (batch, samples), seed int32 (2,)) to float32 (batch, samples), in
        which each step draws from a seed of its own; None if there are no steps.
    """
    if not steps:
        return None
    stages = [
        (module.from_settings(settings, sample_rate=sample_rate), module.apply)
        for step in steps
        for name, module in WAVEFORM.items()
        if (settings := getattr(step, name)) is not None
    ]

    def augment(batch: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        import tensorflow as tf

        for number, (draw, apply) in enumerate(stages):
            batch = apply(batch, draw(tf.random.fold_in(seed, number), tf.shape(batch)[0]))
        return batch

    return augment
