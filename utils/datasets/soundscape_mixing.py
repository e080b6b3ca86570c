"""Recipes -> samples: events over a background, and backgrounds where there are no recordings."""

from collections.abc import Sequence

import numpy as np

from utils.mixing import PEAK

FADE_SECONDS = 0.01
KNOTS_HZ = (20.0, 60.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0)
PINK_DB, BROWN_DB = -3.0, -6.0  # change of level from one octave to the next
MOVE_SECONDS = 2.5
_QUIETEST = 1e-5  # level that is taken for that of a silent background: -100 dB


def mix(
    background: np.ndarray,
    excerpts: Sequence[np.ndarray],
    *,
    onsets: Sequence[int],
    snr_db: Sequence[float],
    sample_rate: int,
) -> np.ndarray:
    """Put events over a background.

    Each event fades in and out within 10 ms and is scaled so that the root mean square of all of it
    lies ``snr_db`` above that of the whole background. The sum is scaled to a peak of
    :data:`utils.mixing.PEAK`; silence stays silent.

    Args:
        background: (samples,).
        excerpts: an array (samples of the event,) for each event.
        onsets: first sample of each in the clip; all of it lies inside.
        snr_db: level of each over the background.
        sample_rate: hertz.

    Returns:
        float32 (samples,).
    """
    mixture = background.astype(np.float64)
    reference = max(_level(mixture), _QUIETEST)
    for excerpt, onset, snr in zip(excerpts, onsets, snr_db, strict=True):
        event = excerpt * _gate(excerpt.size, round(FADE_SECONDS * sample_rate))
        level = _level(event)
        if level > 0.0:
            mixture[onset : onset + event.size] += event * (
                reference * 10.0 ** (snr / 20.0) / level
            )
    peak = np.abs(mixture).max()
    return (mixture * (PEAK / peak if peak > 0.0 else 1.0)).astype(np.float32)


def moving_noise(rng: np.random.Generator, length: int, *, sample_rate: int) -> np.ndarray:
    """Noise between pink and brown whose spectrum and level change slowly.

    Every 2.5 seconds another noise of its own slope, octave levels and level fades in, at equal
    power, over the one before; all of a clip are alike within a few decibels.

    Args:
        rng: randomness.
        length: samples.
        sample_rate: hertz.

    Returns:
        float32 (length,), root mean square near 0.1.
    """
    step = max(1, round(MOVE_SECONDS * sample_rate))
    octaves = np.log2(np.asarray(KNOTS_HZ) / 1000.0)
    slope, colour = rng.uniform(BROWN_DB, PINK_DB), rng.normal(0.0, 2.0, octaves.size)
    fade = np.sin(0.5 * np.pi * (np.arange(step) + 0.5) / step)
    window = np.concatenate([fade, fade[::-1]]).astype(np.float32)
    first = step + int(rng.integers(step))  # only there do two noises lie over each other
    count = -(-(first + length) // step)
    track = np.zeros((count + 1) * step, np.float32)
    for start in range(0, count * step, step):
        gains_db = slope * octaves + colour + rng.normal(0.0, 2.0, octaves.size)
        noise = shaped_noise(rng, 2 * step, KNOTS_HZ, gains_db, sample_rate=sample_rate)
        level = 10.0 ** (rng.normal(-20.0, 1.5) / 20.0)
        track[start : start + 2 * step] += noise * window * np.float32(level / _level(noise))
    return track[first : first + length]


def shaped_noise(
    rng: np.random.Generator,
    length: int,
    knots_hz: Sequence[float],
    gains_db: Sequence[float] | np.ndarray,
    *,
    sample_rate: int,
) -> np.ndarray:
    """Gaussian noise of a given spectrum.

    Args:
        rng: randomness.
        length: samples.
        knots_hz: rising frequencies; outside of them the gain is that of the nearest.
        gains_db: gain at each, interpolated over the logarithm of frequency; at 0 dB everywhere the
            noise is white and of variance 1.
        sample_rate: hertz.

    Returns:
        float32 (length,).
    """
    from scipy import fft

    size = fft.next_fast_len(length, real=True)
    octaves = np.log2(np.maximum(fft.rfftfreq(size, 1.0 / sample_rate), 1.0))
    curve_db = np.interp(octaves, np.log2(knots_hz), gains_db).astype(np.float32)
    gains = np.float32(10.0) ** (curve_db / np.float32(20.0))
    spectrum = rng.standard_normal(2 * (size // 2 + 1), np.float32).view(np.complex64)
    spectrum = spectrum * (gains * np.float32(np.sqrt(size / 2)))
    return fft.irfft(spectrum, size)[:length]


def _level(samples: np.ndarray) -> float:
    """Root mean square; 0 of nothing."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0


def _gate(length: int, fade: int) -> np.ndarray:
    """1 but for a rise and a fall of half a cosine at the ends, (length,)."""
    fade = min(fade, length // 2)
    gate = np.ones(length)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / max(fade, 1))
    gate[:fade], gate[length - fade :] = ramp, ramp[::-1]
    return gate
