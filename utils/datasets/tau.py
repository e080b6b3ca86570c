"""TAU Urban Acoustic Scenes, Mobile: 2020 and 2022 development sets, 2021 and 2022 evaluation sets.

Layout: ``meta.csv`` (filename, scene_label, identifier, source_label), ``evaluation_setup/
fold1_{train,test,evaluate}.csv``, ``audio/SCENE-CITY-LOCATION-SEGMENT-DEVICE.wav``; 2022 has a
further number, ``SEGMENT-INDEX``, of the second within the segment. Reference: Heittola, Mesaros,
Virtanen, "Acoustic scene classification in DCASE 2020 Challenge", DCASE Workshop 2020.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from utils.config.schema import DatasetSettings
from utils.datasets.base import Clip, DataSet, Fold
from utils.datasets.kfold import complete
from utils.datasets.layout import check_audio, clip_path, find_folder, reading
from utils.datasets.tables import Row, Table, nearest, read_table
from utils.errors import DataError

SCENES = (
    "airport",
    "bus",
    "metro",
    "metro_station",
    "park",
    "public_square",
    "shopping_mall",
    "street_pedestrian",
    "street_traffic",
    "tram",
)
"""The ten scenes in the order of every challenge file."""


@dataclass(frozen=True)
class Edition:
    """One year's sets.

    Attributes:
        development: published folder of the development set.
        evaluation: published folder of the evaluation set on which it is ranked.
        fields: dash-separated fields of a development file's name.
    """

    development: str
    evaluation: str
    fields: int


EDITIONS = {
    "tau_urban_2020_mobile": Edition(
        "TAU-urban-acoustic-scenes-2020-mobile-development",
        "TAU-urban-acoustic-scenes-2021-mobile-evaluation",
        5,
    ),
    "tau_urban_2022_mobile": Edition(
        "TAU-urban-acoustic-scenes-2022-mobile-development",
        "TAU-urban-acoustic-scenes-2022-mobile-evaluation",
        6,
    ),
}


def load_development(
    settings: DatasetSettings, *, root: Path, folds: int | None, name: str
) -> DataSet:
    """Read a development set: fold 1 as published, its training list divided for validation.

    Args:
        settings: ``name`` picks the edition; subset, folds, classes and validation are heeded.
        root: the data set's folder, or one that holds it under its published name.
        folds: folds of cross-validation, made of the training list; the published test list is then
            held out. None: fold 1 as published.
        name: name of the result.

    Returns:
        The data set; notes tell of leaks, duplicate rows and clips in neither list.

    Raises:
        DataError: when a table or audio is missing, or the tables contradict each other.
    """
    edition = EDITIONS[settings.name]
    folder = find_folder(root, published=edition.development, sign="meta.csv")
    known, notes = _read_meta(folder, edition.fields)
    train, test = (
        _listed(_setup(folder, part), known, notes, labelled=labelled)
        for part, labelled in (("train", True), ("test", False))
    )
    _check_answers(folder, known, {clip.name for clip in test})
    check_audio((*train, *test), folder=folder)
    unused = len(known) - len({clip.name for clip in (*train, *test)})
    if unused:
        notes.append(f"{unused} clips of meta.csv are in neither the training nor the test list.")
    if settings.subset is not None:
        train = _subset(folder, settings.subset, train, notes)
    given = Fold("fold1", train, (), test)
    closed = settings.subset is not None
    classes = _class_order(settings.classes)
    data = DataSet(name, classes, (given,), tuple(notes), test_is_closed=closed)
    return complete(data, settings, folds=folds, source=folder)


def load_evaluation(settings: DatasetSettings, *, root: Path) -> tuple[Clip, ...]:
    """Read the unlabelled evaluation set that belongs to a development set.

    Args:
        settings: ``name`` picks the edition.
        root: the evaluation set's folder, one that holds it under its published name, or the
            development set beside it.

    Returns:
        Clips in the order of ``evaluation_setup/fold1_test.csv``.

    Raises:
        DataError: when the table or audio is missing, or a file is listed twice.
    """
    folder = _evaluation_folder(root, EDITIONS[settings.name].evaluation)
    table = read_table(_setup(folder, "test"), required=["filename"])
    clips: dict[str, Clip] = {}
    for row in table.rows:
        file = row["filename"]
        if file in clips:
            raise table.error(row, f"'{file}' is listed twice; remove one row.")
        clips[file] = Clip(name=file, path=clip_path(folder, file))
    check_audio(clips.values(), folder=folder)
    return tuple(clips.values())


def _evaluation_folder(root: Path, published: str) -> Path:
    """Folder of the evaluation set, never a development set, which has a list of the same name."""
    sign = "evaluation_setup/fold1_test.csv"
    with reading(root):
        labelled = (root / "meta.csv").is_file() or _setup(root, "train").is_file()
        if not labelled or root.resolve().name == published:
            return find_folder(root, published=published, sign=sign)
        for folder in (root / published, root.resolve().parent / published):
            if (folder / sign).is_file():
                return folder
    raise DataError(
        f"{root}: is a development set, and {published} lies neither in it nor beside it; download"
        " the evaluation set."
    )


def _setup(folder: Path, part: str) -> Path:
    return folder / "evaluation_setup" / f"fold1_{part}.csv"


def _class_order(wanted: Sequence[str] | None) -> tuple[str, ...]:
    if wanted is None:
        return SCENES
    for label in wanted:
        if label not in SCENES:
            raise DataError(f"dataset.classes: unknown scene '{label}'. {nearest(label, SCENES)}")
    if sorted(wanted) != list(SCENES):
        raise DataError(
            f"dataset.classes: TAU sets have ten scenes, each named once, received {len(wanted)}."
        )
    return tuple(wanted)


def _read_meta(folder: Path, fields: int) -> tuple[dict[str, Clip], list[str]]:
    """All clips of meta.csv by name, and notes on rows that occur twice."""
    table = read_table(
        folder / "meta.csv", required=["filename", "scene_label", "identifier", "source_label"]
    )
    notes: list[str] = []
    pairs = ((row, _clip(folder, table, row, fields)) for row in table.rows)
    return _once(table, pairs, notes), notes


def _once(table: Table, pairs: Iterable[tuple[Row, Clip]], notes: list[str]) -> dict[str, Clip]:
    """Clips by name in the order of the rows; repeated rows count once and get a note."""
    clips: dict[str, Clip] = {}
    repeats: list[tuple[Row, Clip]] = []
    for row, clip in pairs:
        if clip.name in clips:
            repeats.append((row, clip))
        clips[clip.name] = clip
    if repeats:
        row, clip = repeats[0]
        notes.append(
            f"{table.path.name}: {len(repeats)} rows repeat a file, first line {row.line}"
            f" ('{clip.name}'); each file counts once."
        )
    return clips


def _clip(folder: Path, table: Table, row: Row, fields: int) -> Clip:
    """A clip by its file name, checked against the other columns."""
    file = row["filename"]
    scene = _scene(table, row)
    parts = PurePosixPath(file).stem.split("-")
    if len(parts) != fields:
        raise table.error(
            row,
            f"'{file}' has {len(parts)} fields between dashes, names of this set have {fields}.",
        )
    city, location, device = parts[1], parts[2], parts[-1]
    if parts[0] != scene:
        raise table.error(row, f"'{file}' begins with '{parts[0]}' but scene_label is '{scene}'.")
    if device != row["source_label"]:
        raise table.error(
            row, f"'{file}' ends in device '{device}' but source_label is '{row['source_label']}'."
        )
    # dcase_util adds the segment to the identifiers of 2022
    if row["identifier"].split("-")[:2] != [city, location]:
        raise table.error(
            row, f"'{file}' is from {city}-{location} but identifier is '{row['identifier']}'."
        )
    group = f"{scene}-{city}-{location}"
    return Clip(file, clip_path(folder, file), (scene,), group, device, city)


def _scene(table: Table, row: Row) -> str:
    scene = row["scene_label"]
    if scene not in SCENES:
        raise table.error(row, f"unknown scene '{scene}'. {nearest(scene, SCENES)}")
    return scene


def _listed(
    path: Path, known: Mapping[str, Clip], notes: list[str], *, labelled: bool
) -> tuple[Clip, ...]:
    """Clips of one list of the evaluation setup, in its order."""
    table = read_table(path, required=["filename", "scene_label"] if labelled else ["filename"])
    pairs = ((row, _known_clip(table, row, known, labelled=labelled)) for row in table.rows)
    return tuple(_once(table, pairs, notes).values())


def _known_clip(table: Table, row: Row, known: Mapping[str, Clip], *, labelled: bool) -> Clip:
    """The clip of meta.csv that a list names, with the same scene."""
    clip = known.get(row["filename"])
    if clip is None:
        raise table.error(row, f"'{row['filename']}' is not in meta.csv; complete meta.csv.")
    if labelled and (scene := _scene(table, row)) != clip.labels[0]:
        raise table.error(
            row, f"'{clip.name}' is '{scene}' here but '{clip.labels[0]}' in meta.csv."
        )
    return clip


def _subset(
    folder: Path, per_cent: int, train: Sequence[Clip], notes: list[str]
) -> tuple[Clip, ...]:
    """The training clips of a list of DCASE 2024, ``split5.csv`` to ``split100.csv``."""
    name = f"split{per_cent}.csv"
    places = [folder / "evaluation_setup" / name, folder / "split_setup" / name]
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        raise DataError(
            f"{folder}: dataset.subset: {name}, which the baseline of DCASE 2024 comes with, lies "
            "neither in evaluation_setup nor in split_setup; put it there."
        )
    table = read_table(path, required=["filename"])
    known = {clip.name: clip for clip in train}
    for row in table.rows:
        if row["filename"] not in known:
            raise table.error(row, f"'{row['filename']}' is not in fold1_train.csv.")
    found = _once(table, ((row, known[row["filename"]]) for row in table.rows), notes)
    return tuple(found.values())


def _check_answers(folder: Path, known: Mapping[str, Clip], tested: Iterable[str]) -> None:
    """``fold1_evaluate.csv``, where it exists, must answer exactly the test list."""
    path = _setup(folder, "evaluate")
    if not path.is_file():
        return
    answered = {clip.name for clip in _listed(path, known, [], labelled=True)}
    for names, problem in (
        (set(tested) - answered, "lacks files of fold1_test.csv"),
        (answered - set(tested), "has files that are not in fold1_test.csv"),
    ):
        if names:
            raise DataError(f"{path}: {problem}: {len(names)}, such as {min(names)}.")
