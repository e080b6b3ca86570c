"""What every data set becomes: clips, folds of clips, and the data set itself."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from utils.errors import DataError
from utils.files import digest


@dataclass(frozen=True)
class Clip:
    """One audio file of a data set.

    Attributes:
        name: the file as the data set lists it, such as ``audio/airport-lyon-5-3-a.wav``.
        path: where it lies on this machine.
        labels: its classes; empty where they are unknown (evaluation sets).
        group: location, speaker or source recording, never on both sides of a split.
        device: the recording device, where it is known.
        city: the city, where it is known.
    """

    name: str
    path: Path
    labels: tuple[str, ...] = ()
    group: str | None = None
    device: str | None = None
    city: str | None = None


@dataclass(frozen=True)
class Fold:
    """One division of a data set into three parts.

    Attributes:
        name: such as ``fold1``.
        train: training clips, without the validation clips.
        validation: clips that choose the epoch and the thresholds.
        test: clips that are only scored.
    """

    name: str
    train: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    test: tuple[Clip, ...]

    @property
    def clips(self) -> tuple[Clip, ...]:
        """All clips: training, validation, test."""
        return self.train + self.validation + self.test


@dataclass(frozen=True)
class DataSet:
    """A labelled data set, ready to be used.

    Attributes:
        name: the loader's name, or ``demo`` on demo data.
        classes: class names in the order of the network's outputs.
        folds: at least one fold.
        notes: what a user should know (leaks, rows left out), one sentence each.
        unseen_devices: devices of test clips that no training clip has, sorted.
    """

    name: str
    classes: tuple[str, ...]
    folds: tuple[Fold, ...]
    notes: tuple[str, ...] = ()
    unseen_devices: tuple[str, ...] = ()

    @cached_property
    def clips(self) -> tuple[Clip, ...]:
        """Every clip of all folds once, sorted by name."""
        unique = {clip.name: clip for fold in self.folds for clip in fold.clips}
        return tuple(unique[name] for name in sorted(unique))

    @cached_property
    def identity(self) -> str:
        """Digest of classes, names, labels, folds and file sizes, independent of the root.

        Raises:
            DataError: when a file has vanished since the data set was loaded.
        """
        return digest(
            {
                "classes": self.classes,
                "clips": [(clip.name, clip.labels, _size(clip)) for clip in self.clips],
                "folds": [
                    [fold.name] + [[clip.name for clip in part] for part in _parts(fold)]
                    for fold in self.folds
                ],
            }
        )


def _parts(fold: Fold) -> tuple[tuple[Clip, ...], ...]:
    return fold.train, fold.validation, fold.test


def _size(clip: Clip) -> int:
    try:
        return clip.path.stat().st_size
    except OSError as error:
        raise DataError(
            f"{clip.path}: the audio file has vanished; restore the data set."
        ) from error
