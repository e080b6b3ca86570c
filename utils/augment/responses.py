"""Impulse responses of recording devices: measured ones of a folder, or drawn ones.

References:
    T. Morocutti, F. Schmid, K. Koutini, G. Widmer: Device-Robust Acoustic Scene Classification via
    Impulse Response Augmentation, EUSIPCO 2023 (measured ones, of MicIRP).
    A. V. Oppenheim, R. W. Schafer: Discrete-Time Signal Processing, 3rd edition, section 13.5
    (minimum phase by the cepstrum).
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.audio import read_audio, read_header
from utils.errors import AudioError, DataError
from utils.files import digest

if TYPE_CHECKING:
    import tensorflow as tf

AROUND_SECONDS = 0.05
KEPT_DB = 60.0  # what is softer than the largest sample by more, at both ends, is cut

# Drawn responses. The ranges are ours: wide enough for phones and cheap recorders.
SECONDS = 0.02
LOUDEST_DB, SOFTEST_DB = 12.0, -40.0
LOW_CORNER_HZ = 50.0, 400.0
HIGH_CORNER_HZ = 6000.0, 20_000.0
TILT_DB = 1.5  # an octave, to either side of 1 kHz
RESONANCES = 4
RESONANCE_DB = 8.0
RESONANCE_OCTAVES = 0.15, 0.8  # deviation of a bell curve
HIGHEST_RESONANCE_HZ = 12_000.0
RESONANCE_RANGE_OCTAVES = 6.0  # below the highest
FADED = 0.25  # share of a response over which its end is faded out


def response_files(folder: Path) -> tuple[Path, ...]:
    """Wav files in a folder and below it, by name.

    Raises:
        DataError: when there is no such folder, or no file in it.
    """
    if not folder.is_dir():
        raise DataError(
            f"augment: DeviceResponse.folder: {folder} is no folder; name one with impulse "
            "responses as wav files, or write null for drawn ones."
        )
    found = (path for path in folder.rglob("*") if path.suffix.lower() == ".wav")
    files = tuple(sorted(path for path in found if path.is_file()))
    if not files:
        raise DataError(
            f"augment: DeviceResponse.folder: {folder} holds no wav files; put impulse responses "
            "there, or write null for drawn ones."
        )
    return files


def responses_key(folder: Path) -> str:
    """Identity of the responses in a folder: name, size and time of every file.

    Raises:
        DataError: as :func:`response_files`.
    """
    files = [(path.relative_to(folder).as_posix(), path.stat()) for path in response_files(folder)]
    return digest([[name, told.st_size, told.st_mtime_ns] for name, told in files])


def read_responses(folder: Path, *, sample_rate: int) -> np.ndarray:
    """Read all impulse responses of a folder.

    Each is resampled, made mono and cut at both ends to what is within 60 dB of its largest sample,
    so that it delays nothing. Levels are left as they are: clips keep their own.

    Args:
        folder: with wav files of any rate, in it and below.
        sample_rate: hertz of the clips.

    Returns:
        float32 (responses, samples), in the order of the files' names, shorter ones with zeros
        behind them.

    Raises:
        DataError: as :func:`response_files`.
        AudioError: for a file that is broken or silent.
    """
    found = [_trimmed(path, sample_rate) for path in response_files(folder)]
    responses = np.zeros((len(found), max(map(len, found))), np.float32)
    for row, response in zip(responses, found, strict=True):
        row[: len(response)] = response
    return responses


def _trimmed(path: Path, sample_rate: int) -> np.ndarray:
    samples = _at_rate(path, sample_rate)
    magnitude = np.abs(samples)
    if not magnitude.any():
        raise AudioError(f"{path}: is silent, so it is no impulse response; remove it.")
    loud = np.flatnonzero(magnitude >= magnitude.max() * 10.0 ** (-KEPT_DB / 20.0))
    return samples[loud[0] : loud[-1] + 1]


def _at_rate(path: Path, sample_rate: int) -> np.ndarray:
    """Samples at a rate; silence around them keeps what the resampler's filter adds at the ends.

    A response begins at once: without it, magnitudes would be wrong by a decibel and more.
    """
    import soxr

    rate, _ = read_header(path)
    samples = read_audio(path, sample_rate=rate)
    if rate == sample_rate:
        return samples
    padded = np.pad(samples, round(AROUND_SECONDS * rate))
    return np.asarray(soxr.resample(padded, rate, sample_rate, quality="HQ"))


def draw_responses(seed: "tf.Tensor", number: "tf.Tensor", *, sample_rate: int) -> "tf.Tensor":
    """Draw impulse responses of small microphones: minimum phase, of a smooth magnitude.

    The magnitude is a sum in decibels: a tilt, and resonances and dips as bell curves over the
    octaves, bent to stay within 12 dB, then a band limit of second order at both ends, not below
    -40 dB.

    Args:
        seed: int32 (2,).
        number: How many.
        sample_rate: Hertz.

    Returns:
        float32 (number, taps), 20 ms long.
    """
    import tensorflow as tf

    taps = max(2, round(SECONDS * sample_rate))
    n_fft = 2 ** math.ceil(math.log2(4 * taps))
    decibels = draw_magnitudes(
        seed, number, frequencies=np.fft.rfftfreq(n_fft, 1.0 / sample_rate)[1:]
    )
    decibels = tf.concat([decibels[:, :1], decibels], axis=1)  # at 0 Hz as just above it
    response = minimum_phase(decibels * (math.log(10.0) / 20.0))[:, :taps]
    faded = max(1, round(FADED * taps))
    fade = np.cos(np.linspace(0.0, np.pi / 2, faded, endpoint=False)) ** 2
    return response * np.concatenate([np.ones(taps - faded), fade]).astype(np.float32)


def draw_magnitudes(
    seed: "tf.Tensor", number: "tf.Tensor", *, frequencies: np.ndarray
) -> "tf.Tensor":
    """Draw magnitudes of responses as :func:`draw_responses` says.

    Args:
        seed: int32 (2,).
        number: How many.
        frequencies: Rising, above 0, the last one half the sample rate, (bins,) in hertz.

    Returns:
        Decibels, float32 (number, bins), from ``SOFTEST_DB`` to ``LOUDEST_DB``.
    """
    import tensorflow as tf

    seeds = tf.unstack(tf.random.split(seed, 6))

    def uniform(which: int, shape: tuple[int, ...], low: float, high: float) -> tf.Tensor:
        return tf.random.stateless_uniform([number, *shape], seeds[which], low, high)

    octaves = tf.constant(np.log2(frequencies / 1000.0), tf.float32)
    highest = math.log2(min(HIGHEST_RESONANCE_HZ, frequencies[-1]) / 1000.0)
    low, high = (
        uniform(which, (1,), *(math.log2(hertz / 1000.0) for hertz in corner))
        for which, corner in enumerate((LOW_CORNER_HZ, HIGH_CORNER_HZ))
    )
    centre = uniform(2, (RESONANCES, 1), highest - RESONANCE_RANGE_OCTAVES, highest)
    width = uniform(3, (RESONANCES, 1), *RESONANCE_OCTAVES)
    gain = uniform(4, (RESONANCES, 1), -RESONANCE_DB, RESONANCE_DB)
    bells = tf.reduce_sum(gain * tf.exp(-0.5 * tf.square((octaves - centre) / width)), axis=1)
    shape = bells + uniform(5, (1,), -TILT_DB, TILT_DB) * octaves
    bent = LOUDEST_DB * tf.tanh(shape / LOUDEST_DB)
    limits = _second_order(low - octaves) + _second_order(octaves - high)
    return tf.maximum(bent + limits, SOFTEST_DB)


def _second_order(octaves: "tf.Tensor") -> "tf.Tensor":
    """Decibels of a Butterworth filter of second order, so many octaves beyond its corner."""
    import tensorflow as tf

    return -10.0 / math.log(10.0) * tf.math.softplus(4.0 * math.log(2.0) * octaves)


def minimum_phase(log_magnitude: "tf.Tensor") -> "tf.Tensor":
    """Impulse responses of minimum phase with given magnitudes.

    The cepstrum of a minimum-phase response is causal; that of its magnitude alone is the even part
    of it, so the negative times are added to the positive ones.

    Args:
        log_magnitude: natural logarithm at the frequencies of a real FFT, float32 (..., bins).

    Returns:
        float32 (..., 2 (bins - 1)).
    """
    import tensorflow as tf

    half = log_magnitude.shape[-1] - 1
    cepstrum = tf.signal.irfft(tf.cast(log_magnitude, tf.complex64))
    fold = np.zeros(2 * half, np.float32)
    fold[0] = fold[half] = 1.0
    fold[1:half] = 2.0
    return tf.signal.irfft(tf.exp(tf.signal.rfft(cepstrum * fold)))
