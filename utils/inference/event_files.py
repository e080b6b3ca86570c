"""From an audio file of any length to sound events."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.errors import AudioError, UserError
from utils.events import Events
from utils.features.logmel import AMPLITUDE_FLOOR
from utils.inference.decisions import Decisions
from utils.inference.files import FilePredictor

BLOCK = 32  # windows whose features are in memory at once


@dataclass(frozen=True)
class FoundEvents:
    """What sounds when in a file.

    Attributes:
        scores: of steps (steps, classes), between 0 and 1.
        events: above the thresholds, all of file 0.
        seconds: length of the file.
        spectrogram: decibels (mels, frames), for pictures.
        hop_seconds: from frame to frame of it.
    """

    scores: np.ndarray
    events: Events
    seconds: float
    spectrogram: np.ndarray
    hop_seconds: float


@dataclass(frozen=True)
class EventFilePredictor:
    """A model of sound events as a function of audio files.

    A file is cut into windows of the length that the network learnt, each half a window after the
    one before, the last at the end of the file; so a file of one clip's length is one window. Where
    windows overlap, scores are averaged with weights that fall towards the windows' ends, where a
    network hears half of an event.

    Attributes:
        files: the model and its front end.
        decisions: from scores to events.
    """

    files: FilePredictor
    decisions: Decisions

    @classmethod
    def of(cls, files: FilePredictor) -> "EventFilePredictor":
        """Take the decisions out of the model's metadata.

        Raises:
            UserError: when the model tells no events.
        """
        if len(files.predictor.input_names) > 1:
            raise UserError(
                f"{files.predictor.path}: needs {' and '.join(files.predictor.input_names[1:])} "
                "beside the audio, which this program cannot compute; name a model of audio alone."
            )
        metadata = files.predictor.metadata
        decisions = None if metadata is None else metadata.decisions
        if decisions is None:
            raise UserError(
                f"{files.predictor.path}: does not say how scores become events; name a model that "
                "was trained by task4_sed.py."
            )
        try:
            made = cls(files, Decisions.from_dict(decisions))
            made._require_fit()
        except ValueError as error:
            raise UserError(f"{files.predictor.path}: its metadata is wrong: {error}.") from error
        return made

    def _require_fit(self) -> None:
        """Refuse decisions for other classes, and steps that are not some frames of a clip."""
        classes, decided = len(self.files.classes), len(self.decisions.thresholds)
        if classes != decided:
            raise ValueError(f"it has {classes} classes and decides on {decided}")
        left = self._step_samples % self.files.representation.hop_length
        if not self._step_samples or left or not self._steps:
            seconds = self.decisions.step_seconds
            raise ValueError(f"steps of {seconds:g} s are not whole frames of its clips")

    def __call__(self, path: Path) -> FoundEvents:
        """Find the events of a file.

        Args:
            path: any audio file that libsndfile reads.

        Raises:
            AudioError: when the file cannot be used.
        """
        from utils.audio import read_audio

        rate = self.files.audio.sample_rate
        samples = read_audio(path, sample_rate=rate)
        scores, spectrogram = self.scores(samples)
        if not np.isfinite(scores).all():
            raise AudioError(f"{path}: gives no finite scores, its samples are too large.")
        seconds = len(samples) / rate
        already_masked = replace(self.decisions, weak_masking=False)
        events = already_masked.events(
            scores[np.newaxis], np.ones((1, scores.shape[1])), seconds=np.array([seconds])
        )
        hop_seconds = self.files.representation.hop_length / rate
        return FoundEvents(scores, events, seconds, spectrogram, hop_seconds)

    @property
    def _decibels_a_decade(self) -> float | None:
        """Of features without a logarithm: 20 of magnitudes, 10 of powers."""
        metadata = self.files.predictor.metadata
        if metadata is None or metadata.features.get("log") != "none":
            return None
        return 20.0 / float(metadata.features.get("power", 1))

    @property
    def _step_samples(self) -> int:
        return round(self.decisions.step_seconds * self.files.audio.sample_rate)

    @property
    def _length(self) -> int:
        return round(self.files.audio.seconds * self.files.audio.sample_rate)

    @property
    def _steps(self) -> int:
        """Whole steps of a window, all of whose frames the network sees."""
        frames = self.files.predictor.input_shape[1]
        return min(self._length // self._step_samples, frames // self._frames_per_step)

    @property
    def _frames_per_step(self) -> int:
        return self._step_samples // self.files.representation.hop_length

    @property
    def _frames(self) -> int:
        """Frames of a window's steps."""
        return self._steps * self._frames_per_step

    def scores(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores of samples of any length, and the decibels that they are of.

        Args:
            samples: float32 (samples,) at the model's rate.

        Returns:
            Scores (steps, classes), masked by those of the window where the decisions say so, and
            decibels (mels, frames). Less than a step at the end of a long file is left out.
        """
        starts = self._starts(len(samples))
        total = np.zeros((starts[-1] + self._steps, len(self.files.classes)))
        weight = np.zeros(len(total))
        ramp = np.minimum(np.arange(1, self._steps + 1), np.arange(self._steps, 0, -1))
        rows = self.files.representation.shape[0]
        picture = np.zeros((rows, len(total) * self._frames_per_step), np.float32)
        for first in range(0, len(starts), BLOCK):
            block = starts[first : first + BLOCK]
            found, decibels = self._windows(samples, block)
            for start, scores, window in zip(block, found, decibels, strict=True):
                place = slice(start, start + self._steps)
                total[place] += ramp[:, np.newaxis] * scores[: self._steps]
                weight[place] += ramp
                begin = start * self._frames_per_step
                picture[:, begin : begin + self._frames] = window
        steps = min(len(total), -(-len(samples) // self._step_samples))
        scores = (total / weight[:, np.newaxis])[:steps]
        return scores, picture[:, : steps * self._frames_per_step]

    def _starts(self, length: int) -> list[int]:
        """First steps of the windows of so many samples; the last ends with the last whole step."""
        last = max(0, length // self._step_samples - self._steps)
        return [*range(0, last, max(1, self._steps // 2)), last]

    def _windows(self, samples: np.ndarray, starts: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Scores (windows, steps, classes) and decibels (windows, mels, frames) of windows."""
        from utils.audio import fit_length

        clips = [
            fit_length(
                samples[start * self._step_samples :][: self._length],
                length=self._length,
                short=self.files.audio.short_clips,
            )
            for start in starts
        ]
        with np.errstate(over="ignore", invalid="ignore"):
            features = np.stack([self.files.representation(clip) for clip in clips])
        shown = features[..., : self._frames]
        if (decade := self._decibels_a_decade) is not None:
            shown = decade * np.log10(np.maximum(shown, AMPLITUDE_FLOOR ** (20.0 / decade)))
        if self.files.normaliser is not None:
            features = self.files.normaliser(features)
        strong, weak = self.files.predictor.outputs(features)
        if self.decisions.weak_masking:
            strong = strong * weak[:, np.newaxis]
        return strong, shown
