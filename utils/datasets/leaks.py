"""What lies on both sides of a split: a file, a location, a speaker, a source recording."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from utils.datasets.base import Clip, Fold
from utils.errors import DataError


def find_leaks(folds: Sequence[Fold], held_out: Sequence[Clip] = ()) -> tuple[str, ...]:
    """One sentence for every pair of parts that share groups in some fold: counts and examples.

    Args:
        folds: folds of one data set.
        held_out: its test clips outside of all folds; all clips of the folds are the other side.

    Returns:
        Notes for the report; empty for a clean split.

    Raises:
        DataError: when the same file is in two parts of a fold, or in a fold and held out.
    """
    notes = _notes({fold.name: _parts(fold) for fold in folds})
    if held_out:
        inside = {clip.name: clip for fold in folds for clip in fold.clips}
        sides = {"cross-validated": tuple(inside.values()), "held-out test": held_out}
        notes += _notes({"all folds": sides})
    return tuple(notes)


def refuse_known(evaluation: Sequence[Clip], known: Iterable[Clip]) -> None:
    """Require that no evaluation clip is the file of a labelled clip.

    Args:
        evaluation: unlabelled clips.
        known: labelled clips.

    Raises:
        DataError: when a file is among both.
    """
    files = {clip.path.resolve() for clip in known}
    shared = sorted(clip.name for clip in evaluation if clip.path.resolve() in files)
    if shared:
        raise DataError(
            f"{len(shared)} of {len(evaluation)} evaluation clips are labelled clips of the"
            f" data set too (such as {shared[0]}); take them off one of the lists."
        )


@dataclass(frozen=True)
class _Leak:
    """What two parts share.

    Attributes:
        place: whose parts they are: a fold, or all folds.
        groups: that are in both.
        clips: how many clips of each part belong to them.
    """

    place: str
    groups: set[str]
    clips: tuple[int, int]


def _parts(fold: Fold) -> dict[str, Sequence[Clip]]:
    return {"training": fold.train, "validation": fold.validation, "test": fold.test}


def _notes(places: Mapping[str, Mapping[str, Sequence[Clip]]]) -> list[str]:
    """Compare the parts of each place; all places have parts of the same names, in one order."""
    leaks: dict[tuple[str, str], list[_Leak]] = {}
    for place, parts in places.items():
        for pair in combinations(parts, 2):
            _refuse_shared_files(place, parts, pair)
            leak = _leak(place, parts[pair[0]], parts[pair[1]])
            leaks.setdefault(pair, []).extend([leak] if leak.groups else [])
    return [_sentence(pair, found, len(places)) for pair, found in leaks.items() if found]


def _refuse_shared_files(
    place: str, parts: Mapping[str, Sequence[Clip]], pair: tuple[str, str]
) -> None:
    first, second = pair
    shared = {clip.name for clip in parts[first]} & {clip.name for clip in parts[second]}
    if shared:
        raise DataError(
            f"{place}: {len(shared)} files are in both the {first} and the {second} part (such as"
            f" {min(shared)}); remove them from one of the lists."
        )


def _leak(place: str, clips: Sequence[Clip], others: Sequence[Clip]) -> _Leak:
    shared = _groups(clips) & _groups(others)
    first, second = (sum(clip.group in shared for clip in side) for side in (clips, others))
    return _Leak(place, shared, (first, second))


def _sentence(pair: tuple[str, str], leaks: Sequence[_Leak], places: int) -> str:
    """A leak by the name of its place; of several their number, smallest and largest counts."""
    one = len(leaks) == 1
    where = f"{leaks[0].place}:" if one else f"In {len(leaks)} of {places} folds,"
    first, second = (_spread([leak.clips[side] for leak in leaks]) for side in (0, 1))
    groups = _spread([len(leak.groups) for leak in leaks])
    examples = sorted(set().union(*(leak.groups for leak in leaks)))[:3]
    return (
        f"{where} {groups} groups (places, speakers or source recordings) are in both the"
        f" {pair[0]} part ({first} clips) and the {pair[1]} part ({second} clips), such as"
        f" {', '.join(examples)}: scores may be too good."
    )


def _spread(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _groups(clips: Sequence[Clip]) -> set[str]:
    return {clip.group for clip in clips if clip.group is not None}
