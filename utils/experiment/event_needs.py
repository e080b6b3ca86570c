"""What a set of sound events must say, must leave out, and what its network must give."""

from typing import TYPE_CHECKING

from utils.config.schema import Settings
from utils.datasets import DataSet, Fold
from utils.errors import ConfigError
from utils.experiment.needs import OF_CLIPS, OF_SEPARATION, on_one_device, refuse, single_fold

if TYPE_CHECKING:
    import keras


def steps_of(network: "keras.Model", *, classes: int) -> int:
    """Steps of a clip for which a network gives scores.

    Raises:
        ConfigError: when its outputs are not ``strong`` (steps, classes) and ``weak`` (classes,).
    """
    outputs = network.output if isinstance(network.output, dict) else {}
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in outputs.items()}
    strong = shapes.get("strong", ())
    if len(shapes) != 2 or strong[1:] != (classes,) or shapes.get("weak") != (classes,):
        told = shapes or [tuple(tensor.shape[1:]) for tensor in network.outputs]
        raise ConfigError(
            f"model: its outputs are {told}; sound events need strong (steps, {classes}) and weak "
            f"({classes},), named in outputs."
        )
    return int(strong[0])


def only_fold(data: DataSet) -> Fold:
    """The fold of a data set of sound events, which has one.

    Raises:
        ConfigError: when it has several, or its clips tell no onsets and offsets.
    """
    fold = single_fold(data, "networks of sound events")
    if all(clip.events is None for clip in fold.clips):
        raise ConfigError(
            f"dataset.name: {data.name} tells no onsets and offsets, which sound events are "
            "learnt from; take desed."
        )
    return fold


def check_settings(settings: Settings) -> None:
    """Refuse what networks of sound events have no use for, and what they need and lack.

    Raises:
        ConfigError: with the YAML path.
    """
    if settings.training.parts is None:
        raise ConfigError("training.parts: sound events need the clips of each kind in a batch.")
    on_one_device(settings.training, "networks of sound events")
    if settings.training.teacher and settings.training.ema is not None:
        raise ConfigError(
            "training.ema: the mean teacher is a moving average of the weights already; leave it "
            "out, or set training.teacher to null."
        )
    of_a_teacher = {} if settings.training.teacher else {"view_augment": ()}
    unread = {**OF_CLIPS, **OF_SEPARATION, **of_a_teacher}
    refuse(settings, unread, "has no effect on networks of sound events; leave it out.")
    _check_augmentation(settings)
    if settings.dataset.embeddings and settings.export.formats:
        raise ConfigError(
            "export.formats: a network that needs embeddings beside the audio is not exported; "
            "write []."
        )
    if settings.features.kind in ("waveform", "stack"):
        raise ConfigError(
            f"features.kind: sound events are found in spectrograms of one channel, received "
            f"{settings.features.kind}; take log_mel."
        )
    if settings.training.loss != "binary_crossentropy":
        raise ConfigError(
            f"training.loss: sound events are learnt by binary_crossentropy, received "
            f"{settings.training.loss}."
        )


def _check_augmentation(settings: Settings) -> None:
    """Refuse gains, sums and silence of features that are no magnitudes."""
    features = settings.features
    for path in ("feature_augment", "view_augment"):
        for step in getattr(settings, path):
            (name,) = step.model_fields_set
            if name != "FrameShift" and features.log != "none":
                raise ConfigError(
                    f"{path}: {name} acts on magnitudes, but features.log is {features.log}; set "
                    "features.log to none and features.normalise.method to clip_decibel."
                )
            if name == "FilterAugment" and features.power != 1:
                raise ConfigError(
                    f"{path}: {name} acts on magnitudes; set features.power to 1, received "
                    f"{features.power}."
                )
