"""Detection tables of any system, as they are handed in to be scored without its model.

A folder of detection tables is what the challenge's baseline leaves and what any system can write:
one table for each threshold, columns ``event_label``, ``onset``, ``offset`` and ``filename`` in any
order, the threshold in the file's name.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np

from utils.datasets.event_tables import (
    StrongTable,
    indexed,
    read_durations,
    read_strong,
    shown,
)
from utils.datasets.tables import nearest, read_lines
from utils.errors import DataError
from utils.events import Events
from utils.metrics.intersection import GroundTruth

COLUMNS = ("event_label", "onset", "offset", "filename")
SUFFIXES = (".tsv", ".csv")
USUAL = 50  # operating points; with fewer, PSDS is too low to be compared
_BESIDE = "._"  # how macOS begins the name of what it keeps beside a file
_THRESHOLD = re.compile(
    r"(?:(?<![A-Za-z0-9.])-)?(?:[0-9]+\.[0-9]+|\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?(?=[^0-9]*\Z)"
)


@dataclass(frozen=True)
class DetectionTables:
    """What a system detected at each threshold, and what was there.

    Attributes:
        tables: detections by threshold, ascending; overlaps within a class are merged.
        truth: the ground truth of all files.
        files: names in the order of the file indices: those of the durations.
        classes: names in the order of the class indices: those of the ground truth, sorted.
        notes: what a user should know, one sentence each.
    """

    tables: dict[float, Events]
    truth: GroundTruth
    files: tuple[str, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_tables(folder: Path, *, truth: Path, durations: Path) -> DetectionTables:
    """Read a folder of detection tables, its ground truth and the durations of the files.

    Files are those of the durations: one without events counts as a file without events. Events
    that reach beyond their file are kept as they are.

    Args:
        folder: holds a table for each threshold, ``*.tsv`` or ``*.csv``; sub-folders and other
            files are passed over.
        truth: table of the true events: filename, onset, offset, event_label.
        durations: table of the files' seconds: filename, duration.

    Raises:
        DataError: for a table that is missing or broken, a threshold that is missing or there
            twice, a file that is not in the durations, a class that the ground truth has not, an
            offset before its onset.
    """
    paths = _paths_by_threshold(folder)
    seconds = read_durations(durations)
    reference = read_strong(truth)
    files = tuple(seconds)
    _require_files(reference, seconds, durations)
    classes = tuple(sorted({one.label for each in reference.events.values() for one in each}))
    if not classes:
        raise DataError(f"{truth}: there are no events in it, so there is nothing to score.")
    events = indexed(reference.given, files=files, classes=classes)
    tables, merged = {}, {}
    for threshold, path in paths.items():
        found = read_detections(path, files=files, classes=classes, durations=durations)
        tables[threshold], merged[path.name] = found, found.merged()[1]
    return DetectionTables(
        tables=tables,
        truth=GroundTruth.of(
            events, durations=np.array(list(seconds.values())), class_count=len(classes)
        ),
        files=files,
        classes=classes,
        notes=(
            *reference.notes,
            *_file_notes(reference, files, durations),
            *_table_notes(tables, merged),
        ),
    )


def threshold_of(name: str) -> float:
    """The last number in a table's name; the name's ending does not count.

    A point before the digits belongs to the number. A hyphen is a sign only where no letter, digit
    or point is before it.

    >>> [threshold_of(f"{name}.tsv") for name in ("th_0.01", "th_.5", "th-1e-3", "0.5_student")]
    [0.01, 0.5, 0.001, 0.5]

    Args:
        name: of the file, without its folder.

    Raises:
        DataError: for a name without a number, or with one that is too large.
    """
    found = _THRESHOLD.search(_without_suffix(name))
    if found is None or math.isinf(float(found[0])):
        raise DataError(
            f"{name}: no number in its name tells its threshold; name detection tables as "
            "predictions_th_0.5.tsv, and take other tables out of the folder."
        )
    return float(found[0])


def read_detections(
    path: Path, *, files: Sequence[str], classes: Sequence[str], durations: Path | None = None
) -> Events:
    """Read one detection table.

    A table without rows, and a file with nothing in it, tell that nothing was detected. So does,
    for its file, a row in which all but the file's name is empty.

    Args:
        path: the table, with a column of each of ``COLUMNS``; others are passed over.
        files: names of the files that are scored.
        classes: names of the classes.
        durations: where the names of the files come from, for messages.

    Returns:
        The detections as they are, sorted, nothing merged.

    Raises:
        DataError: for a broken table, an unknown file or class, an offset before its onset.
    """
    source = "the files that are scored" if durations is None else str(durations)
    rows = _Rows(path, _numbered(files), _numbered(classes), source)
    for line, cells in _cells(path):
        rows.add(line, *cells)
    return rows.events()


class _Rows:
    """Rows of one table, as they are read.

    Args:
        path: the table.
        files: index of each file.
        classes: index of each class.
        source: where the files' names come from.
    """

    def __init__(
        self, path: Path, files: Mapping[str, int], classes: Mapping[str, int], source: str
    ) -> None:
        self.path = path
        self.known = files, classes
        self.source = source
        self.indices: list[tuple[int, int]] = []
        self.times: list[tuple[float, float]] = []
        self.lines: list[int] = []

    def add(self, line: int, label: str, onset: str, offset: str, file: str) -> None:
        """Take a row's cells, blanks around them or not."""
        files, classes = self.known
        try:
            row = files[file], classes[label], float(onset), float(offset)
        except (KeyError, ValueError):
            cells = [cell.strip() for cell in (label, onset, offset, file)]
            if self._tells_nothing(line, *cells):
                return
            row = self._checked(line, *cells)
        self.indices.append(row[:2])
        self.times.append(row[2:])
        self.lines.append(line)

    def events(self) -> Events:
        """What was read.

        Raises:
            DataError: for the first offset before its onset, or time that is no finite number.
        """
        indices = np.array(self.indices, dtype=np.int64).reshape(-1, 2)
        times = np.array(self.times, dtype=np.float64).reshape(-1, 2)
        right = np.isfinite(times).all(axis=1) & (times[:, 0] <= times[:, 1])
        if not right.all():
            first = int(np.flatnonzero(~right)[0])
            onset, offset = times[first].tolist()
            problem = (
                f"the offset, {offset:g} s, is before the onset, {onset:g} s."
                if offset < onset
                else f"{onset:g} s to {offset:g} s are no times; numbers of seconds are needed."
            )
            raise self._error(self.lines[first], problem)
        files, classes = self.known
        return Events.of(*indices.T, *times.T, file_count=len(files), class_count=len(classes))

    def _tells_nothing(self, line: int, label: str, onset: str, offset: str, file: str) -> bool:
        """Whether a row only names a file."""
        if label or onset or offset:
            return False
        self._index(line, "file", file)
        return True

    def _checked(
        self, line: int, label: str, onset: str, offset: str, file: str
    ) -> tuple[int, int, float, float]:
        """Indices and times of stripped cells, or what is wrong with them."""
        indices = self._index(line, "file", file), self._index(line, "event", label)
        times = []
        for column, cell in (("onset", onset), ("offset", offset)):
            try:
                times.append(float(cell))
            except ValueError as error:
                what = f"'{cell}' is no number" if cell else "there is no value"
                raise self._error(line, f"column '{column}': {what} of seconds.") from error
        return (*indices, times[0], times[1])

    def _index(self, line: int, kind: str, name: str) -> int:
        known = self.known[0] if kind == "file" else self.known[1]
        if name not in known:
            where = f"is not in {self.source}" if kind == "file" else "is not in the ground truth"
            raise self._error(line, f"{kind} '{name}' {where}. {_hint(name, known)}")
        return known[name]

    def _error(self, line: int, problem: str) -> DataError:
        return DataError(f"{self.path}: line {line}: {problem}")


def _cells(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line, and the cells of ``COLUMNS`` of each row; none of a table without rows."""
    filled = _filled_lines(path)
    if not filled:
        return
    lines = read_lines(path)
    for column in COLUMNS:
        if lines.columns.count(column) != 1:
            there = "no column" if column not in lines.columns else "more than one column"
            others = [name for name in lines.columns if name and name not in COLUMNS]
            hint = f" {nearest(column, others)}" if others and there == "no column" else ""
            raise DataError(
                f"{path}: there is {there} '{column}'; a detection table has the columns "
                f"{', '.join(COLUMNS)}.{hint}"
            )
    if filled == 1:
        return
    pick = itemgetter(*(lines.columns.index(column) for column in COLUMNS))
    width = len(lines.columns)
    for line, cells in lines.rows:
        if len(cells) > width:
            raise DataError(
                f"{path}: line {line}: {len(cells)} values for {width} columns "
                f"({', '.join(lines.columns)})."
            )
        cells += [""] * (width - len(cells))  # editors strip tabs at the end of a line
        yield line, pick(cells)


def _filled_lines(path: Path) -> int:
    """Number of lines that hold something, counted up to 2.

    An empty pandas table leaves a line break, or quotes around nothing.
    """
    found = 0
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            for line in stream:
                found += bool(line.strip(' \t,;"\n'))
                if found == 2:
                    break
    except OSError as error:
        raise DataError(f"{path}: the table cannot be read ({error.strerror}).") from error
    return found


def _paths_by_threshold(folder: Path) -> dict[float, Path]:
    """Tables of a folder by their thresholds, ascending."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is not there"
        raise DataError(
            f"{folder}: the folder of detection tables {what}; name a folder with a table for "
            "each threshold."
        )
    found: dict[float, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(_BESIDE):
            continue
        threshold = threshold_of(path.name)
        if threshold in found:
            raise DataError(
                f"{folder}: {found[threshold].name} and {path.name} are both of threshold "
                f"{threshold:g}, the last number in their names; keep one of them."
            )
        found[threshold] = path
    if not found:
        raise DataError(
            f"{folder}: holds no detection tables ({', '.join('*' + each for each in SUFFIXES)}); "
            "sub-folders are not searched."
        )
    return dict(sorted(found.items()))


def _without_suffix(name: str) -> str:
    return name[:-4] if name.lower().endswith(SUFFIXES) else name


def _numbered(names: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _hint(name: str, known: Mapping[str, int]) -> str:
    """The nearest known name; of many that are all unlike none is told."""
    told = nearest(name, known)
    return told if len(known) <= USUAL or told.startswith("Did") else "Correct one of the two."


def _require_files(truth: StrongTable, seconds: Mapping[str, float], durations: Path) -> None:
    unknown = [file for file in truth.files if file not in seconds]
    if unknown:
        numbers = {file: number for number, file in enumerate(seconds)}
        more = f" (and {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""
        raise DataError(
            f"{truth.path}: file '{unknown[0]}'{more} is not in {durations}. "
            f"{_hint(unknown[0], numbers)}"
        )


def _file_notes(truth: StrongTable, files: Sequence[str], durations: Path) -> Iterator[str]:
    listed = set(truth.files)
    others = sum(file not in listed for file in files)
    if others:
        yield (
            f"{others:,} of the {len(files):,} files in {shown(durations)} are not in "
            f"{shown(truth.path)}; they are scored as files without events."
        )


def _table_notes(tables: Mapping[float, Events], merged: Mapping[str, int]) -> Iterator[str]:
    overlapping = {name: count for name, count in merged.items() if count}
    if overlapping:
        name = max(overlapping, key=lambda each: overlapping[each])
        yield (
            f"overlapping events of one class were merged in {len(overlapping)} of {len(tables)} "
            f"detection tables, up to {overlapping[name]:,} in one ({name}); for the event-based "
            "F1 they stay as they are, as sed_eval takes them."
        )
    empty = [f"{threshold:g}" for threshold, events in tables.items() if not len(events)]
    if empty:
        yield f"detection tables without any event: of threshold {', '.join(empty)}."
    if min(tables) < 0 or max(tables) > 1:
        yield (
            f"thresholds go from {min(tables):g} to {max(tables):g}, not from 0 to 1; look whether "
            "the last number in the tables' names is the threshold."
        )
    if len(tables) < USUAL:
        yield (
            f"number of thresholds: {len(tables)}; PSDS is the lower the fewer there are, and "
            f"published ones have {USUAL}."
        )
