"""The players of a generated song beside the singer: drums, bass, and what MUSDB calls other."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from utils.datasets.demo_music_room import panned
from utils.datasets.demo_music_score import (
    BEATS,
    Note,
    Score,
    bass_line,
    drum_pattern,
    melody,
    voicing,
)
from utils.datasets.demo_music_tones import (
    AT,
    CONTROL_SECONDS,
    Timbre,
    along,
    held,
    hertz,
    pitch_track,
    plucked,
    read,
    thump,
    timbre,
)
from utils.datasets.demo_sounds import equalise
from utils.datasets.demo_synthesis import add, between, level

VARIANTS = 3
"""Different sounds of a drum, struck in turns."""


def drums(score: Score, rng: np.random.Generator) -> np.ndarray:
    """A drum kit of its own: float32 (2, samples)."""
    pattern = drum_pattern(score, rng)
    length = AT.samples(score.seconds)
    track = np.zeros((2, length), np.float32)
    for name, strike in _KIT.items():
        struck = strike(rng)
        gain = 10.0 ** (rng.uniform(-3.0, 3.0) / 20.0)
        place = _PLACES[name] * float(rng.uniform(-1.0, 1.0))
        one = np.zeros(length)
        for number, (start, loud) in enumerate(pattern[name]):
            add(one, AT.samples(start), loud**1.5 * struck[number % VARIANTS])
        track += panned(gain * one, place)
    return track


def _kick(rng: np.random.Generator) -> list[np.ndarray]:
    low, high = between(rng, 42.0, 68.0), between(rng, 130.0, 320.0)
    seconds, click = rng.uniform(0.08, 0.22), rng.uniform(0.1, 0.6)
    length = AT.samples(4.0 * seconds)
    frequency = low + (high - low) * AT.fall(length, rng.uniform(0.012, 0.035))
    body = AT.harmonics(frequency, [1.0, rng.uniform(0.0, 0.3)]) * AT.fall(length, seconds)
    centre = between(rng, 1200.0, 4500.0)
    snap = AT.fall(length, 0.004)
    return [
        (body + click * AT.band(rng, length, centre, 2.0) * snap) * AT.gate(length, 0.001)
        for _ in range(VARIANTS)
    ]


def _snare(rng: np.random.Generator) -> list[np.ndarray]:
    ring = rng.uniform(0.02, 0.07)
    body = AT.modes(rng, 4, 150.0, 480.0, ring)
    length, rattle = AT.samples(0.5), rng.uniform(0.04, 0.13)
    centre, octaves = between(rng, 1800.0, 5500.0), rng.uniform(3.0, 5.0)
    share = rng.uniform(0.25, 0.7)
    struck = []
    for _ in range(VARIANTS):
        sound = share * AT.band(rng, length, centre, octaves) * AT.fall(length, rattle)
        add(sound, 0, 0.4 * body[:length])
        struck.append(sound)
    return struck


def _hat(rng: np.random.Generator) -> list[np.ndarray]:
    centre, ring = between(rng, 6500.0, 11_000.0), between(rng, 0.015, 0.1)
    metal = AT.modes(rng, 8, 4000.0, 14_000.0, ring)
    length = AT.samples(5.0 * ring)
    hiss = [
        0.3 * AT.band(rng, length, centre, 1.6) * AT.fall(length, ring) for _ in range(VARIANTS)
    ]
    for sound in hiss:
        add(sound, 0, 0.05 * metal[:length])
    return hiss


def _tom(rng: np.random.Generator) -> list[np.ndarray]:
    struck = []
    for turn in range(VARIANTS):
        length = AT.samples(0.6)
        low = between(rng, 75.0, 110.0) * (1.6 - 0.3 * turn)
        frequency = low * (1.0 + 0.5 * AT.fall(length, 0.04))
        body = AT.harmonics(frequency, [1.0, 0.3, 0.15]) * AT.fall(length, 0.14)
        skin = 0.15 * AT.band(rng, length, 900.0, 3.0) * AT.fall(length, 0.02)
        struck.append(0.8 * (body + skin) * AT.gate(length, 0.002))
    return struck


def _crash(rng: np.random.Generator) -> list[np.ndarray]:
    length, ring = AT.samples(1.8), rng.uniform(0.3, 0.7)
    wash = AT.band(rng, length, between(rng, 4500.0, 8000.0), 3.0)
    return [0.25 * wash * AT.fall(length, ring) * AT.gate(length, 0.01)] * VARIANTS


_KIT: dict[str, Callable[[np.random.Generator], list[np.ndarray]]] = {
    "kick": _kick,
    "snare": _snare,
    "hat": _hat,
    "tom": _tom,
    "crash": _crash,
}
_PLACES = {"kick": 0.05, "snare": 0.2, "hat": 0.6, "tom": 0.7, "crash": 0.8}


def bass(score: Score, rng: np.random.Generator) -> np.ndarray:
    """A bass, plucked or kept up, with slides between notes: float32 (2, samples)."""
    notes = bass_line(score, rng)
    length = AT.samples(score.seconds)
    glide = float(rng.uniform(0.03, 0.12))
    pitch = pitch_track(notes, seconds=score.seconds, glide_seconds=glide)
    for note in notes:
        if not note.joined and rng.random() < 0.15:
            first = round(note.start / CONTROL_SECONDS)
            slide = np.linspace(rng.choice([-5.0, -3.0, -2.0, 2.0]), 0.0, 24)[: pitch.size - first]
            pitch[first : first + slide.size] += slide
    frequency = hertz(along(pitch, length))
    of = timbre(rng, fall=rng.uniform(0.9, 2.0), odd=rng.uniform(0.0, 0.5), peaks=1)
    highest = float(frequency.max())
    dull = read(of.cycle(highest, dull=1.0), frequency)
    bright = read(of.cycle(highest), frequency)
    ring = between(rng, 0.25, 2.0)
    body, pluck = np.zeros(length), np.zeros(length)
    for note in notes:
        first, size = AT.samples(note.start), AT.samples(note.seconds)
        gate = note.level * AT.gate(size, 0.006)
        add(body, first, gate * AT.fall(size, ring))
        add(pluck, first, gate * AT.fall(size, 0.25 * ring) * (0.4 if note.joined else 1.0))
    sound = dull * body + rng.uniform(0.2, 0.8) * bright * pluck
    return panned(sound, float(rng.uniform(-0.15, 0.15)))


def other(score: Score, rng: np.random.Generator, *, sung: Sequence[Note]) -> np.ndarray:
    """Two or three instruments in the voice's range, one of them with chords.

    Args:
        score: the song.
        rng: randomness.
        sung: the voice's notes, which a melody instrument may double.

    Returns:
        float32 (2, samples).
    """
    middle = float(np.mean([note.pitch for note in sung]))
    first, second = rng.choice(list(_CHORDAL), 2, replace=False)
    layers = [_CHORDAL[first](score, rng, _low(rng, middle))]
    if rng.random() < 0.6:
        layers.append(_CHORDAL[second](score, rng, _low(rng, middle)))
    if len(layers) == 1 or rng.random() < 0.6:
        layers.append(_lead(score, rng, sung))
    gains_db = rng.uniform(-5.0, 0.0, len(layers))
    sounding = score.bars("other")
    mixed = sum(
        np.float32(10.0 ** (gain_db / 20.0)) * layer / level(layer)
        for gain_db, layer in zip(gains_db, layers, strict=True)
    )
    return np.asarray(mixed * _open(score, sounding, layers[0].shape[1]), np.float32)


def _low(rng: np.random.Generator, middle: float) -> int:
    """Lowest pitch of chords that lie over a voice of this mean pitch and over its formants."""
    return int(middle + rng.uniform(-8.0, 5.0))


def _open(score: Score, bars: Sequence[int], length: int) -> np.ndarray:
    """1 in bars in which there is sound, 0 in others, float32 (length,)."""
    track = np.zeros(round(score.seconds / CONTROL_SECONDS) + 2)
    for bar in bars:
        first, last = score.at(bar, 0.0), score.at(bar, BEATS)
        track[round(first / CONTROL_SECONDS) : round(last / CONTROL_SECONDS) + 1] = 1.0
    return along(np.convolve(track, np.full(5, 0.2), mode="same"), length).astype(np.float32)


def _plucked_chords(score: Score, rng: np.random.Generator, low: int) -> np.ndarray:
    """Chords of strings, strummed on some beats or broken into single notes."""
    of = timbre(rng, fall=rng.uniform(1.0, 1.8), odd=rng.uniform(0.0, 0.6), peaks=2)
    ring, broken = between(rng, 0.2, 1.2), rng.random() < 0.5
    places = [(0.0, 1.0, 2.0, 3.0), (0.0, 1.5, 2.5, 3.0), (0.0, 0.5, 1.5, 2.0, 3.0, 3.5)]
    strummed = places[rng.integers(len(places))]
    touch, spread = thump(rng), rng.uniform(0.004, 0.022)
    tracks = np.zeros((4, AT.samples(score.seconds)))
    for bar in score.bars("other"):
        chord = voicing(score, bar, low=low, count=4, rng=rng)
        picked = [(0.5 * step, [chord[(step * 3 // 2) % 4]]) for step in range(2 * BEATS)]
        for place, pitches in picked if broken else [(place, chord) for place in strummed]:
            for number, pitch in enumerate(pitches):
                start = score.at(bar, place) + number * spread
                loud = float(rng.uniform(0.5, 1.0))
                note = Note(start, score.beat * (1.5 if broken else 0.9), pitch, loud)
                sound = plucked(note, of, ring_seconds=ring, thump=touch)
                add(tracks[number if not broken else int(2 * place) % 4], AT.samples(start), sound)
    return _spread(tracks, rng)


def _kept_chords(
    score: Score, rng: np.random.Generator, of: Timbre, *, low: int, attack: float, depth: float
) -> np.ndarray:
    """Chords that last a bar each, every voice on its own track."""
    rate, detune = rng.uniform(4.5, 6.8), rng.normal(0.0, 0.04, 4)
    tracks = np.zeros((4, AT.samples(score.seconds)))
    parts = (1, 1, 2, 4)[rng.integers(4)]
    for bar in score.bars("other"):
        chord = voicing(score, bar, low=low, count=int(rng.integers(3, 5)), rng=rng)
        for part in range(parts):
            start = score.at(bar, part * BEATS / parts)
            seconds = BEATS / parts * score.beat * 0.95
            for number, pitch in enumerate(chord):
                sound = held(
                    Note(start, seconds, pitch, float(rng.uniform(0.7, 1.0))),
                    of,
                    rng=rng,
                    attack_seconds=attack,
                    release_seconds=0.08,
                    vibrato=(rate, depth),
                    detune=float(detune[number]),
                )
                add(tracks[number], AT.samples(start), sound)
    return _spread(tracks, rng)


def _organ(score: Score, rng: np.random.Generator, low: int) -> np.ndarray:
    """Few partials, sudden, with a tremolo or none."""
    of = timbre(rng, fall=0.4)
    bars = np.zeros(of.strengths.size)
    drawn = np.array([0, 1, 2, 3, 5, 7])
    bars[drawn] = rng.uniform(0.0, 1.0, drawn.size) / (1.0 + drawn) ** 0.7
    of = replace(of, strengths=bars + 1e-4)
    chords = _kept_chords(score, rng, of, low=low, attack=0.012, depth=0.0)
    times = np.arange(chords.shape[1]) / AT.sample_rate
    depth, rate = rng.choice([0.0, 0.3]), between(rng, 0.7, 7.0)
    return np.asarray(chords * (1.0 + depth * np.sin(2.0 * np.pi * rate * times)), np.float32)


def _bowed_chords(score: Score, rng: np.random.Generator, low: int) -> np.ndarray:
    """Strings: many partials, resonances like a voice's, slow to start, with vibrato."""
    of = timbre(rng, fall=rng.uniform(1.0, 1.6), peaks=4)
    return _kept_chords(
        score, rng, of, low=low, attack=between(rng, 0.04, 0.25), depth=rng.uniform(0.1, 0.3)
    )


def _driven_chords(score: Score, rng: np.random.Generator, low: int) -> np.ndarray:
    """Strings through an overdriven amplifier: partials of all notes beat with one another."""
    of = timbre(rng, fall=rng.uniform(1.0, 1.8), peaks=1)
    sides = []
    for place in (-1.0, 1.0):
        clean = _kept_chords(score, rng, of, low=low, attack=0.008, depth=0.0).sum(axis=0)
        drive = between(rng, 1.0, 5.0)
        driven = np.tanh(drive * clean / level(clean))
        tone = np.minimum(0.0, -12.0 * np.log2(np.array(_CABINET_HZ) / 4000.0))
        sides.append(panned(equalise(driven, _CABINET_HZ, tone), 0.7 * place))
    return sides[0] + sides[1]


_CABINET_HZ = (100.0, 4000.0, 8000.0, 16_000.0)
_CHORDAL = {
    "plucked": _plucked_chords,
    "organ": _organ,
    "bowed": _bowed_chords,
    "driven": _driven_chords,
}


def _lead(score: Score, rng: np.random.Generator, sung: Sequence[Note]) -> np.ndarray:
    """A melody of its own, or the voice's one with it, bowed or blown, with vibrato."""
    blown = rng.random() < 0.5
    peaks = int(rng.integers(2, 5))
    of = timbre(rng, fall=rng.uniform(0.9, 1.6), odd=0.8 * blown, peaks=peaks)
    low = min(note.pitch for note in sung) + rng.uniform(-2.0, 8.0)
    notes = melody(score, rng, low=low, high=low + 15.0, density=0.8)
    if rng.random() < 0.3:
        shift = float(rng.choice([0.0, 0.0, 12.0]))
        notes = [replace(note, pitch=note.pitch + shift) for note in sung]
    vibrato = (float(rng.uniform(4.8, 6.5)), float(rng.uniform(0.15, 0.5)))
    attack, breath = between(rng, 0.02, 0.09), blown * rng.uniform(0.02, 0.12)
    track = np.zeros(AT.samples(score.seconds))
    for note in notes:
        sound = held(
            note, of, rng=rng, attack_seconds=attack, release_seconds=0.06, vibrato=vibrato
        )
        noise = breath * AT.band(rng, sound.size, 2.0 * float(hertz(note.pitch)), 3.0)
        add(track, AT.samples(note.start), sound + noise * AT.gate(sound.size, attack))
    return panned(track, float(rng.uniform(-0.6, 0.6)))


def _spread(tracks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Voices (voices, samples) side by side, around a place of their own: float32 (2, samples)."""
    centre, width = rng.uniform(-0.5, 0.5), rng.uniform(0.1, 0.5)
    places = centre + width * np.linspace(-1.0, 1.0, len(tracks))
    return np.asarray(
        sum(panned(track, float(place)) for track, place in zip(tracks, places, strict=True))
    )
