"""Utterances as they lie on disk: whose they are, which of them can be used, who is in which part.

The speaker of a file stands in a table, or is the folder that it lies in, or opens its name, as in
LibriSpeech (Panayotov, Chen, Povey, Khudanpur, "LibriSpeech: an ASR corpus based on public domain
audio books", ICASSP 2015): ``103/1240/103-1240-0000.flac``.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from utils.config.schema import AudioSettings, DatasetSettings
from utils.datasets.base import Clip
from utils.datasets.layout import check_audio, clip_path, reading
from utils.datasets.mixtures import Progress, generator
from utils.datasets.soundbank_layouts import SUFFIXES
from utils.datasets.speaker_levels import Utterances, measure
from utils.datasets.tables import nearest, read_table
from utils.datasets.word_files import NO_SPLIT, PARTS, SPELLINGS, listed
from utils.errors import DataError

SHORTEST_SECONDS = 0.5
"""Shorter utterances are not mixed."""

_THREE_WAYS = (
    "the speaker of a file is the value of dataset.columns.group in the table dataset.metadata,"
    " without a table the folder directly below --data, without folders the file name up to its"
    " first '-' or '_'"
)
_OPENING = re.compile(r"[^-_]+")


@dataclass(frozen=True)
class Speakers:
    """Utterances, divided by speaker.

    Attributes:
        parts: of train, validation and test.
        notes: how speakers were told apart, what was left out, what each part holds.
    """

    parts: Mapping[str, Utterances]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    """Utterances with their speakers; the part of each where a table tells it, else None; notes."""

    clips: tuple[Clip, ...]
    part_of: Mapping[str, str] | None
    notes: tuple[str, ...]


def read_speakers(
    settings: DatasetSettings,
    *,
    audio: AudioSettings,
    root: Path,
    cache: Path | None,
    progress: Progress | None = None,
) -> Speakers:
    """Find utterances, leave out what cannot be used, and divide them by speaker.

    The speaker of a file is

    1. where the table ``dataset.metadata`` is in the folder, what its column ``columns.group`` has;
       the files of ``columns.filename`` are relative to ``audio_folder``, or to the folder itself
       where that is not there;
    2. else, where audio lies in sub-folders at any depth, the sub-folder directly below the folder;
    3. else the file name up to its first ``-`` or ``_``.

    Parts are those of the table's column ``columns.split``, if it is named; else whole speakers are
    drawn: ``test_amount`` of the utterances for test, then ``validation.amount`` of the rest for
    validation, from ``speakers.seed``; each part gets ``speakers.number`` speakers at least.

    Args:
        settings: metadata, audio_folder, columns, test_amount, validation.amount, speakers.
        audio: sample_rate, at which lengths and levels are measured, and on_bad_audio: whether
            silent and broken utterances are refused or left out. Those shorter than
            :data:`SHORTEST_SECONDS` are left out in any case.
        root: folder of the utterances.
        cache: remembers lengths and levels; None: all is read again.
        progress: told of the utterances read.

    Raises:
        DataError: when something is missing, unusable or contradicts itself, or speakers are too
            few.
    """
    with reading(root):
        if not root.is_dir():
            raise DataError(f"{root}: there is no such folder; name the folder of the utterances.")
        has_table = (root / settings.metadata).is_file()
        found = _from_table(settings, root) if has_table else _from_files(root)
    number = settings.speakers.number
    _require_speakers(found, number, root)
    measured, wrong = measure(
        found.clips, sample_rate=audio.sample_rate, cache=cache, progress=progress
    )
    notes = [*found.notes, *_wrong_note(wrong, len(found.clips), audio)]
    usable, short = _long_enough(measured, audio.sample_rate)
    if short:
        notes.append(
            f"{len(short)} of {len(found.clips)} utterances are shorter than"
            f" {SHORTEST_SECONDS:g} s and were left out: {listed(short)}."
        )
    part_of = found.part_of
    if part_of is None:
        part_of = _draw_parts(usable, settings, root)
        notes.append(f"The speakers of each part were drawn (seed {settings.speakers.seed}).")
    parts = {
        part: usable.taken({clip.name for clip in usable.clips if part_of[clip.name] == part})
        for part in PARTS
    }
    _check_parts(parts, number, root)
    return Speakers(parts, (*notes, _describe(parts, audio.sample_rate)))


def _from_table(settings: DatasetSettings, root: Path) -> _Found:
    """Utterances as the rows of a table."""
    columns = settings.columns
    if columns.group is None:
        raise DataError(
            f"{root / settings.metadata}: dataset.columns.group is not set; name the table's column"
            " of speakers."
        )
    filled = [columns.filename, columns.group, *([columns.split] if columns.split else [])]
    drawn = {columns.split: NO_SPLIT} if columns.split else None
    table = read_table(root / settings.metadata, required=filled, without=drawn)
    folder = root / settings.audio_folder
    folder = folder if folder.is_dir() else root
    clips: dict[str, Clip] = {}
    part_of: dict[str, str] = {}
    for row in table.rows:
        file = row[columns.filename]
        if file in clips:
            raise table.error(row, f"'{file}' is listed twice; remove one row.")
        given = row[columns.split] if columns.split else "train"
        if given.lower() not in SPELLINGS:
            raise table.error(row, f"unknown part '{given}'. {nearest(given, PARTS)}")
        part_of[file] = SPELLINGS[given.lower()]
        clips[file] = Clip(file, clip_path(folder, file), group=row[columns.group])
    check_audio(clips.values(), folder=folder)
    how = f", divided by its column '{columns.split}'" if columns.split else ""
    note = f"The speakers are those of the table {table.path.name}{how}."
    return _Found(tuple(clips.values()), part_of if columns.split else None, (note,))


def _from_files(root: Path) -> _Found:
    """Utterances of speakers that folders or file names tell."""
    files = [(path, path.relative_to(root)) for path in _audio_below(root)]
    if not files:
        raise DataError(
            f"{root}: holds no audio ({', '.join(SUFFIXES)}) in it or below; name the folder of the"
            " utterances."
        )
    inside = [(path, place) for path, place in files if len(place.parts) > 1]
    if not inside:
        note = "The speaker of an utterance is its file's name up to the first '-' or '_'."
        return _Found(tuple(_named(path, place) for path, place in files), None, (note,))
    notes = ["The utterances of a speaker are those of a folder."]
    if len(inside) < len(files):
        beside = [place.name for _, place in files if len(place.parts) == 1]
        notes.append(f"{len(beside)} files beside the folders were left out: {listed(beside)}.")
    clips = tuple(Clip(place.as_posix(), path, group=place.parts[0]) for path, place in inside)
    return _Found(clips, None, tuple(notes))


def _named(path: Path, place: Path) -> Clip:
    match = _OPENING.match(place.stem)
    return Clip(place.name, path, group=match[0] if match else place.stem)


def _audio_below(root: Path) -> list[Path]:
    """Audio files in a folder and all below it, sorted; hidden ones are passed over.

    Links to folders are followed, but no folder is entered twice.
    """
    found: list[Path] = []
    entered: set[str] = set()
    for place, folders, files in os.walk(root, onerror=_fail, followlinks=True):
        if (real := os.path.realpath(place)) in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if name[0] != ".")
        found += [
            Path(place) / name
            for name in files
            if name[0] != "." and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(found)


def _fail(error: OSError) -> None:
    raise error


def _require_speakers(found: _Found, number: int, root: Path) -> None:
    """Refuse fewer speakers than three parts of mixtures need."""
    names = {str(clip.group) for clip in found.clips}
    if len(names) < len(PARTS) * number:
        raise DataError(
            f"{root}: {len(names)} speakers were found ({listed(names)}), and mixtures of {number}"
            f" speakers need {len(PARTS) * number}, as no speaker is in two parts; {_THREE_WAYS}."
        )


def _wrong_note(wrong: Mapping[str, str], total: int, audio: AudioSettings) -> list[str]:
    """What to say of utterances that were left out.

    Raises:
        DataError: unless they may be skipped.
    """
    if not wrong:
        return []
    if audio.on_bad_audio != "skip":
        raise DataError(
            f"{wrong[min(wrong)]} {len(wrong)} of {total} utterances cannot be used;"
            " audio.on_bad_audio: skip (--skip_bad of the mixer) leaves such files out."
        )
    return [
        f"{len(wrong)} of {total} utterances cannot be used and were left out: {listed(wrong)}."
    ]


def _long_enough(measured: Utterances, sample_rate: int) -> tuple[Utterances, set[str]]:
    """Utterances of at least :data:`SHORTEST_SECONDS`, and the names of the others."""
    long = measured.lengths >= SHORTEST_SECONDS * sample_rate
    names = {clip.name for clip, kept in zip(measured.clips, long, strict=True) if kept}
    return measured.taken(names), {clip.name for clip in measured.clips} - names


def _draw_parts(usable: Utterances, settings: DatasetSettings, root: Path) -> dict[str, str]:
    """Part of every utterance by speakers drawn."""
    speakers, number = settings.speakers, settings.speakers.number
    sizes = Counter(str(clip.group) for clip in usable.clips)
    if len(sizes) < len(PARTS) * number:
        raise DataError(
            f"{root}: {len(sizes)} speakers have utterances that can be used, and mixtures of"
            f" {number} speakers need {len(PARTS) * number}, as no speaker is in two parts; add"
            " speakers or mix fewer (dataset.speakers.number)."
        )
    part_of: dict[str, str] = {}
    for part, amount, left in (
        ("test", settings.test_amount, 2 * number),
        ("validation", settings.validation.amount, number),
    ):
        rng = generator(speakers.seed, f"{part} speakers")
        for speaker in _take(sizes, amount, at_least=number, left=left, rng=rng):
            part_of[speaker] = part
            del sizes[speaker]
    return {clip.name: part_of.get(str(clip.group), "train") for clip in usable.clips}


def _take(
    sizes: Mapping[str, int], amount: float, *, at_least: int, left: int, rng: np.random.Generator
) -> list[str]:
    """Whole speakers in random order until their share of the utterances is nearest to ``amount``.

    At least ``at_least`` are taken, and at least ``left`` remain.
    """
    order = rng.permutation(sorted(sizes)).tolist()
    totals = np.cumsum([sizes[speaker] for speaker in order])
    number = int(np.abs(totals - amount * totals[-1]).argmin()) + 1
    return order[: min(max(number, at_least), len(order) - left)]


def _check_parts(parts: Mapping[str, Utterances], number: int, root: Path) -> None:
    """Refuse a part of too few speakers, and a speaker in two parts."""
    for first, second in combinations(PARTS, 2):
        shared = set(parts[first].speakers) & set(parts[second].speakers)
        if shared:
            raise DataError(
                f"{root}: {len(shared)} speakers are in both the {first} and the {second} part"
                f" ({listed(shared)}); give each speaker to one part."
            )
    for part, utterances in parts.items():
        if len(utterances.speakers) < number:
            raise DataError(
                f"{root}: the {part} part has usable utterances of {len(utterances.speakers)}"
                f" speakers, and mixtures of {number} need {number} or more; correct the division."
            )


def _describe(parts: Mapping[str, Utterances], sample_rate: int) -> str:
    sizes = [
        f"{part} {len(here.clips)} by {len(here.speakers)} speakers"
        f" ({here.lengths.sum() / sample_rate / 60.0:.1f} min)"
        for part, here in parts.items()
    ]
    return f"Utterances: {'; '.join(sizes)}."
