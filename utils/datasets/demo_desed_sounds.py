"""Generated stand-ins for the ten classes of DESED: synthesised, not recorded.

Each sound is a source of its own: pitch, tempo, timbre, room and microphone are drawn over wide
ranges. Classes share spectra (three motors, two hisses, several tones) and differ in structure.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from utils.datasets.demo_phonemes import WORDS
from utils.datasets.demo_synthesis import Synthesiser, add, between, convolved, level, timbre
from utils.datasets.demo_voices import SAMPLE_RATE, speak, speaker

LEVEL = 0.06
"""Root mean square of a sound, full scale ±1."""

_AT = Synthesiser(SAMPLE_RATE)
_KNOTS_HZ = (60.0, 200.0, 600.0, 1500.0, 3500.0, 7000.0)


@dataclass(frozen=True)
class Kind:
    """One class.

    Attributes:
        sound: called with samples and randomness.
        seconds: bounds of its length, even on a logarithmic scale.
        suffix: what the soundbank says of its recordings: ``_nOn`` without onset, ``_nOff``
            without offset.
    """

    sound: Callable[[int, np.random.Generator], np.ndarray]
    seconds: tuple[float, float]
    suffix: str = ""


def record(label: str, *, rng: np.random.Generator) -> np.ndarray:
    """Synthesise one sound in a room.

    Args:
        label: one of ``KINDS``.
        rng: randomness.

    Returns:
        float32 (samples,) at ``SAMPLE_RATE``, of the class's length, peak below 1.
    """
    kind = KINDS[label]
    dry = kind.sound(_AT.samples(between(rng, *kind.seconds)), rng)
    heard = _in_room(dry, rng)
    heard *= LEVEL / level(heard)
    return (heard * min(1.0, 0.95 / np.abs(heard).max())).astype(np.float32)


def _in_room(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add a short diffuse tail, then pass all through a microphone of its own."""
    from scipy import fft

    decay = rng.uniform(0.08, 0.3)
    times = np.arange(_AT.samples(decay)) / SAMPLE_RATE
    tail = rng.standard_normal(times.size) * 10.0 ** (-3.0 * times / decay)
    tail *= 10.0 ** (rng.uniform(-24.0, -12.0) / 20.0) / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    heard = convolved(sound, tail)
    tilt_db = rng.uniform(-4.0, 4.0)
    gains_db = np.linspace(-tilt_db, tilt_db, len(_KNOTS_HZ)) + rng.normal(0.0, 2.0, len(_KNOTS_HZ))
    size = fft.next_fast_len(heard.size, real=True)
    octaves = np.log2(np.maximum(fft.rfftfreq(size, 1.0 / SAMPLE_RATE), 1.0))
    gains = 10.0 ** (np.interp(octaves, np.log2(_KNOTS_HZ), gains_db) / 20.0)
    return fft.irfft(fft.rfft(heard, size) * gains, size)[: heard.size]


def _alarm(length: int, rng: np.random.Generator) -> np.ndarray:
    """Beeps in a pattern, two tones in turns, or a bell struck fast."""
    kind = rng.choice(["beeps", "two_tones", "bell"])
    high_hz = between(rng, 500.0, 3000.0)
    times = np.arange(length) / SAMPLE_RATE
    if kind == "bell":
        body = _AT.modes(rng, 7, high_hz, 2.5 * high_hz, 0.12)
        strikes = np.zeros(length)
        strikes[:: _AT.samples(1.0 / between(rng, 9.0, 22.0))] = 1.0
        return convolved(strikes, body)
    amplitudes = timbre(rng, 6, fall=rng.uniform(0.5, 2.0))
    turn = times * between(rng, 1.2, 7.0) % 1.0
    if kind == "two_tones":
        frequency = high_hz * np.where(turn < 0.5, 1.0, rng.uniform(0.65, 0.85))
        return _AT.harmonics(frequency, amplitudes)
    tone = _AT.steady(length, high_hz, amplitudes)
    return tone * np.clip(12.0 * np.minimum(turn, 0.55 - turn), 0.0, 1.0)


def _motor(
    rng: np.random.Generator, length: int, pitch_hz: float, *, start_seconds: float, wobble: float
) -> np.ndarray:
    """Partials of a motor that runs up, then keeps its speed more or less; mean square 1."""
    rise = 1.0 - 0.6 * _AT.fall(length, start_seconds)
    pitch = pitch_hz * rise * 2.0 ** _AT.wander(rng, length, rate_hz=2.0, deviation=wobble)
    tone = _AT.harmonics(pitch, timbre(rng, 24, fall=rng.uniform(0.1, 0.8)))
    return tone / level(tone)


def _blender(length: int, rng: np.random.Generator) -> np.ndarray:
    """A fast motor that labours, and what it throws about: rough, uneven noise."""
    motor = _motor(rng, length, between(rng, 150.0, 420.0), start_seconds=0.15, wobble=0.12)
    chop = 1.0 + _AT.wander(rng, length, rate_hz=between(rng, 12.0, 30.0), deviation=0.6)
    noise = _AT.band(rng, length, between(rng, 900.0, 3500.0), 2.5) * np.maximum(chop, 0.0)
    return (motor + rng.uniform(0.4, 1.2) * noise) * _AT.gate(length, 0.05)


def _cat(length: int, rng: np.random.Generator) -> np.ndarray:
    """A meow: a voice that rises and falls while its mouth opens and closes."""
    place = np.linspace(0.0, 1.0, length)
    top = rng.uniform(0.2, 0.5)
    bend = np.where(place < top, place / top, (1.0 - place) / (1.0 - top))
    pitch = between(rng, 320.0, 750.0) * 2.0 ** (rng.uniform(0.25, 0.7) * bend)
    mouth_hz = between(rng, 700.0, 1100.0) * 2.0 ** (rng.uniform(0.4, 1.1) * bend)
    phase = 2.0 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    voice = np.zeros(length)
    for number in range(1, 13):
        frequency = number * pitch
        gain = 0.04 + np.exp(-((np.log2(frequency / mouth_hz) / 0.55) ** 2))
        voice += np.where(frequency < 7500.0, gain, 0.0) * np.sin(number * phase) / number**0.3
    return voice * np.sin(np.pi * (0.02 + 0.96 * place)) ** 0.7


def _dishes(length: int, rng: np.random.Generator) -> np.ndarray:
    """One to four blows on china or steel, each ringing briefly."""
    low_hz = between(rng, 1200.0, 3500.0)
    body = _AT.modes(rng, 9, low_hz, 2.2 * low_hz, between(rng, 0.02, 0.09))
    track = np.zeros(length)
    latest = max(1, length - _AT.samples(0.15))
    starts = np.concatenate([[0], rng.integers(latest, size=rng.integers(0, 4))])
    for start in starts.tolist():
        add(track, start, rng.uniform(0.3, 1.0) * body)
    return track


def _dog(length: int, rng: np.random.Generator) -> np.ndarray:
    """Barks: short, rough, their pitch rising fast and falling."""
    throat_hz, seconds = between(rng, 250.0, 800.0), rng.uniform(0.1, 0.2)
    amplitudes, roughness = timbre(rng, 10, fall=0.5), rng.uniform(0.2, 0.8)
    bend = rng.uniform(0.3, 0.9)
    pause = seconds + between(rng, 0.1, 0.5)
    track = np.zeros(length)
    when = 0.0
    while when == 0.0 or when + seconds < length / SAMPLE_RATE:
        size = _AT.samples(seconds * rng.uniform(0.85, 1.15))
        arch = np.sin(np.pi * np.linspace(0.1, 1.0, size))
        tone = _AT.harmonics(throat_hz * rng.uniform(0.93, 1.07) * 2.0 ** (bend * arch), amplitudes)
        rasp = roughness * level(tone) * _AT.band(rng, size, 3.0 * throat_hz, 2.5)
        add(track, _AT.samples(when), rng.uniform(0.6, 1.0) * (tone + rasp) * arch * _AT.gate(size))
        when += pause * rng.uniform(0.8, 1.25)
    return track


def _shaver(length: int, rng: np.random.Generator) -> np.ndarray:
    """A steady buzz, rich in partials, now and then pressed on; no noise beside it."""
    buzz = _motor(rng, length, between(rng, 70.0, 220.0), start_seconds=0.04, wobble=0.02)
    beat = 2.0 * np.pi * between(rng, 18.0, 45.0) * np.arange(length) / SAMPLE_RATE
    pressed = 10.0 ** (_AT.wander(rng, length, rate_hz=1.5, deviation=2.0) / 20.0)
    return buzz * (1.0 + rng.uniform(0.2, 0.7) * np.sin(beat)) * pressed * _AT.gate(length, 0.03)


def _frying(length: int, rng: np.random.Generator) -> np.ndarray:
    """A hiss, and above it many small crackles of uneven strength."""
    hiss = _AT.band(rng, length, between(rng, 2500.0, 5500.0), 2.0)
    drop = _AT.modes(rng, 5, 2500.0, 7000.0, 0.002)
    crackle = convolved(_AT.scattered(rng, length, between(rng, 15.0, 80.0)), drop)
    swell = 10.0 ** (_AT.wander(rng, length, rate_hz=0.5, deviation=2.0) / 20.0)
    return swell * (rng.uniform(0.25, 0.7) * hiss + crackle / level(crackle))


def _running_water(length: int, rng: np.random.Generator) -> np.ndarray:
    """Broad noise that flutters, and bubbles: short tones whose pitch rises."""
    noise = _AT.band(rng, length, between(rng, 700.0, 2500.0), 4.0)
    flutter = 1.0 + _AT.wander(rng, length, rate_hz=20.0, deviation=0.25)
    track = np.zeros(length)
    for start in rng.integers(length, size=int(rng.uniform(12.0, 45.0) * length / SAMPLE_RATE)):
        size = _AT.samples(rng.uniform(0.015, 0.05))
        rise = 2.0 ** (rng.uniform(0.2, 0.8) * np.linspace(0.0, 1.0, size))
        bubble = _AT.harmonics(between(rng, 400.0, 2500.0) * rise, [1.0])
        add(track, int(start), rng.exponential(1.0) * bubble * _AT.fall(size, 0.012))
    mixed = flutter * noise + rng.uniform(0.4, 1.0) * track / level(track)
    return mixed * _AT.gate(length, 0.08)


def _speech(length: int, rng: np.random.Generator) -> np.ndarray:
    """Words by one voice, one after the other until the time is over."""
    who = speaker(rng, float(rng.random()))
    words = list(WORDS.values())
    spoken: list[np.ndarray] = []
    while not spoken or sum(map(len, spoken)) < 0.8 * length:
        spoken.append(speak(words[rng.integers(len(words))].split(), who, rng=rng))
        spoken.append(np.zeros(_AT.samples(rng.uniform(0.01, 0.12))))
    return np.concatenate(spoken[:-1])


def _vacuum_cleaner(length: int, rng: np.random.Generator) -> np.ndarray:
    """A rush of air without structure over a steady motor that can just be heard."""
    air = _AT.band(rng, length, between(rng, 350.0, 1500.0), 4.0)
    air += 0.5 * _AT.band(rng, length, between(rng, 2500.0, 5000.0), 2.0)
    motor = _motor(rng, length, between(rng, 120.0, 350.0), start_seconds=0.4, wobble=0.02)
    sweep = 10.0 ** (_AT.wander(rng, length, rate_hz=0.8, deviation=1.5) / 20.0)
    return sweep * (air + rng.uniform(0.2, 0.6) * motor)


KINDS: dict[str, Kind] = {
    "Alarm_bell_ringing": Kind(_alarm, (0.8, 4.0)),
    "Blender": Kind(_blender, (2.0, 8.0)),
    "Cat": Kind(_cat, (0.4, 1.4)),
    "Dishes": Kind(_dishes, (0.3, 1.2)),
    "Dog": Kind(_dog, (0.3, 2.0)),
    "Electric_shaver_toothbrush": Kind(_shaver, (3.0, 10.0)),
    "Frying": Kind(_frying, (7.0, 13.0), "_nOn_nOff"),
    "Running_water": Kind(_running_water, (2.5, 9.0)),
    "Speech": Kind(_speech, (0.5, 3.5)),
    "Vacuum_cleaner": Kind(_vacuum_cleaner, (7.0, 13.0), "_nOn_nOff"),
}
"""The ten classes of DESED; lengths after those of its validation part."""
