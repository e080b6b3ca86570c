"""Tables of class shares: a column of clip ids, then one column for each class."""

import math
import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from utils.datasets.answer_faults import SHOWN, layout_faults, share_faults
from utils.datasets.tables import read_lines
from utils.errors import DataError

FOLDERS = ("train", "test")
"""Folders of clips, whose names may stand before the number in an id."""
_NUMBER = re.compile(r"0*([0-9]+)")


@dataclass(frozen=True, eq=False)
class AnswersTable:
    """A table as far as it fits into numbers, and what does not.

    Attributes:
        path: its file.
        separator: of its cells.
        columns: all names in the header; that of the ids should be ``id``.
        ids: the first cell of each row of the right length.
        lines: line of each of these rows in the file, counted from 1.
        shares: float64 (rows, classes); NaN for what is no number.
        odd: text of cells that are no numbers by row and class, the first of each class.
        lengths: line, first cell and number of cells of the rows of another length.
    """

    path: Path
    separator: str
    columns: tuple[str, ...]
    ids: tuple[str, ...]
    lines: Sequence[int]
    shares: np.ndarray
    odd: Mapping[tuple[int, int], str]
    lengths: Sequence[tuple[int, str, int]]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the columns after the ids."""
        return self.columns[1:]

    def error(self, row: int, problem: str) -> DataError:
        """A ``DataError`` that names the file, the line, the id and the problem."""
        return DataError(f"{self.path}: line {self.lines[row]}: id '{self.ids[row]}' {problem}")

    def check_classes(self, other: "AnswersTable") -> None:
        """Require the classes of another table in its order; neither table is taken to be right.

        Raises:
            DataError: at the first difference.
        """
        pairs = enumerate(zip_longest(self.classes, other.classes), start=2)
        place, mine, its = next(((n, *pair) for n, pair in pairs if len({*pair}) > 1), (0, "", ""))
        if not place:
            return
        if mine is None or its is None:
            short, long = (self, other) if mine is None else (other, self)
            raise DataError(
                f"{short.path}: there is no column '{mine or its}', which {long.path.name} has;"
                " correct one of them."
            )
        if set(self.classes) == set(other.classes):
            raise DataError(
                f"{self.path}: column {place} is '{mine}' where {other.path.name} has '{its}'; put"
                " the columns into the same order."
            )
        raise DataError(
            f"{self.path} and {other.path.name} differ in column {place}: '{mine}' in the first and"
            f" '{its}' in the second; correct one of them."
        )


def read_cells(path: Path) -> AnswersTable:
    """Read a table whatever its cells hold, a line at a time.

    Args:
        path: the file, UTF-8, as :func:`utils.datasets.tables.read_lines` takes it.

    Raises:
        DataError: when the file is missing, no text, or has no rows.
    """
    table = read_lines(path)
    width = len(table.columns)
    ids: list[str] = []
    lines, cells = array("q"), array("d")
    odd: dict[tuple[int, int], str] = {}
    odd_cells: Counter[int] = Counter()
    lengths = []
    for line, (name, *values) in table.rows:
        if len(values) != width - 1:
            lengths.append((line, name.strip(), len(values) + 1))
            continue
        try:
            cells.extend([float(value) for value in values])
        except ValueError:
            numbers = [_number(value) for value in values]
            cells.extend(numbers)
            for place, (value, number) in enumerate(zip(values, numbers, strict=True)):
                if math.isnan(number) and odd_cells[place] < SHOWN:
                    odd_cells[place] += 1
                    odd[len(ids), place] = value.strip()
        ids.append(name.strip())
        lines.append(line)
    shares = np.frombuffer(cells, np.float64) if cells else np.zeros(0)
    shares = shares.reshape(len(ids), width - 1)
    return AnswersTable(
        path, table.separator, table.columns, tuple(ids), lines, shares, odd, lengths
    )


def read_template(path: Path) -> AnswersTable:
    """Read ids and class names of a table whose other cells may hold anything or nothing.

    Args:
        path: the file, UTF-8.

    Raises:
        DataError: when the file is missing or no text; for the first fault of its header, of the
            length of a row, or of an id.
    """
    table = read_cells(path)
    for fault in layout_faults(table):
        raise DataError(fault)
    return table


def read_answers(path: Path, *, classes: Sequence[str] | None = None) -> AnswersTable:
    """Read a table of shares that sum to 1 in each row.

    Args:
        path: the file, UTF-8.
        classes: names that its columns must have, in their order; None: those of the header.

    Raises:
        DataError: as :func:`read_template`, and for a share that is no finite number of 0 and more,
            or a row that does not sum to 1.
    """
    table = read_cells(path)
    for faults in (layout_faults, share_faults):
        for fault in faults(table, classes):
            raise DataError(fault)
    return table


def id_key(text: str, part: str) -> str:
    """What an id and its file have in common: 7, 00007, train_00007 and train_00007.wav are one.

    Args:
        text: an id, or the name of a file.
        part: folder of the files, whose name may stand before the number.

    >>> id_key("train/train_00007.wav", "train"), id_key("7", "train"), id_key("clip 7", "train")
    ('7', '7', 'clip 7')
    """
    stem = text.strip().rpartition("/")[2]
    if stem.lower().endswith(".wav"):
        stem = stem[: -len(".wav")]
    number = _NUMBER.fullmatch(stem.removeprefix(f"{part}_"))
    return number[1] if number else stem


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
