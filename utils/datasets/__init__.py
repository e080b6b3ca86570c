"""Data sets: every loader reads a published layout and gives folds of clips."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from utils.config.schema import AudioSettings, DatasetSettings
from utils.datasets.base import Clip, DataSet, Fold
from utils.datasets.checksums import RELEASES
from utils.datasets.csv_set import load_csv, load_csv_evaluation
from utils.datasets.dacon import load_dacon, load_dacon_evaluation
from utils.datasets.desed import load_desed, load_desed_evaluation
from utils.datasets.download import download
from utils.datasets.leaks import refuse_known
from utils.datasets.manifests import load_svoice
from utils.datasets.music import load_musdb, load_spleeter
from utils.datasets.speakers import load_speakers
from utils.datasets.tables import nearest
from utils.datasets.tau import EDITIONS
from utils.datasets.tau import load_development as _load_tau
from utils.datasets.tau import load_evaluation as _load_tau_evaluation
from utils.datasets.urban import PRESETS, load_preset, load_preset_evaluation
from utils.datasets.words import load_words
from utils.errors import DataError

__all__ = ["Clip", "DataSet", "Fold", "download", "evaluation_release", "load", "load_evaluation"]


@dataclass(frozen=True)
class Loader:
    """A loader of labelled data.

    Attributes:
        read: called with the settings, and by keyword ``root``, ``folds``, ``name`` and ``needs``.
        needs: what else it is given: ``audio`` (settings of the signal), ``cache`` (a folder for
            files that are made once).
    """

    read: Callable[..., DataSet]
    needs: tuple[Literal["audio", "cache"], ...] = ()


LOADERS: dict[str, Loader] = {
    **dict.fromkeys(EDITIONS, Loader(_load_tau)),
    **dict.fromkeys(PRESETS, Loader(load_preset, needs=("audio",))),
    "csv": Loader(load_csv),
    "dacon": Loader(load_dacon, needs=("audio",)),
    "desed": Loader(load_desed),
    "musdb": Loader(load_musdb),
    "speakers": Loader(load_speakers, needs=("audio", "cache")),
    "spleeter": Loader(load_spleeter),
    "svoice": Loader(load_svoice),
    "words": Loader(load_words, needs=("audio", "cache")),
}
"""Loader of labelled data by ``dataset.name``."""

EVALUATION_LOADERS: dict[str, Callable[..., tuple[Clip, ...]]] = {
    **dict.fromkeys(EDITIONS, _load_tau_evaluation),
    **{name: load_preset_evaluation for name, preset in PRESETS.items() if preset.evaluation},
    "csv": load_csv_evaluation,
    "dacon": load_dacon_evaluation,
    "desed": load_desed_evaluation,
}
"""Loader of unlabelled evaluation data by ``dataset.name``."""


def load(
    settings: DatasetSettings,
    *,
    audio: AudioSettings,
    root: Path,
    cache: Path,
    folds: int | None = None,
    name: str | None = None,
) -> DataSet:
    """Read a data set, check that it is complete, and divide it.

    Args:
        settings: which data set and how it is divided.
        audio: what a clip is once it is read; files that differ may get a note.
        root: its folder, or a folder that holds it under its published name.
        cache: folder for files that a loader makes once and reuses.
        folds: folds of cross-validation, made of the training clips; None: those of the data set.
        name: name of the result; the loader's name by default.

    Returns:
        Folds of training, validation and test clips.

    Raises:
        DataError: when something is missing or contradicts itself; the message names it.
    """
    loader = _loader(settings, LOADERS)
    if settings.subset is not None and settings.name not in EDITIONS:
        raise DataError(
            f"dataset.subset: only the tau_urban data sets have lists of {settings.subset} % of "
            "their training clips; leave it out."
        )
    if not settings.published_folds and settings.name not in ("csv", *PRESETS):
        raise DataError(
            f"dataset.published_folds: a '{settings.name}' set has none that could be drawn anew; "
            "leave it out."
        )
    offered = {"audio": audio, "cache": cache}
    needed = {need: offered[need] for need in loader.needs}
    return loader.read(settings, root=root, folds=folds, name=name or settings.name, **needed)


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
    if settings.name in LOADERS and settings.name not in EVALUATION_LOADERS:
        raise DataError(
            f"dataset.name: a '{settings.name}' set has no unlabelled clips for -m eval; name with"
            " --data a set that has them, or use -m predict with files."
        )
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


Entry = TypeVar("Entry")


def _loader(settings: DatasetSettings, loaders: dict[str, Entry]) -> Entry:
    if settings.name not in loaders:
        raise DataError(
            f"dataset.name: unknown data set '{settings.name}'. {nearest(settings.name, loaders)}"
        )
    return loaders[settings.name]
