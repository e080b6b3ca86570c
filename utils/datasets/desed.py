"""DESED: strong, weak and unlabelled training clips, synthetic validation, real test clips.

The tree as published, of which users seldom have all: real clips come from a video site that has
taken many of them down. What is missing is counted and listed. N. Turpault, R. Serizel, A. Parag
Shah, J. Salamon, Sound event detection in domestic environments with weakly labeled data and
soundscape synthesis, DCASE 2019; the parts are those of the DCASE 2021 task 4 baseline.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from utils.audio import read_header
from utils.config.schema import DatasetSettings, ValidationSettings
from utils.datasets.base import Clip, DataSet, Event, Fold
from utils.datasets.desed_tree import AudioFolder, Place, find_trees, place_of
from utils.datasets.event_tables import (
    read_durations,
    read_names,
    read_strong,
    read_weak,
    shown,
)
from utils.datasets.layout import choose_folds, refuse_layout
from utils.datasets.leaks import find_leaks
from utils.errors import AudioError, DataError

Role = Literal["strong", "weak", "unlabelled", "validation", "test"]
ROLES: tuple[Role, ...] = ("strong", "weak", "unlabelled", "validation", "test")
NEEDED: tuple[Role, ...] = ("strong", "validation", "test")
TEST_STAGES = {"validation": "validation", "public": "eval"}
SHOWN = 3
_SEGMENT = re.compile(r"(.+)_\d+\.\d+_\d+\.\d+\.\w+")
"""Names of real clips: the recording, then the seconds at which the clip begins and ends."""

Told = tuple[tuple[str, ...], tuple[Event, ...] | None]
"""Labels and events of a clip."""


@dataclass(frozen=True)
class _Part:
    """One part of the tree.

    Attributes:
        listed: clips of all rows in their order, whether there or not.
        files: names of the clips that are there.
        notes: what is missing, if anything is, and what else is to be told.
    """

    listed: tuple[Clip, ...]
    files: frozenset[str]
    notes: tuple[str, ...]

    def there(self, clips: Sequence[Clip] | None = None) -> tuple[Clip, ...]:
        """The clips, of some or of all, whose files are there."""
        wanted = self.listed if clips is None else clips
        return tuple(clip for clip in wanted if clip.name in self.files)


def load_desed(settings: DatasetSettings, *, root: Path, folds: int | None, name: str) -> DataSet:
    """Read a DESED tree, as much of it as is there.

    One fold: it trains on strong, weak and unlabelled clips, validates on synthetic ones and on a
    share of the weak ones, and tests on real ones. Strong clips have events, weak ones only labels,
    unlabelled ones neither. Clips of test and validation with events have their length from the
    table of durations, or else from their header. Clips are named ``STAGE/PART/FILE``, whichever
    folder of the part they lie in.

    Args:
        settings: desed (the parts), classes (default: all labels of the tables, sorted),
            validation.amount and .seed (share of the weak clips and seed of its draw).
        root: folder that holds ``audio`` and ``metadata``.
        folds: refused; the data set has parts of its own.
        name: name of the result.

    Returns:
        The data set. Notes tell, part by part, of files that are missing or have no row, of merged
        events and of recordings in several parts; ``missing`` lists the files.

    Raises:
        DataError: when nothing of the strong, validation or test clips is there, a table is broken,
            or the settings are of another layout.
    """
    _check_settings(settings, folds=folds, root=root)
    parts = {
        role: [_read_part(place, role, settings.classes) for place in places]
        for role, places in _places(settings, find_trees(root)).items()
    }
    for role in NEEDED:
        _require(role, parts[role], root)
    classes = _classes(settings, parts)
    fold = _fold(parts, settings.validation)
    every = [part for role in ROLES for part in parts[role]]
    return DataSet(
        name=name,
        classes=classes,
        folds=(fold,),
        notes=(
            *(note for part in every for note in part.notes),
            *_unlearnt(classes, fold.train),
            *find_leaks([fold]),
        ),
        missing=tuple(
            clip.name for part in every for clip in part.listed if clip.name not in part.files
        ),
    )


def load_desed_evaluation(settings: DatasetSettings, *, root: Path) -> tuple[Clip, ...]:
    """Find the clips of the public evaluation part, whatever is known of them.

    Args:
        settings: of the data set.
        root: folder that holds ``audio`` and ``metadata``.

    Returns:
        Clips without labels, with their lengths.

    Raises:
        DataError: when there are none.
    """
    place = place_of(find_trees(root), TEST_STAGES["public"], "public")
    folder = place.audio()
    if folder is None:
        raise DataError(
            f"{root}: there is no audio in audio/{place.name}, whose clips -m eval answers; "
            "-m predict takes files from anywhere."
        )
    clips = tuple(Clip(f"{place.name}/{file}", folder.path / file) for file in sorted(folder.files))
    return _with_seconds(clips, {clip.name for clip in clips}, place.durations())


def taken_for_validation(count: int, settings: ValidationSettings) -> np.ndarray:
    """Which rows of a weak table validate: those that ``DataFrame.sample`` of pandas leaves.

    With amount 0.1 and seed 42 it is the split of the DCASE 2021 baseline, which takes 90 % of the
    rows for training. Rows are drawn before missing files are left out: who has more or fewer files
    trains and validates on parts of the same split.

    Args:
        count: number of rows.
        settings: amount and seed.

    Returns:
        bool (count,).
    """
    draws = np.random.RandomState(settings.seed)  # that of pandas
    trained = draws.choice(count, round((1.0 - settings.amount) * count), replace=False)
    taken = np.ones(count, dtype=bool)
    taken[trained] = False
    return taken


def _check_settings(settings: DatasetSettings, *, folds: int | None, root: Path) -> None:
    """Refuse what would have no effect."""
    if folds is not None:
        raise DataError(
            "training.folds: DESED has its own parts for training, validation and test; leave"
            " training.folds out."
        )
    choose_folds(settings.folds, [1], source=root)
    refuse_layout(settings, why="DESED has a layout of its own")
    if settings.validation.method != "random":
        raise DataError(
            f"dataset.validation.method: '{settings.validation.method}' does not apply to DESED,"
            " whose weak clips are drawn one by one; choose 'random'."
        )
    if not 0 <= settings.validation.seed < 2**32:
        raise DataError("dataset.validation.seed: DESED needs a seed from 0 to 4294967295.")


def _places(settings: DatasetSettings, trees: tuple[Path, ...]) -> dict[Role, list[Place]]:
    """Places of the parts of each role, none of which may have two roles."""
    desed = settings.desed
    stages: dict[Role, tuple[str, Sequence[str]]] = {
        "strong": ("train", desed.strong),
        "weak": ("train", desed.weak),
        "unlabelled": ("train", desed.unlabelled),
        "validation": ("validation", desed.validation),
        "test": (TEST_STAGES[desed.test], (desed.test,)),
    }
    places = {
        role: [place_of(trees, stage, part) for part in parts]
        for role, (stage, parts) in stages.items()
    }
    for role in NEEDED:
        if not places[role]:
            raise DataError(f"dataset.desed.{role}: the list is empty; name one part at least.")
    named = Counter(place.name for role in ROLES for place in places[role])
    twice = next((name for name, count in named.items() if count > 1), None)
    if twice is not None:
        raise DataError(f"dataset.desed: the part {twice} is named twice; name it once.")
    return places


def _read_part(place: Place, role: Role, classes: Collection[str] | None) -> _Part:
    """Read a part's table, and find the files."""
    table, folder = place.table(), place.audio()
    rows, notes = _rows(role, table, folder, classes)
    if rows is None:
        return _Part((), frozenset(), (_no_table(place, role),))
    for file in rows:
        if "/" in file:
            raise DataError(
                f"{table}: the file name '{file}' names a folder; the files of a part lie in one."
            )
    present = frozenset(folder.files) if folder else frozenset()
    where = folder.path if folder else place.trees[0] / "audio" / place.name
    clips = tuple(
        Clip(f"{place.name}/{file}", where / file, labels, group=_recording(file), events=events)
        for file, (labels, events) in rows.items()
    )
    files = frozenset(clip.name for clip in clips if clip.path.name in present)
    if role in ("validation", "test"):
        clips = _with_seconds(clips, files, place.durations())
    notes = (
        *_missing_note(place, clips, files),
        *_unlisted_note(place, sorted(present - rows.keys())),
        *_copy_note(place, folder),
        *notes,
    )
    return _Part(clips, files, notes)


def _rows(
    role: Role, table: Path | None, folder: AudioFolder | None, classes: Collection[str] | None
) -> tuple[Mapping[str, Told] | None, tuple[str, ...]]:
    """What is told of each file, and notes; None where the part has no table.

    Unlabelled clips need none: all files of the folder are meant then.
    """
    if role == "unlabelled":
        if table is not None:
            return dict.fromkeys(read_names(table), ((), None)), ()
        return (dict.fromkeys(sorted(folder.files), ((), None)) if folder else None), ()
    if table is None:
        return None, ()
    if role == "weak":
        weak = read_weak(table, classes=classes)
        return {file: (labels, None) for file, labels in weak.items()}, ()
    strong = read_strong(table, classes=classes, scaper=True)
    told: dict[str, Told] = {
        file: (tuple(sorted({event.label for event in events})), events)
        for file, events in strong.events.items()
    }
    return told, strong.notes


def _recording(file: str) -> str | None:
    """The recording that a real clip is cut out of; None of others, whose names tell nothing."""
    match = _SEGMENT.fullmatch(file)
    return match[1] if match else None


def _with_seconds(
    clips: Sequence[Clip], files: Collection[str], table: Path | None
) -> tuple[Clip, ...]:
    """Clips with their lengths; those that are not there stay without."""
    stated = read_durations(table) if table else {}
    return tuple(
        replace(clip, seconds=_seconds(clip, stated)) if clip.name in files else clip
        for clip in clips
    )


def _seconds(clip: Clip, stated: Mapping[str, float]) -> float | None:
    seconds = stated.get(clip.path.name)
    if seconds is None:
        # a broken file is told of when it is read, as audio.on_bad_audio says
        with suppress(AudioError):
            rate, samples = read_header(clip.path)
            seconds = samples / rate
    return seconds


def _require(role: Role, parts: Sequence[_Part], root: Path) -> None:
    """Refuse a role of which no clip is there."""
    if not any(part.files for part in parts):
        told = " ".join(part.notes[0] for part in parts)
        raise DataError(
            f"{root}: no clip of the {role} part is there, without which nothing can be trained and"
            f" tested. {told} Complete the data set, or name what there is in dataset.desed.{role}."
        )


def _classes(settings: DatasetSettings, parts: Mapping[Role, Sequence[_Part]]) -> tuple[str, ...]:
    """Classes in their order; those of missing files count, so that it is always the same."""
    labels = {
        label
        for read in parts.values()
        for part in read
        for clip in part.listed
        for label in clip.labels
    }
    for label in settings.classes or ():
        if label not in labels:
            raise DataError(f"dataset.classes: no table of the data set has the class '{label}'.")
    if not labels:
        raise DataError("dataset.desed: no table of the data set has an event.")
    return tuple(settings.classes or sorted(labels))


def _fold(parts: Mapping[Role, Sequence[_Part]], validation: ValidationSettings) -> Fold:
    """The one fold, weak clips divided."""
    there = {role: [clip for part in parts[role] for clip in part.there()] for role in ROLES}
    weak: dict[bool, list[Clip]] = {True: [], False: []}
    for part in parts["weak"]:
        taken = taken_for_validation(len(part.listed), validation)
        for side, clips in weak.items():
            wanted = np.flatnonzero(taken == side).tolist()
            clips += part.there([part.listed[row] for row in wanted])
    return Fold(
        "fold1",
        train=(*there["strong"], *weak[False], *there["unlabelled"]),
        validation=(*there["validation"], *weak[True]),
        test=tuple(there["test"]),
    )


def _unlearnt(classes: Sequence[str], train: Sequence[Clip]) -> tuple[str, ...]:
    learnt = {label for clip in train for label in clip.labels}
    lacking = [label for label in classes if label not in learnt]
    if not lacking:
        return ()
    return (f"No training clip has {', '.join(lacking)}: what nobody shows cannot be learnt.",)


def _no_table(place: Place, role: Role) -> str:
    if role == "unlabelled":
        return f"{place.name}: there is neither a table nor audio."
    looked = " nor ".join(shown(path) for path in place.tables[:2])
    return f"{place.name}: there is no table, neither {looked}."


def _copy_note(place: Place, folder: AudioFolder | None) -> tuple[str, ...]:
    if folder is None or folder.instead is None:
        return ()
    return (
        f"{place.name}: {folder.instead.name} has no audio; its copy {folder.path.name} is read.",
    )


def _missing_note(place: Place, clips: Sequence[Clip], files: Collection[str]) -> tuple[str, ...]:
    missing = [clip.path.name for clip in clips if clip.name not in files]
    if not missing:
        return ()
    if not files:
        return (f"{place.name}: none of its {len(clips)} files is there.",)
    return (
        f"{place.name}: {len(missing)} of {len(clips)} files are missing, such as"
        f" {', '.join(missing[:SHOWN])}; the others are used.",
    )


def _unlisted_note(place: Place, files: Sequence[str]) -> tuple[str, ...]:
    if not files:
        return ()
    return (
        f"{place.name}: files without a row in the table are left out, {len(files)} in all, such as"
        f" {', '.join(files[:SHOWN])}.",
    )
