"""What lies on both sides of a split: a file, a location, a speaker, a source recording."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from utils.datasets.base import Clip, Fold
from utils.errors import DataError


def find_leaks(folds: Sequence[Fold], held_out: Sequence[Clip] = ()) -> tuple[str, ...]:
    """One sentence for every pair of parts that share groups, with counts and examples.

    Args:
        folds: folds of one data set.
        held_out: its test clips outside of all folds; all clips of the folds are the other side.

    Returns:
        Notes for the report; empty for a clean split.

    Raises:
        DataError: when the same file is in two parts of a fold, or in a fold and held out.
    """
    notes = [note for fold in folds for note in _leaks_of(fold)]
    if held_out:
        inside = {clip.name: clip for fold in folds for clip in fold.clips}
        sides = {"cross-validated": tuple(inside.values()), "held-out test": held_out}
        notes += _leaks_between("all folds", sides)
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


def _leaks_of(fold: Fold) -> list[str]:
    parts = {"training": fold.train, "validation": fold.validation, "test": fold.test}
    return _leaks_between(fold.name, parts)


def _leaks_between(place: str, parts: Mapping[str, Sequence[Clip]]) -> list[str]:
    notes = []
    for (first, clips), (second, others) in combinations(parts.items(), 2):
        shared_files = sorted({clip.name for clip in clips} & {clip.name for clip in others})
        if shared_files:
            raise DataError(
                f"{place}: {len(shared_files)} files are in both the {first} and the {second}"
                f" part (such as {shared_files[0]}); remove them from one of the lists."
            )
        shared = _groups(clips) & _groups(others)
        if shared:
            both = [sum(clip.group in shared for clip in side) for side in (clips, others)]
            notes.append(
                f"{place}: {len(shared)} groups (places, speakers or source recordings) are in"
                f" both the {first} part ({both[0]} clips) and the {second} part ({both[1]} clips),"
                f" such as {', '.join(sorted(shared)[:3])}: scores may be too good."
            )
    return notes


def _groups(clips: Sequence[Clip]) -> set[str]:
    return {clip.group for clip in clips if clip.group is not None}
