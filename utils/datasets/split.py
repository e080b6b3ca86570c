"""Validation clips taken out of training clips: by location and city, by group, or one by one."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from utils.config.schema import ValidationSettings
from utils.datasets.base import Clip
from utils.errors import DataError

Item = TypeVar("Item")


def split_validation(
    clips: Sequence[Clip], settings: ValidationSettings
) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """Divide training clips into training and validation clips.

    Args:
        clips: labelled clips.
        settings: method, share, number of candidates and seed.

    Returns:
        Training clips and validation clips, both in the order of ``clips``.

    Raises:
        DataError: when the method needs what the clips do not tell, or a part stays empty.
    """
    methods: dict[str, Callable[[Sequence[Clip], ValidationSettings], set[str]]] = {
        "location_city": _whole_locations,
        "group": _whole_groups,
        "random": _single_clips,
    }
    chosen = methods[settings.method](clips, settings)
    training = tuple(clip for clip in clips if clip.name not in chosen)
    validation = tuple(clip for clip in clips if clip.name in chosen)
    for part, name in ((training, "training"), (validation, "validation")):
        if not part:
            raise DataError(
                f"dataset.validation: method '{settings.method}' with amount {settings.amount}"
                f" leaves no {name} clips of {len(clips)}; change the amount or the method."
            )
    return training, validation


def legacy_shuffle(items: list[Item], uniform: Callable[[], float]) -> None:
    """Shuffle in place as ``random.shuffle(items, random.random)`` did before Python 3.11.

    The published split of the DCASE baseline depends on it.

    Args:
        items: list to reorder.
        uniform: draws from [0, 1).
    """
    for last in range(len(items) - 1, 0, -1):
        other = int(uniform() * (last + 1))
        items[last], items[other] = items[other], items[last]


def _whole_locations(clips: Sequence[Clip], settings: ValidationSettings) -> set[str]:
    """Split of the DCASE baselines, dcase_util's ``identifier_two_level_hierarchy``.

    Scene by scene: each candidate takes, in every city, the first ``ceil(amount * n)`` of its
    shuffled locations; the candidate whose share of clips is nearest to ``amount`` is kept. One
    random stream runs through all scenes, so the order of scenes, cities and locations matters:
    all are sorted by name.
    """
    uniform = random.Random(settings.seed).random  # noqa: S311 - a split, not a secret
    chosen: set[str] = set()
    for cities in _locations_by_scene_and_city(clips).values():
        total = sum(len(names) for city in cities.values() for names in city.values())
        best: list[str] = []
        best_distance = math.inf
        for _ in range(settings.candidates):
            names = _draw_locations(cities, settings.amount, uniform)
            distance = abs(len(names) / total - settings.amount)
            if distance < best_distance:
                best, best_distance = names, distance
        chosen.update(best)
    return chosen


def _locations_by_scene_and_city(
    clips: Sequence[Clip],
) -> dict[str, dict[str, dict[str, list[str]]]]:
    """Clip names by scene, city and location, each level sorted by name."""
    tree: dict[str, dict[str, dict[str, list[str]]]] = {}
    for clip in clips:
        if not clip.labels or clip.group is None or clip.city is None:
            raise DataError(
                f"{clip.name}: has no city or no location, which dataset.validation.method"
                " 'location_city' needs; choose method 'group' or 'random'."
            )
    for clip in sorted(clips, key=lambda clip: (clip.labels, clip.city, clip.group, clip.name)):
        city = tree.setdefault(clip.labels[0], {}).setdefault(str(clip.city), {})
        city.setdefault(str(clip.group), []).append(clip.name)
    return tree


def _draw_locations(
    cities: dict[str, dict[str, list[str]]], amount: float, uniform: Callable[[], float]
) -> list[str]:
    """Clip names of one candidate: a share of every city's locations."""
    names: list[str] = []
    for locations in cities.values():
        order = list(locations)
        legacy_shuffle(order, uniform)
        for location in order[: math.ceil(amount * len(order))]:
            names += locations[location]
    return names


def _whole_groups(clips: Sequence[Clip], settings: ValidationSettings) -> set[str]:
    """Whole groups, each class near its share; a clip without a group stands for itself.

    Each candidate walks through the groups in random order and takes a group if that brings the
    classes nearer to their shares (sum of squared differences in clips).
    """
    groups = clips_by_group(clips)
    contents = [Counter(label for clip in group for label in clip.labels) for group in groups]
    names = [[clip.name for clip in group] for group in groups]
    wanted = {label: settings.amount * n for label, n in sum(contents, Counter()).items()}
    draws = random.Random(settings.seed)  # noqa: S311 - a split, not a secret
    best: list[int] = []
    best_cost = math.inf
    for _ in range(settings.candidates):
        order = list(range(len(names)))
        draws.shuffle(order)
        taken, cost = _fill(order, contents, wanted)
        if cost < best_cost:
            best, best_cost = taken, cost
    return {name for index in best for name in names[index]}


def _fill(
    order: Sequence[int], contents: Sequence[Counter[str]], wanted: dict[str, float]
) -> tuple[list[int], float]:
    """Groups taken in this order while each brings the classes nearer, and the remaining cost."""
    lacking = dict(wanted)
    taken = []
    for index in order:
        gain = sum(
            count * (2.0 * lacking[label] - count) for label, count in contents[index].items()
        )
        if gain > 0.0:
            taken.append(index)
            for label, count in contents[index].items():
                lacking[label] -= count
    return taken, sum(value * value for value in lacking.values())


def _single_clips(clips: Sequence[Clip], settings: ValidationSettings) -> set[str]:
    """Single clips, the share of each class rounded; a class of one clip stays in training."""
    draws = random.Random(settings.seed)  # noqa: S311 - a split, not a secret
    chosen: set[str] = set()
    for names in names_by_class(clips):
        share = min(max(round(settings.amount * len(names)), 1), len(names) - 1)
        chosen.update(draws.sample(names, share))
    return chosen


def names_by_class(clips: Sequence[Clip]) -> list[list[str]]:
    """Names of the clips of each class, both sorted.

    Where any clip has several labels (mixtures), most combinations occur once, and no share of them
    could be taken: then all clips are one list, without regard to labels.

    Args:
        clips: labelled clips.
    """
    several = any(len(clip.labels) > 1 for clip in clips)
    classes: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for clip in clips:
        classes[() if several else clip.labels].append(clip.name)
    return [sorted(classes[labels]) for labels in sorted(classes)]


def clips_by_group(clips: Sequence[Clip]) -> list[list[Clip]]:
    """Whole groups, by the name of their first clip; a clip without a group stands for itself.

    Args:
        clips: clips in any order.
    """
    groups: dict[tuple[bool, str], list[Clip]] = defaultdict(list)
    for clip in sorted(clips, key=lambda clip: clip.name):
        groups[(clip.group is None, clip.group or clip.name)].append(clip)
    return list(groups.values())
