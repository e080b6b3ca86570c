"""What is wrong with a table of class shares (``utils.datasets.answers_table``), in sentences."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from utils.datasets.answers_table import AnswersTable

ID = "id"
SUM_TOLERANCE = 1e-3
"""How far the shares of a row may be from a sum of 1."""
SHOWN = 5
"""Faults of one kind that are told; the others are counted."""


def layout_faults(table: "AnswersTable", classes: Sequence[str] | None = None) -> Iterator[str]:
    """Tell what is wrong with header, lengths of rows, and ids.

    Args:
        table: the table.
        classes: names that its columns must have, in their order; None: any.

    Yields:
        Sentences with file, line and id, the first five of a kind and how many more.
    """
    for fault in _header_faults(table.columns, classes):
        yield f"{table.path}: {fault}"
    width = len(table.columns)
    sentences = (
        f"{table.path}: line {line}: id {_short(name)} has {count} values for {width} columns."
        for line, name, count in table.lengths
    )
    yield from _some(table, len(table.lengths), sentences)
    nameless = [row for row, name in enumerate(table.ids) if not name]
    sentences = (
        f"{table.path}: line {table.lines[row]}: column '{ID}' has no value." for row in nameless
    )
    yield from _some(table, len(nameless), sentences)
    first: dict[str, int] = {}
    again = [
        row for row, name in enumerate(table.ids) if name and first.setdefault(name, row) != row
    ]
    sentences = (
        f"{_at(table, row)} stands in line {table.lines[first[table.ids[row]]]} already; remove one"
        " of the rows."
        for row in again
    )
    yield from _some(table, len(again), sentences)


def share_faults(table: "AnswersTable", classes: Sequence[str] | None = None) -> Iterator[str]:
    """Tell which cells are no shares and which rows do not sum to 1.

    Columns that are no classes are passed over; sums are judged where there are all classes.

    Args:
        table: the table.
        classes: names that its columns should have; None: all of them.

    Yields:
        Sentences with file, line and id, the first five of a kind and how many more.
    """
    known = [n for n, name in enumerate(table.classes) if classes is None or name in classes]
    shares = table.shares if len(known) == len(table.classes) else table.shares[:, known]
    bad = ~(np.isfinite(shares) & (shares >= 0.0))
    cells = [(row, known[place]) for row, place in np.argwhere(bad)[:SHOWN].tolist()]
    sentences = (
        f"{_at(table, row)} has {_short(table.odd.get((row, n), f'{table.shares[row, n]:g}'))} in"
        f" column {_short(table.classes[n])}; a share is a finite number of 0 or more."
        for row, n in cells
    )
    yield from _some(table, int(bad.sum()), sentences)
    if classes is not None and sorted(table.classes) != sorted(classes):
        return
    with np.errstate(over="ignore", invalid="ignore"):
        sums = shares.sum(axis=1)
        wrong = np.flatnonzero(~bad.any(axis=1) & ~(np.abs(sums - 1.0) <= SUM_TOLERANCE))
    sentences = (
        f"{_at(table, row)} has shares that sum to {sums[row]:.6g}, not 1; correct them."
        for row in wrong[:SHOWN].tolist()
    )
    yield from _some(table, len(wrong), sentences)


def template_faults(table: "AnswersTable", ids: Sequence[str]) -> Iterator[str]:
    """Tell what a competition would refuse beyond that: separator, and ids of its template.

    Args:
        table: the table.
        ids: the ids of the template in its order.

    Yields:
        Sentences as :func:`layout_faults` gives them.
    """
    if table.separator != "," and len(table.columns) > 1:
        yield f"{table.path}: its columns must be separated by commas."
    wanted = set(ids)
    unknown = [row for row, name in enumerate(table.ids) if name not in wanted]
    sentences = (f"{_at(table, row)} is not in the template." for row in unknown)
    yield from _some(table, len(unknown), sentences)
    found = {name: row for row, name in reversed(list(enumerate(table.ids))) if name in wanted}
    missing = [name for name in ids if name not in found]
    if missing:
        names = _listed(missing)
        yield f"{table.path}: {len(missing):,} of {len(ids):,} ids have no row: {names}."
    ordered = [name for name in ids if name in found]
    pairs = zip(sorted(found.values()), ordered, strict=True)
    moved = [(row, name) for row, name in pairs if table.ids[row] != name]
    sentences = (
        f"{_at(table, row)} stands where the template has {_short(name)}." for row, name in moved
    )
    yield from _some(table, len(moved), sentences)


def _header_faults(columns: Sequence[str], classes: Sequence[str] | None) -> Iterator[str]:
    first, *named = columns
    if first != ID:
        if named and all(map(_is_number, named)):
            wanted = ",".join([ID, *(classes or ("CLASS", "..."))])
            yield f"the table has no header; its first line must be {wanted}."
            return
        yield f"the first column is {_short(first)}; it must be '{ID}'."
    if not named:
        yield f"there are no columns of classes after '{ID}'."
    for name in [name for name, count in Counter(columns).items() if name and count > 1][:SHOWN]:
        yield f"column {_short(name)} occurs more than once in the header."
    if "" in named:
        yield f"column {named.index('') + 2} has no name in the header."
    if classes is not None:
        yield from _class_faults(named, classes)


def _class_faults(named: Sequence[str], classes: Sequence[str]) -> Iterator[str]:
    """How the classes of a header differ from those that are right."""
    missing = [name for name in classes if name not in named]
    unknown = [name for name in named if name and name not in classes]
    for name in unknown[:SHOWN]:
        advice = f"Missing are: {_listed(missing)}." if missing else "Remove it."
        for near in get_close_matches(name, missing, n=1):
            advice = f"Did you mean '{near}'?"
        yield f"column {_short(name)} is no class. {advice}"
    if missing:
        yield f"there are no columns {_listed(missing)}."
    if len(named) != len(classes) or missing:
        return
    for name, right in zip(named, classes, strict=True):
        if name != right:
            order = ",".join([ID, *classes])
            yield (
                f"the columns are out of order: '{name}' stands where '{right}' belongs; the order"
                f" is {order}."
            )
            return


def _at(table: "AnswersTable", row: int) -> str:
    return f"{table.path}: line {table.lines[row]}: id {_short(table.ids[row])}"


def _some(table: "AnswersTable", total: int, sentences: Iterable[str]) -> Iterator[str]:
    """The first sentences on faults of one kind, and how many more there are."""
    yield from islice(sentences, SHOWN)
    if total > SHOWN:
        yield f"{table.path}: {total - SHOWN:,} more faults like the last."


def _listed(names: Sequence[str]) -> str:
    """The first names and how many more."""
    rest = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(_short(name) for name in names[:SHOWN]) + rest


def _short(text: str) -> str:
    """Text of a file as it may stand in a message: quoted, at most 40 characters."""
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
