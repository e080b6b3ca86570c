"""Generated stand-ins for the ten classes of UrbanSound8K: synthesised, not recorded.

Classes differ in how their sounds are made and in when they happen. Each recording has its own
pitch, tempo, timbre, room, background and frequency response, all over wide ranges, so that classes
overlap in mean spectrum, level and length, and slices of one recording resemble one another more
than other recordings of their class.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from utils.datasets.demo_sounds import (
    EQ_KNOTS_HZ,
    SAMPLE_RATE,
    coloured_noise,
    decibels,
    equalise,
)
from utils.datasets.demo_synthesis import Synthesiser, add, between, convolved, level, timbre

FIRST_EVENT_SECONDS = 0.12  # latest start of the first sound: half a second holds one
MADE = Synthesiser(SAMPLE_RATE)


@dataclass(frozen=True)
class Scene:
    """What all slices of one recording share beside the sound itself.

    Attributes:
        response_db: gain of place and microphone at ``EQ_KNOTS_HZ``.
        background_db: colour of the background at ``EQ_KNOTS_HZ``.
        prominence_db: level of the sound over the background.
        decay_seconds: time in which the reverberation falls by 60 dB.
        reverberant_db: its energy against the direct sound's.
        level_db: root mean square of a slice against full scale.
    """

    response_db: tuple[float, ...]
    background_db: tuple[float, ...]
    prominence_db: float
    decay_seconds: float
    reverberant_db: float
    level_db: float


def scene(rng: np.random.Generator, *, in_foreground: bool) -> Scene:
    """Draw a recording's place, distance and microphone.

    Args:
        rng: randomness of the recording.
        in_foreground: whether the sound stands out from the background.
    """
    count = len(EQ_KNOTS_HZ)
    tilt_db = rng.uniform(-5.0, 5.0)
    response = np.linspace(-tilt_db, tilt_db, count) + rng.normal(0.0, 2.5, count)
    slope_db = rng.uniform(4.0, 14.0)
    background = np.linspace(slope_db, -slope_db, count) + rng.normal(0.0, 3.0, count)
    return Scene(
        response_db=tuple(response.tolist()),
        background_db=tuple(background.tolist()),
        prominence_db=float(rng.uniform(12.0, 24.0) if in_foreground else rng.uniform(4.0, 12.0)),
        decay_seconds=float(rng.uniform(0.1, 0.7)),
        reverberant_db=float(rng.uniform(-20.0, -6.0)),
        level_db=float(rng.uniform(-38.0, -26.0)),
    )


def record(
    label: str,
    where: Scene,
    *,
    seconds: float,
    traits: np.random.Generator,
    rng: np.random.Generator,
) -> np.ndarray:
    """Synthesise one slice of a recording.

    Args:
        label: one of ``SOUNDS``.
        where: what the recording's slices share.
        seconds: length of the slice.
        traits: draws the recording's pitch, tempo and timbre; from the same seed for each slice.
        rng: randomness of this slice.

    Returns:
        float32 (samples,) at ``SAMPLE_RATE``, peak below 0.9.
    """
    sound = _in_room(SOUNDS[label](MADE.samples(seconds), traits, rng), where, rng)
    background = coloured_noise(rng, sound.size, EQ_KNOTS_HZ, where.background_db)
    background *= decibels(MADE.wander(rng, sound.size, rate_hz=1.0, deviation=1.5))
    prominence = decibels(where.prominence_db + rng.normal(0.0, 1.5))
    mixed = background / level(background) + prominence * sound / level(sound)
    heard = equalise(mixed, EQ_KNOTS_HZ, where.response_db)
    heard *= decibels(where.level_db + rng.normal(0.0, 2.0)) / level(heard)
    return (heard * min(1.0, 0.9 / np.abs(heard).max())).astype(np.float32)


def _in_room(sound: np.ndarray, where: Scene, rng: np.random.Generator) -> np.ndarray:
    """Add a diffuse tail, exponentially falling noise."""
    times = np.arange(MADE.samples(where.decay_seconds)) / SAMPLE_RATE
    tail = rng.standard_normal(times.size) * 10.0 ** (-3.0 * times / where.decay_seconds)
    tail *= decibels(where.reverberant_db) / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    return convolved(sound, tail)


def _starts(
    rng: np.random.Generator, length: int, interval_seconds: float, jitter: float
) -> list[int]:
    """Starts of events, the first within ``FIRST_EVENT_SECONDS``, then at uneven intervals."""
    starts, seconds = [], rng.uniform(0.0, FIRST_EVENT_SECONDS)
    while seconds * SAMPLE_RATE < length:
        starts.append(MADE.samples(seconds))
        seconds += interval_seconds * max(0.2, 1.0 + rng.normal(0.0, jitter))
    return starts


def _strikes(
    rng: np.random.Generator, length: int, rate_hz: float, pattern: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Single samples (length,) at a steady rate, their heights a repeated pattern, uneven."""
    times = np.cumsum(rng.normal(1.0, 0.025, 2 + int(length / SAMPLE_RATE * rate_hz * 1.2)))
    places = ((times - rng.random()) / rate_hz * SAMPLE_RATE).astype(int)
    places = places[(places >= 0) & (places < length)]
    track = np.zeros(length)
    track[places] = np.resize(pattern, places.size) * rng.uniform(0.8, 1.0, places.size)
    return track


def _runs(rng: np.random.Generator, length: int, run_seconds: float) -> np.ndarray:
    """A gate (length,): on for about ``run_seconds``, off for a quarter of it."""
    gate = np.zeros(length)
    for start in _starts(rng, length, 1.25 * run_seconds, 0.2):
        add(gate, start, MADE.gate(MADE.samples(run_seconds * rng.uniform(0.7, 1.1)), 0.03))
    return np.minimum(gate, 1.0)


def _modes(
    rng: np.random.Generator, count: int, low_hz: float, high_hz: float, decay_seconds: float
) -> np.ndarray:
    """A struck body: partials at random frequencies, falling together."""
    body = np.zeros(MADE.samples(6.0 * decay_seconds))
    for _ in range(count):
        body += MADE.steady(body.size, between(rng, low_hz, high_hz), [rng.uniform(0.3, 1.0)])
    return body * MADE.fall(body.size, decay_seconds)


def _air_conditioner(
    length: int, traits: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """A fan: steady noise that flutters a little, and the motor's hum."""
    hum_hz, blades_hz = between(traits, 80.0, 320.0), traits.uniform(5.0, 13.0)
    noise = MADE.band(rng, length, between(traits, 200.0, 3000.0), traits.uniform(2.0, 4.0))
    hum = MADE.steady(length, hum_hz, timbre(traits, 8, fall=traits.uniform(0.3, 1.2)))
    turn = 2.0 * np.pi * (blades_hz * np.arange(length) / SAMPLE_RATE + rng.random())
    flutter = 1.0 + traits.uniform(0.1, 0.3) * np.sin(turn)
    return flutter * (noise + traits.uniform(0.3, 1.5) * hum / level(hum))


def _car_horn(length: int, traits: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """Two steady tones at once, cut off sharply."""
    low_hz, ratio = between(traits, 250.0, 800.0), traits.uniform(1.18, 1.35)
    colour = timbre(traits, 14, fall=traits.uniform(0.0, 0.8))
    honk_seconds = between(traits, 0.2, 1.0)
    track = np.zeros(length)
    for start in _starts(rng, length, honk_seconds + traits.uniform(0.15, 0.6), 0.3):
        size = MADE.samples(honk_seconds * rng.uniform(0.6, 1.3))
        tones = sum(MADE.steady(size, hz, colour) for hz in (low_hz, ratio * low_hz))
        add(track, start, tones * MADE.gate(size))
    return track


def _children_playing(
    length: int, traits: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Many high voices: gliding syllables with formants, and a shriek here and there."""
    voice_hz, pace = between(traits, 260.0, 480.0), traits.uniform(0.09, 0.18)
    shrieks = traits.uniform(0.05, 0.25)
    track = np.zeros(length)
    for start in _starts(rng, length, pace, 0.6):
        shriek = rng.random() < shrieks
        size = round((rng.uniform(0.2, 0.5) if shriek else rng.uniform(0.08, 0.25)) * SAMPLE_RATE)
        pitch = voice_hz * 2.0 ** rng.uniform(-0.4, 0.4) * (2.5 if shriek else 1.0)
        glide = pitch * 2.0 ** (rng.uniform(-0.5, 0.5) * np.linspace(-1.0, 1.0, size))
        partials = pitch * np.arange(1, 17)
        formants = rng.uniform([450.0, 1400.0], [1100.0, 3200.0])
        distance = (partials[:, None] - formants) / (0.25 * formants)
        mouth = 0.03 + np.exp(-(distance**2)).sum(axis=1)
        syllable = MADE.harmonics(glide, mouth) * np.hanning(size)
        add(track, start, rng.uniform(0.2, 1.0) * syllable)
    return track


def _dog_bark(length: int, traits: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """Barks: short, rough, their pitch rising fast and falling."""
    throat_hz, bark_seconds = between(traits, 250.0, 900.0), traits.uniform(0.09, 0.2)
    colour, roughness = timbre(traits, 12, fall=0.5), traits.uniform(0.2, 0.8)
    bend = traits.uniform(0.3, 0.9)
    track = np.zeros(length)
    for start in _starts(rng, length, bark_seconds + between(traits, 0.15, 0.7), 0.35):
        size = MADE.samples(bark_seconds * rng.uniform(0.85, 1.2))
        arch = np.sin(np.pi * np.linspace(0.1, 1.0, size))
        tone = MADE.harmonics(throat_hz * rng.uniform(0.93, 1.07) * 2.0 ** (bend * arch), colour)
        rasp = roughness * level(tone) * MADE.band(rng, size, 3.0 * throat_hz, 2.5)
        add(track, start, rng.uniform(0.6, 1.0) * (tone + rasp) * arch * MADE.gate(size))
    return track


def _drilling(length: int, traits: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """A motor that whines, sags under load and runs up again, and what it grinds."""
    motor_hz, run_seconds = between(traits, 140.0, 500.0), traits.uniform(1.0, 3.0)
    colour = timbre(traits, 18, fall=traits.uniform(0.0, 0.6))
    grind_hz, grinding = between(traits, 800.0, 5000.0), traits.uniform(0.3, 1.2)
    sag = np.abs(MADE.wander(rng, length, rate_hz=2.5, deviation=0.25))
    gate = _runs(rng, length, run_seconds)
    whine = MADE.harmonics(motor_hz * 2.0**-sag * (0.6 + 0.4 * gate), colour)
    grind = MADE.band(rng, length, grind_hz, 2.0) * (
        1.0 + MADE.wander(rng, length, rate_hz=40, deviation=0.4)
    )
    return gate * (whine / level(whine) + grinding * grind)


def _engine_idling(
    length: int, traits: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Strokes of an engine: low, uneven from cylinder to cylinder, without a pause."""
    rate_hz, body = between(traits, 14.0, 40.0), between(traits, 60.0, 260.0)
    stroke = _modes(traits, 3, 0.7 * body, 1.5 * body, 0.025)
    rattle = 0.5 * _modes(traits, 5, 500.0, 3000.0, 0.006)
    stroke[: rattle.size] += traits.uniform(0.2, 1.5) * rattle[: stroke.size]
    strokes = convolved(_strikes(rng, length, rate_hz, traits.uniform(0.4, 1.0, 4)), stroke)
    hiss = MADE.band(rng, length, between(traits, 400.0, 2500.0), 3.0)
    return strokes / level(strokes) + traits.uniform(0.2, 0.6) * hiss


def _gun_shot(length: int, traits: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """A blow without a rise and its echo; of some weapons, several in quick succession."""
    automatic = traits.random() < 0.3
    colour_hz, blow_seconds = between(traits, 300.0, 2500.0), traits.uniform(0.01, 0.04)
    echo_seconds, echo = traits.uniform(0.15, 0.5), traits.uniform(0.1, 0.3)
    burst_seconds = traits.uniform(0.08, 0.14)
    track = np.zeros(length)
    for start in _starts(rng, length, between(traits, 0.9, 2.5), 0.4):
        for shot in range(int(rng.integers(3, 7)) if automatic else 1):
            size = MADE.samples(4.0 * echo_seconds)
            blow = MADE.band(rng, size, colour_hz, 4.0) * MADE.fall(size, blow_seconds)
            roll = echo * MADE.band(rng, size, 0.5 * colour_hz, 3.0) * MADE.fall(size, echo_seconds)
            add(track, start + MADE.samples(shot * burst_seconds), blow + roll)
    return track


def _jackhammer(length: int, traits: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """Blows of steel on stone at a steady rate, in runs, over a compressor."""
    rate_hz, run_seconds = between(traits, 10.0, 28.0), traits.uniform(1.0, 3.5)
    steel = _modes(traits, 8, 500.0, 7000.0, traits.uniform(0.006, 0.015))
    stone = MADE.band(traits, steel.size, between(traits, 300.0, 3000.0), 3.0)
    blow = steel / level(steel) + stone * MADE.fall(steel.size, 0.006) * traits.uniform(0.5, 2.0)
    blows = convolved(_strikes(rng, length, rate_hz, [1.0]), blow) * _runs(rng, length, run_seconds)
    return blows / level(blows) + 0.2 * MADE.band(rng, length, between(traits, 100.0, 800.0), 3.0)


def _siren(length: int, traits: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """One tone that wails slowly, yelps fast, or changes between two pitches."""
    kind = traits.choice(["wail", "yelp", "two_tone"])
    low_hz, colour = (
        between(traits, 350.0, 900.0),
        timbre(traits, 9, fall=traits.uniform(0.3, 1.5)),
    )
    seconds = {"wail": between(traits, 1.5, 4.0), "yelp": between(traits, 0.22, 0.5)}
    period = seconds.get(str(kind), between(traits, 0.6, 1.2))
    turn = np.arange(length) / SAMPLE_RATE / period + rng.random()
    if kind == "two_tone":
        height = 0.42 * (turn % 1.0 < 0.5)
    else:
        height = traits.uniform(0.7, 1.3) * 0.5 * (1.0 - np.cos(2.0 * np.pi * turn))
    return MADE.harmonics(low_hz * 2.0**height, colour)


def _street_music(length: int, traits: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """A tune that steps through a scale over a bass, plucked or held."""
    scale = np.array([0, 2, 4, 7, 9, 12, 14, 16])
    root_hz, beat = between(traits, 180.0, 500.0), traits.uniform(0.2, 0.45)
    colour, held = timbre(traits, 10, fall=traits.uniform(0.4, 1.4)), traits.random() < 0.4
    track = np.zeros(length)
    for number, start in enumerate(_starts(rng, length, beat, 0.04)):
        note_seconds = beat * (0.95 if held else 2.0)
        size = MADE.samples(note_seconds)
        shape = MADE.gate(size, 0.03) if held else MADE.fall(size, 0.18) * MADE.gate(size)
        pitch = root_hz * 2.0 ** (rng.choice(scale) / 12.0)
        add(track, start, MADE.steady(size, pitch, colour) * shape)
        if number % 2 == 0:
            bass = 0.5 * root_hz * 2.0 ** (rng.choice(scale[:4]) / 12.0)
            add(track, start, 0.8 * MADE.steady(size, bass, colour[:5]) * shape)
    return track


SOUNDS: dict[str, Callable[[int, np.random.Generator, np.random.Generator], np.ndarray]] = {
    "air_conditioner": _air_conditioner,
    "car_horn": _car_horn,
    "children_playing": _children_playing,
    "dog_bark": _dog_bark,
    "drilling": _drilling,
    "engine_idling": _engine_idling,
    "gun_shot": _gun_shot,
    "jackhammer": _jackhammer,
    "siren": _siren,
    "street_music": _street_music,
}
"""Sound of each class: called with samples, traits of the recording and the slice's randomness."""
