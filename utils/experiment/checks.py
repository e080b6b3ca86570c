"""Build and compile a set's network on nothing, so that its mistakes show before audio is read."""

from typing import Any

from utils import export, training
from utils.config.event_sections import PostprocessSettings
from utils.experiment.augmentation import check_responses
from utils.experiment.compressing import require_compressible
from utils.experiment.distillation import require_teachable
from utils.experiment.event_judging import EventJudge
from utils.experiment.event_learning import EventLearning, StepGrid
from utils.experiment.event_needs import check_settings, only_fold, steps_of
from utils.experiment.event_training import learner_of
from utils.experiment.job import Job
from utils.experiment.needs import OF_EVENTS, OF_SEPARATION, refuse
from utils.experiment.network import build_network
from utils.experiment.quantisation import require_trainable
from utils.export.mixed import require_mixed
from utils.export.samples import require_samples
from utils.features import from_settings
from utils.inference import Decisions, Refinement
from utils.report import limits


def check_clips(job: Job) -> None:
    """Check a network that tells something about a whole clip.

    Raises:
        ConfigError: what is wrong, with file and line where there is one.
        UserError: for files that take samples, or are trained in int8, where none can be made, and
            for a network of which nothing can be taken away.
    """
    settings = job.settings
    limits.require_judged(settings.limits, formats=settings.export.files)
    refuse(settings, OF_EVENTS, "is for networks of sound events; leave it out here.")
    refuse(settings, OF_SEPARATION, "is for networks that separate sources; leave it out here.")
    check_responses(job)
    representation = from_settings(settings.audio, settings.features)
    Refinement.of(representation, shifts_seconds=settings.evaluation.shifts_seconds)
    if settings.export.samples:
        require_samples(representation, shifts_seconds=settings.evaluation.shifts_seconds)
    network = build_network(job, representation)
    export.require_possible(network, settings.export.formats)
    if settings.export.qat is not None:
        require_trainable(network, settings.training, settings.export.qat)
    if settings.export.mixed is not None:
        require_mixed(network, settings.export.mixed.layers)
    if settings.compression is not None:
        require_compressible(network, settings.training, settings.compression)
    require_teachable(job, network)
    classes = len(job.data.classes)
    training.check(network, settings.training, classes=classes, kind=job.target)


def check_events(job: Job) -> StepGrid:
    """Check student and teacher of sound events.

    Returns:
        The grid of their scores.

    Raises:
        ConfigError: what is wrong, with file and line where there is one.
        UserError: for a format that the network cannot be exported to.
    """
    settings, classes = job.settings, len(job.data.classes)
    limits.require_judged(settings.limits, formats=settings.export.formats)
    check_settings(settings)
    representation = from_settings(settings.audio, settings.features)
    network = build_network(job, representation)
    export.require_possible(network, settings.export.formats)
    grid = StepGrid.of(representation, steps_of(network, classes=classes))
    no_store: Any = None  # no clip is looked at
    learning = EventLearning(job, only_fold(job.data), representation, no_store, grid)
    _ = learning.augment  # refuses bands that do not fit, and views of other targets
    usual = Decisions.of(PostprocessSettings(), classes=classes, step_seconds=grid.step_seconds)
    learner = learner_of(job, representation, steps=1)
    judged = EventJudge(learning, usual).columns
    training.compile_model(learner, settings.training, judged=judged)
    return grid
