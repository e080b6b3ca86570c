"""Full-state checkpoints: with one, a killed training goes on with the same curve.

A checkpoint is one ``.npz`` file without pickled objects: every variable of the model (weights,
batch-norm statistics, the state of each dropout's random generator), every variable of the
optimiser (moments, step count), the average of the weights if there is one, the best weights so
far, and a JSON record of the epochs.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from utils.config.schema import TrainingSettings
from utils.errors import UserError
from utils.files import whole_file
from utils.training.average import WeightAverage

if TYPE_CHECKING:
    import keras

Arrays = list[np.ndarray]

_STATES = ("model", "optimizer", "average", "best")


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        history: one row of numbers per finished epoch.
        best_epoch: epoch, counted from 1, of the best weights; 0 before any epoch competed.
        best_value: the selection metric of that epoch.
        best_weights: weights of that epoch, in the model's order; empty before.
        seconds: time spent on the epochs so far, by this process and those before it.
        inputs: identity of what is learnt from.
    """

    history: list[dict[str, float]]
    best_epoch: int
    best_value: float | None
    best_weights: Arrays
    seconds: float = 0.0
    inputs: str = ""

    @classmethod
    def new(cls, inputs: str = "") -> "Progress":
        """Progress of a training that has not begun."""
        return cls(history=[], best_epoch=0, best_value=None, best_weights=[], inputs=inputs)

    def gave_up(self, settings: TrainingSettings) -> bool:
        """Whether so many competing epochs as ``patience`` have passed since the best one.

        It follows from the record alone, so a training that stopped stays stopped.
        """
        if settings.patience is None:
            return False
        since = max(self.best_epoch, settings.select.after_epoch)
        return len(self.history) - since >= settings.patience


def save(
    path: Path, model: "keras.Model", progress: Progress, average: WeightAverage | None = None
) -> None:
    """Write the state after an epoch, whole or not at all.

    Args:
        path: the checkpoint file.
        model: a compiled model whose optimiser is built.
        progress: what is known besides the variables.
        average: of the model's weights, if there is one.
    """
    arrays = {f"model_{i}": _value(v) for i, v in enumerate(model.variables)}
    arrays |= {f"optimizer_{i}": _value(v) for i, v in enumerate(model.optimizer.variables)}
    if average is not None:
        arrays |= {f"average_{i}": _value(v) for i, v in enumerate(average.variables)}
    arrays |= {f"best_{i}": array for i, array in enumerate(progress.best_weights)}
    record = {
        "history": progress.history,
        "best_epoch": progress.best_epoch,
        "best_value": progress.best_value,
        "seconds": progress.seconds,
        "inputs": progress.inputs,
    }
    arrays["record"] = np.frombuffer(json.dumps(record).encode("utf-8"), dtype=np.uint8)
    with whole_file(path) as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def restore(
    path: Path, model: "keras.Model", average: WeightAverage | None = None, *, inputs: str
) -> Progress | None:
    """Put a saved state back into a freshly compiled model.

    Args:
        path: the checkpoint file.
        model: the same network, compiled the same way; its optimiser is built here.
        average: of the model's weights, if they are averaged.
        inputs: identity of what is learnt from.

    Returns:
        The progress at the time of saving; None if something else was learnt from, and the model
        is as it was.

    Raises:
        UserError: when the file is damaged or belongs to another network.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            record: dict[str, Any] = json.loads(file["record"].tobytes())
            states = {name: _numbered(file, name) for name in _STATES}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(
            f"{path}: not a usable checkpoint ({error}); delete it to train anew."
        ) from error
    if record.get("inputs") != inputs:
        return None
    model.optimizer.build(model.trainable_variables)
    _assign(path, model.variables, states["model"])
    _assign(path, model.optimizer.variables, states["optimizer"])
    _assign(path, [] if average is None else average.variables, states["average"])
    return Progress(
        history=record["history"],
        best_epoch=record["best_epoch"],
        best_value=record["best_value"],
        best_weights=states["best"],
        seconds=record["seconds"],
        inputs=inputs,
    )


def _value(variable: Any) -> np.ndarray:
    import keras

    return keras.ops.convert_to_numpy(variable.value)


def _numbered(file: Any, name: str) -> Arrays:
    count = sum(key.startswith(f"{name}_") for key in file.files)
    return [file[f"{name}_{i}"] for i in range(count)]


def _assign(path: Path, variables: list[Any], arrays: Arrays) -> None:
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in arrays]:
        raise UserError(f"{path}: belongs to another network; delete it to train anew.")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
