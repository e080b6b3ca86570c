"""What a network that separates learns from: stretches of songs, or speakers mixed afresh."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils import pipeline
from utils.audio import at_rate, read_channels, read_facts
from utils.config.schema import SpeakerSettings
from utils.datasets import Clip, DataSet, Fold
from utils.datasets.mixture_folders import identity_of
from utils.datasets.speaker_levels import measure
from utils.errors import ConfigError, DataError
from utils.experiment.job import Job
from utils.experiment.needs import single_fold
from utils.features.heard import Heard
from utils.files import digest

if TYPE_CHECKING:
    import tensorflow as tf

MINIMUM_STEMS = 2


@dataclass(frozen=True)
class SeparationLearning:
    """Files of the fold as the pipeline takes them, and what a network hears of them.

    Attributes:
        job: the set and the data.
        fold: its only one.
        heard: what the network hears of samples.
        files: path to read instead of each path of the data set, all of one rate.
    """

    job: Job
    fold: Fold
    heard: Heard
    files: dict[Path, Path] = field(repr=False)

    @classmethod
    def prepared(
        cls, job: Job, heard: Heard, *, progress: Callable[[int, int], None] | None = None
    ) -> "SeparationLearning":
        """Bring the files of training and validation to one rate, once.

        Raises:
            AudioError: for a file that cannot be used.
        """
        fold = only_fold(job.data)
        clips = (*fold.train, *fold.validation)
        files = at_rate(
            (path for clip in clips for path in clip.files),
            sample_rate=heard.sample_rate,
            channels=heard.channels,
            folder=job.cache / "audio",
            progress=progress,
        )
        return cls(job, fold, heard, files)

    @cached_property
    def key(self) -> str:
        """Identity of what is learnt from, wherever it lies: size and time of every file.

        Raises:
            DataError: for a file that has vanished.
        """
        return self._key_of((*self.fold.train, *self.fold.validation))

    @cached_property
    def test_key(self) -> str:
        """The same of the test files."""
        return self._key_of(self.fold.test)

    def _key_of(self, clips: Sequence[Clip]) -> str:
        cache = self.job.cache
        states = [(c.name, [identity_of(path, cache=cache) for path in c.files]) for c in clips]
        return digest([self.job.data.identity, self.heard.sample_rate, states])

    @cached_property
    def source(self) -> pipeline.Drawn:
        """What training steps are drawn from."""
        if self.job.data.speakers is not None:
            return self._voices(self.job.data.speakers)
        return pipeline.Segments(
            tracks=self._tracks(self.fold.train),
            samples=self.heard.n_samples,
            channels=self.heard.channels,
            settings=self.job.settings.segments,
            have_more=self.job.data.have_more,
        )

    def _voices(self, settings: SpeakerSettings) -> pipeline.Voices:
        found, _ = measure(
            self.fold.train, sample_rate=self.heard.sample_rate, cache=self.job.cache
        )
        return pipeline.Voices(
            paths=tuple(self.files[clip.path] for clip in found.clips),
            frames=found.lengths,
            rms=found.rms,
            speakers=np.unique([clip.group or "" for clip in found.clips], return_inverse=True)[1],
            samples=self.heard.n_samples,
            settings=settings,
        )

    def _tracks(self, clips: Sequence[Clip]) -> tuple[pipeline.Track, ...]:
        return tuple(
            pipeline.Track(
                mixture=self.files[clip.path],
                stems=tuple(tuple(self.files[path] for path in stem) for stem in clip.stems),
                frames=read_facts(self.files[clip.path]).frames,
            )
            for clip in clips
        )

    def validation(self, number: int) -> Iterator[tuple[tuple[int, ...], np.ndarray, np.ndarray]]:
        """Validation stretches, so many at a time, read anew each time.

        Args:
            number: of stretches; the last may be fewer.

        Yields:
            Number of the file of each stretch, mixtures float32 (stretches, samples, channels) and
            stems (stretches, stems, samples, channels).
        """
        stretches = self._even_stretches()
        while together := list(islice(stretches, number)):
            files, mixtures, stems = zip(*together, strict=True)
            yield files, np.stack(mixtures), np.stack(stems)

    def _even_stretches(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """File, mixture and stems of each validation stretch; those of one file are in memory."""
        for number, track in enumerate(self._tracks(self.fold.validation)):
            found = pipeline.even_stretches(
                [track],
                number=self.job.settings.segments.validation,
                samples=self.heard.n_samples,
                channels=self.heard.channels,
            )
            yield from ((number, mixture, stems) for mixture, stems in zip(*found, strict=True))

    @property
    def steps(self) -> int:
        """Training batches of an epoch."""
        return pipeline.steps(self.source, self.job.settings.training.batch_size)

    def batches(self, first_epoch: int) -> "tf.data.Dataset":
        """Training batches of all epochs from the given one, as a network hears them."""
        settings = self.job.settings
        return pipeline.training_batches(
            self.source,
            batch_size=settings.training.batch_size,
            seed=settings.seed,
            first_epoch=first_epoch,
            epochs=settings.training.epochs,
            augment=lambda mixtures, stems, seed: (
                self.heard.inputs(mixtures),
                self.heard.targets(stems),
            ),
            memory_gb=settings.pipeline.memory_gb,
        )

    def examples(self, number: int, heard: Heard) -> np.ndarray:
        """What a network hears of some training stretches.

        Args:
            number: of stretches.
            heard: by the network; its segments may have another length than those of training.

        Returns:
            float32 (stretches, ...).
        """
        source = replace(self, heard=heard).source
        batch, _ = source.batch(number, seed=self.job.settings.seed, epoch=0, step=0)
        return heard(batch)


def read_whole(clip: Clip, heard: Heard) -> tuple[np.ndarray, np.ndarray]:
    """A whole file and its stems at a network's rate.

    Args:
        clip: with its stems.
        heard: rate and channels.

    Returns:
        Mixture float32 (samples, channels) and stems (stems, samples, channels), which are cut or
        extended by silence to the length of the mixture.

    Raises:
        AudioError: when a file cannot be used.
    """
    rate = {"sample_rate": heard.sample_rate, "channels": heard.channels}
    mixture = read_channels(clip.path, **rate)
    stems = np.zeros((len(clip.stems), *mixture.shape), np.float32)
    for total, paths in zip(stems, clip.stems, strict=True):
        for path in paths:
            part = read_channels(path, **rate)[: len(mixture)]
            total[: len(part)] += part
    return mixture, stems


def only_fold(data: DataSet) -> Fold:
    """The fold of a data set of mixtures, which has one.

    Raises:
        ConfigError: when it has several, or does not know what its clips are made of.
        DataError: when a part is empty.
    """
    fold = single_fold(data, "networks that separate")
    mixtures = (*fold.validation, *fold.test, *(() if data.speakers else fold.train))
    if any(len(clip.stems) < MINIMUM_STEMS for clip in mixtures):
        raise ConfigError(
            f"dataset.name: {data.name} does not tell what its clips are made of; take musdb, "
            "spleeter, speakers or svoice."
        )
    for name in ("train", "validation", "test"):
        if not getattr(fold, name):
            raise DataError(f"{fold.name}: has no {name} files; see dataset.validation.")
    return fold
