"""Data sets: every loader reads a published layout and gives folds of clips."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from utils.config.schema import DatasetSettings
from utils.datasets.base import Clip, DataSet, Fold
from utils.datasets.checksums import RELEASES
from utils.datasets.csv_set import load_csv, load_csv_evaluation
from utils.datasets.download import download
from utils.datasets.leaks import refuse_known
from utils.datasets.tables import nearest
from utils.datasets.tau import EDITIONS
from utils.datasets.tau import load_development as _load_tau
from utils.datasets.tau import load_evaluation as _load_tau_evaluation
from utils.errors import DataError

__all__ = ["Clip", "DataSet", "Fold", "download", "evaluation_release", "load", "load_evaluation"]

LOADERS: dict[str, Callable[..., DataSet]] = {
    **dict.fromkeys(EDITIONS, _load_tau),
    "csv": load_csv,
}
"""Loader of labelled data by ``dataset.name``."""

EVALUATION_LOADERS: dict[str, Callable[..., tuple[Clip, ...]]] = {
    **dict.fromkeys(EDITIONS, _load_tau_evaluation),
    "csv": load_csv_evaluation,
}
"""Loader of unlabelled evaluation data by ``dataset.name``."""


def load(settings: DatasetSettings, *, root: Path, name: str | None = None) -> DataSet:
    """Read a data set, check that it is complete, and divide it.

    Args:
        settings: which data set and how it is divided.
        root: its folder, or a folder that holds it under its published name.
        name: name of the result; the loader's name by default.

    Returns:
        Folds of training, validation and test clips.

    Raises:
        DataError: when something is missing or contradicts itself; the message names it.
    """
    return _loader(settings, LOADERS)(settings, root=root, name=name or settings.name)


def load_evaluation(
    settings: DatasetSettings, *, root: Path, known: Sequence[Clip] = ()
) -> tuple[Clip, ...]:
    """Read the unlabelled evaluation clips that belong to a data set.

    Args:
        settings: which data set; 2020 TAU sets are ranked on the 2021 evaluation set.
        root: the evaluation set's folder, one that holds it under its published name, or the
            development set beside it; for csv sets the folder of the table.
        known: labelled clips, none of which may be among them.

    Raises:
        DataError: when something is missing, or a clip is known.
    """
    clips = _loader(settings, EVALUATION_LOADERS)(settings, root=root)
    refuse_known(clips, known)
    return clips


def evaluation_release(name: str) -> str:
    """Name under which :func:`download` has the evaluation set that belongs to a data set.

    Raises:
        DataError: when there is none.
    """
    folder = EDITIONS[name].evaluation if name in EDITIONS else None
    for release, content in RELEASES.items():
        if content.folder == folder:
            return release
    raise DataError(f"there is no evaluation set to download for data set '{name}'.")


Loader = TypeVar("Loader")


def _loader(settings: DatasetSettings, loaders: dict[str, Loader]) -> Loader:
    if settings.name not in loaders:
        raise DataError(
            f"dataset.name: unknown data set '{settings.name}'. {nearest(settings.name, loaders)}"
        )
    return loaders[settings.name]
