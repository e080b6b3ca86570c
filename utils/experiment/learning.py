"""What a fold learns from: stored clips, or isolated words that are mixed afresh in each epoch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils import pipeline, targets, training
from utils.augment import Augment, asked_devices, chain
from utils.config.feature_sections import NormaliseSettings
from utils.config.schema import TrainingSettings
from utils.console import bar
from utils.datasets import Clip, Fold
from utils.datasets.mixture_folders import identity_of
from utils.experiment.augmentation import located_steps, responses_state
from utils.experiment.distillation import Teachers
from utils.experiment.job import Job
from utils.features import (
    AnyNormaliser,
    FeatureStore,
    Normaliser,
    Representation,
    Waveform,
    extract,
    normaliser_of,
)
from utils.features.graph import front_end
from utils.files import digest
from utils.pipeline.sources import Targets
from utils.targets import DEVICE, LABELS

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

STATISTICS_CLIPS = 2000  # mixtures by which features are normalised
_BLOCK = 256  # clips whose features are in memory at once


def stored(job: Job, representation: Representation, clips: Sequence[Clip]) -> FeatureStore:
    """Features of clips: found, or computed in parallel with a bar on the console."""
    settings = job.settings
    with bar(job.console, "  clips") as progress:
        return extract(
            clips,
            representation,
            audio=settings.audio,
            folder=job.cache,
            jobs=settings.pipeline.jobs,
            progress=progress,
        )


@dataclass(frozen=True)
class ClipFeatures:
    """Features of all clips, and the waveforms where training acts on them.

    Attributes:
        representation: what the network sees of a clip.
        store: that representation of every clip (without words that are only mixed).
        waveforms: samples of the training clips; None where nothing acts on waveforms.
    """

    representation: Representation
    store: FeatureStore
    waveforms: FeatureStore | None

    @property
    def key(self) -> str:
        """Identity of the features: parameters, and name, size and time of every file."""
        return "-".join(store.key for store in self.stores)

    @property
    def stores(self) -> tuple[FeatureStore, ...]:
        """Of the features, and of the waveforms if there are any."""
        return (self.store,) if self.waveforms is None else (self.store, self.waveforms)

    def usable(self, clips: Sequence[Clip]) -> tuple[Clip, ...]:
        """Leave out clips whose audio could not be used."""
        return self.store.usable(clips)

    def learnable(self, clips: Sequence[Clip]) -> tuple[Clip, ...]:
        """Leave out training clips whose audio could not be used."""
        return (self.store if self.waveforms is None else self.waveforms).usable(clips)


@dataclass(frozen=True)
class Learning:
    """Training and validation clips of a fold as the pipeline takes them.

    Attributes:
        job: the set and the data.
        fold: training and validation clips.
        features: of all clips.
        teachers: whose answers are learnt beside the labels; None: there are none.
    """

    job: Job
    fold: Fold
    features: ClipFeatures
    teachers: Teachers | None = None

    @cached_property
    def key(self) -> str:
        """Identity of what is learnt from: the parameters, and every training and validation clip.

        That of the teachers belongs to it.

        Raises:
            DataError: for a file that has vanished.
        """
        clips = (*self.fold.train, *self.fold.validation)
        key = learnt_key(self.job, self.features.stores, clips)
        return self._with_others(key)

    @property
    def stage_key(self) -> str:
        """The same by the features of all clips, for the record of stages."""
        return self._with_others(self.features.key)

    def _with_others(self, key: str) -> str:
        """A key, and the identities of impulse responses and teachers."""
        taught = "" if self.teachers is None else f"-{self.teachers.key}"
        return f"{key}{responses_state(self.job)}{taught}"

    @cached_property
    def source(self) -> pipeline.Source | pipeline.Mixtures:
        """The training clips: waveforms where training acts on them, else features."""
        mixing, waveforms = self.job.data.mixing, self.features.waveforms
        clips = self.features.learnable(self.fold.train)
        store = self.features.store if waveforms is None else waveforms
        rows = store.rows(clips)
        if mixing is None:
            return pipeline.Source(store.array, rows, self._training_targets(clips))
        return pipeline.Mixtures(
            array=store.array,
            rows=rows,
            classes=_numbers([clip.labels[0] for clip in clips], self.job.data.classes),
            speakers=_numbers([clip.group for clip in clips]),
            class_count=len(self.job.data.classes),
            settings=mixing,
            sample_rate=self.job.settings.audio.sample_rate,
        )

    @property
    def validation(self) -> pipeline.Source:
        """The validation clips' features."""
        clips = self.features.usable(self.fold.validation)
        store = self.features.store
        return pipeline.Source(store.array, store.rows(clips), self._targets(clips))

    def _targets(self, clips: Sequence[Clip]) -> np.ndarray:
        return targets.encode(clips, classes=self.job.data.classes, kind=self.job.target)

    def _training_targets(self, clips: Sequence[Clip]) -> Targets:
        """Labels; with what teachers say and the clips' devices, where they are asked for."""
        asked, labels = asked_devices(self.job.settings.augment), self._targets(clips)
        found = {LABELS: labels}
        if self.teachers is not None:
            found = self.teachers.beside(labels, clips)
        if asked:
            places = {name: place for place, name in enumerate(asked)}
            devices = [places.get(clip.device or "", -1) for clip in clips]
            found[DEVICE] = np.array(devices, dtype=np.int32)
        return found if len(found) > 1 else labels

    def fit_normaliser(self) -> AnyNormaliser | None:
        """The normaliser of the settings, with the statistics of the training clips."""
        settings, store = self.job.settings.features.normalise, self.features.store
        if self.job.data.mixing is None or settings.method != "mean_std":
            return normaliser_for(self.fold, store, settings)
        validation = self.fold.validation if settings.clips == "train_and_validation" else ()
        known = np.asarray(store.array[store.rows(self.features.usable(validation))])
        mixed = np.concatenate([self._mixed_features(STATISTICS_CLIPS), known])
        return Normaliser.fit(mixed, np.arange(len(mixed)))

    def examples(self, number: int) -> np.ndarray:
        """Features of some training clips, not normalised, float32 (clips, ...)."""
        if self.job.data.mixing is not None:
            return self._mixed_features(number)
        clips = self.features.usable(self.fold.train)
        chosen = drawn(clips, number, seed=self.job.settings.seed)
        return np.asarray(self.features.store.array[self.features.store.rows(chosen)])

    def _mixed_features(self, number: int) -> np.ndarray:
        """Features of mixtures that no epoch trains on, float32 (clips, ...)."""
        assert isinstance(self.source, pipeline.Mixtures)  # noqa: S101 - for the type checker
        samples, _ = pipeline.sample(self.source, number, seed=self.job.settings.seed)
        representation = self.features.representation
        return np.stack([representation(clip) for clip in samples])

    def fit(
        self,
        build: "Callable[[], keras.Model]",
        settings: TrainingSettings,
        *,
        normaliser: AnyNormaliser | None,
        folder: Path,
        tensorboard: Path | None,
        start: str = "",
        callbacks: Sequence[Any] = (),
    ) -> training.Trained:
        """Train a network on the clips, or go on with a training that was cut off.

        Args:
            build: makes the network.
            settings: of this training; the set's own, or those of one that follows it.
            normaliser: of features.
            folder: of checkpoint and history.
            tensorboard: folder of TensorBoard logs, if wanted.
            start: identity of the network whose weights it starts from; none: of drawn ones.
            callbacks: as for :func:`utils.training.fit`.
        """
        prepare_training, _ = self.preparations(normaliser)
        memory_gb, seed = self.job.settings.pipeline.memory_gb, self.job.settings.seed
        # what follows a training has an order, mixtures and augmentation of its own
        drawn = int(digest([seed, folder.name], length=7), base=16) if start else seed
        teachers = self.teachers
        training.require_devices(settings, clips=self.source.per_epoch)
        trained = training.fit(
            build if teachers is None else teachers.taking(build),
            lambda first_epoch: pipeline.training_batches(
                self.source, batch_size=settings.batch_size, seed=drawn,
                first_epoch=first_epoch, epochs=settings.epochs,
                prepare=prepare_training, augment=self.augment, memory_gb=memory_gb,
            ),
            self.validation_batches(normaliser),
            steps=pipeline.steps(self.source, settings.batch_size),
            settings=settings, folder=folder, seed=seed,
            inputs=self.key + start,
            console=self.job.console,
            tensorboard=tensorboard, callbacks=callbacks,
        )  # fmt: skip
        if teachers is None:
            return trained
        return replace(trained, model=teachers.graduated(trained.model))

    def validation_batches(self, normaliser: AnyNormaliser | None) -> "tf.data.Dataset":
        """What a network sees of the validation clips, and their targets, in order."""
        _, prepare = self.preparations(normaliser)
        return pipeline.evaluation_batches(
            self.validation, batch_size=self.job.settings.evaluation.batch_size,
            prepare=prepare, memory_gb=self.job.settings.pipeline.memory_gb,
        )  # fmt: skip

    def validation_answers(
        self, ask: Callable[[np.ndarray], np.ndarray], normaliser: AnyNormaliser | None
    ) -> np.ndarray:
        """What a network says of the validation clips, in order, (clips, classes).

        Args:
            ask: gives the answers to a batch of normalised features.
            normaliser: of the features.
        """
        batches = self.validation_batches(normaliser).as_numpy_iterator()
        return np.concatenate([ask(seen) for seen, _ in batches])

    def validation_scores(self, said: np.ndarray) -> dict[str, float]:
        """Loss and metrics of such answers, named as in history.csv."""
        truth = np.asarray(self.validation.targets)
        return training.scores_of(self.job.settings.training, truth, said)

    def preparations(
        self, normaliser: AnyNormaliser | None
    ) -> "tuple[Callable[[tf.Tensor], tf.Tensor], Callable[[tf.Tensor], tf.Tensor]]":
        """TensorFlow functions from rows to what the network sees: of training, of other clips."""
        representation = self.features.representation
        from_waveforms = self.features.waveforms is not None
        stored = _preparation(representation, normaliser, from_waveforms=False)
        return _preparation(representation, normaliser, from_waveforms=from_waveforms), stored

    @property
    def augment(self) -> Augment | None:
        """The set's augmentations as one TensorFlow function; None without any."""
        return chain(located_steps(self.job), sample_rate=self.job.settings.audio.sample_rate)


def blocks(clips: Sequence[Clip]) -> Iterator[Sequence[Clip]]:
    """Clips, as many at a time as have their features in memory at once."""
    for first in range(0, len(clips), _BLOCK):
        yield clips[first : first + _BLOCK]


def _preparation(
    representation: Representation,
    normaliser: AnyNormaliser | None,
    *,
    from_waveforms: bool,
) -> "Callable[[tf.Tensor], tf.Tensor]":
    import tensorflow as tf

    spectrogram = front_end(representation) if from_waveforms else tf.identity

    def prepare(batch: "tf.Tensor") -> "tf.Tensor":
        features = spectrogram(batch)
        if normaliser is not None:
            features = normaliser(features)
        return tf.reshape(features, (-1, *representation.input_shape))

    return prepare


def learnt_key(job: Job, stores: Sequence[FeatureStore], clips: Sequence[Clip]) -> str:
    """Identity of features of some clips, wherever the files lie.

    Args:
        job: the set and the data.
        stores: of the features.
        clips: those that are learnt from.

    Raises:
        DataError: for a file that has vanished.
    """
    states = [(clip.name, identity_of(clip.path, cache=job.cache)) for clip in clips]
    return digest([[store.parameters for store in stores], states])


def drawn(clips: Sequence[Clip], number: int, *, seed: int) -> list[Clip]:
    """Some clips, or all where there are fewer, in the order in which they stand."""
    order = np.random.default_rng(seed).permutation(len(clips))
    return [clips[i] for i in sorted(order[:number])]


def normaliser_for(
    fold: Fold, store: FeatureStore, settings: NormaliseSettings
) -> AnyNormaliser | None:
    """The normaliser of the settings, with the statistics of the fold's clips if it has any."""
    if settings.method != "mean_std":
        return normaliser_of(settings.method, None)
    both = settings.clips == "train_and_validation"
    clips = store.usable((*fold.train, *(fold.validation if both else ())))
    return Normaliser.fit(store.array, store.rows(clips))


def needs_waveforms(job: Job) -> bool:
    """Whether training acts on samples, so that features cannot be computed beforehand."""
    return bool(job.settings.augment) or job.data.mixing is not None


def waveform_of(representation: Representation) -> Waveform:
    """The samples from which a representation is computed."""
    return Waveform(representation.sample_rate, representation.n_samples)


def _numbers(names: Sequence[str | None], order: Sequence[str] | None = None) -> np.ndarray:
    """Number of each name in ``order``, or in their sorted order, int64 (names,)."""
    known = order or sorted({name or "" for name in names})
    place = {name: number for number, name in enumerate(known)}
    return np.array([place[name or ""] for name in names], dtype=np.int64)
