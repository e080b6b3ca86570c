"""Compile a network by the settings, with the nearest right name for a wrong one."""

import difflib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from utils.config.schema import TrainingSettings
from utils.errors import ConfigError
from utils.training.devices import use_xla

if TYPE_CHECKING:
    import keras


def compile_model(model: "keras.Model", settings: TrainingSettings) -> "keras.Model":
    """Compile by the settings, refusing what would fail only after hours of features.

    Args:
        model: a built network.
        settings: the section ``training``.

    Raises:
        ConfigError: unknown optimiser, argument, loss or metric, or a selection metric that no
            epoch would report.
    """
    import keras

    optimizer = make_optimizer(settings.optimizer)
    _check_name("training.loss", settings.loss, keras.losses.get, _names(keras.losses))
    for metric in settings.metrics:
        _check_name("training.metrics", metric, keras.metrics.get, _names(keras.metrics))
    columns = needed_columns(settings)
    if settings.select.metric not in columns:
        raise ConfigError(
            f"training.select.metric: no epoch reports {settings.select.metric!r}; "
            f"known: {', '.join(columns)}.{_nearest(settings.select.metric, columns)}"
        )
    model.compile(
        optimizer=optimizer,
        loss=settings.loss,
        metrics=list(settings.metrics),
        jit_compile=use_xla(settings),
    )
    optimizer.build(model.trainable_variables)
    return model


def check(model: "keras.Model", settings: TrainingSettings, *, classes: int) -> None:
    """Compile a network and take one step of nothing, so that no mistake waits for the audio.

    Args:
        model: a freshly built network; it is not to be used afterwards.
        settings: the section ``training``.
        classes: number of values that the network gives for a clip.

    Raises:
        ConfigError: when the output is not one row of values a clip, or loss, metrics and output do
            not fit together.
    """
    import numpy as np

    shapes = [tuple(output.shape[1:]) for output in model.outputs]
    if shapes != [(classes,)]:
        raise ConfigError(
            f"model: its output for a clip has shape {' and '.join(map(str, shapes))}; one output "
            f"of shape ({classes},) is needed, a value a class."
        )
    compile_model(model, settings)
    clip = np.zeros((1, *model.inputs[0].shape[1:]), np.float32)
    try:
        model.test_on_batch(clip, np.eye(1, classes, dtype=np.float32))
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"training.loss: {settings.loss} (metrics {', '.join(settings.metrics)}) does not fit "
            f"one-hot targets: {' '.join(str(error).split())}"
        ) from error


def selection_note(settings: TrainingSettings) -> str | None:
    """What has to be said when no epoch competes, so that the last one's weights are kept."""
    if settings.epochs > settings.select.after_epoch:
        return None
    return (
        f"training.select.after_epoch is {settings.select.after_epoch}, so none of the "
        f"{settings.epochs} epochs competes: the weights of the last epoch are kept."
    )


def needed_columns(settings: TrainingSettings) -> tuple[str, ...]:
    """Columns of ``history.csv`` that an epoch reports, without the epoch's number."""
    once = ("loss", *settings.metrics)
    return once + tuple(f"val_{name}" for name in once)


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
    try:
        return kind(**(arguments or {}))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}.{name}: {' '.join(str(error).split())}") from error


def _names(module: Any) -> list[str]:
    return [name for name in vars(module) if not name.startswith("_") and name.islower()]


def _check_name(path: str, name: str, get: Callable[[str], Any], known: list[str]) -> None:
    try:
        get(name)
    except ValueError as error:
        raise ConfigError(f"{path}: unknown name {name!r}.{_nearest(name, known)}") from error


def _nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
