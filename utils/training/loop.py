"""Fit a network: resumption, and the best epoch's weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.config.schema import TrainingSettings
from utils.errors import UserError
from utils.pipeline import drawing
from utils.run import CHECKPOINT
from utils.training import checkpoint
from utils.training.average import WeightAverage
from utils.training.compiling import compile_model, first_rate, make_metrics
from utils.training.devices import precision, require_devices
from utils.training.steps import NAME, Meter, StepLog, metered

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    from rich.console import Console


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes:
        model: the network with the best epoch's weights, in float32.
        history: one row per epoch: epoch (from 1), loss, metrics and their ``val_`` twins, and the
            learning rate of the epoch's last step. With ``ema``, the twins are of the average.
        best_epoch: epoch of the weights; the last one where no epoch competed.
        stopped_early: whether ``patience`` ended the training before its last epoch.
        seconds: time spent on all epochs, by this process and those before it.
        earlier_seconds: of these, by the processes before it.
    """

    model: "keras.Model"
    history: tuple[dict[str, float], ...]
    best_epoch: int
    stopped_early: bool
    seconds: float
    earlier_seconds: float


@dataclass(frozen=True)
class Judge:
    """Scores of the validation clips that no Keras metric gives.

    Attributes:
        columns: their names, columns of ``history.csv``.
        score: gives them for the model after an epoch.
    """

    columns: tuple[str, ...]
    score: "Callable[[keras.Model], Mapping[str, float]]"


def fit(
    build: "Callable[[], keras.Model]",
    batches: "Callable[[int], tf.data.Dataset]",
    validation: "tf.data.Dataset | Judge",
    *,
    steps: int,
    settings: TrainingSettings,
    folder: Path,
    seed: int,
    inputs: str,
    console: "Console | None" = None,
    tensorboard: Path | None = None,
    callbacks: Sequence[Any] = (),
) -> Trained:
    """Train, or go on with a training of the same inputs that was cut off.

    Args:
        build: makes the network; called under the device strategy and precision of the settings.
        batches: dataset of all epochs from the given one (0 is the first); ``steps`` batches each.
        validation: batches of the validation clips, in a fixed order, or what scores an epoch.
        steps: training batches per epoch.
        settings: the section ``training``.
        folder: receives ``checkpoint.npz``, ``history.csv``, and ``steps.csv`` where steps are
            logged; ``diverged.json`` when the loss is no longer a number.
        seed: seed of everything random besides the batches.
        inputs: identity of what is learnt from; a checkpoint of other inputs is not gone on with.
        console: where progress is shown; None trains silently.
        tensorboard: folder of TensorBoard logs, if wanted.
        callbacks: more of Keras', which come before those that judge and save an epoch; what they
            know must follow from the network and the epoch, since no checkpoint holds it.

    Raises:
        ConfigError: when optimiser, loss, metrics or selection do not fit together, and for steps
            that are to be logged where they cannot be.
        DivergedError: when the loss is no longer a number.
        UserError: for a checkpoint that cannot be used.
    """
    import keras

    keras.utils.set_random_seed(seed)
    strategy = require_devices(settings)
    state_file = folder / CHECKPOINT
    with precision(settings.mixed_precision), strategy.scope():
        judged = validation.columns if isinstance(validation, Judge) else ()
        model = compile_model(build(), settings, steps=steps, judged=judged)
        average = None
        if settings.ema is not None:
            average = WeightAverage(model, momentum=settings.ema)
        found = None
        if state_file.exists():
            found = checkpoint.restore(state_file, model, average, inputs=inputs)
            if found is None and console is not None:
                console.print("What it learns from has changed; training starts anew.")
        progress = checkpoint.Progress.new(inputs) if found is None else found
    first_epoch, earlier_seconds = len(progress.history), progress.seconds
    if first_epoch < settings.epochs and not progress.gave_up(settings):
        _run_epochs(
            model, batches(first_epoch), validation, progress, average,
            steps=steps, settings=settings, folder=folder, console=console, tensorboard=tensorboard,
            more=callbacks,
        )  # fmt: skip
    best = build()
    best.set_weights(progress.best_weights or (average or model).get_weights())
    return Trained(
        model=best,
        history=tuple(progress.history),
        best_epoch=progress.best_epoch or len(progress.history),
        stopped_early=len(progress.history) < settings.epochs,
        seconds=progress.seconds,
        earlier_seconds=earlier_seconds,
    )


def _run_epochs(
    model: "keras.Model",
    batches: "tf.data.Dataset",
    validation: "tf.data.Dataset | Judge",
    progress: checkpoint.Progress,
    average: WeightAverage | None,
    *,
    steps: int,
    settings: TrainingSettings,
    folder: Path,
    console: "Console | None",
    tensorboard: Path | None,
    more: Sequence[Any],
) -> None:
    from utils.training import callbacks as own
    from utils.training.kernels import quick_kernels

    if settings.metrics and model.distribute_strategy.num_replicas_in_sync == 1:
        make_metrics(model, _like(batches))  # under a strategy Keras makes them itself
    first_epoch = len(progress.history)
    judge = validation if isinstance(validation, Judge) else None
    callbacks = [*more, *([] if average is None else [own.Average(average)])]
    if judge is not None:
        callbacks.append(own.Judge(judge.score if average is None else average.judged(judge.score)))
    heard: AbstractContextManager[Any] = nullcontext()
    if settings.log_steps:
        log = StepLog(folder / NAME, number=settings.log_steps, done=first_epoch * steps)
        meter = Meter()
        heard = metered(model, meter)
        callbacks.append(own.LogSteps(log=log, meter=meter, steps=steps))
    callbacks.append(
        own.KeepState(
            folder=folder, progress=progress, settings=settings, steps=steps, average=average
        )
    )
    if settings.schedule.kind == "plateau" and (highest := first_rate(settings)) is not None:
        callbacks.append(own.FallOnPlateau(progress=progress, settings=settings, highest=highest))
    shown = None
    if console is not None:
        shown = own.ShowProgress(
            console=console, first_epoch=first_epoch, epochs=settings.epochs, steps=steps
        )
        callbacks.append(shown)
    if tensorboard is not None:
        callbacks.append(_tensorboard_callback(tensorboard))
    try:
        with heard, quick_kernels(model), drawing(batches, validation), _no_iterator_left(model):
            model.fit(
                batches,
                initial_epoch=first_epoch,
                epochs=settings.epochs,
                steps_per_epoch=steps,
                validation_data=None if judge is not None else validation,
                callbacks=callbacks,
                shuffle=False,  # the dataset has its order already
                verbose=0,
            )
    finally:
        if shown is not None:
            shown.close()


def _like(batches: "tf.data.Dataset") -> Any:
    """Targets of zeros, of the shape that those of a batch have; one clip where that is open."""
    import keras

    def zeros(of: "tf.TensorSpec") -> np.ndarray:
        return np.zeros([size or 1 for size in of.shape], np.float32)

    return keras.tree.map_structure(zeros, batches.element_spec[1])


@contextmanager
def _no_iterator_left(model: "keras.Model") -> Iterator[None]:
    """Take from Keras the iterator over validation batches that it keeps after an error."""
    try:
        yield
    finally:
        model._eval_epoch_iterator = None


def _tensorboard_callback(folder: Path) -> Any:
    import keras

    try:
        return keras.callbacks.TensorBoard(log_dir=str(folder))
    except ImportError as error:
        raise UserError(
            "--tensorboard needs the package tensorboard; install it with "
            "`.venv/bin/pip install tensorboard`."
        ) from error
