"""What tasks of one kind alone read, refused where a set of another kind gives it."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from utils.config.event_sections import PostprocessSettings
from utils.config.schema import EvaluationSettings, Settings, TrainingSettings
from utils.config.separation_sections import SegmentSettings, SeparationSettings
from utils.datasets import DataSet, Fold
from utils.errors import ConfigError

OF_CLIPS: Mapping[str, Any] = {
    "augment": (),
    "training.metrics": (),
    "training.folds": None,
    "compression": None,
    "training.distillation": None,
    "evaluation.shifts_seconds": (0.0,),
    "evaluation.calibration": "none",
    "evaluation.batch_size": EvaluationSettings().batch_size,
    "export.qat": None,
    "export.mixed": None,
    "export.samples": (),
    "export.c_array": (),
}
"""Settings, by path, that only tasks of whole clips read, and the values that ask for nothing."""

OF_EVENTS: Mapping[str, Any] = {
    "feature_augment": (),
    "view_augment": (),
    "training.parts": None,
    "training.teacher": None,
    "dataset.embeddings": None,
    "postprocess": PostprocessSettings(),
}
"""The same of sound events."""

OF_SEPARATION: Mapping[str, Any] = {
    "audio.channels": 1,
    "features.bins": None,
    "segments": SegmentSettings(),
    "separation": SeparationSettings(),
}
"""The same of separation."""

OF_CUT_CLIPS: Mapping[str, Any] = {"audio.short_clips": "zeros"}
"""The same of tasks whose clips are brought to one length: all but separation."""

OF_UTTERANCES: Mapping[str, Any] = {"audio.on_bad_audio": "fail"}
"""The same of separation of utterances that are mixed here: other files belong together."""

OF_STRETCHES: Mapping[str, Any] = {
    "segments.remix": SegmentSettings().remix,
    "segments.gain_db": SegmentSettings().gain_db,
}
"""The same of separation that learns from stretches of files, not from speakers mixed afresh."""

OF_MASKS: Mapping[str, Any] = {
    "separation.exponent": SeparationSettings().exponent,
    "separation.extension": SeparationSettings().extension,
}
"""The same of networks that hear magnitudes, which become masks."""


def refuse(settings: Settings, unread: Mapping[str, Any], told: str) -> None:
    """Refuse settings that would have no effect.

    Args:
        settings: the set.
        unread: path of each setting, and the value that asks for nothing.
        told: what the message says of the first that has another value, behind its path.

    Raises:
        ConfigError: with the YAML path.
    """
    for path, nothing in unread.items():
        if attrgetter(path)(settings) != nothing:
            raise ConfigError(f"{path}: {told}")


def on_one_device(settings: TrainingSettings, networks: str) -> TrainingSettings:
    """The training on one device, of networks that cannot be mirrored.

    Args:
        settings: the section ``training``.
        networks: which they are, for the message.

    Raises:
        ConfigError: where several devices are asked for.
    """
    if settings.strategy == "mirrored":
        raise ConfigError(f"training.strategy: {networks} train on one device; take single.")
    return settings.model_copy(update={"strategy": "single"})


def single_fold(data: DataSet, networks: str) -> Fold:
    """The fold of a data set that has one.

    Args:
        data: the data set.
        networks: what is trained on it, for the message.

    Raises:
        ConfigError: when it has several.
    """
    if len(data.folds) > 1:
        raise ConfigError(
            f"dataset: {data.name} has {len(data.folds)} folds; {networks} are trained on one, "
            "name it in dataset.folds."
        )
    (fold,) = data.folds
    return fold
