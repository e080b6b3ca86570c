"""Augmentation by files of the user's: where they lie, which they are, whether they can be used."""

from pathlib import Path

from utils.augment import asked_devices
from utils.augment.responses import read_responses, responses_key
from utils.config.schema import AugmentStep, DeviceResponseSettings
from utils.errors import ConfigError
from utils.experiment.job import Job


def located_steps(job: Job) -> tuple[AugmentStep, ...]:
    """The set's augmentations of waveforms, folders as paths that can be opened."""
    return tuple(
        AugmentStep(DeviceResponse=_located(job, step.DeviceResponse))
        if step.DeviceResponse is not None
        else step
        for step in job.settings.augment
    )


def responses_state(job: Job) -> str:
    """Identity of the impulse responses in the set's folders; empty without any.

    Raises:
        DataError: for a folder that is missing or empty.
    """
    return "".join(f"-{responses_key(folder)}" for folder in _folders(job))


def check_responses(job: Job) -> None:
    """Refuse impulse responses that cannot be read, and devices that no training clip is of.

    Raises:
        ConfigError: for an unknown device, or a step that comes too late to know it.
        DataError: for a folder that is missing or empty.
        AudioError: for a file that is broken or silent.
    """
    for folder in _folders(job):
        read_responses(folder, sample_rate=job.settings.audio.sample_rate)
    asked = asked_devices(job.settings.augment)
    clips = [clip for fold in job.data.folds for clip in fold.train]
    known = set() if job.data.mixing else {clip.device for clip in clips if clip.device}
    for name in asked:
        if name not in known:
            raise ConfigError(
                f"augment: DeviceResponse.devices: no training clip is of device {name!r}; "
                f"{job.data.name} has {', '.join(sorted(known)) or 'none that are known'}."
            )
    mixed = False
    for step in job.settings.augment:
        mixed = mixed or bool(step.Mixup or step.BetweenClass)
        if mixed and step.DeviceResponse is not None and step.DeviceResponse.devices:
            raise ConfigError(
                "augment: DeviceResponse.devices: stands behind Mixup or BetweenClass, which mix "
                "clips of several devices; put it before them."
            )


def _located(job: Job, settings: DeviceResponseSettings) -> DeviceResponseSettings:
    if settings.folder is None:
        return settings
    folder = job.root / Path(settings.folder).expanduser()
    return settings.model_copy(update={"folder": str(folder)})


def _folders(job: Job) -> list[Path]:
    steps = (step.DeviceResponse for step in located_steps(job))
    return [Path(step.folder) for step in steps if step is not None and step.folder is not None]
