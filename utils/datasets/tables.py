"""Tables of data sets: comma, tab or semicolon separated text, as people and programs leave it."""

import csv
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.errors import DataError


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        line: its line in the file, counted from 1, for messages.
        values: text by column name, without surrounding blanks.
    """

    line: int
    values: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values[column]


@dataclass(frozen=True)
class Table:
    """A table that was read in full.

    Attributes:
        path: its file.
        columns: names in the order of the file.
        rows: rows in the order of the file, blank lines left out.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def error(self, row: Row, problem: str) -> DataError:
        """A ``DataError`` that names the file, the line and the problem."""
        return DataError(f"{self.path}: line {row.line}: {problem}")


def read_table(
    path: Path, *, required: Sequence[str], filled: Sequence[str] | None = None
) -> Table:
    r"""Read a table with a header line.

    A byte order mark, Windows and old Mac line ends, blank lines, quotes and blanks around values
    are taken as they come. The separator is the one of tab, comma and semicolon that occurs most
    often in the header.

    Args:
        path: the file, UTF-8.
        required: columns that must exist.
        filled: columns that must have a value in every row; by default all required ones.

    Returns:
        The table, with at least one row.

    Raises:
        DataError: file missing or not text, column missing or there twice, a row of a wrong length
            or without a value, no rows.
    """
    lines = _read_lines(path)
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise DataError(f"{path}: the table is empty; it needs a header and rows.")
    separator = max("\t,;", key=numbered[0][1].count)
    columns = tuple(_split(path, *numbered[0], separator))
    _check_columns(path, columns, required)
    rows = tuple(
        Row(number, dict(zip(columns, _split(path, number, line, separator, columns), strict=True)))
        for number, line in numbered[1:]
        if line.strip(separator + " \t")
    )
    table = Table(path, columns, rows)
    if not rows:
        raise DataError(f"{path}: the table has a header but no rows.")
    for row in rows:
        for column in required if filled is None else filled:
            if not row[column]:
                raise table.error(row, f"column '{column}' has no value.")
    return table


def nearest(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` where a known name is near, else the known names.

    Args:
        name: what was received.
        known: what would have been right.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"Known are: {', '.join(names)}."


def _read_lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: the table is missing; restore it from the data set.") from error
    except OSError as error:
        raise DataError(f"{path}: the table cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the table is not UTF-8 text (byte {error.start}).") from error
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _split(
    path: Path, number: int, line: str, separator: str, columns: tuple[str, ...] | None = None
) -> list[str]:
    """Values of one line; one per column where columns are given."""
    try:
        values = next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}: line {number}: {error} in '{line}'.") from error
    values = [value.strip() for value in values]
    if columns is None:
        return values
    while len(values) > len(columns) and not values[-1]:
        values.pop()
    if len(values) != len(columns):
        raise DataError(
            f"{path}: line {number}: {len(values)} values for {len(columns)} columns"
            f" ({', '.join(columns)}) in '{line}'."
        )
    return values


def _check_columns(path: Path, columns: tuple[str, ...], required: Sequence[str]) -> None:
    twice = {column for column in columns if columns.count(column) > 1}
    if twice:
        raise DataError(f"{path}: column '{min(twice)}' occurs more than once in the header.")
    others = [column for column in columns if column not in required] or columns
    for column in required:
        if column not in columns:
            raise DataError(f"{path}: there is no column '{column}'. {nearest(column, others)}")
