"""A user's own data set: one table, one audio folder, column names by configuration."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from utils.config.schema import DatasetSettings
from utils.datasets.base import Clip, DataSet, Fold
from utils.datasets.kfold import complete
from utils.datasets.layout import check_audio, clip_path, require_folder
from utils.datasets.tables import Row, Table, nearest, read_table
from utils.errors import DataError

_FILENAME = "dataset.columns.filename"


@dataclass(frozen=True)
class NamePattern:
    """How a row tells its file: a column, or text with columns in braces.

    Attributes:
        text: as in the settings.
        parts: text and names of columns in turns, beginning and ending with text.
    """

    text: str
    parts: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> "NamePattern":
        """Take ``dataset.columns.filename`` apart; without braces it is one column.

        Raises:
            DataError: for a brace without its other half, and braces around nothing.
        """
        if "{" not in text and "}" not in text:
            return cls(text, ("", text, ""))
        pieces = enumerate(re.split(r"\{([^{}]*)\}", text))
        parts = [piece.strip() if place % 2 else piece for place, piece in pieces]
        if any(brace in literal for literal in parts[::2] for brace in "{}"):
            raise DataError(
                f"{_FILENAME}: '{text}' has a brace without its other half; each column stands in a"
                " pair of its own, as in fold{fold}/{file}."
            )
        if not all(parts[1::2]):
            raise DataError(f"{_FILENAME}: '{text}' has braces without a column in them.")
        return cls(text, tuple(parts))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names."""
        return self.parts[1::2]

    def check(self, table: Table) -> None:
        """Require that the table has the columns.

        Raises:
            DataError: for one that it lacks.
        """
        for column in self.columns:
            if column not in table.columns:
                raise DataError(
                    f"{table.path}: there is no column '{column}', which {_FILENAME}"
                    f" ('{self.text}') names. {nearest(column, table.columns)}"
                )

    def fill(self, table: Table, row: Row) -> str:
        """File name of a row.

        Raises:
            DataError: when a column has no value there.
        """
        for column in self.columns:
            if not row[column]:
                raise table.error(row, f"column '{column}' has no value.")
        filled = (row[part] if place % 2 else part for place, part in enumerate(self.parts))
        return "".join(filled)


def load_csv(settings: DatasetSettings, *, root: Path, folds: int | None, name: str) -> DataSet:
    """Read a labelled data set from a table.

    With a fold column, fold k tests on the clips of fold k and trains on all others; where
    ``published_folds`` is false, as many folds are drawn. Without one, either ``folds`` parts are
    made, or a seeded test part of ``test_amount`` is drawn by the validation method. A note says
    what was drawn.

    Args:
        settings: metadata, audio_folder, columns, classes, folds, published_folds, test_amount,
            validation.
        root: folder of the table and the audio.
        folds: folds of cross-validation; None: those of the table.
        name: name of the result.

    Raises:
        DataError: when the table or audio is missing, or a row contradicts the settings.
    """
    table = _read(settings.metadata, settings, root, labelled=True)
    return load_table(table, settings, root=root, folds=folds, name=name)


def load_table(
    table: Table,
    settings: DatasetSettings,
    *,
    root: Path,
    folds: int | None,
    name: str,
) -> DataSet:
    """Make a data set of the rows of a table, as :func:`load_csv` does.

    Args:
        table: the rows that are meant; it has the columns of file name, label and fold.
        settings: as for :func:`load_csv`, but for metadata.
        root: folder of the audio folder.
        folds: folds of cross-validation; None: those of the table.
        name: name of the result.

    Raises:
        DataError: when audio is missing, or a row contradicts the settings.
    """
    columns = settings.columns
    classes = settings.classes or tuple(sorted({row[columns.label] for row in table.rows}))
    clips = _labelled_clips(table, settings, root, classes)
    given: tuple[Fold, ...] = (Fold("fold1", clips, (), ()),)
    notes: tuple[str, ...] = ()
    if columns.fold is not None:
        numbers = [fold_number(table, row, columns.fold) for row in table.rows]
        if settings.published_folds:
            given = _published_folds(table, columns.fold, numbers, clips)
        else:
            notes = (_ignored(table, columns.fold, numbers),)
            folds = folds or len(set(numbers))
    data = DataSet(name, tuple(classes), given, notes)
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
    pattern = NamePattern.read(settings.columns.filename)
    clips = tuple(_clip(table, row, settings, root, pattern) for row in table.rows)
    _refuse_repeats(table, clips)
    check_audio(clips, folder=root)
    return clips


def _read(name: str, settings: DatasetSettings, root: Path, *, labelled: bool) -> Table:
    require_folder(root)
    columns = settings.columns
    pattern = NamePattern.read(columns.filename)
    # what a pattern names is checked apart: the message tells where the name comes from
    filled = [columns.filename] if columns.filename in pattern.columns else []
    if labelled:
        filled += [columns.label] + [name for name in (columns.fold,) if name is not None]
    optional = [name for name in (columns.group, columns.device) if labelled and name is not None]
    table = read_table(root / name, required=filled + optional, filled=filled)
    pattern.check(table)
    return table


def _labelled_clips(
    table: Table, settings: DatasetSettings, root: Path, classes: Sequence[str]
) -> tuple[Clip, ...]:
    """Clips in the order of the rows; every class must occur, every label must be a class."""
    pattern = NamePattern.read(settings.columns.filename)
    clips = []
    for row in table.rows:
        label = row[settings.columns.label]
        if label not in classes:
            raise table.error(row, f"unknown class '{label}'. {nearest(label, classes)}")
        clips.append(replace(_clip(table, row, settings, root, pattern), labels=(label,)))
    _refuse_repeats(table, clips)
    unused = sorted(set(classes) - {clip.labels[0] for clip in clips})
    if unused:
        raise DataError(f"{table.path}: no clip has the class '{unused[0]}' of dataset.classes.")
    check_audio(clips, folder=root)
    return tuple(clips)


def _clip(
    table: Table, row: Row, settings: DatasetSettings, root: Path, pattern: NamePattern
) -> Clip:
    columns = settings.columns
    name = pattern.fill(table, row)
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


def _published_folds(
    table: Table, column: str, numbers: Sequence[int], clips: Sequence[Clip]
) -> tuple[Fold, ...]:
    """For each number: the clips outside of the fold to train on, its own to test on."""
    available = sorted(set(numbers))
    if len(available) < 2:
        raise DataError(
            f"{table.path}: column '{column}' has only fold {available[0]}; it needs two at least,"
            " or set dataset.published_folds to false."
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


def _ignored(table: Table, column: str, numbers: Sequence[int]) -> str:
    return (
        f"{table.path.name} gives {len(set(numbers))} folds (column '{column}'), which are ignored"
        " (dataset.published_folds: false): do not compare the scores with those of its folds."
    )


def fold_number(table: Table, row: Row, column: str) -> int:
    """Number in a row's fold column.

    Raises:
        DataError: when it is no whole number.
    """
    try:
        return int(row[column])
    except ValueError as error:
        raise table.error(row, f"fold '{row[column]}' is not a whole number.") from error
