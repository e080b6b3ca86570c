"""What a network of sound events learns from: clips with events, with labels, with neither."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from utils import pipeline, targets
from utils.augment.feature_chain import feature_chain, views
from utils.augment.grid import EMBEDDINGS
from utils.datasets import Clip, Fold
from utils.errors import ConfigError, DataError
from utils.experiment.job import Job
from utils.experiment.learning import blocks, drawn, learnt_key, normaliser_for
from utils.features import AnyNormaliser, FeatureStore, Representation

if TYPE_CHECKING:
    import tensorflow as tf

    from utils.inference import Predictor


class StepGrid(NamedTuple):
    """The grid of a network's scores.

    Attributes:
        steps: in a clip.
        frames_per_step: frames of the features for which a step stands.
        step_seconds: length of a step.
    """

    steps: int
    frames_per_step: int
    step_seconds: float

    @classmethod
    def of(cls, representation: Representation, steps: int) -> "StepGrid":
        """Grid of a network that makes so many steps of a clip's frames.

        Raises:
            ConfigError: when no number of frames makes as many steps.
        """
        frames = representation.shape[1]
        per_step = frames // steps
        if not per_step or frames // per_step != steps:
            raise ConfigError(
                f"model: gives {steps} steps of {frames} frames; a step must stand for a whole "
                "number of frames, and frames that fill no step be left out (padding: valid)."
            )
        hop_seconds = representation.hop_length / representation.sample_rate
        return cls(steps, per_step, per_step * hop_seconds)


@dataclass(frozen=True)
class EventLearning:
    """Clips of the fold as the pipeline takes them, and as a network sees them.

    Attributes:
        job: the set and the data.
        fold: its only one.
        representation: what is stored of a clip.
        store: of every clip.
        grid: of the network's scores.
        embeddings: of every clip (rows of the store, steps, size); None: networks have one input.
    """

    job: Job
    fold: Fold
    representation: Representation
    store: FeatureStore
    grid: StepGrid
    embeddings: np.ndarray | None = None

    @property
    def key(self) -> str:
        """Identity of what is learnt from: the features, and the embeddings if there are any."""
        if not isinstance(self.embeddings, np.memmap):
            return self.store.key
        return f"{self.store.key}-{Path(str(self.embeddings.filename)).stem}"

    @property
    def learnt(self) -> str:
        """The same of training and validation clips alone.

        Raises:
            DataError: for a file that has vanished.
        """
        key = learnt_key(self.job, [self.store], (*self.fold.train, *self.fold.validation))
        return key if not isinstance(self.embeddings, np.memmap) else f"{key}-{self.key}"

    def usable(self, clips: Sequence[Clip]) -> tuple[Clip, ...]:
        """Leave out clips whose audio could not be used."""
        return self.store.usable(clips)

    @cached_property
    def parts(self) -> dict[str, tuple[Clip, ...]]:
        """Training clips by what is known of them: ``strong``, ``weak``, ``unlabelled``."""
        clips = self.usable(self.fold.train)
        return {
            "strong": tuple(c for c in clips if c.events is not None),
            "weak": tuple(c for c in clips if c.events is None and c.labels),
            "unlabelled": tuple(c for c in clips if c.events is None and not c.labels),
        }

    @cached_property
    def per_batch(self) -> dict[str, int]:
        """Clips of each part in a batch; fewer than asked for where the data has fewer.

        Raises:
            DataError: when there is no clip with events.
        """
        asked = self.job.settings.training.parts
        if asked is None:
            raise ValueError("training.parts are needed")
        if not self.parts["strong"]:
            raise DataError(
                f"{self.fold.name}: has no usable training clips with onsets and offsets; see the "
                "files that are missing."
            )
        return {name: min(getattr(asked, name), len(clips)) for name, clips in self.parts.items()}

    @property
    def notes(self) -> tuple[str, ...]:
        """What is in a batch that was not asked for."""
        asked = self.job.settings.training.parts
        return tuple(
            f"A batch has {number} {name} clips instead of {getattr(asked, name)}: the data has "
            "no more."
            for name, number in self.per_batch.items()
            if number < getattr(asked, name)
        )

    @cached_property
    def source(self) -> pipeline.Source:
        """The training clips, part by part; parts of which a batch has nothing are left out."""
        used = {name: self.parts[name] for name, number in self.per_batch.items() if number}
        clips = [clip for part in used.values() for clip in part]
        return pipeline.Source(
            self.store.array,
            self.store.rows(clips),
            self.targets(clips),
            groups=tuple((len(part), self.per_batch[name]) for name, part in used.items()),
            beside={} if self.embeddings is None else {EMBEDDINGS: self.embeddings},
        )

    def targets(self, clips: Sequence[Clip]) -> dict[str, np.ndarray]:
        """What is known of clips, on the grid of the network."""
        return targets.encode_events(
            clips,
            classes=self.job.data.classes,
            steps=self.grid.steps,
            step_seconds=self.grid.step_seconds,
        )

    def seconds(self, clips: Sequence[Clip]) -> np.ndarray:
        """Length of clips, float64 (clips,); as their data set states it, else the set's."""
        whole = self.job.settings.audio.seconds
        return np.array([whole if clip.seconds is None else clip.seconds for clip in clips])

    @cached_property
    def normaliser(self) -> AnyNormaliser | None:
        """The normaliser of the settings, with the statistics of the training clips if any."""
        return normaliser_for(self.fold, self.store, self.job.settings.features.normalise)

    @property
    def prepare(self) -> "Callable[[Any], Any]":
        """TensorFlow function from features, or two views of them, to what networks see."""
        import tensorflow as tf

        normaliser, shape = self.normaliser, self.representation.input_shape

        def prepared(batch: tf.Tensor) -> tf.Tensor:
            features = batch if normaliser is None else normaliser(batch)
            return tf.reshape(features, (-1, *shape))

        def inputs(batch: Any) -> Any:
            if not isinstance(batch, Mapping):
                return prepared(batch)
            return {
                name: values if name == EMBEDDINGS else prepared(values)
                for name, values in batch.items()
            }

        return inputs

    @property
    def augment(self) -> "Callable[..., tuple[Any, Any]] | None":
        """The set's augmentations of features as one TensorFlow function; None without any."""
        settings = self.job.settings
        facts: dict[str, Any] = {
            "mels": self.representation.shape[0],
            "hop_seconds": self.grid.step_seconds / self.grid.frames_per_step,
            "frames_per_step": self.grid.frames_per_step,
        }
        shared = feature_chain(settings.feature_augment, **facts)
        apart = views(settings.view_augment, **facts) if settings.training.teacher else None
        last = None if self.embeddings is None else _as_input
        return _in_turn([step for step in (shared, apart, last) if step is not None])

    def predict(
        self, predictor: "Predictor", clips: Sequence[Clip]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores of clips, in blocks: float32 (clips, steps, classes) and (clips, classes)."""
        found = [predictor.outputs(block) for block in self._blocks(clips)]
        strong, weak = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return strong, weak

    def examples(self, number: int) -> np.ndarray:
        """What the network sees of some training clips, float32 (clips, mels, frames, 1)."""
        clips = self.usable(self.fold.train)
        chosen = drawn(clips, number, seed=self.job.settings.seed)
        return np.concatenate(list(self._blocks(chosen)))

    def _blocks(self, clips: Sequence[Clip]) -> Iterator[Any]:
        """What a network sees of clips, some at a time."""
        for block in blocks(clips):
            rows = self.store.rows(block)
            features = np.asarray(self.store.array[rows])
            if self.normaliser is not None:
                features = self.normaliser(features)
            features = features.reshape(-1, *self.representation.input_shape)
            if self.embeddings is None:
                yield features
            else:
                yield {"input": features, EMBEDDINGS: np.asarray(self.embeddings[rows])}


def _as_input(features: Any, labels: Any, seed: "tf.Tensor") -> tuple[Any, Any]:
    """Move the embeddings from the targets, where augmentation finds them, to the inputs."""
    views = features if isinstance(features, Mapping) else {"input": features}
    rest = {name: values for name, values in labels.items() if name != EMBEDDINGS}
    return {**views, EMBEDDINGS: labels[EMBEDDINGS]}, rest


def _in_turn(steps: Sequence[Callable[..., Any]]) -> Callable[..., tuple[Any, Any]] | None:
    """One augmentation after the other, each with a seed of its own."""
    if not steps:
        return None

    def augment(features: Any, labels: Any, seed: "tf.Tensor") -> tuple[Any, Any]:
        import tensorflow as tf

        for number, step in enumerate(steps):
            features, labels = step(features, labels, tf.random.fold_in(seed, number))
        return features, labels

    return augment
