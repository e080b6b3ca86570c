"""What a training and its predictions leave in a folder, read back."""

import csv
import json
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np

from utils import training
from utils.config.schema import TrainingSettings
from utils.errors import UserError
from utils.files import digest, read_json, whole_file, write_json
from utils.training.steps import NAME as STEPS

_WRITTEN = "metadata.json"  # in a .keras file: when it was written, and by which version
_LAYERS = "config.json"  # in a .keras file


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, whole or not at all, without pickles."""
    with whole_file(path) as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read what :func:`save_arrays` wrote."""
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def network_identity(path: Path) -> str:
    """What a network is, its layers and weights, whenever its file was written, by whatever set.

    Args:
        path: a ``.keras`` file.

    Raises:
        UserError: for a file that is no Keras model.
    """
    try:
        with zipfile.ZipFile(path) as file:
            names = sorted(set(file.namelist()) - {_WRITTEN, _LAYERS})
            contents = [(name, sha256(file.read(name)).hexdigest()) for name in names]
            layers = json.loads(file.read(_LAYERS)) if _LAYERS in file.namelist() else {}
    except (zipfile.BadZipFile, ValueError) as error:
        raise UserError(f"{path}: is not a Keras model or is damaged; train it again.") from error
    layers.get("config", {}).pop("name", None)  # that of the set that trained it
    return digest([contents, layers])


def read_history(folder: Path) -> list[dict[str, float]]:
    """One row of numbers per epoch, of ``history.csv``."""
    with (folder / "history.csv").open(encoding="utf-8", newline="") as stream:
        return [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)
        ]


def training_files(settings: TrainingSettings) -> tuple[str, ...]:
    """Names of the files in which a training is recorded.

    Args:
        settings: the section ``training``.
    """
    return ("history.csv", "training.json", *((STEPS,) if settings.log_steps else ()))


def write_best_epoch(folder: Path, epoch: int) -> None:
    """Write ``training.json``, by which a training is known to be over."""
    write_json(folder / "training.json", {"best_epoch": epoch})


def read_best_epoch(folder: Path) -> int:
    """Epoch, counted from 1, whose weights were kept, of ``training.json``."""
    return int(read_json(folder / "training.json")["best_epoch"])


def training_notes(folder: Path, settings: TrainingSettings) -> tuple[str, ...]:
    """What has to be said of a training, before or after it: none competed, it stopped early.

    Args:
        folder: where it leaves its record.
        settings: the section ``training``.
    """
    trained = (folder / "training.json").exists()
    epochs = len(read_history(folder)) if trained else settings.epochs
    told = (training.selection_note(settings), training.stopping_note(settings, epochs=epochs))
    return tuple(note for note in told if note)
