"""Overlapped words in the layout of the DACON competition 235616 (2020), as published or mixed.

Layout: ``train/train_00000.wav`` ..., ``train_answer.csv`` (``id`` and a column of shares for each
word), ``test/*.wav``, ``submission.csv`` (a template of the same columns). A set that was mixed
here also has ``test_answer.csv`` and ``mixtures.csv`` (``id``, ``part`` and more). Source: the
competition's data page and the code of its participants; 100,000 training and 10,000 test clips of
1 s, 16 kHz, 16 bit.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from utils.audio import read_header
from utils.config.schema import AudioSettings, DatasetSettings
from utils.datasets.answers_table import AnswersTable, id_key, read_answers, read_template
from utils.datasets.base import PARTS, Clip, DataSet, Fold, labels_and_weights
from utils.datasets.kfold import complete
from utils.datasets.layout import reading, require_folder
from utils.datasets.tables import nearest, read_table
from utils.errors import AudioError, DataError

ANSWERS, TEST_ANSWERS, TEMPLATE = "train_answer.csv", "test_answer.csv", "submission.csv"
MIXTURES = "mixtures.csv"


@dataclass(frozen=True)
class AudioFolder:
    """The wav files of ``train/`` or ``test/``.

    Attributes:
        path: the folder.
        files: file name and bytes by the key of the clip's id (``id_key``).
    """

    path: Path
    files: Mapping[str, tuple[str, int]]


def load_dacon(
    settings: DatasetSettings, *, audio: AudioSettings, root: Path, folds: int | None, name: str
) -> DataSet:
    """Read a labelled set: classes in the order of the columns, weights are the shares.

    Validation is what ``mixtures.csv`` says, else drawn. Test is ``test/`` where its answers are
    known, else drawn from the training clips, with a note.

    Args:
        settings: test_amount and validation; folds only with cross-validation.
        audio: clips of another rate or length get a note.
        root: folder of ``train_answer.csv``.
        folds: folds of cross-validation, made of training and validation clips; a known test part
            is then held out. None: one fold.
        name: name of the result.

    Raises:
        DataError: when a table or audio is missing, or they contradict each other or the settings.
    """
    table = read_answers(_sign(root, ANSWERS))
    _check_order(settings, table)
    if (root / TEMPLATE).is_file():
        read_template(root / TEMPLATE).check_classes(table)
    scanned = [_scan(root / "train")]
    clips = _labelled(table, scanned[0])
    test: tuple[Clip, ...] = ()
    if (root / TEST_ANSWERS).is_file():
        test_table = read_answers(root / TEST_ANSWERS)
        test_table.check_classes(table)
        scanned.append(_scan(root / "test"))
        test = _labelled(test_table, scanned[1])
    elif (root / "test").is_dir():
        scanned.append(_scan(root / "test"))  # -m eval answers them: their notes belong here too
    notes = _audio_notes(scanned, audio)
    train: tuple[Clip, ...] = clips
    validation: tuple[Clip, ...] = ()
    if (root / MIXTURES).is_file():
        train, validation = _mixed_parts(root / MIXTURES, clips)
        if folds is not None or not test:
            made = "the folds are made of" if folds is not None else "the test part is drawn from"
            notes.append(f"{MIXTURES}: {made} mixtures, so one speaker may be on both sides.")
    data = DataSet(
        name=name,
        classes=table.classes,
        folds=(Fold("fold1", train, validation, test),),
        notes=tuple(notes),
    )
    return complete(data, settings, folds=folds, source=table.path)


def load_dacon_evaluation(settings: DatasetSettings, *, root: Path) -> tuple[Clip, ...]:
    """Read the clips of ``test/`` in the order of ``submission.csv``.

    Args:
        settings: ``classes``, if given, must be the template's.
        root: folder of ``submission.csv``.

    Returns:
        Clips named ``test/FILE``; clip i is that of id i of :func:`template_ids`.

    Raises:
        DataError: when the template or audio is missing, or they contradict each other.
    """
    table = read_template(_sign(root, TEMPLATE))
    _check_order(settings, table)
    if (root / ANSWERS).is_file():
        table.check_classes(read_template(root / ANSWERS))
    folder = _scan(root / "test")
    return tuple(
        Clip(f"{folder.path.name}/{file}", folder.path / file) for file in _matched(table, folder)
    )


def template_ids(root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of ``submission.csv``, text and order as in the file, and its classes.

    Args:
        root: folder of ``submission.csv``.

    Raises:
        DataError: when the template is missing or has no ids or classes.
    """
    table = read_template(_sign(root, TEMPLATE))
    return table.ids, table.classes


def _sign(root: Path, table: str) -> Path:
    """Path of a table that must be there."""
    with reading(root):
        require_folder(root)
        if not (root / table).is_file():
            raise DataError(
                f"{root}: {table} is not there; --data names the folder that holds {ANSWERS},"
                f" {TEMPLATE}, train/ and test/."
            )
    return root / table


def _check_order(settings: DatasetSettings, table: AnswersTable) -> None:
    if settings.classes is not None and tuple(settings.classes) != table.classes:
        raise DataError(
            f"dataset.classes: the classes of this set are the columns of {table.path.name}, in"
            " their order; leave dataset.classes out."
        )


def _scan(folder: Path) -> AudioFolder:
    """The wav files of a folder, which is read once."""
    files: dict[str, tuple[str, int]] = {}
    try:
        with reading(folder), os.scandir(folder) as entries:
            for entry in entries:
                hidden = entry.name.startswith(".")
                if hidden or not entry.name.lower().endswith(".wav") or not entry.is_file():
                    continue
                key = id_key(entry.name, folder.name)
                if key in files:
                    first, second = sorted([entry.name, files[key][0]])
                    raise DataError(
                        f"{folder}: '{first}' and '{second}' are the same id; remove one of them."
                    )
                files[key] = (entry.name, entry.stat().st_size)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{folder}: the folder of audio is missing; restore it.") from error
    return AudioFolder(folder, files)


def _matched(table: AnswersTable, folder: AudioFolder) -> list[str]:
    """File of each id, one to one."""
    rows: dict[str, int] = {}
    missing = []
    for row, text in enumerate(table.ids):
        key = id_key(text, folder.path.name)
        if key in rows:
            raise table.error(
                row, f"stands in line {table.lines[rows[key]]} already; remove one of the rows."
            )
        rows[key] = row
        if key not in folder.files:
            missing.append(row)
    if missing:
        raise table.error(
            missing[0],
            f"has no wav file in {folder.path} ({len(missing)} of {len(rows)} ids have none);"
            " restore the audio or remove the row.",
        )
    left = [folder.files[key][0] for key in folder.files.keys() - rows.keys()]
    if left:
        raise DataError(
            f"{folder.path / min(left)}: has no row in {table.path.name} ({len(left)} of"
            f" {len(folder.files)} files have none); complete the table or remove the file."
        )
    return [folder.files[key][0] for key in rows]


def _labelled(table: AnswersTable, folder: AudioFolder) -> tuple[Clip, ...]:
    """Clips in the order of the rows; labels are the words with a share above 0."""
    told = labels_and_weights(table.shares, table.classes)
    return tuple(
        Clip(f"{folder.path.name}/{file}", folder.path / file, labels, weights=weights)
        for file, (labels, weights) in zip(_matched(table, folder), told, strict=True)
    )


def _mixed_parts(path: Path, clips: Sequence[Clip]) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """Training and validation clips by the column ``part`` of ``mixtures.csv``."""
    table = read_table(path, required=["id", "part"])
    parts: dict[str, str] = {}
    for row in table.rows:
        if row["part"] not in PARTS:
            raise table.error(row, f"unknown part '{row['part']}'. {nearest(row['part'], PARTS)}")
        if row["part"] == "test":
            continue
        key = id_key(row["id"], "train")
        if key in parts:
            raise table.error(row, f"id '{row['id']}' is listed twice; remove one row.")
        parts[key] = row["part"]
    part_of = [parts.get(id_key(clip.name, "train")) for clip in clips]
    if None in part_of:
        first = clips[part_of.index(None)].name
        raise DataError(
            f"{path}: {part_of.count(None)} of {len(clips)} clips are in neither the training nor"
            f" the validation part, such as {first}; complete the table."
        )
    pairs = list(zip(clips, part_of, strict=True))
    train, validation = (
        tuple(clip for clip, part in pairs if part == wanted) for wanted in PARTS[:2]
    )
    if not train:
        raise DataError(f"{path}: no clip is in the training part; complete the table.")
    return train, validation


def _audio_notes(folders: Sequence[AudioFolder], audio: AudioSettings) -> list[str]:
    """Sentences on the files of another rate or length than the settings.

    Every header is read, for a file of the usual size may have another rate: 44 bytes of each.
    """
    headers = [_headers(folder) for folder in folders]
    rates = {rate for found in headers for rate, _ in found.values()}
    notes = []
    if len(rates) == 1 and rates != {audio.sample_rate}:
        notes.append(
            f"The files have {rates.pop()} Hz; they are resampled to audio.sample_rate"
            f" ({audio.sample_rate} Hz)."
        )
    for folder, found in zip(folders, headers, strict=True):
        differences = _differences(found, audio, rates=len(rates) > 1)
        for ending, files in differences.items():
            if files:
                notes.append(
                    f"{len(files)} of {len(folder.files)} files of {folder.path.name}/ have"
                    f" {ending}. The first is {min(files)} ({files[min(files)]})."
                )
    return notes


def _headers(folder: AudioFolder) -> dict[str, tuple[int, int]]:
    """Rate and number of samples of each file that has them."""
    found = {}
    for file, _ in folder.files.values():
        # a broken file is told of when it is read, as audio.on_bad_audio says
        with suppress(AudioError):
            found[file] = read_header(folder.path / file)
    return found


def _differences(
    headers: Mapping[str, tuple[int, int]], audio: AudioSettings, *, rates: bool
) -> dict[str, dict[str, str]]:
    """Files that are not as the settings say, with what they are, by the end of a sentence.

    Args:
        headers: rate and number of samples by file.
        audio: what they should be.
        rates: whether rates are told of file by file.
    """
    other: dict[str, str] = {}
    shorter: dict[str, str] = {}
    longer: dict[str, str] = {}
    for file, (rate, samples) in headers.items():
        if rates and rate != audio.sample_rate:
            other[file] = f"{rate} Hz"
        wanted = round(audio.seconds * rate)
        if samples != wanted:
            (shorter if samples < wanted else longer)[file] = f"{samples / rate:g} s"
    length = f"audio.seconds ({audio.seconds:g} s)"
    resampled = f"another rate than audio.sample_rate ({audio.sample_rate} Hz); they are resampled"
    return {
        resampled: other,
        f"less than {length}; they are extended as audio.short_clips says": shorter,
        f"more than {length}; they are cut": longer,
    }
