"""Trainings that follow the first one, of the same clips, with their own epochs and optimiser."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils import training
from utils.config.compression_section import FurtherSettings
from utils.config.schema import ScheduleSettings, TrainingSettings
from utils.errors import ConfigError, UserError
from utils.experiment.learning import Learning
from utils.experiment.records import network_identity, write_best_epoch
from utils.features import AnyNormaliser
from utils.run import Place

if TYPE_CHECKING:
    import keras


def train_further(
    learning: Learning,
    place: Place,
    build: "Callable[[], keras.Model]",
    asked: FurtherSettings,
    *,
    path: str,
    start: Path,
    normaliser: AnyNormaliser | None,
    after_epoch: int = 0,
    callbacks: Sequence[Any] = (),
) -> training.Trained:
    """Train a network that another training left, or go on with that.

    Args:
        learning: what the network has learnt from.
        place: of the fold.
        build: makes the network with the weights that it starts from.
        asked: how long, how fast.
        path: YAML path of ``asked``; its last word names the sub-folder with checkpoint,
            ``history.csv`` and ``training.json``.
        start: file of the network that it starts from; a checkpoint of a training that started
            from another one is not gone on with.
        normaliser: that the network was trained with.
        after_epoch: only epochs after this one compete for the weights that are kept.
        callbacks: as for :func:`utils.training.fit`.

    Raises:
        UserError: as :func:`utils.training.fit`, with the path.
    """
    name = path.rpartition(".")[2]
    folder = place.folder / name
    folder.mkdir(exist_ok=True)
    try:
        trained = learning.fit(
            build,
            as_asked(learning.job.settings.training, asked, after_epoch=after_epoch),
            normaliser=normaliser,
            folder=folder,
            tensorboard=None if place.tensorboard is None else place.tensorboard / name,
            start=network_identity(start),
            callbacks=callbacks,
        )
    except training.DivergedError as error:
        raise UserError(_at(path, error)) from error
    write_best_epoch(folder, trained.best_epoch)
    return trained


def as_asked(
    settings: TrainingSettings, asked: FurtherSettings, *, after_epoch: int = 0
) -> TrainingSettings:
    """The set's training with the epochs and the optimiser of what follows it.

    The rate falls to 0 by half a cosine; every epoch after ``after_epoch`` competes for the weights
    that are kept. They are not averaged over the steps: an average with weights that were not zero
    yet is not zero.
    """
    return settings.model_copy(
        update={
            "epochs": asked.epochs,
            "optimizer": asked.optimizer,
            "schedule": ScheduleSettings(kind="cosine"),
            "select": settings.select.model_copy(update={"after_epoch": after_epoch}),
            "patience": None,
            "ema": None,
            "mixed_precision": "off",
            "strategy": "single",
            "log_steps": 0,
        }
    )


def require_optimizer(
    model: "keras.Model", settings: TrainingSettings, asked: FurtherSettings, *, path: str
) -> None:
    """Refuse an optimiser that does not exist; to be asked before hours of training too.

    Args:
        model: a network; it is compiled.
        settings: the set's section ``training``.
        asked: the section of the training that follows.
        path: YAML path of that section.

    Raises:
        ConfigError: with the path.
    """
    try:
        training.compile_model(model, as_asked(settings, asked))
    except ConfigError as error:
        raise ConfigError(_at(path, error)) from error


def _at(path: str, error: Exception) -> str:
    """What an error says, of the optimiser of the section."""
    return str(error).replace("training.optimizer", f"{path}.optimizer")
