"""What a training and its predictions leave in a folder, read back."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from utils.files import read_json, whole_file


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, whole or not at all, without pickles."""
    with whole_file(path) as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read what :func:`save_arrays` wrote."""
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def read_history(folder: Path) -> list[dict[str, float]]:
    """One row of numbers per epoch, of ``history.csv``."""
    with (folder / "history.csv").open(encoding="utf-8", newline="") as stream:
        return [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)
        ]


def read_best_epoch(folder: Path) -> int:
    """Epoch, counted from 1, whose weights were kept, of ``training.json``."""
    return int(read_json(folder / "training.json")["best_epoch"])
