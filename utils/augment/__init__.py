"""Augmentations of waveforms as TensorFlow functions: drawn from a seed, then applied.

Each file is one augmentation with the same three functions: ``draw(seed, batch_size, ...)`` gives
what is drawn for the clips of a batch as a named tuple, ``apply(batch, parameters)`` acts by it,
and ``from_settings`` gives both as they are configured. The same seed gives the same result,
eagerly and inside tf.data.

Noise, Shift, PitchShift and DeviceResponse change each clip by itself. Mixup and BetweenClass add
another clip of the batch, as the steps before them left it, and mix the targets in the same shares.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from utils.augment import between_class, device_response, mixup, noise, pitch, shift
from utils.augment.partners import MixingParameters, mix_targets
from utils.config.fields import Section
from utils.config.schema import AugmentStep
from utils.targets import DEVICE, LABELS

if TYPE_CHECKING:
    import tensorflow as tf

MODULES = {  # by name in the configuration
    "Noise": noise,
    "Shift": shift,
    "PitchShift": pitch,
    "DeviceResponse": device_response,
    "Mixup": mixup,
    "BetweenClass": between_class,
}
Augment = Callable[["tf.Tensor", Any, "tf.Tensor"], tuple["tf.Tensor", Any]]


def asked_devices(steps: Sequence[AugmentStep]) -> tuple[str, ...]:
    """Recording devices that some steps are for; empty where all are for clips of any device."""
    asked = [step.DeviceResponse.devices for step in steps if step.DeviceResponse is not None]
    return tuple(sorted({name for names in asked for name in names}))


def chain(steps: Sequence[AugmentStep], *, sample_rate: int) -> Augment | None:
    """Make one function of the augmentations of a configuration.

    Args:
        steps: Augmentations in the order in which they are applied.
        sample_rate: Of the waveforms, in hertz.

    Returns:
        Function of float32 (batch, samples), targets and a seed int32 (2,) to the augmented batch
        and its targets, in which each step draws from a seed of its own; None if there are no
        steps. Targets are floating tensors (batch, ...), alone or in a nested structure. They may
        be None where no step mixes clips, else the function raises ValueError. Where steps ask for
        devices (``asked_devices``), targets are a dict of ``LABELS``, of ``DEVICE``, int32
        (batch,), the clip's place among those devices or -1, and of others; the function gives the
        dict without devices, or the labels alone if that is all.

    Raises:
        DataError: for a folder of impulse responses that is missing or empty.
        AudioError: for a file in it that is broken or silent.
    """
    if not steps:
        return None
    asked = asked_devices(steps)
    stages = [
        (*module.from_settings(settings, sample_rate=sample_rate), _places(settings, asked))
        for step in steps
        for name, module in MODULES.items()
        if (settings := getattr(step, name)) is not None
    ]

    def augment(batch: "tf.Tensor", targets: Any, seed: "tf.Tensor") -> tuple["tf.Tensor", Any]:
        import tensorflow as tf

        device: Any = None
        if asked:
            device, targets = targets[DEVICE], _without_device(targets)
        for number, (draw, apply, places) in enumerate(stages):
            drawn = draw(tf.random.fold_in(seed, number), tf.shape(batch)[0])
            if places:
                fits = tf.reduce_any(device[:, None] == tf.constant(places, device.dtype), axis=1)
                drawn = drawn._replace(chosen=tf.logical_and(drawn.chosen, fits))
            batch = apply(batch, drawn)
            if isinstance(drawn, MixingParameters):
                targets = mix_targets(targets, drawn)
        return batch, targets

    return augment


def _without_device(targets: dict[str, Any]) -> Any:
    left = {name: values for name, values in targets.items() if name != DEVICE}
    return left[LABELS] if set(left) == {LABELS} else left


def _places(settings: Section, asked: Sequence[str]) -> tuple[int, ...]:
    """Places of a step's devices among all that are asked for; empty where it takes any."""
    return tuple(asked.index(name) for name in getattr(settings, "devices", ()))
