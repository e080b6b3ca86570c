"""Overlapped words in the layout of the DACON competition 235616 (2020), as published or mixed.

Layout: ``train/train_00000.wav`` ..., ``train_answer.csv`` (``id`` and a column of shares for each
word), ``test/*.wav``, ``submission.csv`` (a template of the same columns). A set that was mixed
here also has ``test_answer.csv`` and ``mixtures.csv`` (``id``, ``part`` and more). Source: the
competition's data page and the code of its participants; 100,000 training and 10,000 test clips of
1 s, 16 kHz, 16 bit.
"""

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from utils.config.schema import AudioSettings, DatasetSettings
from utils.datasets.answers_table import Template, read_answers, read_template
from utils.datasets.base import Clip, DataSet, Fold
from utils.datasets.kfold import complete
from utils.datasets.layout import reading
from utils.datasets.tables import nearest, read_table
from utils.errors import DataError

ANSWERS, TEST_ANSWERS, TEMPLATE = "train_answer.csv", "test_answer.csv", "submission.csv"
MIXTURES = "mixtures.csv"
PARTS = ("train", "validation", "test")
PLAIN_WAV = struct.Struct("<4s4x8s8xI4xH2x4sI")
"""Header of a wav file of one chunk each: RIFF, WAVEfmt, rate, bytes of a frame, data, its size."""


@dataclass(frozen=True)
class AudioFolder:
    """The wav files of ``train/`` or ``test/``.

    Attributes:
        path: the folder.
        files: file name and bytes by the key of the clip's id, see :func:`_key`.
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
    table, shares = read_answers(_sign(root, ANSWERS))
    _check_order(settings, table)
    if (root / TEMPLATE).is_file():
        read_template(root / TEMPLATE).check_classes(table.classes, ANSWERS)
    scanned = [_scan(root / "train")]
    clips = _labelled(table, shares, scanned[0])
    test: tuple[Clip, ...] = ()
    if (root / TEST_ANSWERS).is_file():
        test_table, test_shares = read_answers(root / TEST_ANSWERS)
        test_table.check_classes(table.classes, ANSWERS)
        scanned.append(_scan(root / "test"))
        test = _labelled(test_table, test_shares, scanned[1])
    notes = [note for folder in scanned for note in _length_notes(folder, audio)]
    train: tuple[Clip, ...] = clips
    validation: tuple[Clip, ...] = ()
    if (root / MIXTURES).is_file():
        train, validation = _mixed_parts(root / MIXTURES, clips)
        if folds is not None:
            notes.append(
                f"{MIXTURES}: the folds are made of mixtures, so one speaker may be on both sides."
            )
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
        table.check_classes(read_template(root / ANSWERS).classes, ANSWERS)
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
        if not root.is_dir():
            raise DataError(f"{root}: there is no such folder; --data names the data set's folder.")
        if not (root / table).is_file():
            raise DataError(
                f"{root}: {table} is not there; --data names the folder that holds {ANSWERS},"
                f" {TEMPLATE}, train/ and test/."
            )
    return root / table


def _check_order(settings: DatasetSettings, table: Template) -> None:
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
                key = _key(entry.name, folder.name)
                if key in files:
                    first, second = sorted([entry.name, files[key][0]])
                    raise DataError(
                        f"{folder}: '{first}' and '{second}' are the same id; remove one of them."
                    )
                files[key] = (entry.name, entry.stat().st_size)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{folder}: the folder of audio is missing; restore it.") from error
    return AudioFolder(folder, files)


def _key(text: str, folder: str) -> str:
    """What an id and its file name share: 7, 00007, train_00007 and train_00007.wav are one."""
    stem = text.strip()
    if stem.lower().endswith(".wav"):
        stem = stem[: -len(".wav")]
    number = stem.removeprefix(f"{folder}_")
    if number.isascii() and number.isdigit():
        return number.lstrip("0") or "0"
    return stem


def _matched(table: Template, folder: AudioFolder) -> list[str]:
    """File of each id, one to one."""
    rows: dict[str, int] = {}
    missing = []
    for row, text in enumerate(table.ids):
        key = _key(text, folder.path.name)
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


def _labelled(table: Template, shares: np.ndarray, folder: AudioFolder) -> tuple[Clip, ...]:
    """Clips in the order of the rows; labels are the words with a share above 0."""
    files = _matched(table, folder)
    rows, columns = np.nonzero(shares)
    words = [table.classes[column] for column in columns.tolist()]
    weights = shares[rows, columns].tolist()
    ends = np.cumsum(np.bincount(rows, minlength=len(files))).tolist()
    part = folder.path.name
    return tuple(
        Clip(
            name=f"{part}/{file}",
            path=folder.path / file,
            labels=tuple(words[start:end]),
            weights=tuple(weights[start:end]),
        )
        for file, start, end in zip(files, [0, *ends[:-1]], ends, strict=True)
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
        key = _key(row["id"], "train")
        if key in parts:
            raise table.error(row, f"id '{row['id']}' is listed twice; remove one row.")
        parts[key] = row["part"]
    part_of = [parts.get(_key(PurePosixPath(clip.name).name, "train")) for clip in clips]
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


def _length_notes(folder: AudioFolder, audio: AudioSettings) -> list[str]:
    """Sentences that count the files of another rate or length than the settings.

    Every header is read, for a file of the usual size may have another rate: 44 bytes of each.
    """
    found: dict[str, dict[str, str]] = {"rate": {}, "shorter": {}, "longer": {}}
    for file, _ in folder.files.values():
        for problem, value in _differences(folder.path / file, audio):
            found[problem][file] = value
    wanted = f"audio.seconds ({audio.seconds:g} s)"
    endings = {
        "rate": f"another rate than audio.sample_rate ({audio.sample_rate} Hz); they are resampled",
        "shorter": f"less than {wanted}; they are extended as audio.short_clips says",
        "longer": f"more than {wanted}; they are cut",
    }
    return [
        f"{len(files)} of {len(folder.files)} files of {folder.path.name}/ have {endings[problem]}."
        f" The first is {min(files)} ({files[min(files)]})."
        for problem, files in found.items()
        if files
    ]


def _differences(path: Path, audio: AudioSettings) -> Iterator[tuple[str, str]]:
    """What a header says that the settings do not: kind of difference, and the header's value."""
    try:
        rate, samples = _header(path)
    except (OSError, RuntimeError):
        return  # a broken file is told of when it is read, as audio.on_bad_audio says
    if rate != audio.sample_rate:
        yield "rate", f"{rate} Hz"
    wanted = round(audio.seconds * rate)
    if samples != wanted:
        yield "shorter" if samples < wanted else "longer", f"{samples / rate:g} s"


def _header(path: Path) -> tuple[int, int]:
    """Rate in hertz and number of samples that a file's header states.

    The header of a plain PCM wav is read here, in a tenth of libsndfile's time.
    """
    with path.open("rb", buffering=0) as stream:
        head = stream.read(PLAIN_WAV.size)
    if len(head) == PLAIN_WAV.size:
        riff, kind, rate, frame_bytes, data, size = PLAIN_WAV.unpack(head)
        if (riff, kind, data) == (b"RIFF", b"WAVEfmt ", b"data") and rate and frame_bytes:
            return rate, size // frame_bytes
    import soundfile

    header = soundfile.info(path)
    return header.samplerate, header.frames
