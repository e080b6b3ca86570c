"""Demo words: generated voices say thirty words, in the layout of Speech Commands.

A folder for each word, files named after the speaker, and lists of the validation and test files;
no speaker in two parts. The layout is that of Warden, "Speech Commands: a dataset for
limited-vocabulary speech recognition" (2018); the words are the thirty of its first version.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.datasets.demo_folder import named, wav, whole_folder, write_missing
from utils.datasets.demo_phonemes import WORDS
from utils.datasets.demo_voices import SAMPLE_RATE, Speaker, speak, speaker
from utils.files import write_text

SOURCES = ("demo_folder.py", "demo_phonemes.py", "demo_voices.py", "demo_words.py")
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
MICROPHONE_KNOTS_HZ = (60.0, 150.0, 400.0, 1000.0, 2500.0, 5000.0, 8000.0)
EDGE_SECONDS = 0.03


@dataclass(frozen=True)
class WordsSize:
    """Number of speakers and takes; every speaker says every word.

    Attributes:
        train: speakers to learn from.
        validation: speakers of the validation list.
        test: speakers of the test list.
        takes: how often each speaker says each word.
    """

    train: int = 16
    validation: int = 5
    test: int = 5
    takes: int = 2


@dataclass(frozen=True)
class _Room:
    """What all recordings of one speaker share: a room and a microphone.

    Attributes:
        decay_seconds: time in which the reverberation falls by 60 dB.
        reverberant_db: its energy against the direct sound's.
        response_db: gain of the microphone at ``MICROPHONE_KNOTS_HZ``.
        noise_db: noise of the room against the word.
    """

    decay_seconds: float
    reverberant_db: float
    response_db: tuple[float, ...]
    noise_db: float


def make(
    root: Path,
    *,
    seed: int,
    size: WordsSize | None = None,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Generate the demo words, or find what was generated before.

    A generation that was killed goes on where it was; the folder has its name only once it is
    complete.

    Args:
        root: folder of demo data, made if needed.
        seed: the same seed gives the same files.
        size: number of speakers and takes; 1,560 files, 50 MB by default.
        jobs: processes; one for every core by default.
        progress: called with the number of files written and the number of all files.

    Returns:
        The folder that holds a folder for each word and the two lists.

    Raises:
        UserError: when the folder cannot be written.
    """
    size = size or WordsSize()
    complete = named(root, "words", seed=seed, size=size, sources=SOURCES)
    if complete.is_dir():
        return complete
    cast = _Cast(seed, size)
    with whole_folder(complete) as folder:
        for word in WORDS:
            (folder / word).mkdir(exist_ok=True)
        for part, name in LISTS.items():
            write_text(folder / name, "".join(f"{path}\n" for path in cast.paths(part)))
        write_missing(
            folder,
            [path for part in ("train", *LISTS) for path in cast.paths(part)],
            cast.encode,
            jobs=jobs,
            progress=progress,
        )
    return complete


class _Cast:
    """The speakers of one seed; a file's path tells who says what, and which take it is."""

    def __init__(self, seed: int, size: WordsSize) -> None:
        self.seed = seed
        self.takes = size.takes
        self.builds: dict[str, float] = {}
        self.parts: dict[str, list[str]] = {}
        rng = np.random.default_rng(seed)
        for part in ("train", "validation", "test"):
            names = self._names(getattr(size, part), rng)
            self.parts[part] = names
            # Every part has large and small speakers, however few they are.
            places = (np.arange(len(names)) + rng.random(len(names))) / max(len(names), 1)
            self.builds.update(zip(names, places.tolist(), strict=True))

    def _names(self, count: int, rng: np.random.Generator) -> list[str]:
        names: list[str] = []
        while len(names) < count:
            name = f"{rng.integers(2**32):08x}"
            if name not in self.builds and name not in names:
                names.append(name)
        return names

    def paths(self, part: str) -> list[str]:
        """Files of a part, sorted."""
        return sorted(
            f"{word}/{name}_nohash_{take}.wav"
            for word in WORDS
            for name in self.parts[part]
            for take in range(self.takes)
        )

    def encode(self, path: str) -> bytes:
        """Content of a file of one second."""
        word, file = path.split("/")
        name, _, take = file.removesuffix(".wav").split("_")
        rng = np.random.default_rng([self.seed, int(name, 16)])
        who = speaker(rng, self.builds[name])
        room = _room(rng)
        rng = np.random.default_rng([self.seed, int(name, 16), list(WORDS).index(word), int(take)])
        return wav(record(word, who, room, rng=rng), SAMPLE_RATE)


def _room(rng: np.random.Generator) -> _Room:
    """Draw a room and a microphone."""
    tilt = rng.uniform(-4.0, 4.0)
    gains = np.linspace(-tilt, tilt, len(MICROPHONE_KNOTS_HZ))
    gains += rng.normal(0.0, 2.0, len(MICROPHONE_KNOTS_HZ))
    return _Room(
        decay_seconds=float(rng.uniform(0.15, 0.4)),
        reverberant_db=float(rng.uniform(-20.0, -8.0)),
        response_db=tuple(gains.tolist()),
        noise_db=float(rng.uniform(-45.0, -25.0)),
    )


def record(word: str, who: Speaker, room: _Room, *, rng: np.random.Generator) -> np.ndarray:
    """Say a word somewhere within a second, in a room.

    Args:
        word: key of ``WORDS``.
        who: the speaker.
        room: where.
        rng: what differs from one take to the next.

    Returns:
        float32 (SAMPLE_RATE,), peak between -20 and -2 dB.
    """
    said = speak(WORDS[word].split(), who, rng=rng)
    edge = round(EDGE_SECONDS * SAMPLE_RATE)
    start = int(rng.integers(edge, SAMPLE_RATE - edge - said.size + 1))
    clip = np.zeros(SAMPLE_RATE)
    clip[start : start + said.size] = said
    clip = _captured(clip, room, rng)
    clip *= 10.0 ** (rng.uniform(-20.0, -2.0) / 20.0) / np.abs(clip).max()
    return clip.astype(np.float32)


def _captured(clip: np.ndarray, room: _Room, rng: np.random.Generator) -> np.ndarray:
    """Add reverberation and noise, then pass all through the microphone."""
    from scipy import fft

    times = np.arange(round(room.decay_seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(times.size) * 10.0 ** (-3.0 * times / room.decay_seconds)
    tail *= 10.0 ** (room.reverberant_db / 20.0) / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    length = fft.next_fast_len(clip.size + tail.size, real=True)
    octaves = np.log2(np.maximum(fft.rfftfreq(length, 1.0 / SAMPLE_RATE), 1.0))
    gains_db = np.interp(octaves, np.log2(MICROPHONE_KNOTS_HZ), room.response_db)
    noise = rng.standard_normal(length)
    # Noise of rooms falls by about 5 dB in an octave.
    noise_spectrum = fft.rfft(noise) * 10.0 ** (-5.0 * np.maximum(octaves - 5.0, 0.0) / 20.0)
    noise_spectrum /= np.sqrt(np.mean(np.abs(noise_spectrum) ** 2) / length)
    level = 10.0 ** ((room.noise_db + rng.normal(0.0, 3.0)) / 20.0)
    spectrum = fft.rfft(clip, length) * fft.rfft(tail, length) + level * noise_spectrum
    return fft.irfft(spectrum * 10.0 ** (gains_db / 20.0), length)[: clip.size]
