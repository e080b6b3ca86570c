"""Tables of distributions, as challenges ask for them: ``id`` and a column for each class.

Ground truth and answers have one layout, so one reader serves both. A template (the challenge's
empty submission file) says which ids are wanted, and in which order.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from utils.datasets.base import Clip
from utils.errors import DataError
from utils.evaluation.answer_faults import (
    ID,
    Table,
    misread,
    table_problems,
    template_problems,
)
from utils.evaluation.predictions import Predictions, require_distributions
from utils.files import write_text

IN_AN_ERROR = 3  # problems that an error message quotes


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
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([ID, *classes])
    for name, row in zip(ids, rows, strict=True):
        writer.writerow([name, *(f"{value:.9g}" for value in row.tolist())])
    write_text(path, table.getvalue())


def read(path: Path, *, classes: Sequence[str] | None = None) -> Answers:
    """Read and check a table of distributions.

    Args:
        path: the file.
        classes: class names in the order that is wanted; None: those of the header.

    Raises:
        DataError: for a file that is no such table, with the first problems.
    """
    table = Table.read(path)
    no_header = misread(table, classes)
    found = [no_header] if no_header else list(table_problems(table, classes=classes))
    if found:
        more = len(found) - IN_AN_ERROR
        rest = f" ({more:,} more problems)" if more > 0 else ""
        raise DataError(" ".join(found[:IN_AN_ERROR]) + rest)
    return Answers(tuple(table.ids), tuple(table.header[1:]), table.values)


def problems(path: Path, *, ids: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Tell what is wrong with a table of distributions, one sentence each.

    Args:
        path: the file.
        ids: the ids of the template in its order.
        classes: class names in the order of the template's columns.

    Returns:
        The problems with row and id, the first five of a kind and how many more; empty for a table
        that can be handed in.
    """
    try:
        table = Table.read(path)
    except DataError as error:
        return [str(error)]
    no_header = misread(table, classes)
    if no_header:
        return [no_header]
    return [*table_problems(table, classes=classes), *template_problems(table, ids)]


def against(answers: Answers, truth: Answers) -> Predictions:
    """Join answers with the ground truth, in the order of the truth.

    Args:
        answers: what a system says.
        truth: the shares, with the same ids and classes in any order.

    Returns:
        Predictions named by the ids.

    Raises:
        DataError: for an id or a class that only one of the two has.
    """
    _require_same("classes", answers.classes, truth.classes)
    _require_same("ids", answers.ids, truth.ids)
    columns = [answers.classes.index(name) for name in truth.classes]
    return Predictions(
        names=truth.ids,
        probabilities=_rows_of(answers, truth.ids)[:, columns],
        truth=truth.probabilities,
    )


def of_clips(answers: Answers, clips: Sequence[Clip]) -> Predictions:
    """Join answers with what a data set knows of its clips, in the order of the clips.

    Args:
        answers: rows named as :func:`ids_of` names the clips.
        clips: labelled clips; each needs one answer, and each answer its clip.

    Returns:
        Predictions named as the clips, with the shares of their labels.

    Raises:
        DataError: for a clip without an answer, or an answer to no clip.
    """
    ids = ids_of([clip.name for clip in clips])
    _require_same("ids", answers.ids, ids)
    return Predictions.of_clips(
        clips, _rows_of(answers, ids), classes=answers.classes, kind="distribution"
    )


def ids_of(names: Sequence[str]) -> tuple[str, ...]:
    """What a table calls clips: their file names without folder and ending.

    Where two clips would have one id, all keep their full names.

    >>> ids_of(["train/train_00000.wav", "train/train_00001.wav"])
    ('train_00000', 'train_00001')
    """
    stems = tuple(PurePosixPath(name).stem for name in names)
    return stems if len(set(stems)) == len(stems) else tuple(names)


def _require_same(noun: str, said: Sequence[str], known: Sequence[str]) -> None:
    """Raise an error unless both hold the same names, in any order."""
    missing, surplus = sorted(set(known) - set(said)), sorted(set(said) - set(known))
    if missing or surplus:
        raise DataError(
            f"The answers do not fit the ground truth: {len(missing):,} {noun} have no answer, "
            f"{len(surplus):,} {noun} of the answers are unknown, "
            f"such as {(missing or surplus)[0]!r}."
        )


def _rows_of(answers: Answers, ids: Sequence[str]) -> np.ndarray:
    """Probabilities (ids, classes) in the order of the ids."""
    row_of = {name: row for row, name in enumerate(answers.ids)}
    return answers.probabilities[[row_of[name] for name in ids]]
