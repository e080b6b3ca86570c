"""Building blocks of generated sounds: partials, band noise, struck bodies, gates, at any rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.datasets.soundscape_mixing import shaped_noise

EDGE_SECONDS = 0.008


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between two, even on a logarithmic scale."""
    return float(low * (high / low) ** rng.random())


def level(samples: np.ndarray) -> "np.floating[Any]":
    """Root mean square, never 0, in the samples' precision."""
    return np.sqrt(np.mean(np.square(samples))) + 1e-12


def timbre(rng: np.random.Generator, partials: int, *, fall: float) -> np.ndarray:
    """Amplitudes (partials,), falling as their number to the power of ``-fall``, and uneven."""
    return rng.uniform(0.3, 1.0, partials) * np.arange(1.0, partials + 1.0) ** -fall


def add(track: np.ndarray, start: int, sound: np.ndarray) -> None:
    """Mix a sound into the track, cutting what lies beyond its end."""
    track[start : start + sound.size] += sound[: max(track.size - start, 0)]


@dataclass(frozen=True)
class Synthesiser:
    """Makes sounds at one rate; lengths are samples unless a name says seconds.

    Attributes:
        sample_rate: hertz.
    """

    sample_rate: int

    def samples(self, seconds: float) -> int:
        """Number of samples of a time."""
        return round(seconds * self.sample_rate)

    def harmonics(
        self, frequency_hz: np.ndarray, amplitudes: Sequence[float] | np.ndarray
    ) -> np.ndarray:
        """Partials (samples,) over a fundamental frequency (samples,) that may glide.

        Partials that would leave the audible half of the spectrum at some time are left out.
        """
        phase = 2.0 * np.pi * np.cumsum(frequency_hz) / self.sample_rate
        highest = self.sample_rate / 2.0 / frequency_hz.max()
        tone = np.zeros(frequency_hz.size)
        for number, amplitude in enumerate(amplitudes, start=1):
            if number < highest:
                tone += amplitude * np.sin(number * phase)
        return tone

    def steady(
        self, length: int, frequency_hz: float, amplitudes: Sequence[float] | np.ndarray
    ) -> np.ndarray:
        """Partials (length,) over a fundamental frequency that stays."""
        return self.harmonics(np.full(length, frequency_hz), amplitudes)

    def band(
        self, rng: np.random.Generator, length: int, centre_hz: float, octaves: float
    ) -> np.ndarray:
        """Band noise (length,) of root mean square 1."""
        edge = 2.0 ** (octaves / 2.0)
        knots = (centre_hz / edge**2, centre_hz / edge, centre_hz * edge, centre_hz * edge**2)
        gains_db = (-40.0, 0.0, 0.0, -40.0)
        noise = shaped_noise(rng, length, knots, gains_db, sample_rate=self.sample_rate)
        return noise / level(noise)

    def modes(
        self, rng: np.random.Generator, count: int, low_hz: float, high_hz: float, seconds: float
    ) -> np.ndarray:
        """A struck body: random partials, each falling by 1/e in ``seconds`` or faster."""
        body = np.zeros(self.samples(6.0 * seconds))
        for _ in range(count):
            tone = self.steady(body.size, between(rng, low_hz, high_hz), [rng.uniform(0.3, 1.0)])
            body += tone * self.fall(body.size, seconds * rng.uniform(0.4, 1.0))
        return body

    def fall(self, length: int, seconds: float) -> np.ndarray:
        """Sudden start and exponential fall by 1/e in ``seconds``, (length,)."""
        return np.exp(-np.arange(length) / (seconds * self.sample_rate))

    def gate(self, length: int, seconds: float = EDGE_SECONDS) -> np.ndarray:
        """A gate (length,) that opens and closes within ``seconds``."""
        place = np.arange(length) + 0.5
        return np.minimum(1.0, np.minimum(place, length - place) / (seconds * self.sample_rate))

    def wander(
        self, rng: np.random.Generator, length: int, *, rate_hz: float, deviation: float
    ) -> np.ndarray:
        """A random curve (length,) that changes its direction about ``rate_hz`` times a second."""
        knots = 2 + int(np.ceil(length / self.sample_rate * rate_hz))
        places = np.linspace(0.0, knots - 1.0, length)
        return np.interp(places, np.arange(knots), rng.normal(0.0, deviation, knots))

    def scattered(self, rng: np.random.Generator, length: int, rate_hz: float) -> np.ndarray:
        """Single samples (length,) at random times, uneven in height, about so many a second."""
        count = int(rng.poisson(rate_hz * length / self.sample_rate)) + 1
        track = np.zeros(length)
        np.add.at(track, rng.integers(length, size=count), rng.exponential(1.0, count))
        return track


def convolved(samples: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolution, cut to the samples' length."""
    from scipy import fft

    size = fft.next_fast_len(samples.size + kernel.size, real=True)
    return fft.irfft(fft.rfft(samples, size) * fft.rfft(kernel, size), size)[: samples.size]
