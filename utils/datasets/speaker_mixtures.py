"""Mixtures of several speakers as files: wav files, JSON manifests of SVoice, and a table.

``tr/mix/train_00000.wav``, ``tr/s1/train_00000.wav``, ``tr/s2/train_00000.wav`` ...; the same in
``cv/`` (validation) and ``tt/`` (test). Each of these folders has ``mix.json``, ``s1.json`` ... as
the data set ``svoice`` reads them, with paths relative to it. ``mixtures.csv`` tells how all were
mixed. Sources are rounded to 16 bits; a mixture is the sum of their whole numbers.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from utils.audio import read_audio
from utils.config.schema import SpeakerSettings
from utils.datasets.base import Clip
from utils.datasets.manifests import FOLDERS
from utils.datasets.mixture_folders import array_digest, kept_folder, new_folder
from utils.datasets.mixtures import Progress, generator, write_whole_numbers
from utils.datasets.speaker_levels import CODE_VERSION, Utterances
from utils.errors import DataError
from utils.files import write_csv, write_json
from utils.mixing import speech

TABLE = "mixtures.csv"

_COLUMNS = ("id", "part", "samples", "speakers", "files", "gains_db", "starts")
_HELD_BYTES = 2**29  # 1,100 utterances of 15 s at 8 kHz
_FULL_SCALE = 32_768
_LIST = "|"  # joins the values of one cell of the table


@dataclass(frozen=True)
class Part:
    """The mixtures of one part of a data set.

    Attributes:
        name: ``train``, ``validation`` or ``test``.
        utterances: what is mixed.
        recipes: how each mixture is made; rows are places in ``utterances``.
        lengths: int64 (clips,), samples of each mixture.
    """

    name: str
    utterances: Utterances
    recipes: speech.SpeechRecipes
    lengths: np.ndarray

    @property
    def folder(self) -> str:
        """Sub-folder of the files: tr, cv or tt."""
        return FOLDERS[self.name][0]

    @property
    def ids(self) -> list[str]:
        """Name of each mixture's files, without its suffix."""
        return [f"{self.name}_{number:05d}" for number in range(len(self.lengths))]

    @property
    def sounds(self) -> list[str]:
        """Sub-folders of the part: the mixture, then its sources in order."""
        return ["mix", *(f"s{number + 1}" for number in range(self.recipes.rows.shape[1]))]


def draw_part(name: str, utterances: Utterances, settings: SpeakerSettings) -> Part:
    """Draw the recipes of one part.

    Args:
        name: ``train``, ``validation`` or ``test``, by which its draws differ from those of others.
        utterances: of the part's speakers.
        settings: how many clips and how they are drawn.

    Raises:
        DataError: when there are too few speakers; the message names the part.
    """
    numbers = {speaker: number for number, speaker in enumerate(utterances.speakers)}
    try:
        recipes = speech.draw(
            generator(settings.seed, name),
            getattr(settings, name),
            speakers=np.array([numbers[str(clip.group)] for clip in utterances.clips], np.int64),
            lengths=utterances.lengths,
            number=settings.number,
            level_db=settings.level_db,
            length=settings.length,
            overlap=settings.overlap,
        )
    except DataError as error:
        raise DataError(f"{name} part ({len(utterances.clips)} utterances): {error}") from error
    lengths = speech.mixture_lengths(recipes, utterances.lengths, length=settings.length)
    return Part(name, utterances, recipes, lengths)


def kept(
    parts: Sequence[Part], *, settings: SpeakerSettings, sample_rate: int, cache: Path, title: str
) -> dict[str, tuple[Clip, ...]]:
    """Mixtures as clips with stems, their files written now or found from an earlier start.

    They lie in a folder as :func:`~utils.datasets.mixture_folders.kept_folder` names it, by
    recipes, speakers, sizes and times of the utterances, rate.

    Args:
        parts: at least one.
        settings: what the recipes were drawn by.
        sample_rate: hertz.
        cache: folder of what can be made again.
        title: first word of the clips' names.

    Returns:
        Clips by part name, with a file for each source and their length. Their names hold a digest
        of the utterances' names and sizes and of what was drawn, so that other mixtures have other
        names, and the same ones at another rate the same.

    Raises:
        DataError: for an utterance that has vanished.
        AudioError: for one that cannot be read any more.
        UserError: when the folder cannot be written.
    """
    used = [[part.utterances.clips[row] for row in np.unique(part.recipes.rows)] for part in parts]
    fixed = {
        "code": CODE_VERSION,
        "settings": settings.model_dump(include={"length", "overlap"}),
        "parts": [
            (part.name, array_digest(part.recipes.rows, part.recipes.gains_db)) for part in parts
        ],
        "utterances": [[(clip.name, clip.group) for clip in clips] for clips in used],
    }
    places = [array_digest(part.recipes.starts, part.lengths) for part in parts]
    folder, identity = kept_folder(
        cache,
        used,
        fixed=fixed,
        others=[sample_rate, places],
        write=lambda folder: write_new(folder, parts, sample_rate=sample_rate),
    )
    name = f"{title}-{identity}"
    return {part.name: _clips(part, folder, name, sample_rate) for part in parts}


def write_new(
    folder: Path, parts: Sequence[Part], *, sample_rate: int, progress: Progress | None = None
) -> None:
    """Write mixtures into a folder that appears once it is complete.

    Args:
        folder: absent or empty.
        parts: what to write, each part once.
        sample_rate: hertz.
        progress: told of the mixtures written.

    Raises:
        AudioError: for an utterance that cannot be read.
        UserError: when the folder cannot be written.
    """
    longest = max(int(part.utterances.lengths.max()) for part in parts)

    @lru_cache(maxsize=max(1, _HELD_BYTES // (4 * longest)))
    def read(path: Path) -> np.ndarray:
        return read_audio(path, sample_rate=sample_rate)

    total, done = sum(len(part.lengths) for part in parts), 0
    with new_folder(folder) as beside:
        write_csv(beside / TABLE, _COLUMNS, (row for part in parts for row in _table_rows(part)))
        for part in parts:
            for sound in part.sounds:
                (beside / part.folder / sound).mkdir(parents=True)
                lines = zip(part.ids, part.lengths.tolist(), strict=True)
                manifest = [[f"{sound}/{name}.wav", samples] for name, samples in lines]
                write_json(beside / part.folder / f"{sound}.json", manifest)
            for place, name in enumerate(part.ids):
                samples = _whole_numbers(part, place, [read(path) for path in _paths(part, place)])
                for sound, numbers in zip(part.sounds, samples, strict=True):
                    path = beside / part.folder / sound / f"{name}.wav"
                    write_whole_numbers(path, numbers, sample_rate)
                done += 1
                if progress is not None:
                    progress(done, total)


def _paths(part: Part, place: int) -> list[Path]:
    return [part.utterances.clips[row].path for row in part.recipes.rows[place]]


def _whole_numbers(part: Part, place: int, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    """Mixture and sources of a clip, whole numbers of 16 bits int64 (1 + number, samples)."""
    rows = part.recipes.rows[place]
    sources, _ = speech.mix(
        waveforms,
        part.recipes.gains_db[place],
        part.utterances.rms[rows],
        starts=part.recipes.starts[place],
        samples=int(part.lengths[place]),
    )
    rounded = np.rint(sources * _FULL_SCALE).astype(np.int64)
    return np.concatenate([rounded.sum(axis=0, keepdims=True), rounded])


def _table_rows(part: Part) -> Iterator[list[str]]:
    for place, name in enumerate(part.ids):
        clips = [part.utterances.clips[row] for row in part.recipes.rows[place]]
        cells: list[Iterable[str]] = [
            (str(clip.group) for clip in clips),
            (clip.name for clip in clips),
            (f"{gain:.3f}" for gain in part.recipes.gains_db[place]),
            (str(start) for start in part.recipes.starts[place]),
        ]
        yield [name, part.name, str(part.lengths[place]), *(_LIST.join(cell) for cell in cells)]


def _clips(part: Part, folder: Path, name: str, sample_rate: int) -> tuple[Clip, ...]:
    mixture, *sources = part.sounds
    return tuple(
        Clip(
            f"{name}/{part.folder}/{mixture}/{file}.wav",
            folder / part.folder / mixture / f"{file}.wav",
            seconds=samples / sample_rate,
            stems=tuple((folder / part.folder / source / f"{file}.wav",) for source in sources),
        )
        for file, samples in zip(part.ids, part.lengths.tolist(), strict=True)
    )
