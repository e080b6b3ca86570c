"""Generated stand-ins for ten urban scenes: synthesised, not recorded.

The scenes share one background and differ mainly in what happens over time: how often, how fast and
in which direction sounds move. Their mean spectra overlap, because every place has its own random
equalisation, level, pitch and tempo.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from utils.datasets.soundscape_mixing import shaped_noise

SAMPLE_RATE = 44_100
EQ_KNOTS_HZ = (60.0, 200.0, 500.0, 1200.0, 2800.0, 6000.0, 14000.0)
BACKGROUND_DB = (9.0, 6.0, 2.0, -2.0, -6.0, -9.0, -14.0)
BACKGROUND_LEVEL = 0.05


@dataclass(frozen=True)
class Place:
    """What all recordings of one place share.

    Attributes:
        equaliser_db: gain at ``EQ_KNOTS_HZ``.
        pitch: factor on frequencies of this place's sounds.
        tempo: factor on their rates.
        prominence_db: level of the sounds over the background.
    """

    equaliser_db: tuple[float, ...]
    pitch: float
    tempo: float
    prominence_db: float


def place(rng: np.random.Generator) -> Place:
    """Draw a place."""
    tilt = rng.uniform(-6.0, 6.0)
    slope = np.linspace(-tilt, tilt, len(EQ_KNOTS_HZ))
    gains = slope + rng.uniform(-6.0, 6.0, len(EQ_KNOTS_HZ))
    return Place(
        equaliser_db=tuple(float(gain) for gain in gains),
        pitch=float(2.0 ** rng.uniform(-0.25, 0.25)),
        tempo=float(2.0 ** rng.uniform(-0.12, 0.12)),
        prominence_db=float(rng.uniform(-5.0, 1.0)),
    )


def record(scene: str, where: Place, *, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Synthesise one recording of a scene, before the device.

    Args:
        scene: one of ``SCENES``.
        where: the place.
        seconds: length.
        rng: randomness of this recording.

    Returns:
        float32 (samples,) at ``SAMPLE_RATE``, root mean square near 0.05.
    """
    length = round(seconds * SAMPLE_RATE)
    foreground = np.zeros(length, np.float32)
    SCENES[scene](foreground, where, rng)
    _distractions(foreground, rng)
    if rng.random() < 0.5:
        elsewhere = np.zeros(length, np.float32)
        SCENES[str(rng.choice(list(SCENES)))](elsewhere, place(rng), rng)
        foreground += decibels(-9.0) * elsewhere
    background = coloured_noise(rng, length, EQ_KNOTS_HZ, BACKGROUND_DB)
    swing = np.interp(
        np.linspace(0.0, 1.0, length), np.linspace(0.0, 1.0, 8), rng.normal(0, 1.0, 8)
    )
    background *= decibels(swing)
    mixed = background + decibels(where.prominence_db + rng.normal(0.0, 6.0)) * foreground
    jitter = np.asarray(where.equaliser_db) + rng.normal(0.0, 1.5, len(EQ_KNOTS_HZ))
    mixed = equalise(mixed, EQ_KNOTS_HZ, jitter)
    level = BACKGROUND_LEVEL * decibels(rng.uniform(-3.0, 3.0))
    return (level * mixed / np.sqrt(np.mean(background**2))).astype(np.float32)


def decibels(gain_db: np.ndarray | float) -> np.ndarray:
    """Amplitude factor of a gain in dB."""
    return np.float32(10.0) ** (np.asarray(gain_db, np.float32) / np.float32(20.0))


def equalise(
    samples: np.ndarray, knots_hz: tuple[float, ...], gains_db: np.ndarray | tuple[float, ...]
) -> np.ndarray:
    """Zero-phase filter, gains interpolated in dB over the logarithm of frequency."""
    from scipy import fft

    length = fft.next_fast_len(samples.size, real=True)
    spectrum = fft.rfft(samples, length) * _response(length, knots_hz, gains_db)
    return fft.irfft(spectrum, length)[: samples.size]


def coloured_noise(
    rng: np.random.Generator,
    length: int,
    knots_hz: tuple[float, ...],
    gains_db: np.ndarray | tuple[float, ...],
) -> np.ndarray:
    """Gaussian noise, float32 (length,); at 0 dB everywhere it is white and of variance 1."""
    return shaped_noise(rng, length, knots_hz, gains_db, sample_rate=SAMPLE_RATE)


def _response(
    length: int, knots_hz: tuple[float, ...], gains_db: np.ndarray | tuple[float, ...]
) -> np.ndarray:
    frequencies = np.fft.rfftfreq(length, 1.0 / SAMPLE_RATE)
    octaves = np.log2(np.maximum(frequencies, 1.0))
    return decibels(np.interp(octaves, np.log2(knots_hz), gains_db))


def _times(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32) / np.float32(SAMPLE_RATE)


def _add(track: np.ndarray, start_seconds: float, sound: np.ndarray) -> None:
    """Mix a sound into the track at a time, cutting what lies outside."""
    start = round(start_seconds * SAMPLE_RATE)
    first, last = max(start, 0), min(start + sound.size, track.size)
    if first < last:
        track[first:last] += sound[first - start : last - start]


def _seconds(track: np.ndarray) -> float:
    return track.size / SAMPLE_RATE


def _tone(
    seconds: float, from_hz: float, to_hz: float, harmonics: tuple[float, ...] = (1.0,)
) -> np.ndarray:
    """A gliding tone with partials of the given amplitudes; the glide is geometric."""
    times = _times(seconds)
    frequency = from_hz * (to_hz / from_hz) ** (times / seconds)
    phase = 2.0 * np.pi * np.cumsum(frequency, dtype=np.float64) / SAMPLE_RATE
    phase = np.mod(phase, 2.0 * np.pi).astype(np.float32)
    tone = np.zeros(times.size, np.float32)
    for number, amplitude in enumerate(harmonics, start=1):
        if number * max(from_hz, to_hz) < SAMPLE_RATE / 2:
            tone += np.float32(amplitude) * np.sin(number * phase)
    return tone


def _burst(
    rng: np.random.Generator, seconds: float, centre_hz: float, octaves: float
) -> np.ndarray:
    """Band noise of root mean square 1."""
    edge = 2.0 ** (octaves / 2.0)
    knots = (centre_hz / edge**2, centre_hz / edge, centre_hz * edge, centre_hz * edge**2)
    noise = coloured_noise(rng, round(seconds * SAMPLE_RATE), knots, (-40.0, 0.0, 0.0, -40.0))
    return noise / np.sqrt(np.mean(noise**2))


def _hump(length: int, power: float = 1.0) -> np.ndarray:
    """Rise and fall, a power of half a sine."""
    half_sine = np.sin(np.pi * (np.arange(length, dtype=np.float32) + 0.5) / length)
    return half_sine.astype(np.float32) ** np.float32(power)


def _fall(length: int, seconds: float) -> np.ndarray:
    """Sudden start and exponential fall by 1/e in ``seconds``."""
    return np.exp(-np.arange(length, dtype=np.float32) / np.float32(seconds * SAMPLE_RATE))


def _train(
    rng: np.random.Generator, seconds: float, rate_hz: float, jitter: float = 0.03
) -> np.ndarray:
    """Times of a regular series with a random start and a little jitter."""
    times = np.arange(rng.uniform(-1.0, 0.0) / rate_hz, seconds, 1.0 / rate_hz)
    return times + rng.normal(0.0, jitter / rate_hz, times.size)


def _airport(track: np.ndarray, where: Place, rng: np.random.Generator) -> None:
    """Suitcase wheels over tiles: trains of fast rattling."""
    for start in _train(rng, _seconds(track), 0.8, jitter=0.15):
        duration = rng.uniform(0.6, 0.9)
        centre = where.pitch * 2.0 ** rng.uniform(-1.2, 1.2) * 1500.0
        rattle = _burst(rng, duration, centre, 1.2)
        beat = np.sin(np.pi * where.tempo * rng.uniform(10.5, 12.0) * _times(duration)) ** 4
        _add(track, start, 2.0 * rattle * beat * _hump(rattle.size, 0.3))


def _bus(track: np.ndarray, where: Place, rng: np.random.Generator) -> None:
    """Idling engine, slowly throbbing, and brakes that let off air: sudden, then long falling."""
    times = _times(_seconds(track))
    engine = _tone(
        _seconds(track), 55 * where.pitch, 58 * where.pitch, (1.0, 0.8, 0.6, 0.5, 0.4, 0.3)
    )
    track += 1.2 * engine * (1.0 + 0.9 * np.sin(2 * np.pi * 5.0 * where.tempo * times))
    for start in _train(rng, _seconds(track), 0.7, jitter=0.15):
        hiss = _burst(rng, 1.0, where.pitch * 2.0 ** rng.uniform(-1.2, 1.2) * 2200.0, 1.6)
        _add(track, start, 2.2 * hiss * _fall(hiss.size, 0.25))


def _metro(track: np.ndarray, where: Place, rng: np.random.Generator) -> None:
    """Motors that speed up: rising harmonic glides."""
    for start in _train(rng, _seconds(track), 0.65, jitter=0.1):
        duration = rng.uniform(1.0, 1.4) / where.tempo
        low = where.pitch * 2.0 ** rng.uniform(-1.0, 1.0) * 450.0
        glide = _tone(duration, low, 2.4 * low, (0.7, 0.5, 0.35))
        _add(track, start, 1.3 * glide * _hump(glide.size, 0.5))


def _metro_station(track: np.ndarray, where: Place, rng: np.random.Generator) -> None:
    """Brakes of an arriving train: falling glides."""
    for start in _train(rng, _seconds(track), 0.65, jitter=0.1):
        duration = rng.uniform(1.0, 1.4) / where.tempo
        high = where.pitch * 2.0 ** rng.uniform(-1.0, 1.0) * 1080.0
        glide = _tone(duration, high, high / 2.4, (0.7, 0.5, 0.35))
        _add(track, start, 1.3 * glide * _hump(glide.size, 0.5))


def _park(track: np.ndarray, where: Place, rng: np.random.Generator) -> None:
    """Birds: series of short chirps that rise and fall."""
    for start in _train(rng, _seconds(track), 0.9, jitter=0.15):
        centre = where.pitch * 2.0 ** rng.uniform(-1.2, 1.0) * 3000.0
        for number in range(int(rng.integers(4, 7))):
            up = _tone(0.05, 0.75 * centre, 1.35 * centre)
            chirp = np.concatenate([up, _tone(0.05, 1.35 * centre, 0.75 * centre)])
            when = start + number * 0.15 / where.tempo
            _add(track, when, 1.1 * chirp * _hump(chirp.size))


def _public_square(track: np.ndarray, where: Place, rng: np.random.Generator) -> None:
    """Voices: syllables of moving formants over a drifting pitch."""
    for start in _train(rng, _seconds(track), 4.0 * where.tempo, jitter=0.12):
        pitch = where.pitch * 2.0 ** rng.uniform(-0.3, 0.3) * 190.0
        partials = np.arange(1, 16) * pitch
        first, second = rng.uniform(350, 900), rng.uniform(1100, 2400)
        shape = np.exp(-(((partials - first) / 180.0) ** 2))
        shape = shape + 0.8 * np.exp(-(((partials - second) / 250.0) ** 2))
        syllable = _tone(0.17, pitch, pitch * 2.0 ** rng.uniform(-0.3, 0.1), tuple(shape))
        _add(track, start, 1.1 * syllable * _hump(syllable.size))


def _shopping_mall(track: np.ndarray, where: Place, rng: np.random.Generator) -> None:
    """Music from a shop: struck notes that step through a scale."""
    steps = np.array([0, 2, 4, 7, 9, 12, 14, 16])
    root = where.pitch * 2.0 ** rng.uniform(-0.8, 0.8) * 400.0
    for start in _train(rng, _seconds(track), 2.6 * where.tempo, jitter=0.02):
        pitch = root * 2.0 ** (rng.choice(steps) / 12.0)
        note = _tone(0.6, pitch, pitch, (0.8, 0.45, 0.3, 0.2))
        _add(track, start, 1.2 * note * _fall(note.size, 0.2))


def _street_pedestrian(track: np.ndarray, where: Place, rng: np.random.Generator) -> None:
    """Footsteps: short strikes at a walker's even pace."""
    centre = where.pitch * 2.0 ** rng.uniform(-1.2, 1.2) * 1200.0
    for start in _train(rng, _seconds(track), 2.6 * where.tempo):
        step = _burst(rng, 0.12, centre, 2.2)
        _add(track, start, decibels(rng.normal(9.0, 1.0)) * step * _fall(step.size, 0.018))


def _street_traffic(track: np.ndarray, where: Place, rng: np.random.Generator) -> None:
    """Passing cars: noise that swells and falls."""
    for start in _train(rng, _seconds(track), 0.75, jitter=0.15):
        duration = rng.uniform(0.9, 1.2) / where.tempo
        car = _burst(rng, duration, where.pitch * 2.0 ** rng.uniform(-1.4, 1.4) * 1200.0, 2.0)
        _add(track, start, 2.0 * car * _hump(car.size, 2.5))


def _tram(track: np.ndarray, where: Place, rng: np.random.Generator) -> None:
    """Rail joints: pairs of strikes."""
    centre = where.pitch * 2.0 ** rng.uniform(-1.2, 1.2) * 1200.0
    for start in _train(rng, _seconds(track), 1.3 * where.tempo):
        for delay in (0.0, 0.16 / where.tempo):
            clack = _burst(rng, 0.12, centre, 2.2)
            _add(
                track,
                start + delay,
                decibels(rng.normal(9.0, 1.0)) * clack * _fall(clack.size, 0.03),
            )


def _distractions(track: np.ndarray, rng: np.random.Generator) -> None:
    """What is heard anywhere: a knock, a tone, a rush of wind, none of it telling the scene."""
    for _ in range(int(rng.integers(0, 3))):
        knock = _burst(rng, 0.1, 2.0 ** rng.uniform(-1.5, 1.5) * 1200.0, 2.0)
        _add(track, rng.uniform(0.0, _seconds(track)), 2.0 * knock * _fall(knock.size, 0.02))
    if rng.random() < 0.4:
        pitch = 2.0 ** rng.uniform(-1.0, 1.5) * 700.0
        tone = _tone(rng.uniform(0.3, 0.8), pitch, pitch)
        _add(track, rng.uniform(0.0, _seconds(track)), 0.6 * tone * _hump(tone.size, 0.5))
    if rng.random() < 0.4:
        wind = _burst(rng, rng.uniform(0.8, 1.6), 2.0 ** rng.uniform(-1.0, 1.0) * 400.0, 2.0)
        _add(track, rng.uniform(-0.5, _seconds(track)), 1.0 * wind * _hump(wind.size, 2.0))


SCENES: dict[str, Callable[[np.ndarray, Place, np.random.Generator], None]] = {
    "airport": _airport,
    "bus": _bus,
    "metro": _metro,
    "metro_station": _metro_station,
    "park": _park,
    "public_square": _public_square,
    "shopping_mall": _shopping_mall,
    "street_pedestrian": _street_pedestrian,
    "street_traffic": _street_traffic,
    "tram": _tram,
}
