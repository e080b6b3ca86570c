"""Tones of generated instruments: one cycle of a wave, read at any pitch; plucked, bowed, blown.

A wave is made for the highest pitch that it is read at, so that no partial folds over (wavetable
synthesis). Bodies have resonances of their own, which stay where they are when the pitch moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.datasets.demo_music_score import Note
from utils.datasets.demo_synthesis import Synthesiser, between

SAMPLE_RATE = 44_100
AT = Synthesiser(SAMPLE_RATE)
CONTROL_SECONDS = 0.005
PARTIALS = 48
_CYCLE = 4096
_TOP_HZ = 19_000.0


@dataclass(frozen=True)
class Timbre:
    """Strength of an instrument's partials.

    Attributes:
        strengths: of ``PARTIALS`` partials.
        phases: of the partials, radians.
        peaks_hz: resonances of the body.
        peaks_db: their gains.
    """

    strengths: np.ndarray
    phases: np.ndarray
    peaks_hz: np.ndarray
    peaks_db: np.ndarray

    def cycle(self, highest_hz: float, *, dull: float = 0.0) -> np.ndarray:
        """One cycle of the wave, float32 (samples + 1,), its end its beginning.

        Args:
            highest_hz: fundamental frequency up to which it can be read.
            dull: how much more steeply the partials fall, as a power of their number.
        """
        numbers = np.arange(1, PARTIALS + 1)
        frequencies = numbers * highest_hz
        distance = np.log2(frequencies[:, None] / self.peaks_hz) / 0.35
        body = 10.0 ** (np.sum(self.peaks_db * np.exp(-(distance**2)), axis=1) / 20.0)
        strengths = self.strengths * body * numbers**-dull * (frequencies < _TOP_HZ)
        spectrum = np.zeros(_CYCLE // 2 + 1, np.complex128)
        spectrum[1 : PARTIALS + 1] = strengths * np.exp(1j * self.phases)
        wave = np.fft.irfft(spectrum)
        wave /= np.sqrt(np.mean(wave**2)) + 1e-12
        return np.append(wave, wave[0]).astype(np.float32)


def timbre(rng: np.random.Generator, *, fall: float, odd: float = 0.0, peaks: int = 0) -> Timbre:
    """Draw a timbre.

    Args:
        rng: randomness.
        fall: strengths fall as the partial's number to this power.
        odd: 0 to 1, how much weaker even partials are.
        peaks: resonances of the body.
    """
    numbers = np.arange(1, PARTIALS + 1)
    strengths = numbers**-fall * rng.uniform(0.3, 1.0, PARTIALS)
    strengths[1::2] *= 1.0 - odd
    return Timbre(
        strengths=strengths,
        phases=rng.uniform(0.0, 2.0 * np.pi, PARTIALS),
        peaks_hz=250.0 * 12.0 ** rng.random(peaks),
        peaks_db=rng.uniform(2.0, 10.0, peaks),
    )


def hertz(pitch: np.ndarray | float) -> np.ndarray:
    """Frequency of MIDI pitches."""
    return np.asarray(440.0 * 2.0 ** ((np.asarray(pitch) - 69.0) / 12.0))


def read(cycle: np.ndarray, frequency_hz: np.ndarray) -> np.ndarray:
    """The wave at a frequency (samples,) that may glide, float32 (samples,); linear in between."""
    phase = np.cumsum(frequency_hz / SAMPLE_RATE)
    place = (phase - np.floor(phase)) * _CYCLE
    index = place.astype(np.intp)
    part = (place - index).astype(np.float32)
    before = cycle[index]
    return before + part * (cycle[index + 1] - before)


def pitch_track(notes: Sequence[Note], *, seconds: float, glide_seconds: float) -> np.ndarray:
    """Pitch of a single line every ``CONTROL_SECONDS``: from note to note with short glides.

    Args:
        notes: one after the other, at least one.
        seconds: length of the track.
        glide_seconds: length of a glide.
    """
    times = np.arange(round(seconds / CONTROL_SECONDS) + 2) * CONTROL_SECONDS
    starts = np.array([note.start for note in notes])
    ends = np.array([note.start + note.seconds for note in notes])
    # a line moves to its next pitch in the middle of a rest
    turns = starts[1:] - np.maximum(starts[1:] - ends[:-1], 0.0) / 2.0
    pitches = np.array([note.pitch for note in notes], float)
    steps = pitches[np.searchsorted(turns, times, side="right")]
    kernel = np.hanning(2 * round(glide_seconds / CONTROL_SECONDS / 2.0) + 3)
    half = kernel.size // 2
    return np.convolve(np.pad(steps, half, mode="edge"), kernel / kernel.sum(), mode="valid")


def along(track: np.ndarray, length: int, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """A track of values every ``CONTROL_SECONDS`` as samples (length,)."""
    places = np.arange(length) / (sample_rate * CONTROL_SECONDS)
    return np.interp(places, np.arange(track.size), track)


def plucked(note: Note, of: Timbre, *, ring_seconds: float, thump: np.ndarray) -> np.ndarray:
    """A string that is plucked or struck: bright at first, then dull, ringing on a little.

    Args:
        note: its length is where the string is damped.
        of: the instrument.
        ring_seconds: time in which it falls by 1/e, at middle C.
        thump: noise of the touch, at most as long as the note.
    """
    frequency = float(hertz(note.pitch))
    length = AT.samples(min(note.seconds + 0.08, 5.0 * ring_seconds))
    steady = np.full(length, frequency)
    ring = ring_seconds * (262.0 / frequency) ** 0.4
    sound = read(of.cycle(frequency, dull=0.9), steady) * AT.fall(length, ring)
    sound += 0.8 * read(of.cycle(frequency), steady) * AT.fall(length, ring / 6.0)
    touch = thump[:length]
    sound[: touch.size] += touch
    return note.level * sound * _edges(length, 0.002, 0.06)


def held(
    note: Note,
    of: Timbre,
    *,
    rng: np.random.Generator,
    attack_seconds: float,
    release_seconds: float,
    vibrato: tuple[float, float] = (5.0, 0.0),
    detune: float = 0.0,
) -> np.ndarray:
    """A tone that is kept up: bowed, blown, or an organ's.

    Args:
        note: the note.
        of: the instrument.
        rng: small movements of pitch and level.
        attack_seconds: time until it is there.
        release_seconds: time until it is gone, after the note's end.
        vibrato: its rate in hertz, and how far it goes to either side in semitones.
        detune: semitones.
    """
    length = AT.samples(note.seconds + release_seconds)
    frames = np.arange(length // round(CONTROL_SECONDS * SAMPLE_RATE) + 2) * CONTROL_SECONDS
    rate, depth = vibrato
    onset = np.clip((frames - 0.15) / 0.25, 0.0, 1.0)
    wave = np.sin(2.0 * np.pi * (rate * frames + rng.random()))
    drift = np.interp(frames, np.arange(0.0, 31.0, 0.5), rng.normal(0.0, 0.02, 62))
    pitch = note.pitch + detune + depth * onset * wave + drift * (depth > 0.0)
    frequency = hertz(along(pitch, length))
    sound = read(of.cycle(float(frequency.max())), frequency)
    swell = 1.0 + 0.15 * depth * np.interp(frames, frames, onset * wave)
    envelope = along(swell, length) * _edges(length, attack_seconds, release_seconds)
    return note.level * sound * envelope


def thump(rng: np.random.Generator) -> np.ndarray:
    """Noise of a plectrum, a finger or a hammer: a few milliseconds."""
    length = AT.samples(0.012)
    noise = AT.band(rng, length, between(rng, 400.0, 4000.0), 2.0)
    return rng.uniform(0.05, 0.5) * noise * AT.fall(length, 0.003)


def _edges(length: int, attack_seconds: float, release_seconds: float) -> np.ndarray:
    """An envelope (length,) that rises in the one and falls in the other time, rounded."""
    place = np.arange(length, dtype=np.float32) + 0.5
    rise = np.minimum(place / (attack_seconds * SAMPLE_RATE), 1.0)
    fall = np.minimum((length - place) / (release_seconds * SAMPLE_RATE), 1.0)
    return np.sin(0.5 * np.pi * np.minimum(rise, fall)) ** 2
