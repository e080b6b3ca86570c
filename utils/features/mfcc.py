"""Mel-frequency cepstral coefficients: the cosine transform of a log-mel spectrogram."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from utils.features.logmel import LogMel


@dataclass(frozen=True)
class Mfcc:
    """The first rows of the orthonormal DCT-II over the bands of a log-mel spectrogram.

    ``librosa.feature.mfcc(S=log_mel, n_mfcc=n_mfcc)`` with its defaults (``dct_type=2``,
    ``norm="ortho"``, no lifter). Given samples, librosa would take a slaney power mel spectrogram
    in decibels of which nothing lies more than 80 dB below its peak; here ``log_mel`` decides,
    and nothing is cut off.

    Attributes:
        log_mel: what is transformed.
        n_mfcc: coefficients, at most as many as bands.
    """

    log_mel: LogMel
    n_mfcc: int

    @property
    def sample_rate(self) -> int:
        """Hertz."""
        return self.log_mel.sample_rate

    @property
    def n_samples(self) -> int:
        """Clip length in samples."""
        return self.log_mel.n_samples

    @property
    def hop_length(self) -> int:
        """Samples from frame to frame."""
        return self.log_mel.hop_length

    @property
    def shape(self) -> tuple[int, int]:
        """(coefficients, frames) of one clip."""
        return self.n_mfcc, self.log_mel.n_frames

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(coefficients, frames, 1): one clip with an axis of channels."""
        return *self.shape, 1

    @cached_property
    def cosines(self) -> np.ndarray:
        """First rows of the orthonormal DCT-II, float32 (coefficients, mels)."""
        from scipy.fft import dct

        whole = dct(np.eye(self.log_mel.n_mels), type=2, norm="ortho", axis=0)
        return whole[: self.n_mfcc].astype(np.float32)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Compute the coefficients of one clip; safe to call from several threads at once.

        Args:
            samples: float (n_samples,).

        Returns:
            float32 (coefficients, frames).

        Raises:
            ValueError: when the clip has another length.
        """
        return self.cosines @ self.log_mel(samples)
