"""A user's own data set: one table, one audio folder, column names by configuration."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from utils.config.schema import ColumnSettings, DatasetSettings
from utils.datasets.base import Clip, DataSet, Fold
from utils.datasets.kfold import complete
from utils.datasets.layout import check_audio, clip_path
from utils.datasets.tables import Row, Table, nearest, read_table
from utils.errors import DataError


def load_csv(settings: DatasetSettings, *, root: Path, folds: int | None, name: str) -> DataSet:
    """Read a labelled data set from a table.

    With a fold column, fold k tests on the clips of fold k and trains on all others. Without one,
    either ``folds`` parts are made, or a seeded test part of ``test_amount`` is drawn by the
    validation method; a note says which.

    Args:
        settings: metadata, audio_folder, columns, classes, folds, test_amount, validation.
        root: folder of the table and the audio.
        folds: folds of cross-validation; None: those of the table.
        name: name of the result.

    Raises:
        DataError: when the table or audio is missing, or a row contradicts the settings.
    """
    columns = settings.columns
    table = _read(settings.metadata, settings, root, labelled=True)
    classes = settings.classes or tuple(sorted({row[columns.label] for row in table.rows}))
    clips = _labelled_clips(table, settings, root, classes)
    if columns.fold is None:
        given: tuple[Fold, ...] = (Fold("fold1", clips, (), ()),)
    else:
        given = _published_folds(table, columns.fold, clips)
    data = DataSet(name, tuple(classes), given)
    return complete(data, settings, folds=folds, source=table.path)


def load_csv_evaluation(settings: DatasetSettings, *, root: Path) -> tuple[Clip, ...]:
    """Read the unlabelled clips of a table of their own: only its file name column is needed.

    Args:
        settings: evaluation (the table), audio_folder, columns.
        root: folder of the table and the audio.

    Raises:
        DataError: when no table is named, or the table or audio is missing.
    """
    if settings.evaluation is None:
        raise DataError(
            "dataset.evaluation: the csv set names no evaluation table; set dataset.evaluation to a"
            " table of unlabelled clips."
        )
    table = _read(settings.evaluation, settings, root, labelled=False)
    clips = tuple(_clip(table, row, settings, root) for row in table.rows)
    _refuse_repeats(table, clips)
    check_audio(clips, folder=root)
    return clips


def _read(name: str, settings: DatasetSettings, root: Path, *, labelled: bool) -> Table:
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder; --data names the data set's folder.")
    columns = settings.columns
    filled = [columns.filename]
    if labelled:
        filled += [columns.label] + [name for name in (columns.fold,) if name is not None]
    optional = [name for name in (columns.group, columns.device) if labelled and name is not None]
    return read_table(root / name, required=filled + optional, filled=filled)


def _labelled_clips(
    table: Table, settings: DatasetSettings, root: Path, classes: Sequence[str]
) -> tuple[Clip, ...]:
    """Clips in the order of the rows; every class must occur, every label must be a class."""
    clips = []
    for row in table.rows:
        label = row[settings.columns.label]
        if label not in classes:
            raise table.error(row, f"unknown class '{label}'. {nearest(label, classes)}")
        clips.append(replace(_clip(table, row, settings, root), labels=(label,)))
    _refuse_repeats(table, clips)
    unused = sorted(set(classes) - {clip.labels[0] for clip in clips})
    if unused:
        raise DataError(f"{table.path}: no clip has the class '{unused[0]}' of dataset.classes.")
    check_audio(clips, folder=root)
    return tuple(clips)


def _clip(table: Table, row: Row, settings: DatasetSettings, root: Path) -> Clip:
    columns: ColumnSettings = settings.columns
    name = row[columns.filename]
    path = clip_path(root / settings.audio_folder, name)
    values = [
        row.values.get(column) if column else None for column in (columns.group, columns.device)
    ]
    return Clip(name=name, path=path, group=values[0] or None, device=values[1] or None)


def _refuse_repeats(table: Table, clips: Sequence[Clip]) -> None:
    seen: set[str] = set()
    for row, clip in zip(table.rows, clips, strict=True):
        if clip.name in seen:
            raise table.error(row, f"'{clip.name}' is listed twice; remove one row.")
        seen.add(clip.name)


def _published_folds(table: Table, column: str, clips: Sequence[Clip]) -> tuple[Fold, ...]:
    """For each number: the clips outside of the fold to train on, its own to test on."""
    numbers = [_fold_number(table, row, column) for row in table.rows]
    available = sorted(set(numbers))
    if len(available) < 2:
        raise DataError(
            f"{table.path}: column '{column}' has only fold {available[0]}; it needs two at least,"
            " or set dataset.columns.fold to null."
        )
    pairs = list(zip(numbers, clips, strict=True))
    return tuple(
        Fold(
            f"fold{fold}",
            tuple(clip for number, clip in pairs if number != fold),
            (),
            tuple(clip for number, clip in pairs if number == fold),
        )
        for fold in available
    )


def _fold_number(table: Table, row: Row, column: str) -> int:
    try:
        return int(row[column])
    except ValueError as error:
        raise table.error(row, f"fold '{row[column]}' is not a whole number.") from error
