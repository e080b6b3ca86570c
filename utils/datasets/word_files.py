"""Isolated words of many speakers, as a table lists them or in the layout of Speech Commands.

Layout of Speech Commands (Warden, "Speech Commands: a dataset for limited-vocabulary speech
recognition", 2018): ``WORD/SPEAKER_nohash_N.wav``, with ``validation_list.txt`` and
``testing_list.txt``.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.config.schema import AudioSettings, DatasetSettings
from utils.datasets.base import PARTS, Clip
from utils.datasets.layout import check_audio, clip_path, listed, reading
from utils.datasets.mixtures import Progress, unusable
from utils.datasets.speaker_parts import (
    Found,
    draw_parts,
    refuse_shared,
    rows_with_parts,
    table_note,
    unusable_note,
)
from utils.errors import DataError

LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}

_RECORDING = re.compile(r"(?P<speaker>.+)_nohash_\d+\.wav", re.IGNORECASE)
_FORM = "SPEAKER_nohash_NUMBER.wav"


@dataclass(frozen=True)
class Words:
    """Isolated words, divided by speaker.

    Attributes:
        classes: words in class order.
        parts: recordings of train, validation and test, sorted by name; each has its word as
            label and its speaker as group.
        notes: how they were read and what each part holds.
    """

    classes: tuple[str, ...]
    parts: Mapping[str, tuple[Clip, ...]]
    notes: tuple[str, ...]


def read_words(
    settings: DatasetSettings,
    *,
    audio: AudioSettings,
    root: Path,
    cache: Path | None,
    progress: Progress | None = None,
) -> Words:
    """Find isolated words, leave out what cannot be used, and divide them by speaker.

    Parts are those of the table's split column or of both lists of Speech Commands; where neither
    is there, speakers are drawn: ``test_amount`` of the recordings for test, then
    ``validation.amount`` of the rest for validation, from ``mixing.seed``.

    Args:
        settings: metadata, audio_folder, columns, classes, test_amount, validation.amount, mixing.
        audio: rate and length, and what happens to recordings that cannot be used.
        root: folder of the table, or of a folder for each word.
        cache: remembers which recordings can be used; None: all are read again.
        progress: told of the recordings read.

    Raises:
        DataError: when something is missing, unusable or contradicts itself.
    """
    settings = settings.model_copy(update={"classes": _chosen_words(settings.classes)})
    with reading(root):
        if not root.is_dir():
            raise DataError(f"{root}: there is no such folder; name the folder of the words.")
        has_table = (root / settings.metadata).is_file()
        found = _from_table(settings, root) if has_table else _from_folders(settings, root)
    if not found.clips:
        raise DataError(f"{root}: holds no recording of a word of dataset.classes.")
    clips, notes = found.clips, list(found.notes)
    bad = unusable(clips, audio=audio, cache=cache, progress=progress)
    if bad:
        skip = audio.on_bad_audio == "skip"
        notes.append(unusable_note(bad, len(clips), what="recordings", skip=skip))
        clips = tuple(clip for clip in clips if clip.name not in bad)
    if found.part_of is None:
        mixing = settings.mixing
        needed = 1 if mixing.repeat_speakers else mixing.words
        part_of = draw_parts(
            clips, settings, seed=mixing.seed, at_least=needed, left=(needed, needed)
        )
        notes.append(f"The speakers of each part were drawn (seed {mixing.seed}).")
    else:
        part_of = {clip.name: found.part_of[clip.name] for clip in clips}
    parts = {part: tuple(clip for clip in clips if part_of[clip.name] == part) for part in PARTS}
    _check_parts(parts, root)
    classes = settings.classes or tuple(sorted({clip.labels[0] for clip in clips}))
    require_words(parts["train"], classes, title="the train part")
    return Words(classes, parts, (*notes, *_describe(parts, classes)))


def require_words(clips: Iterable[Clip], classes: Sequence[str], *, title: str) -> None:
    """Require that there is a recording of every word.

    Args:
        clips: training recordings.
        classes: all words.
        title: what the recordings are, for the message.

    Raises:
        DataError: with the words that are missing.
    """
    missing = _missing(clips, classes)
    if missing:
        raise DataError(
            f"{title} has no recording of {listed(missing)}; a word without training recordings"
            " cannot be learnt: add some, or leave it out of dataset.classes."
        )


def _chosen_words(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """``dataset.classes`` without the spaces around words; None stays None: every word there is.

    Raises:
        DataError: for an empty word, and for one that is listed twice: two columns of one name.
    """
    if names is None:
        return None
    words = tuple(name.strip() for name in names)
    if "" in words:
        raise DataError(
            "dataset.classes (--classes of the mixer): word"
            f" {words.index('') + 1} of {len(words)} is empty; remove it."
        )
    twice = [word for word, times in Counter(words).items() if times > 1]
    if twice:
        raise DataError(
            f"dataset.classes (--classes of the mixer): '{twice[0]}' is listed more than once;"
            " list each word once."
        )
    return words


def _from_table(settings: DatasetSettings, root: Path) -> Found:
    """Recordings as the rows of a table."""
    columns = settings.columns
    if columns.group is None:
        raise DataError(
            "dataset.columns.group: words are divided by speaker; name the table's column of"
            " speakers."
        )
    table = root / settings.metadata
    filled = [columns.filename, columns.label, columns.group]
    clips: dict[str, Clip] = {}
    part_of: dict[str, str] = {}
    others: set[str] = set()
    for row, part in rows_with_parts(table, columns, filled):
        file, word = row[columns.filename], row[columns.label]
        part_of[file] = part
        if settings.classes and word not in settings.classes:
            others.add(word)
            continue
        path = clip_path(root / settings.audio_folder, file)
        clips[file] = Clip(file, path, (word,), row[columns.group])
    check_audio(clips.values(), folder=root)
    notes = (table_note("words", table, columns), *_left_out(others))
    clips_in_order = tuple(clips[file] for file in sorted(clips))
    return Found(clips_in_order, part_of if columns.split else None, notes)


def _from_folders(settings: DatasetSettings, root: Path) -> Found:
    """Recordings in a folder for each word."""
    folder = root / settings.audio_folder
    folder = folder if folder.is_dir() else root
    words = sorted(
        path.name for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._"
    )
    wanted = [word for word in words if settings.classes is None or word in settings.classes]
    files = {
        word: sorted(path.name for path in (folder / word).iterdir() if path.name[0] != ".")
        for word in wanted
    }
    clips = tuple(
        Clip(f"{word}/{name}", folder / word / name, (word,), match["speaker"])
        for word in wanted
        for name in files[word]
        if (match := _RECORDING.fullmatch(name))
    )
    empty = set(wanted) - {clip.labels[0] for clip in clips}
    if not words or len(empty) == len(wanted) > 0:
        raise DataError(
            f"{root}: neither the table {settings.metadata} (dataset.metadata) nor folders of words"
            f" with files named {_FORM} are there; name the folder of the words."
        )
    if empty:
        raise DataError(
            f"{folder / min(empty)}: holds no file named {_FORM}; complete or remove the folder, or"
            " list the words in dataset.classes."
        )
    part_of, list_notes = _read_lists(folder, clips)
    notes = ["The words are those of a folder each, as in Speech Commands.", *list_notes]
    ignored = sum(len(names) for names in files.values()) - len(clips)
    if ignored:
        notes.append(f"{ignored} files not named {_FORM} were left out.")
    return Found(clips, part_of, (*notes, *_left_out(set(words) - set(wanted))))


def _read_lists(folder: Path, clips: Sequence[Clip]) -> tuple[dict[str, str] | None, list[str]]:
    """Part of every clip by the published lists, None unless both are there; notes."""
    there = [name for name in LISTS.values() if (folder / name).is_file()]
    if len(there) < len(LISTS):
        return None, [f"{name} was not used, as the other list is missing." for name in there]
    part_of = dict.fromkeys((clip.name for clip in clips), "train")
    lists = {part: _read_list(folder / name) for part, name in LISTS.items()}
    twice = lists["validation"] & lists["test"]
    if twice:
        raise DataError(
            f"{folder}: {len(twice)} files are in both {' and '.join(there)} (such as"
            f" {min(twice)}); take them off one of the lists."
        )
    notes = [f"They are divided by {' and '.join(there)}."]
    words = {clip.labels[0] for clip in clips}
    for part, names in lists.items():
        part_of |= dict.fromkeys(names & part_of.keys(), part)
        gone = {name for name in names - part_of.keys() if name.split("/")[0] in words}
        if gone:
            notes.append(f"{len(gone)} files of {LISTS[part]} are not there ({listed(gone)}).")
    return part_of, notes


def _read_list(path: Path) -> set[str]:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the list is not UTF-8 text (byte {error.start}).") from error
    return {line.strip().replace("\\", "/") for line in lines if line.strip()}


def _check_parts(parts: Mapping[str, Sequence[Clip]], root: Path) -> None:
    """Refuse an empty part, and a speaker in two parts."""
    for part, clips in parts.items():
        if not clips:
            raise DataError(f"{root}: the {part} part has no recordings; correct the division.")
    refuse_shared(
        {part: {str(clip.group) for clip in clips} for part, clips in parts.items()}, root=root
    )


def _describe(parts: Mapping[str, Sequence[Clip]], classes: Sequence[str]) -> list[str]:
    sizes = [
        f"{part} {len({clip.labels for clip in clips})} words by"
        f" {len({clip.group for clip in clips})} speakers in {len(clips)} recordings"
        for part, clips in parts.items()
    ]
    notes = [f"Isolated words: {'; '.join(sizes)}."]
    for part in ("validation", "test"):
        missing = _missing(parts[part], classes)
        if missing:
            notes.append(f"The {part} part has no recording of {', '.join(missing)}.")
    return notes


def _missing(clips: Iterable[Clip], classes: Sequence[str]) -> list[str]:
    there = {clip.labels[0] for clip in clips}
    return [word for word in classes if word not in there]


def _left_out(words: Collection[str]) -> list[str]:
    return [f"Not among dataset.classes, so left out: {listed(words)}."] if words else []
