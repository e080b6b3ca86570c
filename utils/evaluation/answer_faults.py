"""What is wrong with a table of distributions (``utils.evaluation.answers``), fault by fault."""

import csv
import io
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from utils.datasets.tables import nearest
from utils.errors import DataError

ID = "id"
SUM_TOLERANCE = 1e-3  # of a row's sum to 1
SHOWN = 5  # faults of one kind; the others are counted


@dataclass(eq=False)
class Table:
    """The text of a table as far as numbers go, and what does not fit into numbers.

    Attributes:
        name: file name, for messages.
        header: first row of the file.
        lines: line in the file of each row of the right length, from 1.
        ids: first field of these rows.
        values: (rows, columns) float64; NaN for what is no number.
        odd: fields of the rows that hold other than finite numbers, by row.
        lengths: line, first field and number of fields of rows of another length.
    """

    name: str
    header: list[str]
    lines: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    values: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    odd: dict[int, list[str]] = field(default_factory=dict)
    lengths: list[tuple[int, str, int]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Table":
        """Read a file; byte order mark, CRLF and blank lines are no matter.

        Raises:
            DataError: when the file is missing, empty, or not a table of text.
        """
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path.name}: is not UTF-8 text (byte {error.start}).") from error
        reader = csv.reader(io.StringIO(text, newline=""))
        try:
            header = next((row for row in reader if row), None)
            if header is None:
                raise DataError(f"{path.name}: is empty; a header and one row a clip are needed.")
            table = cls(path.name, header)
            table._fill(reader)
        except csv.Error as error:
            raise DataError(
                f"{path.name}, row {reader.line_num}: cannot be read as a comma-separated table "
                f"({error})."
            ) from error
        return table

    def _fill(self, reader: "Iterator[list[str]]") -> None:
        numbers = array("d")
        for row in reader:
            line = reader.line_num  # type: ignore[attr-defined]
            if row and len(row) == len(self.header):
                values = _numbers(row[1:])
                if not math.isfinite(sum(values)):
                    self.odd[len(self.ids)] = row[1:]
                numbers.extend(values)
                self.ids.append(row[0])
                self.lines.append(line)
            elif row:
                self.lengths.append((line, row[0], len(row)))
        self.values = np.array(numbers).reshape(len(self.ids), len(self.header) - 1)

    def at(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"{self.name}, row {self.lines[row]}, id {_short(self.ids[row])}"


def _numbers(fields: Sequence[str]) -> list[float]:
    """Numbers of text fields, NaN for what is none."""
    try:
        return [float(text) for text in fields]
    except ValueError:
        return [_number(text) for text in fields]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def misread(table: Table, classes: Sequence[str] | None) -> str:
    """Why the first row is no header at all; "" where it is one."""
    wanted = ",".join([ID, *(classes or ("CLASS", "..."))])
    if len(table.header) == 1 and any(mark in table.header[0] for mark in ";\t"):
        return f"{table.name}: its columns must be separated by commas, as in {wanted}."
    if table.header[0] != ID and all(math.isfinite(n) for n in _numbers(table.header[1:])):
        return f"{table.name}: has no header; the first row must be {wanted}."
    return ""


def table_problems(table: Table, *, classes: Sequence[str] | None) -> Iterator[str]:
    """What is wrong with a table by itself: header, lengths, ids, numbers, sums."""
    for problem in _header_problems(table.header, classes):
        yield f"{table.name}: {problem}"
    if not table.ids and not table.lengths:
        yield f"{table.name}: has a header but no rows."
    width = len(table.header)
    sentences = (
        f"{table.name}, row {line}, id {_short(name)}: has {count} fields, the header has {width}."
        for line, name, count in table.lengths
    )
    yield from _some(table, len(table.lengths), sentences)
    yield from _repeated(table)
    yield from _value_problems(table)


def _header_problems(header: Sequence[str], classes: Sequence[str] | None) -> Iterator[str]:
    """What is wrong with the names of the columns."""
    if header[0] != ID:
        yield f"the first column must be '{ID}', received {_short(header[0])}."
    named = list(header[1:])
    for name in [name for name, count in Counter(named).items() if count > 1][:SHOWN]:
        yield f"column {_short(name)} occurs more than once in the header."
    if classes is None:
        if not named:
            yield "there are no columns of classes."
        return
    missing = [name for name in classes if name not in named]
    unknown = [name for name in named if name not in classes]
    for name in unknown[:SHOWN]:
        yield f"column {_short(name)} is no class. {nearest(name, missing or classes)}"
    if missing:
        yield f"there are no columns {_listed(missing)}."
    if not missing and not unknown and len(named) == len(classes) and named != list(classes):
        place = next(
            i for i, pair in enumerate(zip(named, classes, strict=True)) if len({*pair}) > 1
        )
        yield (
            f"the columns are out of order: '{named[place]}' stands where '{classes[place]}' "
            f"belongs; the order is {','.join([ID, *classes])}."
        )


def _repeated(table: Table) -> Iterator[str]:
    """Ids that occur a second time, or are missing in their row."""
    first: dict[str, int] = {}
    again = [row for row, name in enumerate(table.ids) if first.setdefault(name, row) != row]
    sentences = (
        f"{table.at(row)}: the id stands in row {table.lines[first[table.ids[row]]]} already."
        for row in again
    )
    yield from _some(table, len(again), sentences)


def _value_problems(table: Table) -> Iterator[str]:
    """Fields that are no probabilities, and rows that do not sum to 1."""
    columns, values = [_short(name) for name in table.header[1:]], table.values
    finite = np.isfinite(values)
    strange = np.argwhere(~finite)
    sentences = (
        f"{table.at(row)}: column {columns[place]} holds {_short(table.odd[row][place])}, "
        "which is not a finite number."
        for row, place in strange[:SHOWN].tolist()
    )
    yield from _some(table, len(strange), sentences)
    negative = np.argwhere(values < 0)
    sentences = (
        f"{table.at(row)}: column {columns[place]} holds {values[row, place]:g}; "
        "a probability is at least 0."
        for row, place in negative[:SHOWN].tolist()
    )
    yield from _some(table, len(negative), sentences)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = values.sum(axis=1)
        off = ~(np.abs(sums - 1.0) <= SUM_TOLERANCE)
    usable = finite.all(axis=1) & (values >= 0).all(axis=1)
    wrong = np.flatnonzero(off & usable)
    sentences = (
        f"{table.at(row)}: the probabilities sum to {sums[row]:.6g}, not to 1."
        for row in wrong[:SHOWN].tolist()
    )
    yield from _some(table, len(wrong), sentences)


def template_problems(table: Table, ids: Sequence[str]) -> Iterator[str]:
    """Ids that are missing, unknown, or not in the order of the template."""
    wanted = set(ids)
    unknown = [row for row, name in enumerate(table.ids) if name not in wanted]
    sentences = (f"{table.at(row)}: the template has no such id." for row in unknown)
    yield from _some(table, len(unknown), sentences)
    found = {name: row for row, name in reversed(list(enumerate(table.ids))) if name in wanted}
    missing = [name for name in ids if name not in found]
    if missing:
        yield (
            f"{table.name}: {len(missing):,} of {len(ids):,} ids have no row: {_listed(missing)}."
        )
    ordered = [name for name in ids if name in found]
    pairs = zip(sorted(found.values()), ordered, strict=True)
    moved = [(row, name) for row, name in pairs if table.ids[row] != name]
    sentences = (
        f"{table.at(row)}: in the template's order {_short(name)} comes here."
        for row, name in moved
    )
    yield from _some(table, len(moved), sentences)


def _some(table: Table, total: int, sentences: Iterable[str]) -> Iterator[str]:
    """The first sentences on faults of one kind, and how many more there are."""
    yield from islice(sentences, SHOWN)
    if total > SHOWN:
        yield f"{table.name}: {total - SHOWN:,} more faults like the last."


def _listed(names: Sequence[str]) -> str:
    """The first names and how many more."""
    rest = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(_short(name) for name in names[:SHOWN]) + rest


def _short(text: str) -> str:
    """Text of a file as it may stand in a message: quoted, at most 40 characters."""
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
