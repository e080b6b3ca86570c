"""Tables of sound events as DESED has them: strong and weak labels, file names, durations.

All are TAB separated with a header. Columns may stand in any order, and others (the index that
pandas writes) are passed over. N. Turpault, R. Serizel, A. Parag Shah, J. Salamon, Sound event
detection in domestic environments with weakly labeled data and soundscape synthesis, DCASE 2019.
"""

import difflib
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.datasets.base import Event
from utils.datasets.tables import Lines, nearest, read_lines
from utils.errors import DataError
from utils.events import Events
from utils.files import write_csv

STRONG = ("filename", "onset", "offset", "event_label")
WEAK = ("filename", "event_labels")
DURATIONS = ("filename", "duration")
_SCAPER = re.compile(r"(_nOn|_nOff)+$")
"""What Scaper's soundbank of DESED appends to labels: no onset, no offset in the recording."""

Cells = tuple[int, list[str]]
"""Line in the file, and the wanted cells without surrounding blanks."""


@dataclass(frozen=True)
class StrongTable:
    """Events of files.

    Attributes:
        path: the table's file.
        files: names in the order of their first rows, those without events included.
        events: of every file, sorted by label and onset; those of one label do not overlap.
        given: the same before overlaps were merged, for scores that do not merge.
        notes: what was changed in reading, one sentence each.
    """

    path: Path
    files: tuple[str, ...]
    events: Mapping[str, tuple[Event, ...]]
    given: Mapping[str, tuple[Event, ...]]
    notes: tuple[str, ...] = ()


def read_strong(
    path: Path, *, classes: Collection[str] | None = None, scaper: bool = False
) -> StrongTable:
    """Read ``filename onset offset event_label``, the ground truth.

    A file without events has a row of which all but the name is empty, or only the name. Events of
    one label that overlap become one, with a note; those that touch stay apart. An event of length
    zero is left out, with a note: nothing sounds in it, so there is nothing to find, and one slip
    of rounding should not cost a table of thousands of rows.

    Args:
        path: the file.
        classes: labels that may occur; None: any.
        scaper: take the suffixes ``_nOn`` and ``_nOff`` of Scaper's soundbank off the labels.

    Raises:
        DataError: when the file is missing or no such table; for a row without a file name, an
            event that lacks its label or a time, an unknown label, a time that is no number from 0
            on, an offset before its onset. The message names file and line.
    """
    files: dict[str, int] = {}
    told: list[tuple[int, Event]] = []
    instants: list[int] = []
    for line, (file, onset, offset, label) in _cells(read_lines(path), STRONG):
        number = files.setdefault(_filled(path, line, "filename", file), len(files))
        if not (onset or offset or label):
            continue
        event = _event(path, line, onset, offset, _SCAPER.sub("", label) if scaper else label)
        if classes is not None and event.label not in classes:
            raise _unknown(path, line, event.label, classes)
        if event.offset == event.onset:
            instants.append(line)
        else:
            told.append((number, event))
    names = tuple(files)
    events, given, merged = _merged(names, told)
    notes = _instants_note(path, instants) + _merged_note(path, merged)
    return StrongTable(path, names, events, given, notes)


def read_weak(path: Path, *, classes: Collection[str] | None = None) -> dict[str, tuple[str, ...]]:
    """Read ``filename event_labels``, labels separated by commas.

    Args:
        path: the file.
        classes: labels that may occur; None: any.

    Returns:
        Labels of each file, sorted, each once; files in the order of the rows.

    Raises:
        DataError: when the file is missing or no such table; for a row without a file name or a
            label, an unknown label, a file that is listed again with other labels.
    """
    found: dict[str, tuple[str, ...]] = {}
    for line, (file, cell) in _cells(read_lines(path), WEAK):
        _filled(path, line, "filename", file)
        labels = tuple(sorted(set(filter(None, map(str.strip, cell.split(","))))))
        if not labels:
            raise _error(
                path,
                line,
                f"'{file}' has no label; take the row out, or list a clip in which no class sounds"
                " in a strong table, as a row without times.",
            )
        if classes is not None and not set(labels) <= set(classes):
            raise _unknown(path, line, min(set(labels) - set(classes)), classes)
        if found.setdefault(file, labels) != labels:
            raise _error(path, line, f"'{file}' is listed again, with other labels; remove a row.")
    return found


def read_names(path: Path) -> tuple[str, ...]:
    """Read the column ``filename``: each name once, in the order of the rows.

    Raises:
        DataError: when the file is missing or no such table, or for a row without a name.
    """
    rows = _cells(read_lines(path), ("filename",))
    return tuple(dict.fromkeys(_filled(path, line, "filename", file) for line, (file,) in rows))


def read_durations(path: Path) -> dict[str, float]:
    """Read ``filename duration``: seconds of each file.

    Raises:
        DataError: when the file is missing or no such table; for a row without a file name, a
            duration that is no number from 0 on, a file that is listed again with another one.
    """
    found: dict[str, float] = {}
    for line, (file, cell) in _cells(read_lines(path), DURATIONS):
        _filled(path, line, "filename", file)
        seconds = _seconds(path, line, "duration", cell)
        if found.setdefault(file, seconds) != seconds:
            raise _error(
                path, line, f"'{file}' is listed again, with another duration; remove a row."
            )
    return found


def write_strong(path: Path, rows: Iterable[tuple[str, Event | None]]) -> None:
    """Write ``filename onset offset event_label``, whole or not at all.

    Args:
        path: the file to write.
        rows: file and event; None: the file has no events.

    Raises:
        UserError: when the file cannot be written.
    """
    lines = (
        (file, *(("", "", "") if event is None else (*map(_text, event[1:]), event.label)))
        for file, event in rows
    )
    write_csv(path, STRONG, lines, separator="\t")


def write_weak(path: Path, rows: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Write ``filename event_labels``, whole or not at all.

    Args:
        path: the file to write.
        rows: file and its labels, at least one, without commas.

    Raises:
        UserError: when the file cannot be written.
        ValueError: for labels that could not be read back.
    """
    lines = []
    for file, labels in rows:
        if not labels or any("," in label for label in labels):
            raise ValueError(f"labels without commas are needed, '{file}' has {list(labels)}")
        lines.append((file, ",".join(labels)))
    write_csv(path, WEAK, lines, separator="\t")


def write_names(path: Path, names: Iterable[str]) -> None:
    """Write the column ``filename``, whole or not at all.

    Raises:
        UserError: when the file cannot be written.
    """
    write_csv(path, ("filename",), ((name,) for name in names), separator="\t")


def write_durations(path: Path, rows: Iterable[tuple[str, float]]) -> None:
    """Write ``filename duration`` (seconds), whole or not at all.

    Raises:
        UserError: when the file cannot be written.
    """
    lines = ((file, _text(seconds)) for file, seconds in rows)
    write_csv(path, DURATIONS, lines, separator="\t")


def indexed(
    events: Mapping[str, Sequence[Event]],
    *,
    files: Sequence[str],
    classes: Sequence[str],
    source: Path | str = "events",
) -> Events:
    """Events as arrays of indices, for the metrics.

    Args:
        events: of each file by its name.
        files: names in the order of their indices; those without events may be absent above.
        classes: labels in the order of their indices.
        source: what the events were read from, named in messages.

    Raises:
        DataError: for a file or a label that is not known, with the nearest name.
    """
    file_of = {name: number for number, name in enumerate(files)}
    class_of = {name: number for number, name in enumerate(classes)}
    flat: list[tuple[int, int, float, float]] = []
    for file, told in events.items():
        if file not in file_of:
            near = difflib.get_close_matches(file, files, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise DataError(
                f"{source}: file '{file}' is not one of the {len(files)} that are known.{hint}"
            )
        for label, onset, offset in told:
            if label not in class_of:
                raise DataError(
                    f"{source}: unknown event '{label}' in file '{file}'. {nearest(label, classes)}"
                )
            flat.append((file_of[file], class_of[label], onset, offset))
    numbers, labels, onsets, offsets = zip(*flat, strict=True) if flat else ((),) * 4
    return Events.of(
        numbers, labels, onsets, offsets, file_count=len(files), class_count=len(classes)
    )


def _cells(lines: Lines, wanted: Sequence[str]) -> Iterator[Cells]:
    """Line and wanted cells of each row, those that lack at its end empty."""
    columns = lines.columns
    for name in wanted:
        if name not in columns:
            raise DataError(f"{lines.path}: there is no column '{name}'. {nearest(name, columns)}")
        if columns.count(name) > 1:
            raise DataError(f"{lines.path}: column '{name}' occurs more than once in the header.")
    places = [columns.index(name) for name in wanted]
    width = len(columns)
    for line, cells in lines.rows:
        if len(cells) > width:
            raise _error(
                lines.path,
                line,
                f"{len(cells)} values for {width} columns ({', '.join(columns)}).",
            )
        cells += [""] * (width - len(cells))  # editors strip the TABs of empty cells
        yield line, [cells[place].strip() for place in places]


def _event(path: Path, line: int, onset: str, offset: str, label: str) -> Event:
    """An event whose times are in order."""
    for name, cell in zip(STRONG[1:], (onset, offset, label), strict=True):
        if not cell:
            raise _error(
                path,
                line,
                f"column '{name}' has no value; an event needs onset, offset and event_label, and"
                " a file without events leaves all three empty.",
            )
    start, end = _seconds(path, line, "onset", onset), _seconds(path, line, "offset", offset)
    if end < start:
        raise _error(path, line, f"the offset, {end:g} s, is before the onset, {start:g} s.")
    return Event(label, start, end)


def _seconds(path: Path, line: int, column: str, cell: str) -> float:
    try:
        seconds = float(cell)
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds < math.inf:
        raise _error(
            path, line, f"column '{column}' has '{cell}'; a number of seconds from 0 on is needed."
        )
    return seconds


def _filled(path: Path, line: int, column: str, cell: str) -> str:
    if not cell:
        raise _error(path, line, f"column '{column}' has no value.")
    return cell


_ByFile = dict[str, tuple[Event, ...]]


def _merged(
    files: Sequence[str], told: Sequence[tuple[int, Event]]
) -> tuple[_ByFile, _ByFile, tuple[int, str]]:
    """Events by file without overlaps and as told; how many fewer, and the first such file."""
    labels = sorted({event.label for _, event in told})
    class_of = {label: number for number, label in enumerate(labels)}
    events = Events.of(
        [number for number, _ in told],
        [class_of[event.label] for _, event in told],
        [event.onset for _, event in told],
        [event.offset for _, event in told],
        file_count=len(files),
        class_count=len(labels),
    )
    merged, fewer = events.merged()
    first = ""
    if fewer:
        before, after = (np.bincount(e.files, minlength=len(files)) for e in (events, merged))
        first = files[int(np.flatnonzero(before - after)[0])]
    return _by_file(files, labels, merged), _by_file(files, labels, events), (fewer, first)


def _by_file(files: Sequence[str], labels: Sequence[str], events: Events) -> _ByFile:
    of_file: dict[str, list[Event]] = {file: [] for file in files}
    columns = (events.files, events.classes, events.onsets, events.offsets)
    for number, label, onset, offset in zip(*(c.tolist() for c in columns), strict=True):
        of_file[files[number]].append(Event(labels[label], onset, offset))
    return {file: tuple(here) for file, here in of_file.items()}


def _merged_note(path: Path, merged: tuple[int, str]) -> tuple[str, ...]:
    fewer, first = merged
    if not fewer:
        return ()
    return (
        f"{shown(path)}: events of one class that overlap were merged, {fewer} in all; the first"
        f" file is {first}.",
    )


def _instants_note(path: Path, lines: Sequence[int]) -> tuple[str, ...]:
    if not lines:
        return ()
    return (
        f"{shown(path)}: events of length zero were left out, {len(lines)} in all; the first is in"
        f" line {lines[0]}.",
    )


def shown(path: Path) -> str:
    """File and folder of a table, for notes: DESED has several ``soundscapes.tsv``."""
    return Path(*path.parts[-2:]).as_posix()


def _unknown(path: Path, line: int, label: str, classes: Collection[str]) -> DataError:
    return _error(path, line, f"unknown event '{label}'. {nearest(label, classes)}")


def _error(path: Path, line: int, problem: str) -> DataError:
    return DataError(f"{path}: line {line}: {problem}")


def _text(seconds: float) -> str:
    """Seconds to the microsecond, no digit more than that takes."""
    return repr(round(float(seconds), 6))
