"""Augmentations of waveforms as TensorFlow functions: drawn from a seed, then applied.

Each file is one augmentation with the same three functions: ``draw(seed, batch_size, ...)`` gives
what is drawn for the clips of a batch as a named tuple, ``apply(batch, parameters)`` acts by it,
and ``from_settings`` gives both as they are configured. The same seed gives the same result,
eagerly and inside tf.data.

Noise, Shift and PitchShift change each clip by itself. Mixup and BetweenClass add another clip of
the batch, as the steps before them left it, and mix the targets in the same shares.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from utils.augment import between_class, mixup, noise, pitch, shift
from utils.augment.partners import MixingParameters, mix_targets
from utils.config.schema import AugmentStep

if TYPE_CHECKING:
    import tensorflow as tf

MODULES = {  # by name in the configuration
    "Noise": noise,
    "Shift": shift,
    "PitchShift": pitch,
    "Mixup": mixup,
    "BetweenClass": between_class,
}
Augment = Callable[["tf.Tensor", Any, "tf.Tensor"], tuple["tf.Tensor", Any]]


def chain(steps: Sequence[AugmentStep], *, sample_rate: int) -> Augment | None:
    """Make one function of the augmentations of a configuration.

    Args:
        steps: Augmentations in the order in which they are applied.
        sample_rate: Of the waveforms, in hertz.

    Returns:
        Function of float32 (batch, samples), targets and a seed int32 (2,) to the augmented batch
        and its targets, in which each step draws from a seed of its own; None if there are no
        steps. Targets are floating tensors (batch, ...), alone or in a nested structure. They may
        be None where no step mixes clips, else the function raises ValueError.
    """
    if not steps:
        return None
    stages = [
        module.from_settings(settings, sample_rate=sample_rate)
        for step in steps
        for name, module in MODULES.items()
        if (settings := getattr(step, name)) is not None
    ]

    def augment(batch: "tf.Tensor", targets: Any, seed: "tf.Tensor") -> tuple["tf.Tensor", Any]:
        import tensorflow as tf

        for number, (draw, apply) in enumerate(stages):
            drawn = draw(tf.random.fold_in(seed, number), tf.shape(batch)[0])
            batch = apply(batch, drawn)
            if isinstance(drawn, MixingParameters):
                targets = mix_targets(targets, drawn)
        return batch, targets

    return augment
