"""Generated recording devices: each with its own frequency response, gain control and noise."""

from dataclasses import dataclass

import numpy as np

from utils.datasets.demo_sounds import (
    BACKGROUND_LEVEL,
    EQ_KNOTS_HZ,
    SAMPLE_RATE,
    coloured_noise,
    decibels,
    equalise,
)

RESPONSE_KNOTS_HZ = (50.0, 120.0, 300.0, 800.0, 2000.0, 4500.0, 9000.0, 16000.0)
NOISE_DB = (8.0, 5.0, 1.5, -1.5, -5.0, -7.0, -10.0)
GAIN_CONTROL_SECONDS = 0.12


@dataclass(frozen=True)
class Device:
    """A microphone and its electronics.

    Attributes:
        response_db: gain at ``RESPONSE_KNOTS_HZ``.
        gain_control: 0 leaves the level as it is, 1 holds it constant.
        noise_db: level of its white noise against the recording.
    """

    response_db: tuple[float, ...]
    gain_control: float
    noise_db: float


DEVICES = {
    "a": Device((0, 0, 0, 0, 0, 0, 0, 0), 0.0, -30.0),
    "b": Device((-24, -12, -3, 0, 4, 8, 2, -14), 0.5, 8.0),
    "c": Device((-10, -4, 3, 6, 0, -6, -14, -30), 0.5, 8.0),
    "s1": Device((-20, -9, 4, -4, 6, -3, 4, -12), 0.6, 8.0),
    "s2": Device((6, 3, -5, 5, -6, 6, -8, -20), 0.6, 8.0),
    "s3": Device((-14, -14, -2, 8, 2, -8, -2, -10), 0.6, 8.0),
    "s4": Device((-30, -20, -8, 2, 9, 4, -10, -30), 0.7, 8.0),
    "s5": Device((4, 8, -8, -8, 2, 10, -4, -16), 0.7, 8.0),
    "s6": Device((-12, 2, 10, -6, -10, 4, 8, -24), 0.7, 8.0),
}
"""Devices by name; a is the clean one, s4 to s6 distort most."""


def capture(samples: np.ndarray, device: str, *, rng: np.random.Generator) -> np.ndarray:
    """Pass a recording through a device.

    Args:
        samples: float (samples,) at ``demo_sounds.SAMPLE_RATE``.
        device: a key of ``DEVICES``.
        rng: randomness of the device's noise.

    Returns:
        float32 (samples,) of the same root mean square, cut to [-1, 1].
    """
    from scipy.ndimage import uniform_filter1d

    traits = DEVICES[device]
    level = _level(samples)
    heard = equalise(samples, RESPONSE_KNOTS_HZ, traits.response_db)
    envelope = uniform_filter1d(heard**2, round(GAIN_CONTROL_SECONDS * SAMPLE_RATE), mode="reflect")
    heard = heard * (envelope + 1e-12) ** np.float32(-traits.gain_control / 2.0)
    heard *= level / _level(heard)
    noise = coloured_noise(rng, samples.size, EQ_KNOTS_HZ, NOISE_DB)
    heard += BACKGROUND_LEVEL * decibels(traits.noise_db) * noise / _level(noise)
    return np.clip(heard, -1.0, 1.0).astype(np.float32)


def _level(samples: np.ndarray) -> np.ndarray:
    """Root mean square."""
    return np.sqrt(np.mean(samples**2))
