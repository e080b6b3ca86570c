"""UrbanSound8K, its labelled subset without folds, ESC-50 and ESC-10, in their published layouts.

Each is a table and a folder of audio: a preset of the csv loader, with what its publishers promise
of folds, classes and file names checked row by row. Sources: Salamon, Jacoby, Bello, "A dataset and
taxonomy for urban sound research", ACM Multimedia 2014; Piczak, "ESC: dataset for environmental
sound classification", ACM Multimedia 2015.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from utils.config.schema import AudioSettings, ColumnSettings, DatasetSettings
from utils.datasets.base import Clip, DataSet
from utils.datasets.csv_set import NamePattern, fold_number, load_csv_evaluation, load_table
from utils.datasets.layout import fail, find_folder, reading, refuse_layout, require_folder
from utils.datasets.tables import Row, Table, read_table
from utils.errors import DataError

CLASSES = (
    "air_conditioner",
    "car_horn",
    "children_playing",
    "dog_bark",
    "drilling",
    "engine_idling",
    "gun_shot",
    "jackhammer",
    "siren",
    "street_music",
)
"""The ten classes of UrbanSound8K, in the order of its ``classID``."""


@dataclass(frozen=True)
class Preset:
    """One published layout.

    Attributes:
        title: what people call the data set.
        published: name of its folder as it is unpacked; empty where there is none.
        tables: labelled tables relative to the folder; the first that is there is read.
        audio_folder: where the files lie.
        columns: what stands where in the table; ``group`` may come from the file names.
        required: columns that the table must have, filled in every row.
        file_form: file names of the published form. Named groups are columns: those that the table
            has must agree with the name, others are taken from it.
        seconds: that its longest clips last.
        folds: number of published folds, which are counted from 1; None where there are none.
        numbers: column of class numbers, by which classes are ordered.
        classes: their order where no column numbers them.
        only: column that says True in the rows that are meant, False in others.
        evaluation: table of unlabelled clips, and the folder of their files.
    """

    title: str
    published: str
    tables: tuple[str, ...]
    audio_folder: str
    columns: ColumnSettings
    required: tuple[str, ...]
    file_form: re.Pattern[str]
    seconds: float
    folds: int | None = None
    numbers: str | None = None
    classes: tuple[str, ...] = ()
    only: str | None = None
    evaluation: tuple[str, str] | None = None


_URBAN_FILE = re.compile(r"(?P<fsID>\d+)-(?P<classID>\d+)-\d+-\d+\.wav")
_ESC_FILE = re.compile(r"(?P<fold>\d+)-(?P<src_file>\d+)-(?P<take>[A-Z])(-(?P<target>\d+))?\.\w+")
_ESC_50 = Preset(
    title="ESC-50",
    published="ESC-50-master",
    tables=("meta/esc50.csv",),
    audio_folder="audio",
    columns=ColumnSettings(label="category", fold="fold", group="src_file"),
    required=("filename", "fold", "target", "category", "src_file"),
    file_form=_ESC_FILE,
    seconds=5.0,
    folds=5,
    numbers="target",
)

PRESETS: dict[str, Preset] = {
    "urbansound8k": Preset(
        title="UrbanSound8K",
        published="UrbanSound8K",
        tables=("metadata/UrbanSound8K.csv",),
        audio_folder="audio",
        columns=ColumnSettings(
            filename="fold{fold}/{slice_file_name}", label="class", fold="fold", group="fsID"
        ),
        required=("slice_file_name", "fsID", "fold", "classID", "class"),
        file_form=_URBAN_FILE,
        seconds=4.0,
        folds=10,
        numbers="classID",
    ),
    "urbansound_labelled": Preset(
        title="the labelled subset of UrbanSound8K",
        published="",
        tables=("train.csv",),
        audio_folder="Train",
        columns=ColumnSettings(filename="{ID}.wav", label="Class", group="fsID"),
        required=("ID", "Class"),
        file_form=_URBAN_FILE,
        seconds=4.0,
        classes=CLASSES,
        evaluation=("test.csv", "Test"),
    ),
    "esc50": _ESC_50,
    "esc10": replace(
        _ESC_50,
        title="ESC-10",
        tables=("meta/esc10.csv", "meta/esc50.csv"),
        required=(*_ESC_50.required, "esc10"),
        only="esc10",
    ),
}
"""Published layouts by ``dataset.name``."""


def load_preset(
    settings: DatasetSettings, *, audio: AudioSettings, root: Path, folds: int | None, name: str
) -> DataSet:
    """Read a published data set, with its own folds and its own order of classes.

    Args:
        settings: ``name`` picks the preset; classes, folds, published_folds, test_amount and
            validation are heeded.
        audio: length of a clip; a note tells if clips are longer.
        root: the data set's folder, or one that holds it under its published name.
        folds: folds of cross-validation; None: those that are published.
        name: name of the result.

    Returns:
        The data set; notes tell of files without a row, of folds that are not there, of leaks.

    Raises:
        DataError: when the table or audio is missing, a row contradicts itself, another row or what
            is published, or the settings describe another layout.
    """
    preset = PRESETS[settings.name]
    _refuse_layout(settings, preset)
    folder, file = _find(root, preset)
    table = read_table(folder / file, required=preset.required)
    _check_folds(table, preset)
    chosen = _chosen(_told_by_names(table, preset), preset)
    layout = {"audio_folder": preset.audio_folder, "columns": preset.columns}
    order = {"classes": settings.classes or _order(chosen, preset)}
    data = load_table(
        chosen, settings.model_copy(update=layout | order), root=folder, folds=folds, name=name
    )
    notes = (
        *_cut(audio, preset),
        *_lacking_folds(chosen, preset),
        *_left_out_folds(data, settings, preset),
        *_unknown_sources(chosen, preset),
        *_unlisted(folder / preset.audio_folder, table, preset),
    )
    return replace(data, notes=notes + data.notes)


def load_preset_evaluation(settings: DatasetSettings, *, root: Path) -> tuple[Clip, ...]:
    """Read the unlabelled clips that are published beside a data set.

    Args:
        settings: ``name`` picks a preset that has such clips.
        root: the data set's folder.

    Raises:
        DataError: when the table or audio is missing, or the settings describe another layout.
    """
    preset = PRESETS[settings.name]
    _refuse_layout(settings, preset)
    if preset.evaluation is None:
        raise ValueError(f"'{settings.name}' has no unlabelled clips")
    table, audio_folder = preset.evaluation
    layout = {"evaluation": table, "audio_folder": audio_folder, "columns": preset.columns}
    return load_csv_evaluation(settings.model_copy(update=layout), root=root)


def _refuse_layout(settings: DatasetSettings, preset: Preset) -> None:
    why = f"{preset.title} has a layout of its own, which '{settings.name}' reads"
    refuse_layout(settings, why=why)


def _cut(audio: AudioSettings, preset: Preset) -> tuple[str, ...]:
    if audio.seconds >= preset.seconds:
        return ()
    return (
        f"Clips of {preset.title} last up to {preset.seconds:g} s; audio.seconds is "
        f"{audio.seconds:g}, the rest is cut off.",
    )


def _find(root: Path, preset: Preset) -> tuple[Path, str]:
    """Folder of the data set, and the table in it."""
    with reading(root):
        for table in preset.tables:
            for folder in (root, root / preset.published):
                if (folder / table).is_file():
                    return folder, table
    table = preset.tables[-1]
    if others := _others(root):
        raise DataError(
            f"{root}: this is not {preset.title}; it looks like {others[0]}, which --override "
            f"dataset.name={others[0]} reads."
        )
    if len(preset.tables) > 1 and root.is_dir():
        raise DataError(
            f"{root}: neither {' nor '.join(preset.tables)} is there, nor in {preset.published}; "
            f"this is not {preset.title}."
        )
    if preset.published:
        return find_folder(root, published=preset.published, sign=table), table
    require_folder(root)
    raise DataError(f"{root}: {table} is not there; this is not {preset.title}.")


def _others(root: Path) -> list[str]:
    """Presets whose table is there."""
    with reading(root):
        return [
            name
            for name, preset in PRESETS.items()
            for folder in (root, root / preset.published)
            if any((folder / table).is_file() for table in preset.tables)
        ]


def _check_folds(table: Table, preset: Preset) -> None:
    """Every fold number must be one that is published."""
    for row in table.rows if preset.columns.fold else ():
        number = fold_number(table, row, str(preset.columns.fold))
        if not 1 <= number <= (preset.folds or number):
            raise table.error(
                row,
                f"fold {number} is not one of 1 to {preset.folds}, the folds of {preset.title}.",
            )


def _files(table: Table, preset: Preset) -> Iterator[tuple[Row, str]]:
    """Rows, and the file of each relative to the audio folder."""
    pattern = NamePattern.read(preset.columns.filename)
    for row in table.rows:
        yield row, pattern.fill(table, row)


def _told_by_names(table: Table, preset: Preset) -> Table:
    """Rows checked against the names of their files, with what only the names tell."""
    rows = []
    for row, file in _files(table, preset):
        name = PurePosixPath(file).name
        match = preset.file_form.fullmatch(name)
        told = {key: value for key, value in match.groupdict().items() if value} if match else {}
        for column, value in told.items():
            if row.values.get(column, value) != value:
                raise table.error(
                    row,
                    f"'{name}' has {column} {value} in its name but '{row[column]}' in column"
                    f" '{column}'.",
                )
        rows.append(Row(row.line, {**row.values, **told}))
    return replace(table, rows=tuple(rows))


def _chosen(table: Table, preset: Preset) -> Table:
    """The rows that are meant."""
    if preset.only is None:
        return table
    rows = []
    for row in table.rows:
        said = row[preset.only].lower()
        if said not in ("true", "false"):
            raise table.error(
                row, f"column '{preset.only}' has '{row[preset.only]}'; it says True or False."
            )
        if said == "true":
            rows.append(row)
    if not rows:
        raise DataError(f"{table.path}: no row has True in column '{preset.only}'.")
    return replace(table, rows=tuple(rows))


def _order(table: Table, preset: Preset) -> tuple[str, ...]:
    """Classes that occur, in the order of their numbers, else in that of the preset."""
    if preset.numbers is None:
        labels = {row[preset.columns.label] for row in table.rows}
        return tuple(label for label in preset.classes if label in labels) or preset.classes
    first: dict[int, Row] = {}
    numbers: dict[str, int] = {}
    for row in table.rows:
        label, number = row[preset.columns.label], _class_number(table, row, preset.numbers)
        before = first.setdefault(number, row)
        if numbers.setdefault(label, number) != number:
            other = first[numbers[label]]
            raise table.error(
                row,
                f"class '{label}' has {preset.numbers} {number} but {numbers[label]} in line"
                f" {other.line}.",
            )
        if before[preset.columns.label] != label:
            raise table.error(
                row,
                f"{preset.numbers} {number} is class '{label}' but"
                f" '{before[preset.columns.label]}' in line {before.line}.",
            )
    return tuple(sorted(numbers, key=numbers.__getitem__))


def _class_number(table: Table, row: Row, column: str) -> int:
    try:
        return int(row[column])
    except ValueError as error:
        raise table.error(row, f"{column} '{row[column]}' is not a whole number.") from error


def _left_out_folds(data: DataSet, settings: DatasetSettings, preset: Preset) -> tuple[str, ...]:
    if preset.folds is None or not settings.published_folds or settings.folds is None:
        return ()
    if len(data.folds) >= preset.folds:
        return ()
    return (
        f"dataset.folds: {len(data.folds)} of the {preset.folds} folds of {preset.title} are run:"
        " do not compare the scores with published ones.",
    )


def _lacking_folds(table: Table, preset: Preset) -> Iterable[str]:
    if preset.folds is not None:
        there = {fold_number(table, row, str(preset.columns.fold)) for row in table.rows}
        if len(there) < preset.folds:
            yield (
                f"{table.path.name} has {len(there)} of the {preset.folds} folds of"
                f" {preset.title}: do not compare the scores with published ones."
            )


def _unknown_sources(table: Table, preset: Preset) -> Iterable[str]:
    unknown = sum(preset.columns.group not in row.values for row in table.rows)
    if unknown:
        yield (
            f"{table.path.name} has no folds and does not tell of which recording {unknown} of"
            f" {len(table.rows)} clips are slices: slices of one recording lie on both sides of"
            " any split, so scores are too good, by how much cannot be told."
        )


def _unlisted(folder: Path, table: Table, preset: Preset) -> Iterable[str]:
    """A note on files, of the kinds that the table lists, that have no row."""
    listed = {file for _, file in _files(table, preset)}
    kinds = {PurePosixPath(file).suffix.lower() for file in listed}
    found = []
    with reading(folder):
        for place, _, files in os.walk(folder, onerror=fail):
            where = Path(place).relative_to(folder)
            found += [
                name
                for name in ((where / file).as_posix() for file in files if file[0] != ".")
                if PurePosixPath(name).suffix.lower() in kinds and name not in listed
            ]
    if found:
        yield (
            f"{table.path.name}: it has no row for {len(found)} of the files in {folder.name}, such"
            f" as {min(found)}; without a class they are left out."
        )
