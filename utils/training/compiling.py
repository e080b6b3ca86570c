"""Compile a network by the settings, with the nearest right name for a wrong one."""

import difflib
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from models import separation_losses
from utils.config.schema import ScheduleSettings, TrainingSettings
from utils.errors import ConfigError
from utils.targets import TargetKind
from utils.training.devices import require_devices, use_xla
from utils.training.schedule import make_schedule

if TYPE_CHECKING:
    import keras

_NO_NAMES = {"get", "serialize", "deserialize"}  # functions of the modules, no loss or metric
_KINDS = {"single_label": "one-hot", "multi_label": "multi-hot", "distribution": "distribution"}


def compile_model(
    model: "keras.Model",
    settings: TrainingSettings,
    *,
    steps: int = 1,
    judged: Sequence[str] = (),
) -> "keras.Model":
    """Compile by the settings, refusing what would fail only after hours of features.

    Args:
        model: a built network.
        settings: the section ``training``.
        steps: training batches per epoch, for the schedule of the learning rate; 1 serves where
            nothing is trained.
        judged: columns of ``history.csv`` that come of a judge instead of validation batches.

    Raises:
        ConfigError: unknown optimiser, argument, loss or metric, a schedule that does not fit, or a
            selection metric that no epoch would report.
    """
    import keras

    optimizer = scheduled_optimizer(settings, steps=steps)
    loss = loss_of(settings)
    for metric in settings.metrics:
        _check_name("training.metrics", metric, keras.metrics)
    columns = (*(("loss", *judged) if judged else needed_columns(settings)), "epoch")
    asked = {"select": settings.select.metric}
    if settings.schedule.kind == "plateau":
        asked["schedule"] = settings.schedule.metric
    for section, metric in asked.items():
        if metric not in columns:
            raise ConfigError(
                f"training.{section}.metric: no epoch reports {metric!r}; "
                f"known: {', '.join(columns)}.{_nearest(metric, columns)}"
            )
    model.compile(
        optimizer=optimizer,
        loss=loss,
        metrics=list(settings.metrics) or None,
        jit_compile=use_xla(settings),
    )
    optimizer.build(model.trainable_variables)
    return model


def check(
    model: "keras.Model",
    settings: TrainingSettings,
    *,
    classes: int,
    kind: TargetKind = "single_label",
) -> None:
    """Compile a network and take one step of nothing, so that no mistake waits for the audio.

    Whether the devices can train as asked is looked at as well.

    Args:
        model: a freshly built network; it is not to be used afterwards.
        settings: the section ``training``.
        classes: number of values that the network gives for a clip.
        kind: what the targets are.

    Raises:
        ConfigError: when the output is not one row of values a clip, or loss, metrics and output do
            not fit together, or as :func:`~utils.training.devices.require_devices`.
    """
    require_devices(settings)
    shapes = [tuple(output.shape[1:]) for output in model.outputs]
    if shapes != [(classes,)]:
        raise ConfigError(
            f"model: its output for a clip has shape {' and '.join(map(str, shapes))}; one output "
            f"of shape ({classes},) is needed, a value a class."
        )
    compile_model(model, settings)
    clip = np.zeros((1, *model.inputs[0].shape[1:]), np.float32)
    asked = f"{settings.loss} (metrics {', '.join(settings.metrics)})"
    told = f"{asked} does not fit {_KINDS[kind]} targets"
    try_loss(model, clip, _example(classes, kind), told=told)


def scores_of(settings: TrainingSettings, truth: np.ndarray, said: np.ndarray) -> dict[str, float]:
    """What the columns of history.csv on validation clips would be, were these the answers.

    Args:
        settings: the section ``training``.
        truth: targets, (clips, ...).
        said: answers, (clips, ...).

    Returns:
        ``val_loss``, without what layers add to a loss, and ``val_`` of each metric.
    """
    import keras

    echo = keras.Sequential([keras.Input(said.shape[1:]), keras.layers.Identity()])
    model = compile_model(echo, settings)
    found = model.evaluate(said, truth, verbose=0, return_dict=True)
    return {f"val_{name}": float(value) for name, value in found.items()}


def try_loss(model: "keras.Model", clip: np.ndarray, truth: np.ndarray, *, told: str) -> None:
    """Take one step of nothing by a compiled network.

    Args:
        model: the network.
        clip: its input for one clip, (1, ...).
        truth: targets of that clip, (1, ...).
        told: what the message says where the loss does not fit them.

    Raises:
        ConfigError: when loss, metrics and output do not fit together.
    """
    try:
        make_metrics(model, truth)
        model.test_on_batch(clip, truth)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"training.loss: {told}: {' '.join(str(error).split())}") from error


def make_metrics(model: "keras.Model", truth: Any) -> None:
    """Make the variables of the metrics, which Keras leaves to the first step.

    TensorFlow traces a step twice that makes variables; with a large network that takes seconds. A
    network that is no graph of layers is left to Keras.

    Args:
        model: a compiled network; a graph of layers has one output.
        truth: targets of the shape that steps will have, (clips, ...); their values do not matter.

    Raises:
        ValueError: when metrics and targets do not fit together.
        TypeError: likewise.
    """
    if getattr(model, "outputs", None) is None:
        return
    (output,) = model.outputs
    said = np.zeros([len(truth), *(size or 1 for size in output.shape[1:])], np.float32)
    model.compute_metrics(None, truth, said)
    model.reset_metrics()


def _example(classes: int, kind: TargetKind) -> np.ndarray:
    """Targets of one clip, float32 (1, classes): one class, two of them, or equal shares."""
    if kind == "distribution":
        return np.full((1, classes), 1 / classes, np.float32)
    labels = 1 if kind == "single_label" else 2
    return (np.arange(classes) < labels).astype(np.float32)[np.newaxis]


def selection_note(settings: TrainingSettings) -> str | None:
    """What has to be said when no epoch competes, so that the last one's weights are kept."""
    if settings.epochs > settings.select.after_epoch:
        return None
    return (
        f"training.select.after_epoch is {settings.select.after_epoch}, so none of the "
        f"{settings.epochs} epochs competes: the weights of the last epoch are kept."
    )


def stopping_note(settings: TrainingSettings, *, epochs: int) -> str | None:
    """What has to be said when ``patience`` ended the training after so many epochs."""
    if epochs >= settings.epochs:
        return None
    return (
        f"training stopped after epoch {epochs} of {settings.epochs}: {settings.select.metric} had "
        f"not become better for {settings.patience} epoch{'s' if settings.patience != 1 else ''}."
    )


def needed_columns(settings: TrainingSettings) -> tuple[str, ...]:
    """Columns of ``history.csv`` from which the best epoch can be chosen.

    Keras names the column of a metric as the metric was written, with ``val_`` before it for
    validation clips. Teachers answer training clips alone.
    """
    from models.distillation import PARTS

    once = ("loss", *settings.metrics)
    taught = () if settings.distillation is None else PARTS
    return once + tuple(f"val_{name}" for name in once) + taught


def scheduled_optimizer(settings: TrainingSettings, *, steps: int) -> "keras.optimizers.Optimizer":
    """Make the optimiser with its learning rate, or with the schedule that starts from it.

    Raises:
        ConfigError: as :func:`make_optimizer` and ``make_schedule``, or a schedule for an optimiser
            without a learning rate.
    """
    plain = make_optimizer(settings.optimizer)
    ((name, arguments),) = settings.optimizer.items()
    rate = first_rate(settings)
    if rate is None:
        if settings.schedule == ScheduleSettings():
            return plain
        raise ConfigError(
            f"training.schedule: {name} has no learning rate of its own to be changed; remove the "
            "schedule or take another optimiser."
        )
    schedule = make_schedule(rate, settings, steps=steps)
    if schedule is None:
        return plain
    return make_optimizer({name: (arguments or {}) | {"learning_rate": schedule}})


def first_rate(settings: TrainingSettings) -> float | None:
    """The learning rate of the settings, or the optimiser's own; None where it has none."""
    rate = make_optimizer(settings.optimizer).get_config().get("learning_rate")
    return rate if isinstance(rate, float) else None


def make_optimizer(settings: dict[str, dict[str, Any]]) -> "keras.optimizers.Optimizer":
    """Make the optimiser that ``{Name: {argument: value}}`` describes.

    Raises:
        ConfigError: unknown name or argument, with the nearest right one.
    """
    import keras

    path = "training.optimizer"
    if len(settings) != 1:
        raise ConfigError(f"{path}: one optimiser is needed, received {list(settings) or 'none'}.")
    ((name, arguments),) = settings.items()
    known = [
        key
        for key, value in vars(keras.optimizers).items()
        if inspect.isclass(value) and issubclass(value, keras.optimizers.Optimizer)
    ]
    if name not in known:
        raise ConfigError(f"{path}: unknown optimiser {name!r}.{_nearest(name, known)}")
    kind = getattr(keras.optimizers, name)
    allowed = [key for key in inspect.signature(kind).parameters if key != "kwargs"]
    for argument in arguments or {}:
        if argument not in allowed:
            raise ConfigError(
                f"{path}.{name}: no argument {argument!r}.{_nearest(argument, allowed)}"
            )
    if (arguments or {}).get("use_ema"):
        raise ConfigError(
            f"{path}.{name}.use_ema: no epoch would be judged by the optimiser's own average; "
            "leave it out and set training.ema to its momentum."
        )
    try:
        return kind(**(arguments or {}))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}.{name}: {' '.join(str(error).split())}") from error


def loss_of(settings: TrainingSettings) -> Any:
    """The loss of the settings: one of this project's as a function, one of Keras by its name.

    Raises:
        ConfigError: for an unknown name, with the nearest right one.
    """
    import keras

    own = separation_losses.OWN
    if settings.loss in own:
        return own[settings.loss]
    _check_name("training.loss", settings.loss, keras.losses, more=tuple(own))
    return settings.loss


def in_any_order(settings: TrainingSettings) -> bool:
    """Whether the loss leaves it to the network in which order it gives the sources."""
    return settings.loss in separation_losses.IN_ANY_ORDER


def _check_name(path: str, name: str, module: Any, *, more: tuple[str, ...] = ()) -> None:
    """Refuse a name that ``keras.losses`` or ``keras.metrics`` does not make something of."""
    try:
        module.get(name)
    except ValueError as error:
        known = [key for key in vars(module) if key[0] != "_" and key not in _NO_NAMES]
        known += more
        raise ConfigError(f"{path}: unknown name {name!r}.{_nearest(name, known)}") from error
    except TypeError as error:
        raise ConfigError(f"{path}: {name!r} needs arguments, so a name is not enough.") from error


def _nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
