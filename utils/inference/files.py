"""From an audio file of any length to probabilities, with what the model says about itself."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.errors import AudioError, UserError
from utils.inference.metadata import checked_section, required
from utils.inference.predictor import Predictor
from utils.inference.refinement import Refinement

if TYPE_CHECKING:
    from utils.config.schema import AudioSettings
    from utils.features import Representation


@dataclass(frozen=True)
class FilePredictor:
    """A model as a function of audio files.

    Attributes:
        predictor: the model.
        audio: sample rate, clip length, and how short clips are extended.
        representation: samples of one clip to features (mels, frames) or (samples,).
        normaliser: features to normalised features; None where they stay as they are.
        refinement: test-time augmentation and calibration.
    """

    predictor: Predictor
    audio: "AudioSettings"
    representation: "Representation"
    normaliser: Callable[[np.ndarray], np.ndarray] | None
    refinement: Refinement

    @classmethod
    def of(cls, predictor: Predictor) -> "FilePredictor":
        """Rebuild the front end from the model's metadata.

        Raises:
            UserError: when the file carries no metadata, or such that cannot be used, or separates
                sources.
        """
        from utils.config.schema import AudioSettings, FeatureSettings
        from utils.features import Normaliser, from_settings, normaliser_of

        path = predictor.path
        metadata = required(predictor.metadata, names="class names", where=path)
        if metadata.separation is not None:
            raise UserError(
                f"{path}: separates sources, it tells no labels; use it with task_separation.py."
            )
        audio = checked_section(AudioSettings, metadata.audio, where=path)
        features = checked_section(FeatureSettings, metadata.features, where=path)
        try:
            normaliser = normaliser_of(features.normalise.method, metadata.normaliser)
        except ValueError as error:
            raise UserError(f"{path}: its metadata is wrong: {error}.") from error
        representation = from_settings(audio, features)
        statistics = representation.shape[:1] + representation.shape[2:]
        if isinstance(normaliser, Normaliser) and normaliser.mean.shape != statistics:
            raise UserError(
                f"{path}: its metadata is wrong: {normaliser.mean.size} means for features of "
                f"shape {representation.shape}."
            )
        refinement = Refinement.of(
            representation,
            shifts_seconds=metadata.shifts_seconds,
            temperature=metadata.temperature,
        )
        return cls(predictor, audio, representation, normaliser, refinement)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the probabilities, in order."""
        metadata = self.predictor.metadata
        return () if metadata is None else metadata.classes

    def __call__(self, path: Path) -> np.ndarray:
        """Predict a file.

        Args:
            path: any audio file that libsndfile reads.

        Returns:
            float32 (classes,), see :meth:`windows`.

        Raises:
            AudioError: when the file cannot be used.
            UserError: when the model tells sound events.
        """
        from utils.audio import read_audio

        metadata = self.predictor.metadata
        if metadata is not None and metadata.decisions is not None:
            raise UserError(
                f"{self.predictor.path}: tells sound events, no labels of clips; use it with "
                "task4_sed.py."
            )
        probabilities = self.windows(read_audio(path, sample_rate=self.audio.sample_rate))
        if not np.isfinite(probabilities).all():
            raise AudioError(f"{path}: gives no finite prediction, its samples are too large.")
        return probabilities

    def windows(self, samples: np.ndarray) -> np.ndarray:
        """Predict samples of any length: cut into windows of a clip's length, then averaged.

        The last window is extended by the set's ``short_clips`` rule. Each window weighs as much as
        it has samples of the file, so that the few samples with which an mp3 exceeds its length
        decide nothing.

        Args:
            samples: float32 (samples,) at the model's sample rate.

        Returns:
            float32 (classes,), or of the shape that the network gives for one clip.
        """
        from utils.audio import fit_length

        length = round(self.audio.seconds * self.audio.sample_rate)
        parts = [samples[first : first + length] for first in range(0, len(samples), length)]
        clips = [fit_length(part, length=length, short=self.audio.short_clips) for part in parts]
        with np.errstate(over="ignore", invalid="ignore"):
            features = np.stack([self.representation(clip) for clip in clips])
        if self.normaliser is not None:
            features = self.normaliser(features)
        probabilities = self.refinement(self.predictor, features)
        weights = [len(part) for part in parts]
        return np.average(probabilities, axis=0, weights=weights).astype(np.float32)
