"""Tables of class shares: a column of clip ids, then one column for each class."""

import csv
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from utils.datasets.tables import nearest
from utils.errors import DataError

ID = "id"
TOLERANCE = 1e-3
"""How far the shares of a row may be from a sum of 1."""


@dataclass(frozen=True)
class Template:
    """Ids and classes of a table, without what its cells hold.

    Attributes:
        path: its file.
        ids: the first column, text as the file has it.
        lines: line of each id in the file, counted from 1.
        classes: names of the other columns in their order.
    """

    path: Path
    ids: tuple[str, ...]
    lines: tuple[int, ...]
    classes: tuple[str, ...]

    def error(self, row: int, problem: str) -> DataError:
        """A ``DataError`` that names the file, the line, the id and the problem."""
        return DataError(f"{self.path}: line {self.lines[row]}: id '{self.ids[row]}' {problem}")

    def check_classes(self, expected: Sequence[str], source: str) -> None:
        """Require the same classes in the same order.

        Args:
            expected: what the columns after ``id`` should be.
            source: whose columns those are, named in the message.

        Raises:
            DataError: at the first difference.
        """
        for place, (found, wanted) in enumerate(zip_longest(self.classes, expected), start=2):
            if found == wanted:
                continue
            if found is None:
                problem = f"there is no column '{wanted}', which {source} has; add it."
            elif found not in expected:
                problem = f"column {place}, '{found}', is not in {source}. "
                problem += nearest(found, expected)
            else:
                there = f"has '{wanted}'" if wanted is not None else "has ended"
                problem = f"column {place} is '{found}' where {source} {there};"
                problem += " put the columns into the same order."
            raise DataError(f"{self.path}: {problem}")


def read_template(path: Path) -> Template:
    """Read ids and class names of a table whose cells may hold anything or nothing.

    Byte order marks, Windows and old Mac line ends, quotes and blank lines are taken as they come.

    Args:
        path: the file, UTF-8.

    Raises:
        DataError: when the file is missing, no text, or has no ids or no classes.
    """
    rows = _rows(path)
    classes = _classes(path, next(rows)[1])
    lines, ids = [], []
    for line, values in rows:
        lines.append(line)
        ids.append(values[0])
    return Template(path, tuple(ids), tuple(lines), classes)


def read_answers(path: Path) -> tuple[Template, np.ndarray]:
    """Read a table of shares that sum to 1 in each row.

    Args:
        path: the file, UTF-8.

    Returns:
        Ids and classes; shares, float64 (clips, classes).

    Raises:
        DataError: as :func:`read_template`, and for a share that is no finite number of 0 and more,
            or a row that does not sum to 1.
    """
    rows = _rows(path)
    classes = _classes(path, next(rows)[1])
    lines, ids, cells = [], [], array("d")
    for line, values in rows:
        lines.append(line)
        ids.append(values[0])
        try:
            cells.extend(map(float, values[1:]))
        except ValueError as error:
            bad = next(place for place, value in enumerate(values[1:]) if not _is_number(value))
            raise _bad_share(path, line, values[0], classes[bad], values[bad + 1]) from error
    table = Template(path, tuple(ids), tuple(lines), classes)
    shares = np.frombuffer(cells, np.float64).reshape(len(ids), len(classes))
    _check_shares(table, shares)
    return table, shares


def _check_shares(table: Template, shares: np.ndarray) -> None:
    bad = ~np.isfinite(shares) | (shares < 0.0)
    if bad.any():
        row, column = (int(place) for place in np.argwhere(bad)[0])
        value = f"{shares[row, column]:g}"
        raise _bad_share(table.path, table.lines[row], table.ids[row], table.classes[column], value)
    sums = shares.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1.0) > TOLERANCE)
    if wrong.size:
        others = f" ({wrong.size - 1} other rows are wrong too)" if wrong.size > 1 else ""
        raise table.error(
            int(wrong[0]),
            f"has shares that sum to {sums[wrong[0]]:.6g}, not 1{others}; correct them.",
        )


def _bad_share(path: Path, line: int, name: str, column: str, value: str) -> DataError:
    return DataError(
        f"{path}: line {line}: id '{name}' has '{value}' in column '{column}'; a share is a number"
        " from 0 to 1."
    )


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _classes(path: Path, header: Sequence[str]) -> tuple[str, ...]:
    """Class names of the header, which must begin with ``id``."""
    names = [name.strip() for name in header]
    if names[0] != ID:
        raise DataError(f"{path}: the first column is '{names[0]}'; it must be '{ID}'.")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise DataError(f"{path}: column '{min(twice)}' occurs more than once in the header.")
    if "" in names:
        raise DataError(f"{path}: column {names.index('') + 1} has no name in the header.")
    if len(names) == 1:
        raise DataError(f"{path}: there are no columns of classes after '{ID}'.")
    return tuple(names[1:])


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and values of the header and of each row, all of one length.

    A row at a time, because the text objects of a full table of 100,000 rows take hundreds of MB.
    """
    lines = _lines(path)
    separator = max(",\t;", key=next((line for line in lines if line.strip()), "").count)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    columns = count = 0
    try:
        for values in reader:
            if not any(map(str.strip, values)):
                continue
            columns = columns or len(values)
            while len(values) > columns and not values[-1].strip():
                values.pop()
            if len(values) != columns:
                raise DataError(
                    f"{path}: line {reader.line_num}: {len(values)} values for {columns} columns."
                )
            if count and not values[0].strip():
                raise DataError(f"{path}: line {reader.line_num}: column '{ID}' has no value.")
            count += 1
            yield reader.line_num, values
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}.") from error
    if count < 2:
        raise DataError(
            f"{path}: the table is {'empty' if count == 0 else 'without rows'}; it needs a header"
            " and rows."
        )


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: the table is missing; restore it from the data set.") from error
    except OSError as error:
        raise DataError(f"{path}: the table cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the table is not UTF-8 text (byte {error.start}).") from error
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
