"""Drawn songs as notes: key, tempo, chords, a melody in phrases, a bass line, a drum pattern.

Pitches are MIDI numbers (69 is 440 Hz), times seconds, places in a bar beats. A bar has four beats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

BEATS = 4
MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
PROGRESSIONS = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 1, 4), (5, 3, 0, 4), (0, 2, 3, 4)),
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 6), (5, 6, 0, 0), (0, 2, 6, 3)),
    "dorian": ((0, 3, 0, 3), (0, 6, 3, 0), (0, 1, 2, 3)),
    "mixolydian": ((0, 6, 3, 0), (0, 3, 6, 0), (0, 4, 6, 3)),
}
"""Degrees of four bars, 0 is the tonic."""

RHYTHMS = (
    (1.0, 1.0, 2.0),
    (0.5, 0.5, 1.0, 2.0),
    (1.5, 0.5, 1.0, 1.0),
    (0.5, 0.5, 0.5, 0.5, 2.0),
    (3.0, 1.0),
    (0.75, 0.75, 0.5, 2.0),
    (1.0, 0.5, 0.5, 0.5, 1.5),
)
"""Notes of a bar of melody, beats."""

BASS_RHYTHMS = (
    (4.0,),
    (2.0, 2.0),
    (1.5, 0.5, 2.0),
    (1.0, 1.0, 1.0, 1.0),
    (0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5),
    (0.75, 0.75, 0.5, 0.75, 0.75, 0.5),
)


@dataclass(frozen=True)
class Note:
    """One note.

    Attributes:
        start: seconds from the start of the song.
        seconds: its length.
        pitch: MIDI number.
        level: amplitude, 1 is loud.
        joined: whether it goes on from the note before without a gap.
    """

    start: float
    seconds: float
    pitch: float
    level: float = 1.0
    joined: bool = False


@dataclass(frozen=True)
class Score:
    """What all players of a song agree on.

    Attributes:
        seconds: length of the song.
        beat: seconds of a beat.
        swing: how much later the second half of a beat comes, beats.
        key: pitch class of the tonic, 0 to 11.
        mode: one of ``MODES``.
        degrees: of the chord of each bar; the last bar may be cut.
        sevenths: whether chords have four notes.
        rests: by player, the bars in which it does not play.
    """

    seconds: float
    beat: float
    swing: float
    key: int
    mode: str
    degrees: tuple[int, ...]
    sevenths: bool
    rests: dict[str, tuple[int, ...]]

    @cached_property
    def scale(self) -> tuple[int, ...]:
        """Pitch classes of the key, the tonic first."""
        return tuple((self.key + step) % 12 for step in MODES[self.mode])

    def chord(self, bar: int) -> tuple[int, ...]:
        """Pitch classes of a bar's chord, the root first."""
        degree = self.degrees[bar]
        return tuple(self.scale[(degree + 2 * third) % 7] for third in range(3 + self.sevenths))

    def at(self, bar: int, place: float) -> float:
        """Seconds at a place in a bar; off-beats swing."""
        swung = place + (self.swing if place % 1.0 == 0.5 else 0.0)
        return (bar * BEATS + swung) * self.beat

    def bars(self, player: str) -> list[int]:
        """Bars in which a player plays."""
        return [bar for bar in range(len(self.degrees)) if bar not in self.rests.get(player, ())]


def compose(rng: np.random.Generator, seconds: float) -> Score:
    """Draw key, tempo, chords, and who rests when.

    Args:
        rng: randomness.
        seconds: length of the song.
    """
    beat = 60.0 / rng.uniform(68.0, 152.0)
    bars = int(np.ceil(seconds / (BEATS * beat)))
    mode = str(rng.choice(list(MODES), p=[0.4, 0.36, 0.12, 0.12]))
    progressions = PROGRESSIONS[mode]
    turn = progressions[rng.integers(len(progressions))]
    rests = {}
    for player in ("drums", "bass", "other"):
        # a rest of a bar or two, never in the first bar
        if bars > 3 and rng.random() < 0.4:
            first = int(rng.integers(1, bars - 1))
            rests[player] = tuple(range(first, min(first + int(rng.integers(1, 3)), bars)))
    return Score(
        seconds=seconds,
        beat=float(beat),
        swing=float(rng.choice([0.0, 0.0, rng.uniform(0.05, 0.17)])),
        key=int(rng.integers(12)),
        mode=mode,
        degrees=tuple(turn[bar % len(turn)] for bar in range(bars)),
        sevenths=bool(rng.random() < 0.35),
        rests=rests,
    )


def melody(
    score: Score, rng: np.random.Generator, *, low: float, high: float, density: float
) -> list[Note]:
    """A melody in phrases of two bars, with rests between them; the first phrase is always there.

    A song that is too short for a phrase has one note.

    Args:
        score: the song.
        rng: randomness.
        low: lowest pitch.
        high: highest pitch, an octave above at least.
        density: share of the further phrases that there are.
    """
    within = range(int(np.ceil(low)), int(high) + 1)
    ladder = [pitch for pitch in within if pitch % 12 in score.scale]
    place = len(ladder) // 2
    notes: list[Note] = []
    for first in range(0, len(score.degrees), 2):
        if first and rng.random() > density:
            continue
        phrase, place = _phrase(score, rng, first, ladder, place)
        notes += phrase
    return notes or [Note(0.0, score.seconds, float(ladder[place]))]


def _phrase(
    score: Score, rng: np.random.Generator, first: int, ladder: Sequence[int], place: int
) -> tuple[list[Note], int]:
    """Notes of two bars, the last one held and followed by a rest; and where on the ladder it is.

    Steps are small; a note on a beat of the chord moves to the chord's next note.
    """
    lengths = [beats for _ in range(2) for beats in RHYTHMS[rng.integers(len(RHYTHMS))]]
    pickup = float(rng.choice([0.0, 0.0, 0.5, 1.0]))
    end = 2 * BEATS - float(rng.choice([0.5, 1.0, 1.5, 2.0]))
    notes: list[Note] = []
    at = 0.0
    for beats in lengths:
        begin, until = max(at, pickup), min(at + beats, end)
        at += beats
        bar = first + int(begin // BEATS)
        start = score.at(bar, begin % BEATS) if bar < len(score.degrees) else score.seconds
        if until - begin < 0.25 or score.seconds - start < 0.2:
            continue
        step = int(rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 3]))
        middle = len(ladder) // 2
        step -= int(np.sign(place - middle) * (rng.random() < abs(place - middle) / len(ladder)))
        place = int(np.clip(place + step, 0, len(ladder) - 1))
        if begin % 2.0 == 0.0:
            place = _near_chord(ladder, place, score.chord(bar))
        seconds = min((until - begin) * score.beat, score.seconds - start)
        level = float(rng.uniform(0.65, 1.0))
        notes.append(Note(start, seconds, float(ladder[place]), level, joined=bool(notes)))
    return notes, place


def _near_chord(ladder: Sequence[int], place: int, chord: Sequence[int]) -> int:
    """The nearest place of a note of the chord."""
    return min(
        range(len(ladder)),
        key=lambda other: (ladder[other] % 12 not in chord, abs(other - place)),
    )


def bass_line(score: Score, rng: np.random.Generator) -> list[Note]:
    """Roots, fifths and octaves below 131 Hz, scale notes on the way to the next root.

    Args:
        score: the song.
        rng: randomness.
    """
    rhythms = [BASS_RHYTHMS[number] for number in rng.integers(len(BASS_RHYTHMS), size=2)]
    lowest = int(rng.integers(28, 34))
    legato = rng.random() < 0.5
    notes: list[Note] = []
    for bar in score.bars("bass"):
        root = lowest + (score.chord(bar)[0] - lowest) % 12
        place = 0.0
        for beats in rhythms[rng.random() < 0.3]:
            pitch = root
            if place:
                others = (0, 0, 0, 7, 12, *(step - 12 for step in MODES[score.mode][4:]))
                pitch = max(root + int(rng.choice(others)), lowest - 2)
            start = score.at(bar, place)
            seconds = min(beats * score.beat, score.seconds - start)
            if seconds > 0.05:
                joined = bool(notes) and legato and rng.random() < 0.6
                notes.append(Note(start, seconds, pitch, float(rng.uniform(0.7, 1.0)), joined))
            place += beats
    return notes


def voicing(score: Score, bar: int, *, low: int, count: int, rng: np.random.Generator) -> list[int]:
    """Pitches of a bar's chord, upwards from ``low``, in a drawn inversion.

    Args:
        score: the song.
        bar: which chord.
        low: lowest pitch.
        count: notes; the chord goes on an octave higher.
        rng: randomness.
    """
    chord = score.chord(bar)
    above = sorted(low + (pitch - low) % 12 for pitch in chord)
    turn = int(rng.integers(len(above)))
    ladder = [pitch + 12 * octave for octave in range(3) for pitch in above]
    return ladder[turn : turn + count]


HITS = {
    "kick": (
        (0.0, 2.0),
        (0.0, 1.5, 2.0),
        (0.0, 1.0, 2.0, 3.0),
        (0.0, 0.75, 2.5),
        (0.0, 2.5, 3.5),
    ),
    "snare": ((1.0, 3.0), (1.0, 3.0), (2.0,), (1.0, 2.75, 3.0)),
    "hat": (
        (0.0, 1.0, 2.0, 3.0),
        (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5),
        tuple(0.25 * step for step in range(16)),
        (0.5, 1.5, 2.5, 3.5),
    ),
}
"""Patterns of a bar by instrument, beats."""


def drum_pattern(score: Score, rng: np.random.Generator) -> dict[str, list[tuple[float, float]]]:
    """Hits of each instrument: seconds and level; every fourth bar ends with a fill.

    Args:
        score: the song.
        rng: randomness.
    """
    chosen = {name: forms[rng.integers(len(forms))] for name, forms in HITS.items()}
    hits: dict[str, list[tuple[float, float]]] = {name: [] for name in (*HITS, "tom", "crash")}
    for bar in score.bars("drums"):
        fill = bar % 4 == 3 and rng.random() < 0.7
        for name, places in chosen.items():
            for place in places:
                if fill and place >= 3.0 and name != "kick":
                    continue
                late = rng.normal(0.0, 0.004)
                accent = 1.0 if place % 1.0 == 0.0 else 0.7
                level = accent * rng.uniform(0.75, 1.0)
                hits[name].append((max(score.at(bar, place) + late, 0.0), float(level)))
        if fill:
            for step in range(4):
                hits["tom"].append((score.at(bar, 3.0 + 0.25 * step), float(rng.uniform(0.6, 1.0))))
        if bar % 4 == 0 and rng.random() < 0.6:
            hits["crash"].append((score.at(bar, 0.0), float(rng.uniform(0.5, 1.0))))
    return hits
