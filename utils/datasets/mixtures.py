"""Mixtures of isolated words as files, in the layout of DACON 235616.

``train/train_00000.wav ...`` with ``train_answer.csv``, ``test/test_00000.wav ...`` with
``submission.csv`` (the template) and ``test_answer.csv`` (which the competition keeps), and
``mixtures.csv``, which tells how each was mixed and which of the training files are validation
clips. Recordings are read as they are needed; the latest up to ``_HELD_BYTES`` stay in memory.
"""

import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from utils.audio import fit_length, read_audio
from utils.config.schema import AudioSettings, MixingSettings
from utils.datasets.base import Clip, labels_and_weights
from utils.datasets.mixture_folders import (
    DIGITS,
    array_digest,
    file_state,
    kept_folder,
    new_folder,
)
from utils.errors import AudioError, DataError
from utils.files import digest, read_json, write_csv, write_json
from utils.mixing import Recipes, draw, mix, shares

CODE_VERSION = 2
"""Raised whenever reading or mixing changes its numbers: mixtures of before then lapse."""

Progress = Callable[[int, int], None]
"""Called with the number of files done and of all files."""

_HELD_BYTES = 2**29  # 8,192 recordings of one second at 16 kHz
_BLOCK_BYTES = 2**24  # words that are mixed at a time
_LIST = "|"  # joins the values of one cell of mixtures.csv


@dataclass(frozen=True)
class Part:
    """The mixtures of one part of a data set.

    Attributes:
        name: ``train``, ``validation`` or ``test``.
        words: isolated recordings, one label and a speaker (group) each.
        recipes: how each mixture is made; rows are places in ``words``.
        labels: int64 (clips, words), class of each word.
        first: number of the first file; validation files follow the training files.
    """

    name: str
    words: tuple[Clip, ...]
    recipes: Recipes
    labels: np.ndarray
    first: int = 0

    @property
    def folder(self) -> str:
        """Sub-folder of the files, which is the first part of their ids too."""
        return "test" if self.name == "test" else "train"

    @property
    def ids(self) -> list[str]:
        """Name of each file without its suffix."""
        last = self.first + len(self.labels)
        return [f"{self.folder}_{number:05d}" for number in range(self.first, last)]


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Randomness for one purpose, independent of that for any other.

    Args:
        seed: any whole number.
        purpose: such as ``test`` or ``fold2 validation``.
    """
    return np.random.default_rng([seed % 2**64, *purpose.encode()])


def draw_part(
    name: str,
    words: Sequence[Clip],
    count: int,
    *,
    classes: Sequence[str],
    mixing: MixingSettings,
    purpose: str = "",
    first: int = 0,
) -> Part:
    """Draw the recipes of one part.

    Args:
        name: ``train``, ``validation`` or ``test``.
        words: its isolated recordings; their order does not matter.
        count: number of mixtures.
        classes: class order.
        mixing: how they are drawn.
        purpose: tells parts of one name apart in messages and in their randomness, such as
            ``fold2``.
        first: number of the first file.

    Raises:
        DataError: when the recordings do not allow such mixtures; the message names the part.
    """
    clips = tuple(sorted(words, key=lambda clip: clip.name))
    numbers = {label: number for number, label in enumerate(classes)}
    labels = np.array([numbers[clip.labels[0]] for clip in clips], np.int64)
    speakers = np.unique([clip.group or "" for clip in clips], return_inverse=True)[1]
    title = f"{purpose} {name}".strip()
    try:
        recipes = draw(
            generator(mixing.seed, title),
            count,
            words=labels,
            speakers=speakers,
            number=mixing.words,
            repeat_words=mixing.repeat_words,
            repeat_speakers=mixing.repeat_speakers,
            level_db=mixing.level_db,
            shift_seconds=mixing.shift_seconds,
        )
    except DataError as error:
        raise DataError(f"{title} part ({len(clips)} recordings): {error}") from error
    return Part(name, clips, recipes, labels[recipes.rows], first)


def kept(
    parts: Sequence[Part],
    *,
    classes: Sequence[str],
    audio: AudioSettings,
    cache: Path,
    title: str,
) -> dict[str, tuple[Clip, ...]]:
    """Mixtures as clips, their files written now or found from an earlier start.

    They lie in a folder as :func:`~utils.datasets.mixture_folders.kept_folder` names it, by
    recipes, words, speakers, sizes and times of the recordings, rate and length.

    Args:
        parts: at least one.
        classes: class order.
        audio: rate and length.
        cache: folder of what can be made again.
        title: first word of the clips' names, different for each fold.

    Returns:
        Clips by part name, with labels and their shares. Their names hold a digest of the
        recordings' names and sizes and of the recipes, so that other mixtures have other names,
        and the same mixtures at another rate the same ones.

    Raises:
        DataError: for a recording that cannot be used.
        UserError: when the folder cannot be written.
    """
    used = [[part.words[row] for row in np.unique(part.recipes.rows)] for part in parts]
    fixed = {
        "code": CODE_VERSION,
        "classes": list(classes),
        "parts": [(part.name, part.first, _recipe_digest(part)) for part in parts],
        "words": [[(clip.name, clip.labels, clip.group) for clip in clips] for clips in used],
    }
    folder, identity = kept_folder(
        cache,
        used,
        fixed=fixed,
        others=[audio.model_dump(include={"sample_rate", "seconds", "short_clips"})],
        write=lambda folder: write_new(folder, parts, classes=classes, audio=audio),
    )
    name = f"{title}-{identity}"
    return {part.name: _clips(part, classes, folder, name) for part in parts}


def write_new(
    folder: Path,
    parts: Sequence[Part],
    *,
    classes: Sequence[str],
    audio: AudioSettings,
    progress: Progress | None = None,
) -> None:
    """Write mixtures into a folder that appears once it is complete.

    Args:
        folder: absent or empty.
        parts: what to write, each part once.
        classes: class order, the columns of the answers.
        audio: rate and length.
        progress: told of the files written.

    Raises:
        DataError: for a recording that cannot be used.
        UserError: when the folder cannot be written.
    """
    total = sum(len(part.labels) for part in parts)
    with new_folder(folder) as beside:
        for sub_folder in {part.folder for part in parts}:
            (beside / sub_folder).mkdir(exist_ok=True)
        _write_tables(beside, parts, classes)
        done = 0
        for part in parts:
            for written in _write_audio(beside, part, audio):
                done += written
                if progress is not None:
                    progress(done, total)


def unusable(
    clips: Sequence[Clip],
    *,
    audio: AudioSettings,
    cache: Path | None,
    progress: Progress | None = None,
) -> dict[str, str]:
    """Recordings that no mixture can be made of: silent, broken, no audio.

    Args:
        clips: isolated recordings; all are read once.
        audio: rate and length.
        cache: where the result is kept for the next start; None reads all again.
        progress: told of the files read.

    Returns:
        What is wrong, by clip name.
    """
    known = None
    if cache is not None:
        states = [(clip.name, *file_state(clip.path)) for clip in clips]
        lengths = [CODE_VERSION, audio.sample_rate, audio.seconds]
        known = cache / "mixtures" / f"unusable-{digest([lengths, states], length=DIGITS)}.json"
        if known.is_file():
            found: dict[str, str] = read_json(known)
            return found
    found = {}
    for number, clip in enumerate(clips, start=1):
        try:
            _read(clip.path, audio)
        except AudioError as error:
            found[clip.name] = str(error)
        if progress is not None:
            progress(number, len(clips))
    if known is not None:
        write_json(known, found)
    return found


def _read(path: Path, audio: AudioSettings) -> np.ndarray:
    """A recording at the set rate and length, float32 (samples,)."""
    samples = read_audio(path, sample_rate=audio.sample_rate, seconds=audio.seconds)
    if not samples.any():
        raise AudioError(f"{path}: is silent (all its samples are 0); replace or remove it.")
    length = round(audio.seconds * audio.sample_rate)
    return fit_length(samples, length=length, short=audio.short_clips)


def _write_audio(folder: Path, part: Part, audio: AudioSettings) -> Iterator[int]:
    """Write a part's files block by block; yields how many each time."""
    length = round(audio.seconds * audio.sample_rate)
    count, number = part.labels.shape
    held = lru_cache(maxsize=max(1, _HELD_BYTES // (4 * length)))(_read)
    block = max(1, _BLOCK_BYTES // (4 * length * number))
    paths = [folder / part.folder / f"{name}.wav" for name in part.ids]
    for start in range(0, count, block):
        here = slice(start, min(start + block, count))
        rows = part.recipes.rows[here]
        samples = np.empty((*rows.shape, length), np.float32)
        for place in np.ndindex(rows.shape):
            samples[place] = held(part.words[rows[place]].path, audio)
        gains, shifts = part.recipes.gains_db[here], part.recipes.shifts[here]
        mixtures = mix(samples, gains, shifts, sample_rate=audio.sample_rate)
        for path, mixture in zip(paths[here], mixtures, strict=True):
            _write_pcm16(path, mixture, audio.sample_rate)
        yield len(rows)


def write_whole_numbers(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write whole numbers (samples,) as a wav file of 16 bits; a full disk is an ``OSError``."""
    with path.open("wb") as stream, wave.open(stream, "wb") as writer:
        writer.setparams((1, 2, sample_rate, len(samples), "NONE", "not compressed"))
        writer.writeframes(samples.astype("<i2").tobytes())


def _write_pcm16(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write samples within ±1 as a wav file of 16 bits."""
    write_whole_numbers(path, np.rint(samples * 32_768.0), sample_rate)


def _write_tables(folder: Path, parts: Sequence[Part], classes: Sequence[str]) -> None:
    """Write answers, template and recipes of all parts."""
    answers: dict[str, list[list[str]]] = {}
    for part in parts:
        rows = shares(part.labels, classes=len(classes)).tolist()
        answers.setdefault(part.folder, []).extend(
            [name, *(f"{value:.8g}" for value in row)]
            for name, row in zip(part.ids, rows, strict=True)
        )
    header = ["id", *classes]
    for kind, lines in answers.items():
        write_csv(folder / f"{kind}_answer.csv", header, lines)
    if "test" in answers:
        uniform = [f"{1 / len(classes):.8g}"] * len(classes)
        write_csv(
            folder / "submission.csv", header, ([line[0], *uniform] for line in answers["test"])
        )
    write_csv(
        folder / "mixtures.csv",
        ["id", "part", "words", "speakers", "files", "gains_db", "shift_seconds"],
        (row for part in parts for row in _recipe_rows(part)),
    )


def _recipe_rows(part: Part) -> Iterator[list[str]]:
    recipes = part.recipes
    for name, rows, gains, shifts in zip(
        part.ids, recipes.rows.tolist(), recipes.gains_db, recipes.shifts, strict=True
    ):
        words = [part.words[row] for row in rows]
        cells: list[Iterable[str]] = [
            (clip.labels[0] for clip in words),
            (clip.group or "" for clip in words),
            (clip.name for clip in words),
            (f"{gain:.3f}" for gain in gains),
            (f"{shift:.6f}" for shift in shifts),
        ]
        yield [name, part.name, *(_LIST.join(cell) for cell in cells)]


def _clips(part: Part, classes: Sequence[str], folder: Path, name: str) -> tuple[Clip, ...]:
    told = labels_and_weights(shares(part.labels, classes=len(classes)), classes)
    places = (f"{part.folder}/{file}.wav" for file in part.ids)
    return tuple(
        Clip(f"{name}/{place}", folder / place, labels, weights=weights)
        for place, (labels, weights) in zip(places, told, strict=True)
    )


def _recipe_digest(part: Part) -> str:
    recipes = part.recipes
    return array_digest(recipes.rows, recipes.gains_db, recipes.shifts)
