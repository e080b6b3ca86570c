"""Utterances as they lie on disk: whose they are, which of them can be used, who is in which part.

The speaker of a file stands in a table, or is the folder that it lies in, or opens its name, as in
LibriSpeech (Panayotov, Chen, Povey, Khudanpur, "LibriSpeech: an ASR corpus based on public domain
audio books", ICASSP 2015): ``103/1240/103-1240-0000.flac``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.config.schema import AudioSettings, DatasetSettings
from utils.datasets.base import PARTS, Clip
from utils.datasets.layout import SUFFIXES, audio_below, check_audio, clip_path, listed, reading
from utils.datasets.mixtures import Progress
from utils.datasets.speaker_levels import Utterances, measure
from utils.datasets.speaker_parts import (
    Found,
    draw_parts,
    refuse_shared,
    rows_with_parts,
    table_note,
    unusable_note,
)
from utils.errors import DataError

SHORTEST_SECONDS = 0.5
"""Shorter utterances are not mixed."""

_WAYS = (
    "the speaker of a file is the value of dataset.columns.group in the table dataset.metadata,"
    " without a table that of LibriSpeech's SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER, for other files"
    " the folder directly below --data, without folders the file name up to its first '-' or '_'"
)
_AS_LIBRISPEECH = (
    "The speaker of files SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER is SPEAKER, as in LibriSpeech."
)
_OPENING = re.compile(r"[^-_]+")
_NUMBERED = re.compile(r"(\d+)[-_](\d+)[-_]\d{4}")  # 103-1240-0000 of LibriSpeech and LibriTTS


@dataclass(frozen=True)
class Speakers:
    """Utterances, divided by speaker.

    Attributes:
        parts: of train, validation and test.
        notes: how speakers were told apart, what was left out, what each part holds.
    """

    parts: Mapping[str, Utterances]
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
    2. else, of files that are called SPEAKER-CHAPTER-NUMBER (or with ``_``; numbers, the last of
       four digits at least) and lie in a folder SPEAKER/CHAPTER, as those of LibriSpeech, that
       SPEAKER, whatever folders are around it, if it is the same for all files of SPEAKER;
    3. else, where audio lies in sub-folders at any depth, the sub-folder directly below the folder;
    4. else the file name up to its first ``-`` or ``_``.

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
    notes = list(found.notes)
    if wrong:
        skip = audio.on_bad_audio == "skip"
        notes.append(unusable_note(wrong, len(found.clips), what="utterances", skip=skip))
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


def _from_table(settings: DatasetSettings, root: Path) -> Found:
    """Utterances as the rows of a table."""
    columns, table = settings.columns, root / settings.metadata
    if columns.group is None:
        raise DataError(
            f"{table}: dataset.columns.group is not set; name the table's column of speakers."
        )
    folder = root / settings.audio_folder
    folder = folder if folder.is_dir() else root
    clips: dict[str, Clip] = {}
    part_of: dict[str, str] = {}
    for row, part in rows_with_parts(table, columns, [columns.filename, columns.group]):
        file = row[columns.filename]
        part_of[file] = part
        clips[file] = Clip(file, clip_path(folder, file), group=row[columns.group])
    check_audio(clips.values(), folder=folder)
    note = table_note("speakers", table, columns)
    return Found(tuple(clips.values()), part_of if columns.split else None, (note,))


def _from_files(root: Path) -> Found:
    """Utterances of speakers that folders or file names tell."""
    files = [(path, path.relative_to(root)) for path in audio_below(root)]
    if not files:
        raise DataError(
            f"{root}: holds no audio ({', '.join(SUFFIXES)}) in it or below; name the folder of the"
            " utterances."
        )
    inside = [(path, place) for path, place in files if len(place.parts) > 1]
    if not inside:
        note = "The speaker of an utterance is its file's name up to the first '-' or '_'."
        return Found(tuple(_named(path, place) for path, place in files), None, (note,))
    readers = _readers([path for path, _ in inside])
    notes = [_AS_LIBRISPEECH] if readers else []
    if len(readers) < len(inside):
        notes.append("The utterances of a speaker are those of a folder.")
    if len(inside) < len(files):
        beside = [place.name for _, place in files if len(place.parts) == 1]
        notes.append(f"{len(beside)} files beside the folders were left out: {listed(beside)}.")
    clips = tuple(
        Clip(place.as_posix(), path, group=readers.get(path, place.parts[0]))
        for path, place in inside
    )
    return Found(clips, None, tuple(notes))


def _readers(files: Sequence[Path]) -> dict[Path, str]:
    """Speakers of the files of LibriSpeech's form, whose three numbers the folders repeat.

    None where a number lies in several folders: it is no speaker then, but a year or a session.
    """
    found: dict[Path, str] = {}
    parents: dict[str, set[tuple[str, ...]]] = {}
    for path in files:
        form, (*above, speaker, chapter, _) = _NUMBERED.match(path.name), path.absolute().parts
        if form is not None and form.groups() == (speaker, chapter):
            found[path] = speaker
            parents.setdefault(speaker, set()).add(tuple(above))
    return {} if any(len(places) > 1 for places in parents.values()) else found


def _named(path: Path, place: Path) -> Clip:
    match = _OPENING.match(place.stem)
    return Clip(place.name, path, group=match[0] if match else place.stem)


def _require_speakers(found: Found, number: int, root: Path) -> None:
    """Refuse fewer speakers than three parts of mixtures need."""
    names = {str(clip.group) for clip in found.clips}
    if len(names) < len(PARTS) * number:
        raise DataError(
            f"{root}: {len(names)} speakers were found ({listed(names)}), and mixtures of {number}"
            f" speakers need {len(PARTS) * number}, as no speaker is in two parts; {_WAYS}."
        )


def _long_enough(measured: Utterances, sample_rate: int) -> tuple[Utterances, set[str]]:
    """Utterances of at least :data:`SHORTEST_SECONDS`, and the names of the others."""
    long = measured.lengths >= SHORTEST_SECONDS * sample_rate
    names = {clip.name for clip, kept in zip(measured.clips, long, strict=True) if kept}
    return measured.taken(names), {clip.name for clip in measured.clips} - names


def _draw_parts(usable: Utterances, settings: DatasetSettings, root: Path) -> dict[str, str]:
    """Part of every utterance by speakers drawn."""
    number = settings.speakers.number
    count = len(usable.speakers)
    if count < len(PARTS) * number:
        raise DataError(
            f"{root}: {count} speakers have utterances that can be used, and mixtures of"
            f" {number} speakers need {len(PARTS) * number}, as no speaker is in two parts; add"
            " speakers or mix fewer (dataset.speakers.number)."
        )
    return draw_parts(
        usable.clips,
        settings,
        seed=settings.speakers.seed,
        at_least=number,
        left=(2 * number, number),
    )


def _check_parts(parts: Mapping[str, Utterances], number: int, root: Path) -> None:
    """Refuse a part of too few speakers, and a speaker in two parts."""
    refuse_shared({part: here.speakers for part, here in parts.items()}, root=root)
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
