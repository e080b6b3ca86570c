"""The table of a system's answers in the form of the DCASE baselines.

Tab-separated, one row a clip: ``filename scene_label`` and the probability of each class, under a
header of these names.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from utils.datasets.base import Clip
from utils.errors import DataError
from utils.evaluation.predictions import Predictions, sum_tolerance
from utils.files import write_csv

FIRST_COLUMNS = ("filename", "scene_label")


@dataclass(frozen=True, eq=False)
class SystemOutput:
    """A table of answers as read.

    Attributes:
        names: clip names.
        labels: the class that the system decided for.
        classes: class names in the order of the columns.
        probabilities: (clips, classes) float32.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: np.ndarray

    def of(self, clips: Sequence[Clip]) -> Predictions:
        """Join the answers with what a data set knows of its clips.

        Args:
            clips: labelled clips; each needs one answer, and each answer its clip.

        Raises:
            DataError: for a clip without an answer, or an answer to no clip.
        """
        row_of = {name: row for row, name in enumerate(self.names)}
        missing = [clip.name for clip in clips if clip.name not in row_of]
        surplus = sorted(set(row_of) - {clip.name for clip in clips})
        if missing or surplus:
            raise DataError(
                f"The answers do not fit the clips: {len(missing)} clips have no answer, "
                f"{len(surplus)} answers have no clip, such as {(missing or surplus)[0]}."
            )
        rows = [row_of[clip.name] for clip in clips]
        return Predictions.of_clips(clips, self.probabilities[rows], classes=self.classes)


def write_system_output(path: Path, predictions: Predictions, classes: Sequence[str]) -> None:
    """Write the table of answers, whole or not at all.

    Nine significant digits keep float32 exactly, so a table scores as the predictions did.

    Args:
        path: the file to write.
        predictions: what the model says; the largest probability decides the label.
        classes: class names in the order of the columns.

    Raises:
        UserError: when the file cannot be written.
    """
    told = zip(
        predictions.names,
        predictions.predicted.tolist(),
        predictions.probabilities.tolist(),
        strict=True,
    )
    rows = (
        [name, classes[label], *(f"{value:.9g}" for value in probabilities)]
        for name, label, probabilities in told
    )
    write_csv(path, [*FIRST_COLUMNS, *classes], rows, separator="\t")


def write_labels(path: Path, predictions: Predictions, classes: Sequence[str]) -> None:
    """Write ``ID,Class`` rows, as the labelled subset of UrbanSound8K lists its clips.

    Args:
        path: the file to write.
        predictions: what the model says; a clip's ID is its file name without folder and ending.
        classes: class names in the order of the columns.

    Raises:
        UserError: when the file cannot be written.
    """
    labelled = zip(predictions.names, predictions.predicted.tolist(), strict=True)
    rows = ((PurePosixPath(name).stem, classes[label]) for name, label in labelled)
    write_csv(path, ["ID", "Class"], rows)


def read_system_output(path: Path, *, classes: Sequence[str] | None = None) -> SystemOutput:
    """Read and check a table of answers.

    Args:
        path: the file.
        classes: class names in the order that is wanted; None: those of the header.

    Raises:
        DataError: for the first thing that is wrong, with its row.
    """
    header, rows = read_table(path)
    names = tuple(header[len(FIRST_COLUMNS) :] if classes is None else classes)
    for problem in table_problems(path, header, rows, classes=names):
        raise DataError(problem)
    values = np.array([row[len(FIRST_COLUMNS) :] for row in rows], dtype=np.float32)
    return SystemOutput(
        names=tuple(row[0] for row in rows),
        labels=tuple(row[1] for row in rows),
        classes=names,
        probabilities=values.reshape(len(rows), len(names)),
    )


def read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a tab-separated table; byte order mark, CRLF and empty lines at the end are no matter.

    Returns:
        The header, and the rows below it (row 2 of the file first).

    Raises:
        DataError: when the file is missing, is not text, or has no header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = list(csv.reader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a tab-separated table ({error}).") from error
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise DataError(f"{path}: is empty; a header and one row a clip are needed.")
    return lines[0], lines[1:]


def table_problems(
    path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], *, classes: Sequence[str]
) -> Iterator[str]:
    """Tell what is wrong with a table of answers, one sentence each, in the order of the rows.

    Args:
        path: named in the sentences.
        header: first row of the file.
        rows: the rows below it.
        classes: class names in the order that is wanted.
    """
    wanted = (*FIRST_COLUMNS, *classes)
    if tuple(header) != wanted:
        yield (
            f"{path.name}: the header must be {' '.join(wanted)} separated by tabs, "
            f"received {' '.join(header) or 'nothing'}."
        )
        return
    first_row: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path.name}, row {number}"
        if len(row) != len(wanted):
            yield f"{where}: {len(wanted)} fields with tabs between are needed, not {len(row)}."
            continue
        if first_row.setdefault(row[0], number) != number:
            yield f"{where}: {row[0]} stands in row {first_row[row[0]]} already; keep one of them."
        for problem in _answer_problems(row[1], row[len(FIRST_COLUMNS) :], classes):
            yield f"{where}: {problem}"


def _answer_problems(label: str, fields: Sequence[str], classes: Sequence[str]) -> Iterator[str]:
    """Tell what is wrong with one answer: label and the text of its probabilities."""
    if label not in classes:
        yield f"{label!r} is not one of the classes {', '.join(classes)}."
    values = _numbers(fields)
    if values is None:
        yield "the columns of the classes need finite numbers."
        return
    if values.min() < 0 or values.max() > 1:
        yield f"probabilities lie between 0 and 1, not {values.min():g} to {values.max():g}."
    elif abs(values.sum() - 1.0) > sum_tolerance(len(classes)):
        yield f"the probabilities must sum to 1, not to {values.sum():.6g}."
    if label in classes and values[classes.index(label)] < values.max():
        best = classes[int(values.argmax())]
        yield f"the label is {label}, but {best} has the largest probability."


def _numbers(fields: Sequence[str]) -> np.ndarray | None:
    """Finite numbers of text fields, or None if one of them is anything else."""
    try:
        values = np.array([float(field) for field in fields])
    except ValueError:
        return None
    return values if values.size and np.isfinite(values).all() else None
