"""Tables of distributions, as challenges ask for them: ``id`` and a column for each class.

Ground truth and answers have one layout, so one reader serves both. A template (the challenge's
empty submission file) says which ids are wanted, and in which order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from utils.datasets.answer_faults import ID, layout_faults, share_faults, template_faults
from utils.datasets.answers_table import FOLDERS, id_key, read_answers, read_cells
from utils.datasets.base import Clip
from utils.errors import DataError
from utils.evaluation.predictions import Predictions, require_distributions
from utils.files import write_csv


@dataclass(frozen=True, eq=False)
class Answers:
    """A table of distributions as read.

    Attributes:
        ids: clips, in the order of the rows.
        classes: class names in the order of the columns.
        probabilities: float64 (clips, classes); rows sum to 1 within 1e-3.
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: np.ndarray


def write(
    path: Path, *, ids: Sequence[str], classes: Sequence[str], probabilities: np.ndarray
) -> None:
    """Write a table of distributions, whole or not at all.

    Rows are rescaled to a sum of 1 in float64 first, for those of an int8 network may be off by
    per cents; nine significant digits keep the sum within 1e-6 and tell any two float32 apart.

    Args:
        path: the file to write.
        ids: what names the clips, each once.
        classes: class names in the order of the columns.
        probabilities: (clips, classes), one distribution a row.

    Raises:
        DataError: when a row is not a distribution.
        UserError: when the file cannot be written.
        ValueError: when the parts do not fit each other, or an id or a class occurs twice.
    """
    for name, values in (("ids", ids), ("classes", classes)):
        if len(set(values)) < len(values):
            raise ValueError(f"{name} that occur once each are needed")
    require_distributions(Predictions(tuple(ids), probabilities), class_count=len(classes))
    rows = np.asarray(probabilities, dtype=np.float64)
    rows = rows / rows.sum(axis=1, keepdims=True)
    lines = (
        [name, *(f"{value:.9g}" for value in row.tolist())]
        for name, row in zip(ids, rows, strict=True)
    )
    write_csv(path, [ID, *classes], lines)


def read(path: Path, *, classes: Sequence[str] | None = None) -> Answers:
    """Read and check a table of distributions.

    Args:
        path: the file.
        classes: class names in the order that is wanted; None: those of the header.

    Raises:
        DataError: for the first fault, with its line in the file.
    """
    table = read_answers(path, classes=classes)
    return Answers(table.ids, table.classes, table.shares)


def problems(path: Path, *, ids: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Tell what is wrong with a table of distributions, one sentence each.

    Args:
        path: the file.
        ids: the ids of the template in its order.
        classes: class names in the order of the template's columns.

    Returns:
        The problems with line and id, the first five of a kind and how many more; empty for a
        table that can be handed in.
    """
    try:
        table = read_cells(path)
    except DataError as error:
        return [str(error)]
    return [
        *layout_faults(table, classes),
        *share_faults(table, classes),
        *template_faults(table, ids),
    ]


def against(answers: Answers, truth: Answers) -> Predictions:
    """Join answers with the ground truth, in the order of the truth.

    Args:
        answers: what a system says.
        truth: the shares of the same clips, in any order.

    Returns:
        Predictions named by the ids of the truth.

    Raises:
        DataError: for a clip that only one of the two has.
        ValueError: for other classes, or another order of them.
    """
    if answers.classes != truth.classes:
        raise ValueError("answers and truth of the same classes are needed")
    rows = _rows_of(answers, truth.ids)
    return Predictions(truth.ids, answers.probabilities[rows], truth.probabilities)


def read_ids(path: Path) -> tuple[str, ...]:
    """Read the ids of a table of distributions, whatever else is in it.

    Raises:
        DataError: when the file is no such table.
    """
    return read_cells(path).ids


def shared(said: Sequence[str], ids: Sequence[str]) -> int:
    """Number of ids that are answered; ``test_00001.wav``, ``test_00001`` and 1 are one id.

    >>> shared(["1", "0"], ["test_00000", "test_00001", "test_00002"])
    2
    """
    names, known = _as_joined(said, ids)
    return len(set(names) & set(known))


def complete(predictions: Predictions, names: Sequence[str]) -> tuple[Predictions, tuple[str, ...]]:
    """Give every clip that is asked for an answer, in the order that is asked for.

    Args:
        predictions: of these clips, or of all but some that could not be read.
        names: clips that must be answered.

    Returns:
        Predictions of all names, uniform for those without any, and the names of these.
    """
    row_of = {name: row for row, name in enumerate(predictions.names)}
    classes = predictions.probabilities.shape[1]
    probabilities = np.full((len(names), classes), 1 / classes, predictions.probabilities.dtype)
    known = [place for place, name in enumerate(names) if name in row_of]
    probabilities[known] = predictions.probabilities[[row_of[names[place]] for place in known]]
    missing = tuple(name for name in names if name not in row_of)
    return Predictions(tuple(names), probabilities), missing


def of_clips(answers: Answers, clips: Sequence[Clip]) -> Predictions:
    """Join answers with what a data set knows of its clips, in the order of the clips.

    Args:
        answers: rows named as :func:`ids_of` names the clips, or by their numbers.
        clips: labelled clips; each needs one answer, and each answer its clip.

    Returns:
        Predictions named as the clips, with the shares of their labels.

    Raises:
        DataError: for a clip without an answer, or an answer to no clip.
    """
    rows = _rows_of(answers, ids_of([clip.name for clip in clips]))
    return Predictions.of_clips(
        clips, answers.probabilities[rows], classes=answers.classes, kind="distribution"
    )


def ids_of(names: Sequence[str]) -> tuple[str, ...]:
    """What a table calls clips: their file names without folder and ending.

    Where two clips would have one id, all keep their full names.

    >>> ids_of(["train/train_00000.wav", "train/train_00001.wav"])
    ('train_00000', 'train_00001')
    """
    stems = tuple(PurePosixPath(name).stem for name in names)
    return stems if len(set(stems)) == len(stems) else tuple(names)


def _rows_of(answers: Answers, ids: Sequence[str]) -> list[int]:
    """Row of each id: by its text, else by the key that files, ids and numbers have in common.

    A key is of no use where it does not tell two ids of one side apart.

    Raises:
        DataError: for a clip without an answer, or an answer to no clip.
    """
    said, known = _as_joined(answers.ids, ids)
    row_of = {name: row for row, name in enumerate(said)}
    missing = [place for place, name in enumerate(known) if name not in row_of]
    surplus = sorted(row_of[name] for name in row_of.keys() - set(known))
    if missing or surplus:
        told = []
        if missing:
            told.append(f"{len(missing):,} ids have no answer, such as {ids[missing[0]]!r}")
        if surplus:
            such = f"such as {answers.ids[surplus[0]]!r}"
            told.append(f"{len(surplus):,} ids of the answers are unknown, {such}")
        raise DataError(f"The answers do not fit the ground truth: {'; '.join(told)}.")
    return [row_of[name] for name in known]


def _as_joined(said: Sequence[str], ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Both sides in the words that join them the most."""
    ways = [(list(said), list(ids))]
    for folder in FOLDERS:
        keys = [[id_key(name, folder) for name in side] for side in (said, ids)]
        if all(len(set(side)) == len(side) for side in keys):
            ways.append((keys[0], keys[1]))
    return min(ways, key=lambda way: len(set(way[0]) ^ set(way[1])))
