"""Complex spectra of a signal and the way back, exact wherever windows cover it."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from utils.features.spectrum import framed, window_values

if TYPE_CHECKING:
    import tensorflow as tf

FLOOR = 1e-6
"""Summed squared windows below this are not divided by: that would multiply rounding by 1,000."""

_BLOCK_SAMPLES = 2**18  # of windowed frames that are transformed at a time


@dataclass(frozen=True)
class Stft:
    """Short-time Fourier transform with a periodic Hann window, float32 and complex64.

    Frame k covers the samples from ``k * hop_length`` to ``k * hop_length + n_fft``; nothing is
    padded. TF2-Spleeter transforms alike and multiplies its inverse by 2/3, because the squares of
    Hann windows a quarter apart sum to 1.5; :meth:`inverse` divides by the sum itself.

    Attributes:
        n_fft: length of window and FFT in samples.
        hop_length: samples from frame to frame.

    Raises:
        ValueError: for a window of less than two samples, and a hop that is none or beyond it.
    """

    n_fft: int
    hop_length: int

    def __post_init__(self) -> None:
        if self.n_fft < 2 or not 1 <= self.hop_length <= self.n_fft:
            raise ValueError(
                "an n_fft of at least 2 and a hop_length from 1 to n_fft are needed, received "
                f"{self.n_fft} and {self.hop_length}"
            )

    @property
    def bins(self) -> int:
        """Bins of a spectrum: ``n_fft // 2 + 1``."""
        return self.n_fft // 2 + 1

    @cached_property
    def window(self) -> np.ndarray:
        """Periodic Hann window, float32 (n_fft,)."""
        return window_values("hann", self.n_fft).astype(np.float32)

    @cached_property
    def steady_coverage(self) -> np.ndarray:
        """:meth:`coverage` far from both ends, where it repeats itself: float32 (hop_length,).

        That of sample p is ``steady_coverage[p % hop_length]``.
        """
        squares = np.square(self.window)
        whole = -(-self.n_fft // self.hop_length) * self.hop_length
        return np.pad(squares, (0, whole - self.n_fft)).reshape(-1, self.hop_length).sum(axis=0)

    def frames_of(self, samples: int) -> int:
        """Number of whole frames in so many samples."""
        return max(0, 1 + (samples - self.n_fft) // self.hop_length)

    def samples_of(self, frames: int) -> int:
        """Number of samples that so many frames cover."""
        return (frames - 1) * self.hop_length + self.n_fft if frames else 0

    def forward(self, samples: np.ndarray) -> np.ndarray:
        """Spectra of all whole frames.

        Args:
            samples: float32 (..., samples).

        Returns:
            complex64 (..., frames, bins); no frames where the signal is shorter than one.
        """
        from scipy.fft import rfft

        *outer, length = samples.shape
        spectrum = np.empty((*outer, self.frames_of(length), self.bins), np.complex64)
        if not spectrum.size:
            return spectrum
        signals = samples.reshape(-1, length)
        for signal, found in zip(
            signals, spectrum.reshape(len(signals), -1, self.bins), strict=True
        ):
            frames = framed(
                signal.astype(np.float32, copy=False),
                window_length=self.n_fft,
                hop_length=self.hop_length,
            )
            for part in self._blocks(len(frames)):
                found[part] = rfft(frames[part] * self.window)
        return spectrum

    def inverse(self, spectrum: np.ndarray) -> np.ndarray:
        """The signal whose spectra these are; :meth:`forward` the other way.

        Windowed frames are added where they overlap and divided by :meth:`coverage`. Spectra that
        no signal has give the nearest one, in least squares (D. W. Griffin and J. S. Lim, Signal
        estimation from modified short-time Fourier transform, IEEE Trans. ASSP 32(2), 1984,
        equation 6). Samples covered by less than ``FLOOR``, at both ends, stay as they add up.

        Args:
            spectrum: complex64 (..., frames, bins).

        Returns:
            float32 (..., samples), ``samples_of(frames)`` of them.
        """
        coverage = self.coverage(spectrum.shape[-2])
        return self.overlap_added(spectrum) / np.where(coverage > FLOOR, coverage, 1)

    def overlap_added(self, spectrum: np.ndarray) -> np.ndarray:
        """Windowed frames of the inverse, added where they overlap, not divided by the windows.

        Args:
            spectrum: complex64 (..., frames, bins).

        Returns:
            float32 (..., samples), ``samples_of(frames)`` of them.
        """
        from scipy.fft import irfft

        *outer, frames, bins = spectrum.shape
        total = np.zeros((*outer, self.samples_of(frames)), np.float32)
        if not total.size:
            return total
        signals = total.reshape(-1, total.shape[-1])
        for signal, given in zip(signals, spectrum.reshape(-1, frames, bins), strict=True):
            for part in self._blocks(frames):
                pieces = irfft(given[part], self.n_fft) * self.window
                begin = part.start * self.hop_length
                self._add(pieces, signal[begin : begin + self.samples_of(len(pieces))])
        return total

    def coverage(self, frames: int) -> np.ndarray:
        """Sum of the squared windows over each sample that so many frames cover.

        Returns:
            float32 (samples,), ``samples_of(frames)`` of them.
        """
        total = np.zeros(self.samples_of(frames), np.float32)
        self._add(np.broadcast_to(np.square(self.window), (frames, self.n_fft)), total)
        return total

    def magnitudes(self, samples: "tf.Tensor") -> "tf.Tensor":
        """The absolute values of :meth:`forward` as a TensorFlow graph.

        Args:
            samples: float32 (..., samples).

        Returns:
            float32 (..., frames, bins).
        """
        import tensorflow as tf

        frames = tf.signal.frame(samples, self.n_fft, self.hop_length)
        return tf.abs(tf.signal.rfft(frames * self.window, [self.n_fft]))

    def _blocks(self, frames: int) -> list[slice]:
        """Parts of so many frames that stay in the cache."""
        step = max(8, _BLOCK_SAMPLES // self.n_fft)
        return [slice(first, min(first + step, frames)) for first in range(0, frames, step)]

    def _add(self, frames: np.ndarray, signal: np.ndarray) -> None:
        """Add frames (frames, n_fft) into a signal (samples,), each a hop after the one before."""
        hop, count = self.hop_length, len(frames)
        for first in range(0, self.n_fft, hop):
            width = min(hop, self.n_fft - first)
            rows = signal[first:]
            places = np.lib.stride_tricks.as_strided(
                rows, (count, width), (hop * rows.strides[0], rows.strides[0])
            )
            places += frames[:, first : first + width]
