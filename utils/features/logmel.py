"""Mel spectrograms, log or linear: librosa's definition, and the same in fast float32 blocks."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from utils.features.filters import filterbank
from utils.features.spectrum import Window, framed, magnitudes, window_values

EPS = float(np.finfo(np.float64).eps)
"""Added to zero-padded clips before a logarithm; by default to the bands of the natural one too."""

AMPLITUDE_FLOOR = 1e-5
"""Smallest amplitude that the decibel scale shows: -100 dB (librosa's ``amin``)."""

_BAND_GROUP = 8  # neighbouring mel bands that share one matrix product over the bins they need


@dataclass(frozen=True)
class LogMel:
    """A clip's log-mel spectrogram: ``log(M · |STFT(scale · y + offset)| ** power)``.

    STFT is librosa's: centred frames, a window padded to ``n_fft``, and beyond both ends of the
    clip zeros or the clip mirrored. The offset keeps silence away from the logarithm of 0: it is
    dcase_util's EPS with zeros, and 0 with mirrored ends, the convention of torchaudio, or where no
    logarithm is taken: there silence is silence. M is ``librosa.filters.mel``, or its like over
    hertz. The logarithm ``natural`` is ``ln(x + floor)``; ``decibel`` is ``20 log10(max(x, 1e-5))``
    of a magnitude and ``10 log10(max(x, 1e-10))`` of a power spectrogram:
    ``librosa.amplitude_to_db`` and ``power_to_db`` with ``top_db=None``, so that a frame does not
    depend on the rest of its clip. ``none`` leaves the linear mel spectrogram, which may be added
    up and scaled as waveforms are. :func:`definition` says the same in float64 by plain librosa.
    Float32 keeps within 1e-5 dB of it on noise. Beside loud bands it rounds away what is 140 dB
    below them, so near-silent bands of a power spectrogram want a floor above that: 1e-5, say.

    Attributes:
        sample_rate: hertz.
        n_samples: clip length in samples; with mirrored ends more than half of ``n_fft``.
        window_length: samples.
        hop_length: samples.
        n_fft: FFT length in samples, at least ``window_length``.
        window: name of the window, periodic unless it says symmetric.
        n_mels: number of mel bands.
        f_min: lower edge of the lowest band, hertz.
        f_max: upper edge of the highest band, hertz.
        power: 1 for magnitude, 2 for power.
        mel_scale: ``slaney``, ``htk``, or ``linear`` for bands of equal width in hertz.
        mel_norm: ``slaney`` gives every band unit area, ``none`` unit height.
        log: ``natural``, ``decibel`` or ``none``.
        floor: added to the bands before the natural logarithm.
        n_frames: frames kept, from the start of the clip.
        pad: what lies beyond both ends: ``zeros``, or ``reflect`` for the clip mirrored.
        scale: samples are multiplied by this.
    """

    sample_rate: int
    n_samples: int
    window_length: int
    hop_length: int
    n_fft: int
    window: Window
    n_mels: int
    f_min: float
    f_max: float
    power: Literal[1, 2]
    mel_scale: Literal["slaney", "htk", "linear"]
    mel_norm: Literal["slaney", "none"]
    log: Literal["natural", "decibel", "none"]
    n_frames: int
    pad: Literal["zeros", "reflect"] = "zeros"
    scale: float = 1.0
    floor: float = EPS

    @property
    def shape(self) -> tuple[int, int]:
        """(mels, frames) of one clip."""
        return self.n_mels, self.n_frames

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(mels, frames, 1): one clip with an axis of channels."""
        return self.n_mels, self.n_frames, 1

    @property
    def offset(self) -> float:
        """What is added to the scaled samples."""
        return EPS if self.pad == "zeros" and self.log != "none" else 0.0

    @property
    def span(self) -> tuple[int, int]:
        """First sample of the first window and the one after the last, from the clip's start.

        Frames are centred: frame t's FFT buffer starts at ``t * hop_length - n_fft // 2``, and the
        window lies in its middle. So the first number is at most 0.
        """
        first = (self.n_fft - self.window_length) // 2 - self.n_fft // 2
        return first, first + (self.n_frames - 1) * self.hop_length + self.window_length

    @cached_property
    def window_values(self) -> np.ndarray:
        """The window, float32 (window_length,)."""
        return window_values(self.window, self.window_length).astype(np.float32)

    @cached_property
    def mel_weights(self) -> np.ndarray:
        """Filterbank M, float32 (mels, n_fft // 2 + 1)."""
        return mel_filters(self).astype(np.float32)

    @property
    def empty_bands(self) -> np.ndarray:
        """Numbers of the bands so narrow that no FFT bin falls into them: always at the floor."""
        return np.flatnonzero(~self.mel_weights.any(axis=1))

    @cached_property
    def band_groups(self) -> tuple[tuple[slice, slice, np.ndarray], ...]:
        """Groups of neighbouring bands: which rows of M, which bins they touch, that part of M."""
        groups = []
        for first in range(0, self.n_mels, _BAND_GROUP):
            bands = slice(first, min(first + _BAND_GROUP, self.n_mels))
            used = np.flatnonzero(self.mel_weights[bands].any(axis=0))
            bins = slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 1)
            groups.append((bands, bins, np.ascontiguousarray(self.mel_weights[bands, bins])))
        return tuple(groups)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Compute the features of one clip; safe to call from several threads at once.

        M, of which 95 % is zero, is applied in groups of bands to the bins they need.

        Args:
            samples: float (n_samples,).

        Returns:
            float32 (mels, frames).

        Raises:
            ValueError: when the clip has another length.
        """
        mel = np.empty(self.shape, np.float32)
        blocks = magnitudes(self._frames(samples), window=self.window_values, n_fft=self.n_fft)
        for frames, spectrum in blocks:
            if self.power == 2:
                np.square(spectrum, out=spectrum)
            for bands, bins, weights in self.band_groups:
                np.matmul(weights, spectrum[:, bins].T, out=mel[bands, frames])
        return self._logarithm(mel)

    def _frames(self, samples: np.ndarray) -> np.ndarray:
        """View of the padded clip as float32 (frames, window_length)."""
        if samples.shape != (self.n_samples,):
            raise ValueError(
                f"expected samples of shape ({self.n_samples},), received {samples.shape}"
            )
        first, end = self.span
        used = samples[:end]
        behind = end - len(used)
        padded = np.empty(end - first, np.float32)
        scaled = used if self.scale == 1 else used * np.float32(self.scale)
        middle = padded[-first : len(used) - first]
        np.add(scaled, np.float32(self.offset), out=middle, casting="same_kind")
        if self.pad == "zeros":
            padded[:-first] = 0
            padded[len(used) - first :] = 0
        else:
            scale = np.float32(self.scale)
            padded[:-first] = samples[-first:0:-1] * scale
            padded[len(used) - first :] = samples[-1 - behind : -1][::-1] * scale
        return framed(padded, window_length=self.window_length, hop_length=self.hop_length)

    def _logarithm(self, mel: np.ndarray) -> np.ndarray:
        """Take the logarithm, if any, in place."""
        if self.log == "none":
            return mel
        if self.log == "natural":
            mel += np.float32(self.floor)
            return np.log(mel, out=mel)
        np.maximum(mel, np.float32(AMPLITUDE_FLOOR**self.power), out=mel)
        np.log10(mel, out=mel)
        mel *= np.float32(20 / self.power)
        return mel


def mel_filters(representation: LogMel) -> np.ndarray:
    """Filterbank of a representation, float64 (mels, n_fft // 2 + 1)."""
    return filterbank(
        scale=representation.mel_scale,
        norm=representation.mel_norm,
        sample_rate=representation.sample_rate,
        n_fft=representation.n_fft,
        bands=representation.n_mels,
        f_min=representation.f_min,
        f_max=representation.f_max,
    )


def definition(representation: LogMel, samples: np.ndarray) -> np.ndarray:
    """Compute the same features by plain librosa in float64: slow, and what is right.

    Args:
        representation: the parameters.
        samples: float (n_samples,).

    Returns:
        float64 (mels, frames).
    """
    import librosa

    spectrum = librosa.stft(
        samples.astype(np.float64) * representation.scale + representation.offset,
        n_fft=representation.n_fft,
        hop_length=representation.hop_length,
        win_length=representation.window_length,
        window=window_values(representation.window, representation.window_length),
        center=True,
        pad_mode="constant" if representation.pad == "zeros" else "reflect",
    )
    power = representation.power
    mel = mel_filters(representation) @ np.abs(spectrum[:, : representation.n_frames]) ** power
    if representation.log == "none":
        return mel
    if representation.log == "natural":
        return np.log(mel + representation.floor)
    if power == 1:
        return librosa.amplitude_to_db(mel, ref=1.0, amin=AMPLITUDE_FLOOR, top_db=None)
    return librosa.power_to_db(mel, ref=1.0, amin=AMPLITUDE_FLOOR**2, top_db=None)
