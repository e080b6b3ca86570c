"""What a set of separation must say and leave out; its network, built and compiled on nothing."""

from typing import TYPE_CHECKING, Any

import numpy as np

from models.separation_losses import OWN, shapes_fit
from utils import export, training
from utils.errors import ConfigError
from utils.experiment.job import Job
from utils.experiment.needs import (
    OF_CLIPS,
    OF_CUT_CLIPS,
    OF_EVENTS,
    OF_MASKS,
    OF_STRETCHES,
    OF_UTTERANCES,
    on_one_device,
    refuse,
)
from utils.experiment.separation_judging import COLUMNS
from utils.experiment.separation_learning import only_fold
from utils.features.heard import Heard, Magnitudes, heard_by, heard_in_use
from utils.inference.separator import output_shape
from utils.report import limits
from utils.training.compiling import try_loss

if TYPE_CHECKING:
    import keras


def check_separation(job: Job) -> tuple[Heard, Heard]:
    """Check a network that separates.

    Returns:
        What it hears while training, and in use.

    Raises:
        ConfigError: what is wrong, with file and line where there is one.
        UserError: for a format that the network cannot be exported to.
    """
    settings = job.settings
    limits.require_judged(settings.limits, formats=settings.export.formats)
    unread = {**OF_CLIPS, **OF_EVENTS, **OF_CUT_CLIPS}
    refuse(settings, unread, "has no effect on networks that separate; leave it out.")
    if settings.dataset.name != "speakers":
        told = "is for utterances, of which one more or less can be mixed; leave it out."
        refuse(settings, OF_UTTERANCES, told)
    if job.data.speakers is not None:
        told = "has no effect where speakers are mixed afresh; leave it out."
        refuse(settings, OF_STRETCHES, told)
    on_one_device(settings.training, "networks that separate")
    heard = heard_by(settings.audio, settings.features)
    if not isinstance(heard, Magnitudes):
        refuse(settings, OF_MASKS, "is for networks that hear magnitudes; leave it out.")
    in_use = heard_in_use(settings.audio, settings.features, settings.separation)
    only_fold(job.data)
    network = build_separator(job, heard)
    export.require_possible(network, settings.export.formats)
    training.compile_model(network, settings.training, judged=COLUMNS)
    _check_output(network, heard, stems=len(job.data.classes), loss=settings.training.loss)
    if in_use != heard:
        _check_use(job, network, in_use)
    return heard, in_use


def build_separator(job: Job, heard: Heard) -> "keras.Model":
    """Build the set's network for what it hears; it knows $SOURCES and $CHANNELS."""
    from models import builder

    return builder.build(
        job.settings.model,
        named=job.networks,
        input_shape=heard.input_shape,
        constants={"SOURCES": len(job.data.classes), "CHANNELS": heard.channels},
        name=job.settings.set_id,
        seed=job.settings.seed,
    )


def _check_use(job: Job, network: "keras.Model", in_use: Heard) -> None:
    """Refuse segments of use that the network cannot take with the weights of training.

    Raises:
        ConfigError: with the YAML path.
    """
    separation = job.settings.separation
    if isinstance(in_use, Magnitudes):
        asked = f"separation.frames: {separation.frames} frames"
    else:
        asked = f"separation.seconds: {separation.seconds:g} s"
    try:
        longer = build_separator(job, in_use)
    except ConfigError as error:
        raise ConfigError(f"{asked} do not suit the network: {error}") from error
    shapes = [tuple(weight.shape) for weight in longer.weights]
    wanted = output_shape(in_use, len(job.data.classes))
    given = tuple(longer.outputs[0].shape[1:])
    if not shapes_fit(given, wanted):
        raise ConfigError(
            f"{asked} do not suit the network: its output has shape {given}, {wanted} is needed."
        )
    if shapes != [tuple(weight.shape) for weight in network.weights]:
        raise ConfigError(
            f"{asked} do not suit the network: its weights are made for the segments of training; "
            "leave it out."
        )


def _check_output(network: Any, heard: Heard, *, stems: int, loss: str) -> None:
    """Refuse a network that does not give stems, and a loss of something else.

    Raises:
        ConfigError: with the YAML path.
    """
    shapes = [tuple(output.shape[1:]) for output in network.outputs]
    wanted = output_shape(heard, stems)
    if len(shapes) != 1 or not shapes_fit(shapes[0], wanted):
        raise ConfigError(
            f"model: its output for a segment has shape {' and '.join(map(str, shapes))}; one of "
            f"{wanted} is needed, for {stems} sources."
        )
    magnitudes = isinstance(heard, Magnitudes)
    right = "magnitude_l1" if magnitudes else "multi_scale_si_snr"
    if loss in OWN and loss != right:
        raise ConfigError(
            f"training.loss: {loss} does not fit features.kind: "
            f"{'magnitude' if magnitudes else 'waveform'}; take {right}."
        )
    clip = np.zeros((1, *heard.input_shape), np.float32)
    truth = np.zeros((1, stems, *(heard.input_shape if magnitudes else clip.shape[1:2])))
    told = f"{loss} does not fit what separates"
    try_loss(network, clip, truth.astype(np.float32), told=told)
