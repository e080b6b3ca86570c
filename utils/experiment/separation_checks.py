"""What a set of separation must say and leave out; its network, built and compiled on nothing."""

from typing import TYPE_CHECKING, Any

import numpy as np

from models.separation_losses import OWN
from utils import export, training
from utils.config.event_sections import PostprocessSettings
from utils.config.schema import Settings
from utils.errors import ConfigError
from utils.experiment.job import Job
from utils.experiment.separation_judging import COLUMNS
from utils.experiment.separation_learning import only_fold
from utils.features.heard import Heard, Magnitudes, heard_by
from utils.report import limits

if TYPE_CHECKING:
    import keras


def check_separation(job: Job) -> Heard:
    """Check a network that separates.

    Returns:
        What it hears.

    Raises:
        ConfigError: what is wrong, with file and line where there is one.
        UserError: for a format that the network cannot be exported to.
    """
    settings = job.settings
    limits.require_judged(settings.limits, formats=settings.export.formats)
    _check_settings(settings)
    heard = heard_by(settings.audio, settings.features)
    only_fold(job.data)
    network = build_separator(job, heard)
    export.require_possible(network, settings.export.formats)
    training.compile_model(network, settings.training, judged=COLUMNS)
    _check_output(network, heard, stems=len(job.data.classes), loss=settings.training.loss)
    return heard


def build_separator(job: Job, heard: Heard) -> "keras.Model":
    """Build the set's network for what it hears."""
    from models import builder

    return builder.build(
        job.settings.model,
        named=job.networks,
        input_shape=heard.input_shape,
        constants={},
        name=job.settings.set_id,
        seed=job.settings.seed,
    )


def _check_output(network: Any, heard: Heard, *, stems: int, loss: str) -> None:
    """Refuse a network that does not give stems, and a loss of something else.

    Raises:
        ConfigError: with the YAML path.
    """
    shapes = [tuple(output.shape[1:]) for output in network.outputs]
    magnitudes = isinstance(heard, Magnitudes)
    wanted = (stems, *heard.input_shape) if magnitudes else (None, stems, heard.n_samples)
    if len(shapes) != 1 or len(shapes[0]) != len(wanted) or not _fits(shapes[0], wanted):
        raise ConfigError(
            f"model: its output for a segment has shape {' and '.join(map(str, shapes))}; one of "
            f"{wanted} is needed, for {stems} sources."
        )
    right = "magnitude_l1" if magnitudes else "multi_scale_si_snr"
    if loss in OWN and loss != right:
        raise ConfigError(
            f"training.loss: {loss} does not fit features.kind: "
            f"{'magnitude' if magnitudes else 'waveform'}; take {right}."
        )
    clip = np.zeros((1, *heard.input_shape), np.float32)
    truth = np.zeros((1, stems, *(heard.input_shape if magnitudes else clip.shape[1:2])))
    try:
        network.test_on_batch(clip, truth.astype(np.float32))
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"training.loss: {loss} does not fit what separates: {' '.join(str(error).split())}"
        ) from error


def _fits(shape: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    return all(None in pair or pair[0] == pair[1] for pair in zip(shape, wanted, strict=True))


def _check_settings(settings: Settings) -> None:
    """Refuse settings that have no effect on separation.

    Raises:
        ConfigError: with the YAML path.
    """
    unused = {
        "augment": bool(settings.augment),
        "feature_augment": bool(settings.feature_augment),
        "view_augment": bool(settings.view_augment),
        "training.parts": settings.training.parts is not None,
        "training.teacher": settings.training.teacher is not None,
        "training.metrics": bool(settings.training.metrics),
        "training.folds": settings.training.folds is not None,
        "dataset.embeddings": settings.dataset.embeddings is not None,
        "postprocess": settings.postprocess != PostprocessSettings(),
        "evaluation.shifts_seconds": settings.evaluation.shifts_seconds != (0.0,),
        "evaluation.calibration": settings.evaluation.calibration != "none",
    }
    for path, given in unused.items():
        if given:
            raise ConfigError(f"{path}: has no effect on networks that separate; leave it out.")
