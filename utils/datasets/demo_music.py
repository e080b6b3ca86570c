"""Demo songs: generated music and its stems, in the layout of MUSDB18-HQ.

Every song has a singer, players, a key, a tempo and a room of its own; no singer and no instrument
is in two songs. The voice and the instruments share their range and, in some songs, their melody.
The mixture is the sum of the stems, sample by sample.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from utils.datasets.demo_folder import named, wav, whole_folder, write_missing
from utils.datasets.demo_music_band import bass, drums, other
from utils.datasets.demo_music_room import EQ_KNOTS_HZ, panned, placed, room
from utils.datasets.demo_music_score import compose, melody
from utils.datasets.demo_music_tones import AT, SAMPLE_RATE
from utils.datasets.demo_music_voice import sing, singer
from utils.datasets.demo_synthesis import level
from utils.datasets.music import MIXTURE, STEMS

SOURCES = (
    *("demo_folder.py", "demo_music.py", "demo_music_band.py", "demo_music_room.py"),
    *("demo_music_score.py", "demo_music_tones.py", "demo_music_voice.py", "demo_phonemes.py"),
    *("demo_sounds.py", "demo_synthesis.py", "demo_voices.py", "soundscape_mixing.py"),
)
LEVEL_DB = {
    "vocals": (-1.0, 2.0),
    "drums": (-9.0, -4.0),
    "bass": (-9.0, -4.0),
    "other": (-2.0, 1.5),
}
"""Bounds of the stems' levels against each other."""

WET_DB = {"vocals": (-18.0, -8.0), "drums": (-22.0, -12.0), "bass": (-34.0, -24.0)}
OTHER_WET_DB = (-20.0, -8.0)
TONE_DB = {"other": (-6.0, -2.0, 2.0, 1.0, 6.0, 0.0, 0.0)}
"""Mean gains at ``EQ_KNOTS_HZ``, where they are not 0: other instruments stand where voices do."""

LIMIT = (3.5, 6.0)
"""Bounds of the highest peak against the root mean square, as limiters in studios keep it."""

FADE_SECONDS = 0.01


@dataclass(frozen=True)
class MusicSize:
    """How much is generated.

    Attributes:
        train: training songs, some of which become validation songs.
        test: test songs.
        seconds: length of a song.
    """

    train: int = 16
    test: int = 5
    seconds: float = 20.0


def make(
    root: Path,
    *,
    seed: int,
    size: MusicSize | None = None,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Generate the demo songs, or find what was generated before.

    A generation that was killed goes on where it was; the folder has its name only once it is
    complete.

    Args:
        root: folder of demo data, made if needed.
        seed: the same seed gives the same files.
        size: number and length of songs; 21 of 20 s, 370 MB by default.
        jobs: processes; one for every core by default.
        progress: called with the number of files written and the number of all files.

    Returns:
        A folder for ``--data``.

    Raises:
        UserError: when the folder cannot be written.
    """
    size = size or MusicSize()
    complete = named(root, "music", seed=seed, size=size, sources=SOURCES)
    if not complete.is_dir():
        with whole_folder(complete) as folder:
            write_songs(folder, seed=seed, size=size, jobs=jobs, progress=progress)
    return complete


def write_songs(
    folder: Path,
    *,
    seed: int,
    size: MusicSize,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Generate the songs that are not there yet: ``train/SONG/NAME.wav``, ``test/SONG/NAME.wav``.

    Args:
        folder: to be filled.
        seed: the same seed and size give the same files.
        size: number and length of songs; other numbers give other songs.
        jobs: processes; one for every core by default.
        progress: called with the number of files written and the number of all files.
    """
    songs = _songs(size)
    for song in songs:
        (folder / song).mkdir(parents=True, exist_ok=True)
    paths = [f"{song}/{name}.wav" for song in songs for name in (MIXTURE, *STEMS)]
    write_missing(folder, paths, _Encoder(seed, size).encode, jobs=jobs, progress=progress)


def render(*, seed: int, number: int, build: float, seconds: float) -> dict[str, np.ndarray]:
    """Compose, play and record one song.

    Args:
        seed: of the demo.
        number: of the song.
        build: of the singer, 0 to 1, see ``demo_music_voice.singer``.
        seconds: its length.

    Returns:
        Stems by name, int16 (samples, 2); their sum stays within 16 bits.
    """
    rng = np.random.default_rng([seed, number])
    score, who, where = compose(rng, seconds), singer(rng, build), room(rng)
    notes = melody(score, rng, low=who.low, high=who.high, density=0.8)
    voice = panned(sing(notes, who, seconds=seconds, rng=rng), float(rng.uniform(-0.2, 0.2)))
    if rng.random() < 0.35:
        # a second take at the other side, later and softer
        again = sing(notes, who, seconds=seconds, rng=rng) * rng.uniform(0.3, 0.6)
        late = AT.samples(rng.uniform(0.01, 0.03))
        voice[:, late:] += panned(again, float(rng.uniform(-0.8, 0.8)))[:, : voice.shape[1] - late]
    dry = {
        "vocals": voice,
        "drums": drums(score, rng),
        "bass": bass(score, rng),
        "other": other(score, rng, sung=notes),
    }
    stems = {}
    for name in STEMS:
        wet_db = rng.uniform(*WET_DB.get(name, OTHER_WET_DB))
        tone_db = rng.normal(TONE_DB.get(name, 0.0), 2.0, len(EQ_KNOTS_HZ))
        sound = placed(dry[name], where, wet_db=wet_db, tone_db=tone_db)
        gain = np.float32(10.0 ** (rng.uniform(*LEVEL_DB[name]) / 20.0))
        limit = np.float32(rng.uniform(*LIMIT))
        sound = limit * np.tanh(sound / (limit * np.float32(level(sound))))
        stems[name] = gain * sound * AT.gate(sound.shape[1], FADE_SECONDS).astype(np.float32)
    return _as_integers(stems, peak=float(rng.uniform(0.5, 0.95)))


def _as_integers(stems: dict[str, np.ndarray], *, peak: float) -> dict[str, np.ndarray]:
    """Stems (2, samples) as int16 (samples, 2); the highest of them or of their sum is ``peak``."""
    total = np.abs(sum(stems.values())).max()
    highest = max(total, *(np.abs(sound).max() for sound in stems.values()))
    factor = np.float32(peak * 32_767.0 / highest)
    return {name: np.rint(factor * sound.T).astype(np.int16) for name, sound in stems.items()}


def _songs(size: MusicSize) -> list[str]:
    """Folders of all songs, train/ before test/."""
    parts = ["train"] * size.train + ["test"] * size.test
    return [f"{part}/Demo {n:02d}" for n, part in enumerate(parts, start=1)]


@dataclass
class _Encoder:
    """Gives the content of files; the song of the last one is kept, since its files follow.

    Attributes:
        seed: of the demo.
        size: of the demo.
    """

    seed: int
    size: MusicSize
    _last: tuple[str, dict[str, np.ndarray]] | None = field(default=None, repr=False)

    def encode(self, path: str) -> bytes:
        """Content of a file: the path's folder says which song, its name which stem."""
        place = PurePosixPath(path)
        song = place.parent.name
        if self._last is None or self._last[0] != song:
            number = int(song.split()[-1])
            build = self._build(number)
            seconds = self.size.seconds
            stems = render(seed=self.seed, number=number, build=build, seconds=seconds)
            self._last = (song, stems)
        stems = self._last[1]
        if place.stem == MIXTURE:
            total = sum(stem.astype(np.int32) for stem in stems.values())
            return wav(np.asarray(total).astype(np.int16), SAMPLE_RATE)
        return wav(stems[place.stem], SAMPLE_RATE)

    def _build(self, number: int) -> float:
        """Build of a singer: every part has large and small ones, however few songs it has."""
        part = self.size.train if number <= self.size.train else self.size.test
        first = 1 if number <= self.size.train else self.size.train + 1
        order = np.random.default_rng([self.seed, first]).permutation(part)
        rng = np.random.default_rng([self.seed, number, 1])
        return float((order[number - first] + rng.random()) / part)
