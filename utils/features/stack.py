"""Several spectrograms of one clip as channels."""

from dataclasses import dataclass

import numpy as np

from utils.features.log_spectrogram import LogSpectrogram
from utils.features.logmel import LogMel
from utils.features.mfcc import Mfcc

Spectrogram = LogMel | Mfcc | LogSpectrogram
"""A representation of rows and frames, which may be a channel of a stack."""


@dataclass(frozen=True)
class Stack:
    """Spectrograms that lie over one another, such as log-mels of several window lengths.

    Attributes:
        parts: at least one, all of one clip length, one shape and one hop.
    """

    parts: tuple[Spectrogram, ...]

    @property
    def sample_rate(self) -> int:
        """Hertz."""
        return self.parts[0].sample_rate

    @property
    def n_samples(self) -> int:
        """Clip length in samples."""
        return self.parts[0].n_samples

    @property
    def hop_length(self) -> int:
        """Samples from frame to frame."""
        return self.parts[0].hop_length

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, frames, channels) of one clip."""
        return *self.parts[0].shape, len(self.parts)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The same: (rows, frames, channels)."""
        return self.shape

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Compute the features of one clip; safe to call from several threads at once.

        Args:
            samples: float (n_samples,).

        Returns:
            float32 (rows, frames, channels).

        Raises:
            ValueError: when the clip has another length.
        """
        features = np.empty(self.shape, np.float32)
        for channel, part in enumerate(self.parts):
            features[..., channel] = part(samples)
        return features
