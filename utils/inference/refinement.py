"""What stands between a network's outputs and the probabilities that a system states.

Test-time augmentation: predictions for the features, rolled in time by whole frames, are averaged.
Calibration: probabilities are taken to the power 1/T and normalised (Guo et al., On Calibration of
Modern Neural Networks, 2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.errors import ConfigError
from utils.features import Representation
from utils.inference.predictor import Predictor
from utils.metrics.calibration import temper


@dataclass(frozen=True)
class Refinement:
    """Shifts and temperature of one system.

    Attributes:
        shifts: frames (samples of a waveform) by which features are rolled, one prediction each.
        axis: of time in features with a clip axis before it.
        temperature: of the calibration; 1 changes nothing.
    """

    shifts: tuple[int, ...] = (0,)
    axis: int = 2
    temperature: float = 1.0

    @classmethod
    def of(
        cls,
        representation: Representation,
        *,
        shifts_seconds: Sequence[float],
        temperature: float = 1.0,
    ) -> "Refinement":
        """Turn seconds into frames.

        Args:
            representation: what is rolled.
            shifts_seconds: at least one; each a whole number of frames.
            temperature: of the calibration.

        Raises:
            ConfigError: for no shift, one that is no whole number of frames, or one beyond a clip.
        """
        if not shifts_seconds:
            raise ConfigError("evaluation.shifts_seconds: the list is empty; [0.0] is no shift.")
        rate, hop = representation.sample_rate, representation.hop_length
        shifts = []
        for seconds in shifts_seconds:
            frames = round(seconds * rate / hop)
            if abs(frames * hop - seconds * rate) > 0.01 * hop:
                raise ConfigError(
                    f"evaluation.shifts_seconds: {seconds:g} s is no whole number of frames of "
                    f"{hop / rate:g} s; take {frames * hop / rate:g}."
                )
            if abs(frames) * hop >= representation.n_samples:
                raise ConfigError(
                    f"evaluation.shifts_seconds: {seconds:g} s is not shorter than a clip of "
                    f"{representation.n_samples / rate:g} s."
                )
            shifts.append(frames)
        axis = len(representation.shape) if len(representation.shape) < 3 else 2
        return cls(tuple(shifts), axis, temperature)

    def __call__(self, predictor: Predictor, features: np.ndarray) -> np.ndarray:
        """Predict clips.

        Args:
            predictor: a network of one output.
            features: float (clips, ...), normalised.

        Returns:
            float32 (clips, classes).
        """
        rolled = [
            predictor(features if shift == 0 else np.roll(features, shift, axis=self.axis))
            for shift in self.shifts
        ]
        mean = rolled[0] if len(rolled) == 1 else np.mean(rolled, axis=0)
        if self.temperature == 1.0:
            return mean
        return temper(mean, self.temperature).astype(np.float32)
