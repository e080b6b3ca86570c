"""Where batches come from: clips of an array, or clips that are mixed of its words."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import numpy as np

from utils import mixing
from utils.config.schema import MixingSettings

Targets = np.ndarray | dict[str, np.ndarray] | None

TRIAL = 256  # clips drawn to find out whether such clips can be drawn at all
BLOCK = 64  # clips of a sample whose words are in memory at once
_TRAINING, _SAMPLE = 0, 1  # streams of random numbers


class Drawn(Protocol):
    """Training clips that are drawn anew for every step, from (seed, epoch, step) alone."""

    @property
    def per_epoch(self) -> int:
        """Clips of an epoch."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shape of a clip, and of its targets."""

    @property
    def clip_bytes(self) -> int:
        """Memory of what is read for a clip."""

    def held(self, limit_bytes: float) -> Self:
        """The same, in memory where what is read takes no more than so many bytes."""

    def batch(
        self, count: int, *, seed: int, epoch: int, step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Clips of a step and their targets, float32 (count, ...) both."""


@dataclass(frozen=True)
class Source:
    """Clips of an array, and what is to be predicted for them.

    Attributes:
        array: (clips, ...), in memory or a ``np.memmap``.
        rows: int64 (rows,), the clips that are used, in the order of ``targets``.
        targets: Array or dict of arrays whose first axis is that of ``rows``; None for clips
            without labels.
        groups: Where each training batch has so many clips of each group: number of rows of each
            group, in the order of ``rows``, and clips of it in a batch. An epoch ends with the
            group that is used up first. Empty: batches take any clips.
        beside: More of the clips, by name, each with the first axis of ``array``; what is read of
            them joins the targets. They may be larger than memory.

    Raises:
        ValueError: If a row lies outside the array, the targets are not as many as the rows, or
            groups do not fill the rows or a batch.
    """

    array: np.ndarray
    rows: np.ndarray
    targets: Targets = None
    groups: tuple[tuple[int, int], ...] = ()
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def per_epoch(self) -> int:
        """Clips of an epoch, where there are no groups."""
        return len(self.rows)

    def __post_init__(self) -> None:
        """Refuse rows and targets that do not fit."""
        _check_rows(self.array, self.rows)
        targets = self.targets if isinstance(self.targets, dict) else {"targets": self.targets}
        for name, values in targets.items():
            if values is not None and len(values) != len(self.rows):
                raise ValueError(f"{len(values)} {name} for {len(self.rows)} rows")
        if self.beside and not isinstance(self.targets, dict):
            raise ValueError("arrays beside the clips join a dict of targets, and there is none")
        for name, array in self.beside.items():
            if len(array) != len(self.array):
                raise ValueError(f"{len(array)} rows of {name} for {len(self.array)} clips")
        if self.groups:
            if sum(rows for rows, _ in self.groups) != len(self.rows):
                raise ValueError(f"groups {self.groups} for {len(self.rows)} rows")
            if any(not 1 <= clips <= rows for rows, clips in self.groups):
                raise ValueError(f"groups {self.groups}: fewer rows than clips in a batch, or none")


@dataclass(frozen=True)
class Mixtures:
    """Isolated words of an array, of which clips are mixed; for each epoch other ones.

    Attributes:
        array: float32 (words, samples), in memory or a ``np.memmap``.
        rows: int64 (rows,), the words that are used.
        classes: int64 (rows,), class of each of them, from 0.
        speakers: int64 (rows,), speaker of each.
        class_count: Number of classes, the second axis of the targets.
        settings: How many words a clip has, and what is drawn for each.
        sample_rate: Of the words, in hertz.

    Raises:
        ValueError: If rows, classes and speakers do not fit together or to the array.
        DataError: If there are too few words or speakers for such clips.
    """

    array: np.ndarray
    rows: np.ndarray
    classes: np.ndarray
    speakers: np.ndarray
    class_count: int
    settings: MixingSettings
    sample_rate: int

    def __post_init__(self) -> None:
        """Refuse parts that do not fit, and words of which no clip can be mixed."""
        if self.array.ndim != 2 or self.array.dtype != np.float32:
            raise ValueError(
                f"words {self.array.dtype} {self.array.shape}, not float32 of two axes"
            )
        _check_rows(self.array, self.rows)
        for name, values in (("classes", self.classes), ("speakers", self.speakers)):
            if len(values) != len(self.rows):
                raise ValueError(f"{len(values)} {name} for {len(self.rows)} rows")
        if len(self.classes) and not 0 <= self.classes.min() <= self.classes.max() < (
            self.class_count
        ):
            raise ValueError(
                f"classes {self.classes.min()} to {self.classes.max()} of {self.class_count}"
            )
        self.draw(np.random.default_rng(0), TRIAL)  # inside tf.data the sentence would be lost

    @property
    def per_epoch(self) -> int:
        """Clips of an epoch."""
        return self.settings.train

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(samples,) of a clip, (classes,) of its targets."""
        return self.array.shape[1:], (self.class_count,)

    @property
    def clip_bytes(self) -> int:
        """Memory of the words of a clip."""
        return self.settings.words * self.array.shape[1] * self.array.itemsize

    def held(self, limit_bytes: float) -> "Mixtures":
        """The same; the words that are used in memory, if all of the array would fit."""
        if self.array.nbytes > limit_bytes:
            return self
        words = np.asarray(self.array[self.rows])
        return replace(self, array=words, rows=np.arange(len(words)))

    def batch(
        self, count: int, *, seed: int, epoch: int, step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mix the training clips of a step; waveforms and targets as :meth:`mix`."""
        return self.mix(self.draw(generator(seed, _TRAINING, epoch, step), count))

    def draw(self, rng: np.random.Generator, count: int) -> mixing.Recipes:
        """Draw what clips are mixed of; the recipes' rows are places in ``rows``."""
        return mixing.draw(
            rng,
            count,
            words=self.classes,
            speakers=self.speakers,
            number=self.settings.words,
            repeat_words=self.settings.repeat_words,
            repeat_speakers=self.settings.repeat_speakers,
            level_db=self.settings.level_db,
            shift_seconds=self.settings.shift_seconds,
        )

    def mix(self, recipes: mixing.Recipes) -> tuple[np.ndarray, np.ndarray]:
        """Mix clips: waveforms float32 (clips, samples), targets float32 (clips, classes)."""
        words = np.asarray(self.array[self.rows[recipes.rows]])
        waveforms = mixing.mix(
            words, recipes.gains_db, recipes.shifts, sample_rate=self.sample_rate
        )
        return waveforms, mixing.shares(self.classes[recipes.rows], classes=self.class_count)


def sample(mixtures: Mixtures, count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mix a fixed sample, apart from all training clips: for statistics and for calibration.

    Args:
        mixtures: Words to mix.
        count: Number of clips.
        seed: The run's, at least 0.

    Returns:
        Waveforms float32 (count, samples) and targets float32 (count, classes).
    """
    recipes = mixtures.draw(generator(seed, _SAMPLE), count)
    waveforms = np.empty((count, mixtures.array.shape[1]), np.float32)
    targets = np.empty((count, mixtures.class_count), np.float32)
    for start in range(0, count, BLOCK):
        part = slice(start, start + BLOCK)
        waveforms[part], targets[part] = mixtures.mix(
            mixing.Recipes(recipes.rows[part], recipes.gains_db[part], recipes.shifts[part])
        )
    return waveforms, targets


def generator(seed: int, *stream: int) -> np.random.Generator:
    """Random numbers of their own for each seed and stream."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=stream))


def _check_rows(array: np.ndarray, rows: np.ndarray) -> None:
    """Refuse rows that the array does not have."""
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(array):
        raise ValueError(f"rows {rows.min()} to {rows.max()} of an array of {len(array)} clips")
