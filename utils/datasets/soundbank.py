"""Isolated sounds and backgrounds that soundscapes are mixed of, and which part may use which.

No source recording is used for training and for validation or test, unless the folders or folds
that are given have it on both sides; a note says so then.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.datasets.mixtures import generator
from utils.datasets.tables import nearest
from utils.errors import DataError

POOLS = ("train", "validation", "test")
UNDIVIDED = ""
"""Name of the one pool of a bank that has no parts yet."""

_SHOWN = 3
_MARKS = ",\t\r\n"


@dataclass(frozen=True)
class Sound:
    """One file of a soundbank.

    Attributes:
        name: as messages and the recipe table tell it.
        path: where it lies.
        label: its class; of a background its kind.
        group: source recording; whatever comes from it stays in one part.
        onset: False where the recording begins amid the sound.
        offset: False where it ends amid the sound.
    """

    name: str
    path: Path
    label: str
    group: str
    onset: bool = True
    offset: bool = True


@dataclass(frozen=True)
class Pool:
    """What the clips of some parts are mixed of.

    Attributes:
        sounds: sorted by name.
        backgrounds: sorted by name; none where backgrounds are generated.
    """

    sounds: tuple[Sound, ...]
    backgrounds: tuple[Sound, ...] = ()


@dataclass(frozen=True)
class Soundbank:
    """A divided soundbank.

    Attributes:
        classes: sorted by name, or as they were asked for.
        pools: ``train``, ``validation``, ``test``, and ``strong``: what of ``train`` the strongly
            labelled clips are mixed of.
        notes: what a user should know, one sentence each.
    """

    classes: tuple[str, ...]
    pools: Mapping[str, Pool]
    notes: tuple[str, ...] = ()

    @property
    def sounds(self) -> tuple[Sound, ...]:
        """Every sound of every pool once, sorted by name."""
        return once(pool.sounds for pool in self.pools.values())

    @property
    def backgrounds(self) -> tuple[Sound, ...]:
        """Every background of every pool once, sorted by name."""
        return once(pool.backgrounds for pool in self.pools.values())


def divide(
    found: Mapping[str, Pool],
    *,
    held_out: float,
    strong: float,
    seed: int,
    classes: Sequence[str] | None = None,
    backgrounds: Sequence[Sound] | None = None,
) -> Soundbank:
    """Give each part its sounds.

    Of a bank without parts, ``held_out`` of the source recordings of each class are drawn for
    validation and test, one at least. Validation and test share their sounds where no test pool is
    given; their clips are drawn apart all the same.

    Args:
        found: pools, as :func:`find_folders` and :func:`find_clips` give them.
        held_out: share of the source recordings for validation and test, if these are to be drawn.
        strong: share of the training recordings of each class that the strongly labelled clips are
            mixed of; one at least.
        seed: of what is drawn.
        classes: the classes to take, in this order; None takes all, sorted.
        backgrounds: what to take instead of those of the pools, divided like sounds without parts;
            none: they are generated.

    Raises:
        DataError: when a class is unknown or has no sound in some part, or a single background
            would have to serve all parts.
    """
    known = {sound.label for pool in found.values() for sound in pool.sounds}
    for label in classes or ():
        if label not in known:
            raise DataError(f"--classes: unknown class '{label}'. {nearest(label, known)}")
    chosen = tuple(dict.fromkeys(classes or sorted(known)))
    pools = {
        name: replace(pool, sounds=tuple(s for s in pool.sounds if s.label in chosen))
        for name, pool in found.items()
    }
    if UNDIVIDED in pools:
        whole = pools[UNDIVIDED]
        pools = _draw_pools(whole, held_out, seed)
        backgrounds = whole.backgrounds if backgrounds is None else backgrounds
    if backgrounds is not None:
        pools = _with_backgrounds(pools, backgrounds, held_out, seed)
    for name, pool in pools.items():
        _require_classes(name, pool.sounds, chosen)
    notes = _leaks(pools)
    if "test" not in pools:
        pools["test"] = pools["validation"]
        notes = (*notes, "Validation and test clips are mixed of the same sounds, drawn apart.")
    train = pools["train"]
    taken = _draw_groups(train.sounds, strong, generator(seed, "strong sources"))
    kept = tuple(sound for sound in train.sounds if sound.group in taken)
    pools["strong"] = Pool(kept, train.backgrounds)
    return Soundbank(chosen, pools, notes)


def once(pools: Iterable[Sequence[Sound]]) -> tuple[Sound, ...]:
    """Sounds of several pools, each file once, sorted by name."""
    found = {sound.path: sound for sounds in pools for sound in sounds}.values()
    return tuple(sorted(found, key=lambda sound: sound.name))


def _draw_pools(pool: Pool, held_out: float, seed: int) -> dict[str, Pool]:
    """Divide sounds by whole source recordings."""
    held = _draw_groups(pool.sounds, held_out, generator(seed, "held-out sources"))
    return {
        name: Pool(tuple(sound for sound in pool.sounds if (sound.group in held) == inside))
        for name, inside in (("train", False), ("validation", True))
    }


def _with_backgrounds(
    pools: Mapping[str, Pool], backgrounds: Sequence[Sound], held_out: float, seed: int
) -> dict[str, Pool]:
    """Divide backgrounds among pools: some for training, the others for validation and test."""
    if len(backgrounds) == 1:
        raise DataError(
            f"{backgrounds[0].path}: is the only background, and training and validation need one"
            " each; add others, or pass --backgrounds generated."
        )
    alike = [replace(sound, label="") for sound in backgrounds]
    held = _draw_groups(alike, held_out, generator(seed, "held-out backgrounds"))
    return {
        name: replace(
            pool,
            backgrounds=tuple(s for s in backgrounds if (s.group in held) == (name != "train")),
        )
        for name, pool in pools.items()
    }


def _draw_groups(sounds: Sequence[Sound], share: float, rng: np.random.Generator) -> set[str]:
    """Source recordings: a share of those of each class, one at least, and not all below 1.

    Classes of few recordings come first, since one recording may belong to several classes.
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for sound in sounds:
        groups[sound.label].add(sound.group)
    taken: set[str] = set()
    passed: set[str] = set()
    for label in sorted(groups, key=lambda label: (len(groups[label]), label)):
        own = groups[label]
        most = len(own) if share >= 1.0 else max(1, len(own) - 1)
        lacking = min(most, max(1, round(share * len(own)))) - len(own & taken)
        free = sorted(own - taken - passed)
        order = [free[place] for place in rng.permutation(len(free))]
        taken |= set(order[: max(0, lacking)])
        passed |= own - taken
    return taken


def _require_classes(pool: str, sounds: Sequence[Sound], classes: Sequence[str]) -> None:
    there = {sound.label for sound in sounds}
    for label in classes:
        if any(mark in label for mark in _MARKS):
            raise DataError(
                f"class '{label}' has a comma, a tab or a line end in its name, which tables of"
                " labels cannot hold; rename it."
            )
        if label not in there:
            raise DataError(
                f"class '{label}' has no sound in the {pool} part; it needs a source recording"
                " there that no other part has: add some, or leave the class out by --classes."
            )


def _leaks(pools: Mapping[str, Pool]) -> tuple[str, ...]:
    """A sentence for each two pools that were given with the same source recordings."""
    notes = []
    names = [name for name in POOLS if name in pools]
    for first, second in ((a, b) for place, a in enumerate(names) for b in names[place + 1 :]):
        mine, others = ({s.group for s in pools[name].sounds} for name in (first, second))
        shared = sorted(mine & others)
        if shared:
            shown = ", ".join(shared[:_SHOWN]) + (", ..." if len(shared) > _SHOWN else "")
            notes.append(
                f"{len(shared)} source recordings are in the {first} and the {second} part"
                f" ({shown}): scores will be too good."
            )
    return tuple(notes)
