"""Recordings of many speakers, divided by speaker: as a table says, or by drawing.

No speaker is in two parts.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from utils.config.schema import ColumnSettings, DatasetSettings
from utils.datasets.base import PARTS, Clip
from utils.datasets.layout import listed
from utils.datasets.mixtures import generator
from utils.datasets.tables import Row, nearest, read_table
from utils.errors import DataError

SPELLINGS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Part by the words that tables have for it, in small letters."""

_NO_SPLIT = "With dataset.columns.split=null speakers are drawn for the parts."


@dataclass(frozen=True)
class Found:
    """Recordings before they are divided.

    Attributes:
        clips: each with its speaker as group.
        part_of: part by the name of the clip, where the data tell it; None: it is to be drawn.
        notes: how they were found.
    """

    clips: tuple[Clip, ...]
    part_of: Mapping[str, str] | None
    notes: tuple[str, ...]


def rows_with_parts(
    path: Path, columns: ColumnSettings, required: Sequence[str]
) -> Iterator[tuple[Row, str]]:
    """Read a table of recordings.

    Args:
        path: the table.
        columns: filename and split; without a split column the part of all is ``train``.
        required: columns that must be there and filled, beside that of the parts.

    Yields:
        Each row, and its part.

    Raises:
        DataError: for a broken table, a file that is listed twice, an unknown part.
    """
    split = {columns.split: _NO_SPLIT} if columns.split else {}
    table = read_table(path, required=[*required, *split], without=split)
    seen: set[str] = set()
    for row in table.rows:
        file = row[columns.filename]
        if file in seen:
            raise table.error(row, f"'{file}' is listed twice; remove one row.")
        seen.add(file)
        given = row[columns.split] if columns.split else "train"
        if given.lower() not in SPELLINGS:
            raise table.error(row, f"unknown part '{given}'. {nearest(given, PARTS)}")
        yield row, SPELLINGS[given.lower()]


def table_note(what: str, path: Path, columns: ColumnSettings) -> str:
    """A sentence on where recordings were found: in a table, which may divide them."""
    how = f", divided by its column '{columns.split}'" if columns.split else ""
    return f"The {what} are those of the table {path.name}{how}."


def unusable_note(bad: Mapping[str, str], total: int, *, what: str, skip: bool) -> str:
    """What to say of recordings that were left out.

    Args:
        bad: what is wrong with them, by clip name; one at least.
        total: how many recordings there are.
        what: they are, for the message.
        skip: whether they may be left out.

    Raises:
        DataError: unless they may.
    """
    if not skip:
        raise DataError(
            f"{bad[min(bad)]} {len(bad)} of {total} {what} cannot be used; audio.on_bad_audio:"
            " skip (--skip_bad of the mixer) leaves such files out."
        )
    return f"{len(bad)} of {total} {what} cannot be used and were left out: {listed(bad)}."


def draw_parts(
    clips: Sequence[Clip],
    settings: DatasetSettings,
    *,
    seed: int,
    at_least: int,
    left: tuple[int, int],
) -> dict[str, str]:
    """Draw the speakers of the test part, then of those that remain the validation part's.

    Args:
        clips: recordings with their speakers.
        settings: test_amount and validation.amount, the shares of the recordings.
        seed: of the draws.
        at_least: speakers of either part.
        left: speakers that the test part leaves, and that the validation part leaves.

    Returns:
        Part of every clip by its name.

    Raises:
        DataError: when there are too few speakers.
    """
    part_of = dict.fromkeys((clip.name for clip in clips), "train")
    amounts = {"test": settings.test_amount, "validation": settings.validation.amount}
    rest = clips
    for (part, amount), leave in zip(amounts.items(), left, strict=True):
        rng = generator(seed, f"{part} speakers")
        taken = take_speakers(rest, amount, at_least=at_least, left=leave, rng=rng)
        part_of |= {clip.name: part for clip in rest if clip.group in taken}
        rest = [clip for clip in rest if clip.group not in taken]
    return part_of


def take_speakers(
    clips: Iterable[Clip], amount: float, *, at_least: int, left: int, rng: np.random.Generator
) -> set[str]:
    """Draw whole speakers until their share of the recordings is nearest to ``amount``.

    Args:
        clips: recordings with their speakers.
        amount: share of the recordings.
        at_least: speakers to take.
        left: speakers to leave.
        rng: draws the order of the sorted speakers.

    Raises:
        DataError: when there are not so many speakers.
    """
    sizes = Counter(str(clip.group) for clip in clips)
    if len(sizes) < at_least + left:
        raise DataError(
            f"{len(sizes)} speakers cannot be divided into two parts of {at_least} speakers or"
            " more; add speakers, mix fewer words or let speakers repeat."
        )
    order = rng.permutation(sorted(sizes)).tolist()
    totals = np.cumsum([sizes[speaker] for speaker in order])
    number = int(np.abs(totals - amount * totals[-1]).argmin()) + 1
    return set(order[: min(max(number, at_least), len(order) - left)])


def refuse_shared(speakers: Mapping[str, Collection[str]], *, root: Path) -> None:
    """Refuse a speaker in two parts.

    Args:
        speakers: by part.
        root: folder of the data set, named in the message.

    Raises:
        DataError: when there is one.
    """
    for first, second in combinations(PARTS, 2):
        shared = set(speakers[first]) & set(speakers[second])
        if shared:
            raise DataError(
                f"{root}: {len(shared)} speakers are in both the {first} and the {second} part"
                f" ({listed(shared)}); give each speaker to one part."
            )
