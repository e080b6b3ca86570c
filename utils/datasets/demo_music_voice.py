"""Generated singers: the voices of ``demo_voices``, their vowels held on the notes of a melody.

The glottis follows the melody with glides, vibrato and a slow drift; syllables are drawn, their
consonants come before the note so that the vowel is on it; breath is taken in rests. What the
larynx gives is made at the voices' 16 kHz, the noise of consonants at the song's rate.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from utils.datasets.demo_music_score import Note
from utils.datasets.demo_music_tones import (
    AT,
    CONTROL_SECONDS,
    SAMPLE_RATE,
    along,
    hertz,
    pitch_track,
)
from utils.datasets.demo_phonemes import NOISE_DB, NOISE_KNOTS_HZ, Phase, phases
from utils.datasets.demo_synthesis import add, between, level
from utils.datasets.demo_voices import (
    HOP,
    N_FFT,
    Speaker,
    filtered,
    glottal,
    speaker,
    tract_response,
)
from utils.datasets.demo_voices import SAMPLE_RATE as VOICE_RATE
from utils.datasets.soundscape_mixing import shaped_noise

VOWELS = ("IY", "IH", "EH", "AE", "AH", "AA", "AO", "UW", "EY", "AY", "OW")
ONSETS = (*("", "", "L", "N", "M", "D", "B", "S", "T", "SH", "W", "R"), *("Y", "HH", "F", "K", "G"))
HIGH_KNOTS_HZ, HIGH_DB = (11_000.0, 16_000.0), (-4.0, -14.0)
"""How the noise of consonants goes on above ``NOISE_KNOTS_HZ``, against its last knot."""

RING_HZ, RING_OCTAVES = 2900.0, 0.3
_BREATH = Phase(0.3, (600.0, 1400.0, 2500.0), aspiration=0.12)
_REST = Phase(0.1, (500.0, 1500.0, 2500.0))
_RAMP_SECONDS = 0.018
_GLIDE_SECONDS = 0.045


@dataclass(frozen=True)
class Singer:
    """What all songs of a singer share.

    Attributes:
        voice: the speaking voice.
        low: lowest pitch, MIDI.
        high: highest pitch.
        vibrato_hz: its rate.
        vibrato: how far it goes to either side, semitones.
        glide_seconds: from note to note.
        ring_db: gain of the singer's formant (Sundberg 1974).
        melisma: share of notes within a phrase that go on on the same vowel.
    """

    voice: Speaker
    low: float
    high: float
    vibrato_hz: float
    vibrato: float
    glide_seconds: float
    ring_db: float
    melisma: float


def singer(rng: np.random.Generator, build: float) -> Singer:
    """Draw a singer.

    Args:
        rng: everything but the build.
        build: 0 is a large body with a deep voice, 1 a small one with a high voice.
    """
    voice = speaker(rng, build)
    low = 69.0 + 12.0 * np.log2(voice.pitch_hz / 440.0) + rng.uniform(-1.0, 2.0)
    return Singer(
        voice=voice,
        low=float(low),
        high=float(low + rng.uniform(13.0, 17.0)),
        vibrato_hz=float(rng.uniform(4.7, 6.6)),
        vibrato=float(rng.uniform(0.15, 0.7)),
        glide_seconds=between(rng, 0.03, 0.11),
        ring_db=float(rng.uniform(0.0, 12.0)),
        melisma=float(rng.uniform(0.1, 0.35)),
    )


def sing(
    notes: Sequence[Note], who: Singer, *, seconds: float, rng: np.random.Generator
) -> np.ndarray:
    """Sing a melody.

    Args:
        notes: one after the other, at least one.
        who: the singer.
        seconds: length of the result.
        rng: what differs from one take to the next: syllables, breath, drift.

    Returns:
        float64 (samples,) at the song's rate; root mean square of what is loud near 1.
    """
    import soxr

    line = _line(notes, who, seconds, rng)
    length = round(seconds * VOICE_RATE)
    pitch_hz = hertz(along(_pitch(notes, who, seconds, rng), length, VOICE_RATE))
    voice, opened = glottal(pitch_hz, open_quotient=who.voice.open_quotient, rng=rng)
    voicing = line.course("voicing", length)
    breath = line.course("aspiration", length) + who.voice.breath * voicing
    gusts = (1.0 - 0.5 * np.minimum(voicing, 1.0) * (1.0 - opened)) * rng.standard_normal(length)
    sound = filtered(voice * voicing + breath * gusts, _responses(line, who, pitch_hz))
    sound /= level(sound[voicing > 0.5 * voicing.max()])
    heard = soxr.resample(sound, VOICE_RATE, SAMPLE_RATE)
    track = np.zeros(AT.samples(seconds))
    add(track, 0, heard)
    for start, noise in _noises(line, rng):
        add(track, AT.samples(start), noise)
    return track


@dataclass
class _Line:
    """What the mouth does, phase after phase; filled from the start to the end of the song.

    Attributes:
        phases: of sounds, breaths and rests.
        edges: start of each and end of the last, seconds, (phases + 1,).
        levels: loudness of each.
        targets_hz: formants of each.
    """

    phases: list[Phase] = field(default_factory=list)
    edges: list[float] = field(default_factory=lambda: [0.0])
    levels: list[float] = field(default_factory=list)
    targets_hz: list[np.ndarray] = field(default_factory=list)

    def add(
        self,
        phase: Phase,
        seconds: float,
        *,
        level: float = 1.0,
        formants: np.ndarray | None = None,
    ) -> None:
        """Go on with a phase; one without length is left out."""
        if seconds <= 0.0:
            return
        self.phases.append(phase)
        self.edges.append(self.edges[-1] + seconds)
        self.levels.append(level)
        self.targets_hz.append(np.array(phase.formants) if formants is None else formants)

    def rest(self, until: float) -> None:
        """Be silent until a time; before the end of a longer rest there is a breath."""
        gap = until - self.edges[-1]
        breath = _BREATH.seconds if gap > 1.5 * _BREATH.seconds else 0.0
        self.add(_REST, gap - 1.2 * breath)
        self.add(_BREATH, breath)
        self.add(_REST, until - self.edges[-1])

    def course(self, name: str, length: int) -> np.ndarray:
        """Course of an amplitude of the phases, (length,) samples of the voice, 0 at the start."""
        values = [
            getattr(one, name) * loud for one, loud in zip(self.phases, self.levels, strict=True)
        ]
        knots = self._knots(np.minimum(np.diff(self.edges) / 3.0, _RAMP_SECONDS))
        times = np.arange(length) / VOICE_RATE
        return np.interp(times, np.append(0.0, knots), np.append(0.0, np.repeat(values, 2)))

    def formants(self, times: np.ndarray) -> np.ndarray:
        """Tracks from target to target: hertz, (times, 3)."""
        knots = self._knots(np.minimum(np.diff(self.edges) / 3.0, _GLIDE_SECONDS))
        targets = np.repeat(np.array(self.targets_hz), 2, axis=0)
        return np.stack([np.interp(times, knots, track) for track in targets.T], axis=1)

    def nasal(self, times: np.ndarray) -> np.ndarray:
        """How far the nose is open, (times,)."""
        knots = self._knots(np.minimum(np.diff(self.edges) / 3.0, _RAMP_SECONDS))
        return np.interp(times, knots, np.repeat([one.nasal for one in self.phases], 2))

    def _knots(self, margins: np.ndarray) -> np.ndarray:
        edges = np.array(self.edges)
        return np.stack([edges[:-1] + margins, edges[1:] - margins], axis=1).ravel()


@dataclass(frozen=True)
class _Syllable:
    """What is sung on a note: consonant or none, vowel, and how long the consonant takes."""

    onset: str
    vowel: str
    seconds: float


def _line(notes: Sequence[Note], who: Singer, seconds: float, rng: np.random.Generator) -> _Line:
    """Consonants before the notes, vowels on them, rests and breaths between."""
    syllables = _syllables(notes, who, rng)
    line = _Line()
    for place, (note, syllable) in enumerate(zip(notes, syllables, strict=True)):
        line.rest(note.start - syllable.seconds)
        vowel = phases(syllable.vowel)
        scale = who.voice.tract * np.exp(rng.normal(0.0, 0.03, 3))
        own = [scale * one.formants * who.voice.accent[syllable.vowel] for one in vowel]
        if syllable.seconds:
            consonant = phases(syllable.onset)
            factor = syllable.seconds / sum(one.seconds for one in consonant)
            for one in consonant:
                target = one.own * scale * one.formants * who.voice.accent[syllable.onset]
                target = target + (1.0 - one.own) * own[0]
                line.add(one, factor * one.seconds, level=note.level, formants=target)
        end = note.start + note.seconds
        if place + 1 < len(notes):
            end = min(end, notes[place + 1].start - syllables[place + 1].seconds)
        lasting = end - line.edges[-1]
        for number, (one, target) in enumerate(zip(vowel, own, strict=True)):
            share = 1.0 if len(vowel) == 1 else (0.7, 0.3)[number]
            line.add(one, share * lasting, level=note.level, formants=target)
    line.rest(seconds)
    return line


def _syllables(notes: Sequence[Note], who: Singer, rng: np.random.Generator) -> list[_Syllable]:
    """A syllable for each note; a consonant takes half of the time from note to note at most."""
    sung: list[_Syllable] = []
    before = 0.0
    for note in notes:
        vowel = str(rng.choice(VOWELS))
        onset = str(rng.choice(ONSETS))
        if note.joined and rng.random() < who.melisma:
            onset, vowel = "", sung[-1].vowel
        seconds = sum(one.seconds for one in phases(onset)) if onset else 0.0
        seconds = min(0.85 * seconds / who.voice.rate, 0.5 * (note.start - before))
        sung.append(_Syllable(onset, vowel, seconds if seconds > 0.02 else 0.0))
        before = note.start
    return sung


def _pitch(
    notes: Sequence[Note], who: Singer, seconds: float, rng: np.random.Generator
) -> np.ndarray:
    """The melody with glides, scoops, drift and vibrato, every ``CONTROL_SECONDS``."""
    pitch = pitch_track(notes, seconds=seconds, glide_seconds=who.glide_seconds)
    times = np.arange(pitch.size) * CONTROL_SECONDS
    depth = np.zeros(pitch.size)
    for note in notes:
        inside = (times >= note.start) & (times < note.start + note.seconds)
        age = times[inside] - note.start
        depth[inside] = np.clip((age - 0.12) / 0.3, 0.0, 1.0)
        if not note.joined and rng.random() < 0.5:
            pitch[inside] -= rng.uniform(0.5, 2.0) * np.exp(-age / 0.06)
    knots = np.arange(0.0, seconds + 0.5, 0.25)
    rate = who.vibrato_hz * (1.0 + np.interp(times, knots, rng.normal(0.0, 0.05, knots.size)))
    wave = np.sin(2.0 * np.pi * (rng.random() + np.cumsum(rate) * CONTROL_SECONDS))
    drift = np.interp(times, knots, rng.normal(0.0, 0.08, knots.size))
    return np.asarray(pitch + who.vibrato * depth * wave + drift)


def _responses(line: _Line, who: Singer, pitch_hz: np.ndarray) -> np.ndarray:
    """Response of tract and larynx in each frame: complex (frames, N_FFT / 2 + 1).

    The first formant is kept above the fundamental, as singers do by opening the mouth (Sundberg
    1975).
    """
    places = np.arange(-(-pitch_hz.size // HOP) + 1) * HOP
    times = places / VOICE_RATE
    formants = line.formants(times)
    sung = pitch_hz[np.minimum(places, pitch_hz.size - 1)]
    formants[:, 0] = np.maximum(formants[:, 0], 1.05 * sung)
    formants[:, 1] = np.maximum(formants[:, 1], formants[:, 0] + 250.0)
    tract = tract_response(formants, nasal=line.nasal(times), tract_factor=who.voice.tract)
    frequencies = np.fft.rfftfreq(N_FFT, 1.0 / VOICE_RATE)
    # one pole that takes tilt_db off at 3 kHz
    corner_hz = 3000.0 / np.sqrt(10.0 ** (who.voice.tilt_db / 10.0) - 1.0)
    tilt = 1.0 / (1.0 + 1j * frequencies / corner_hz)
    distance = np.log2(np.maximum(frequencies, 1.0) / (RING_HZ * who.voice.tract)) / RING_OCTAVES
    return np.asarray(tract * tilt * 10.0 ** (who.ring_db * np.exp(-(distance**2)) / 20.0))


def _noises(line: _Line, rng: np.random.Generator) -> Iterator[tuple[float, np.ndarray]]:
    """Start and sound of the noises of consonants, at the song's rate."""
    knots = (*NOISE_KNOTS_HZ, *HIGH_KNOTS_HZ)
    for number, phase in enumerate(line.phases):
        if phase.frication:
            start, end = line.edges[number : number + 2]
            colour = NOISE_DB[phase.noise]
            gains_db = (*colour, *(colour[-1] + more for more in HIGH_DB))
            length = max(AT.samples(end - start), 2)
            noise = shaped_noise(rng, length, knots, gains_db, sample_rate=SAMPLE_RATE)
            loud = line.levels[number] * phase.frication / level(noise)
            yield start, loud * noise * AT.gate(length, min(0.015, (end - start) / 3.0))
