"""Tables of data sets: comma, tab or semicolon separated text, as people and programs leave it."""

import csv
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.errors import DataError

SEPARATORS = "\t,;"


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


@dataclass(frozen=True)
class Lines:
    """A table that is read line by line, because that of 100,000 clips is large.

    Attributes:
        path: its file.
        separator: the one of tab, comma and semicolon that occurs most often in the header.
        columns: names in the header.
        rows: line in the file, counted from 1, and cells of each row, as they stand there; cells
            beyond the header are left out where nothing is in them. It can be run through once.
    """

    path: Path
    separator: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]


def read_lines(path: Path) -> Lines:
    """Open a table with a header line.

    A byte order mark, Windows and old Mac line ends, quotes, and lines without any content are
    taken as they come.

    Args:
        path: the file, UTF-8.

    Raises:
        DataError: file missing, not text or empty; while its rows are run through, for a broken
            line and for a table without rows.
    """
    lines = _filled_lines(path)
    number, line = next(lines, (0, ""))
    if not line:
        raise DataError(f"{path}: the table is empty; it needs a header and rows.")
    separator = max(SEPARATORS, key=line.count)
    columns = [name.strip() for name in _cells(path, number, line, separator)]
    while len(columns) > 1 and not columns[-1]:
        columns.pop()
    return Lines(path, separator, tuple(columns), _rows(path, lines, separator, len(columns)))


def read_table(
    path: Path,
    *,
    required: Sequence[str],
    filled: Sequence[str] | None = None,
    without: Mapping[str, str] | None = None,
) -> Table:
    """Read a table as :func:`read_lines` does, in full and without blanks around values.

    Args:
        path: the file, UTF-8.
        required: columns that must exist.
        filled: columns that must have a value in every row; by default all required ones.
        without: by column what can be done where it is not there, as a sentence.

    Returns:
        The table, with at least one row.

    Raises:
        DataError: file missing or not text, column missing or there twice, a row of a wrong length
            or without a value, no rows.
    """
    lines = read_lines(path)
    columns = lines.columns
    _check_columns(path, columns, required, without or {})
    rows = []
    for number, cells in lines.rows:
        if len(cells) != len(columns):
            raise DataError(
                f"{path}: line {number}: {len(cells)} values for {len(columns)} columns"
                f" ({', '.join(columns)}) in '{lines.separator.join(cells)}'."
            )
        rows.append(Row(number, dict(zip(columns, map(str.strip, cells), strict=True))))
    table = Table(path, columns, tuple(rows))
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


def _filled_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of the lines that hold more than blanks and separators."""
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip(SEPARATORS + " \n"):
                    yield number, line.rstrip("\n")
    except FileNotFoundError as error:
        raise DataError(f"{path}: the table is missing; restore it or correct its name.") from error
    except OSError as error:
        raise DataError(f"{path}: the table cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        # the text is decoded some lines ahead of those that were given
        ahead = max(error.object.count(end, 0, error.start) for end in (b"\n", b"\r"))
        raise DataError(
            f"{path}: line {number + 1 + ahead}: it is not UTF-8 text; save the table as UTF-8."
        ) from error


def _rows(
    path: Path, lines: Iterator[tuple[int, str]], separator: str, width: int
) -> Iterator[tuple[int, list[str]]]:
    number = 0
    for number, line in lines:
        cells = _cells(path, number, line, separator)
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        yield number, cells
    if not number:
        raise DataError(f"{path}: the table has a header but no rows.")


def _cells(path: Path, number: int, line: str, separator: str) -> list[str]:
    if '"' not in line:  # a third of the csv reader's time
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}: line {number}: {error} in '{line}'.") from error


def _check_columns(
    path: Path, columns: tuple[str, ...], required: Sequence[str], without: Mapping[str, str]
) -> None:
    twice = {column for column in columns if columns.count(column) > 1}
    if twice:
        raise DataError(f"{path}: column '{min(twice)}' occurs more than once in the header.")
    others = [column for column in columns if column not in required] or columns
    for column in required:
        if column not in columns:
            told = [f"{path}: there is no column '{column}'.", nearest(column, others)]
            raise DataError(" ".join([*told, *filter(None, [without.get(column)])]))
