"""What the teachers of a fold say of its training clips, computed once, and who learns from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils import inference
from utils.config.distillation_section import DistillationSettings
from utils.console import bar
from utils.datasets import Clip
from utils.errors import ConfigError, DataError
from utils.experiment.job import Job
from utils.experiment.records import load_arrays, save_arrays
from utils.experiment.teachers import SETTING, model_identity
from utils.features import extract
from utils.files import digest
from utils.targets import LABELS, TEACHER

if TYPE_CHECKING:
    import keras

_BLOCK = 256  # clips whose features are in memory at once
_TRIED = 4  # clips of noise by which a network is looked at
_SUM_ERROR = 1e-2  # of probabilities in half precision


@dataclass(frozen=True)
class Teachers:
    """The networks that teach in a fold.

    Attributes:
        job: the student's set and data.
        settings: how it learns from them.
        models: their files, with metadata beside them.
    """

    job: Job
    settings: DistillationSettings
    models: tuple[Path, ...]

    @classmethod
    def of(cls, job: Job, place: str) -> "Teachers | None":
        """The teachers of a set in a fold; None for a set without.

        Args:
            job: the student's set and data.
            place: sub-folder of the fold in a run; empty where there is one network.

        Raises:
            UserError: when one of them has no network of that fold.
        """
        settings = job.settings.training.distillation
        if settings is None:
            return None
        return cls(job, settings, tuple(teacher.model(place) for teacher in job.teachers))

    @cached_property
    def key(self) -> str:
        """Identity of the teachers; how they are listened to is among the settings."""
        return digest([model_identity(path) for path in self.models])

    def beside(self, labels: np.ndarray, clips: Sequence[Clip]) -> dict[str, np.ndarray]:
        """Labels, and what the teachers say together at the temperature, by name.

        Args:
            labels: float32 (clips, classes).
            clips: training clips of the fold.

        Raises:
            DataError: for a clip whose audio a teacher's front end cannot use, and for an answer
                that is no probabilities.
        """
        from models.distillation import softened

        told = np.stack([self._told(path, clips) for path in self.models])
        settings = self.settings
        together = softened(
            told, temperature=settings.temperature, weights=settings.teacher_weights
        )
        return {LABELS: labels, TEACHER: together}

    def _told(self, path: Path, clips: Sequence[Clip]) -> np.ndarray:
        """Probabilities by one teacher, float32 (clips, classes); from the cache if they are there.

        They are those of the network alone: shifts and calibration of its set may change without a
        new training, and calibration would be a temperature of its own.
        """
        whole = inference.FilePredictor.of(inference.load_predictor(path))
        with bar(self.job.console, "  clips") as progress:
            store = extract(  # of all clips, as the teacher's run did: so it is found
                self.job.data.clips,
                whole.representation,
                audio=whole.audio,
                folder=self.job.cache,
                jobs=self.job.settings.pipeline.jobs,
                progress=progress,
            )
        reasons = {bad.name: bad.reason for bad in store.bad}
        for clip in clips:
            if not store.contains(clip):
                reason = reasons.get(clip.name, "it is not among the clips of the data set.")
                raise DataError(
                    f"{clip.name}: cannot be used by the teacher {path}: {reason} Or "
                    f"leave the teacher out of {SETTING}."
                )
        names = [clip.name for clip in clips]
        key = digest([model_identity(path), store.key, names], length=16)
        saved = self.job.cache / "teachers" / f"{key}.npz"
        if saved.exists():
            found = load_arrays(saved)["probabilities"]
            _require_probabilities(found, names, path)
            return found
        rows, parts = store.rows(clips), []
        with bar(self.job.console, "  clips for the teacher") as progress:
            for first in range(0, len(rows), _BLOCK):
                features = store.array[rows[first : first + _BLOCK]]
                if whole.normaliser is not None:
                    features = whole.normaliser(features)
                parts.append(whole.predictor(np.asarray(features)))
                progress(min(first + _BLOCK, len(rows)), len(rows))
        found = np.concatenate(parts)
        _require_probabilities(found, names, path)
        save_arrays(saved, {"probabilities": found})
        return found

    def taking(self, build: "Callable[[], keras.Model]") -> "Callable[[], keras.Model]":
        """Make what builds a network build one that learns from the teachers too."""
        from models.distillation import Student

        settings = self.settings
        return lambda: Student(build(), temperature=settings.temperature, weight=settings.weight)

    def graduated(self, student: "keras.Model") -> "keras.Model":
        """The network of a student."""
        return student.network


def require_teachable(job: Job, network: "keras.Model") -> None:
    """Refuse a set whose network cannot learn from teachers.

    Args:
        job: its set and data.
        network: built, trained or not.

    Raises:
        ConfigError: for training clips that no teacher can have answered beforehand, and where
            the network or a teacher gives no probabilities.
    """
    if job.settings.training.distillation is None:
        return
    if job.data.mixing is not None:
        raise ConfigError(
            "training.distillation: the training clips are mixed afresh in every epoch, so no "
            "teacher can answer them once; set dataset.mixing.fresh to false, or leave it out."
        )
    said = np.asarray(network(_noise(network.input_shape[1:]), training=False))
    if (wrong := _wrong(said)) is not None:
        raise ConfigError(
            "training.distillation: what the network gives for a clip are no probabilities, they "
            f"{wrong[1]}; let it end in a softmax."
        )
    place = job.data.folds[0].name if len(job.data.folds) > 1 else ""
    for teacher in job.teachers:
        predictor = inference.load_predictor(teacher.model(place))
        if (wrong := _wrong(predictor(_noise(predictor.input_shape)))) is not None:
            raise ConfigError(
                f"{SETTING}: what {teacher.name} gives for a clip are no probabilities, they "
                f"{wrong[1]}; name a teacher that ends in a softmax ({predictor.path})."
            )


def _noise(shape: Sequence[int]) -> np.ndarray:
    """Clips by which a network is looked at, float32 (clips, *shape)."""
    return np.random.default_rng(0).standard_normal((_TRIED, *shape)).astype(np.float32)


def _wrong(said: np.ndarray) -> tuple[int, str] | None:
    """The first clip whose answer is no probabilities, and why; None where all are.

    Args:
        said: of clips (clips, ...).
    """
    rows = np.asarray(said, np.float64).reshape(len(said), -1)
    sums = rows.sum(axis=1)
    good = (rows >= 0).all(axis=1) & (np.abs(sums - 1.0) <= _SUM_ERROR)
    if good.all():
        return None
    clip = int(np.argmin(good))
    if not np.isfinite(rows[clip]).all():
        return clip, "are not finite"
    summed = abs(sums[clip] - 1.0) <= _SUM_ERROR
    return clip, "reach below 0" if summed else f"sum to {sums[clip]:.3g}"


def _require_probabilities(found: np.ndarray, names: Sequence[str], path: Path) -> None:
    """Refuse answers of a teacher that could not be softened."""
    if (wrong := _wrong(found)) is not None:
        raise DataError(
            f"{names[wrong[0]]}: what the teacher {path} says of it are no probabilities, they "
            f"{wrong[1]}; train it again to end in a softmax, or leave it out of {SETTING}."
        )


def teachers_note(job: Job) -> str | None:
    """Who taught, for the reader of the scores; None for a set without teachers."""
    settings = job.settings.training.distillation
    if settings is None:
        return None
    counted = [f", counted {weight:g}" for weight in settings.teacher_weights or ()]
    told = ", ".join(
        f"{one.name} ({one.folder.name}{count})"
        for one, count in zip(job.teachers, counted or [""] * len(job.teachers), strict=True)
    )
    return (
        f"{SETTING}: learnt from labels and from {told}, with weight {settings.weight:g} at "
        f"temperature {settings.temperature:g}."
    )
