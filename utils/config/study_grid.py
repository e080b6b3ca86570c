"""Key ``grid`` of a study: values of several parameters, whose product makes arms.

An axis is the path of a value in a set with a list of values, or a name of one's own with a mapping
of alternatives, each of them differences as an arm has them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from utils.config.merge import merge, with_network_first
from utils.config.places import (
    Mark,
    MarkedDict,
    MarkedList,
    Place,
    nearest,
    nearest_or_all,
    shown,
    without,
)
from utils.config.schema import Settings
from utils.config.study_section import RATES

GRID = "grid"
_WORDS = {None: "null", True: "true", False: "false"}


@dataclass(frozen=True)
class _Choice:
    """One value of an axis: its part of an arm's name, its differences, where it is written."""

    name: str
    differences: MarkedDict
    mark: Mark | None


def with_grid(section: MarkedDict) -> MarkedDict:
    """A section ``study`` whose ``arms`` are those written, then those of its grid.

    The first axis varies slowest; the name of an arm has a part for each axis, ``width16-depth4``.
    Where two axes give the same value, the later one wins.

    Args:
        section: as written, paths of the grid as nested mappings.

    Raises:
        ConfigError: for a path that no set has, an axis without values, an arm that is there twice.
    """
    grid, place = section.get(GRID), Place("study").at(section, GRID)
    if grid is None:
        return section
    if not isinstance(grid, MarkedDict):
        raise place.error(
            f"expected a mapping of paths to lists of values, received {shown(grid)}."
        )
    axes = list(_axes(grid, place))
    if not axes:
        raise place.error("expected at least one axis, such as model.constants.WIDTH: [16, 32].")
    written = section.get("arms")
    if written is not None and not isinstance(written, MarkedDict):
        return section  # which is told where sections are checked
    arms = without(written or MarkedDict(mark=grid.mark))
    for choices in product(*axes):
        name, differences = "-".join(one.name for one in choices), MarkedDict(mark=grid.mark)
        if name in arms and name not in (written or ()):
            raise place.error(
                f"two combinations of its axes make the arm '{name}'; rename an alternative."
            )
        if name in arms:
            raise (
                Place("study.arms")
                .at(written, name)
                .error(f"the arm '{name}' is made by study.grid too; name one of them otherwise.")
            )
        for one in with_network_first([choice.differences for choice in choices]):
            differences = merge(differences, one)
        arms.put(name, differences, choices[-1].mark)
    whole = without(section)
    whole.put("arms", arms, section.marks.get("arms", section.marks.get(GRID)))
    return whole


def with_nested_paths(data: MarkedDict) -> MarkedDict:
    """A set whose grids, that of ``demo`` too, have their paths as nested mappings.

    So a path that is written with dots and one from ``--override`` are laid over each other.

    Args:
        data: a set as written, or an override.

    Raises:
        ConfigError: for an axis that another one is, or is a part of.
    """
    study, demo = data.get("study"), data.get("demo")
    nested = without(data)
    if isinstance(study, MarkedDict) and isinstance(study.get(GRID), MarkedDict):
        inner = without(study)
        inner.put(GRID, _nested(study[GRID]), study.marks.get(GRID))
        nested.put("study", inner, data.marks.get("study"))
    if isinstance(demo, MarkedDict):
        nested.put("demo", with_nested_paths(demo), data.marks.get("demo"))
    return nested


def _nested(grid: MarkedDict) -> MarkedDict:
    """Keys with dots taken apart."""
    _refuse_hidden(grid)
    found = MarkedDict(mark=grid.mark)
    for key, value in grid.items():
        mark, (*outer, last) = grid.marks.get(key), key.split(".")
        one = MarkedDict(mark=mark)
        one.put(last, value, mark)
        for name in reversed(outer):
            around = MarkedDict(mark=mark)
            around.put(name, one, mark)
            one = around
        found = merge(found, one, ("study", GRID))
    return found


def _refuse_hidden(grid: MarkedDict) -> None:
    """Refuse a key whose axis another key gives too, or a part of it: one would vanish."""
    taken: dict[tuple[str, ...], str] = {}
    for key, value in grid.items():
        for path in _ends(value, tuple(key.split("."))):
            for other, name in taken.items():
                least = min(len(path), len(other))
                if name != key and path[:least] == other[:least]:
                    raise (
                        Place("study.grid")
                        .at(grid, key)
                        .error(
                            f"'{'.'.join(path)}' and '{'.'.join(other)}' are one axis or part of "
                            "each other; give one of them."
                        )
                    )
            taken[path] = key


def _ends(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Paths of what is no mapping; null, which leaves an axis out, is none."""
    if isinstance(value, MarkedDict) and value:
        for key, inner in value.items():
            yield from _ends(inner, (*path, key))
    elif value is not None:
        yield path


def _axes(grid: MarkedDict, place: Place) -> Iterator[list[_Choice]]:
    """The choices of each axis."""
    paths = [path for path, _, _ in _leaves(grid, place)]
    for key, value in grid.items():
        here = place.at(grid, key)
        if key in Settings.model_fields:
            for path, values, where in _leaves(_only(grid, key), place):
                yield _values(path, values, where, _label(path, paths))
        elif isinstance(value, MarkedDict):
            yield _alternatives(key, value, here)
        elif value is not None:
            raise here.error(
                f"a set has no '{key}'.{nearest_or_all(key, Settings.model_fields)} "
                "An axis with a name of its own is a mapping of alternatives."
            )


def _only(grid: MarkedDict, key: str) -> MarkedDict:
    return without(grid, *(grid.keys() - {key}))


def _leaves(
    tree: MarkedDict, place: Place, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, Place]]:
    """Path, values and place of the axes that vary a value of a set; null is none."""
    for key, value in tree.items():
        here, below = place.at(tree, key), (*path, key)
        if below[0] not in Settings.model_fields or value is None:
            continue
        if isinstance(value, MarkedDict) and value:
            yield from _leaves(value, here, below)
        else:
            yield below, value, here


def _values(path: Sequence[str], values: Any, place: Place, label: str) -> list[_Choice]:
    """The values of a path."""
    if not isinstance(values, MarkedList) or not values:
        received = "an empty one" if values == [] else shown(values)
        raise place.error(
            f"expected a list of values, received {received}. (Alternatives stand under a name "
            "that no section has.)"
        )
    found: dict[str, _Choice] = {}
    for index, value in enumerate(values):
        here = place.at(values, index)
        if isinstance(value, list | dict):
            raise here.error(
                f"{shown(value)} makes no name of an arm; put it under an axis with a name of its "
                "own, as NAME: {alternative: {...}}."
            )
        name = _named(label, value)
        if name in found:
            raise here.error(f"{_text(value)} is given twice; give each value once.")
        differences = MarkedDict(mark=here.mark)
        differences.put(path[-1], value, here.mark)
        for outer in reversed(path[:-1]):
            around = MarkedDict(mark=here.mark)
            around.put(outer, differences, here.mark)
            differences = around
        found[name] = _Choice(name, differences, here.mark)
    return list(found.values())


def _alternatives(axis: str, alternatives: MarkedDict, place: Place) -> list[_Choice]:
    """Differences by name."""
    if not alternatives:
        raise place.error("expected alternatives by name, received an empty mapping.")
    for name, differences in alternatives.items():
        here = place.at(alternatives, name)
        if not isinstance(differences, MarkedDict):
            raise here.error(
                f"expected the differences of an alternative, received {shown(differences)}."
            )
        for key in differences:
            if key not in (*Settings.model_fields, "demo", RATES):
                raise here.at(differences, key).error(
                    f"a set has no '{key}'.{nearest_or_all(key, Settings.model_fields)} Nor has it "
                    f"'{axis}', so this is taken for an alternative of an axis of that name."
                    f"{nearest(axis, Settings.model_fields)}"
                )
    return [
        _Choice(name, differences, alternatives.marks.get(name))
        for name, differences in alternatives.items()
    ]


def _label(path: Sequence[str], paths: Sequence[Sequence[str]]) -> str:
    """The end of a path, as long as it takes to tell it from the others."""
    for size in range(1, len(path)):
        ends = Counter(tuple(other[-size:]) for other in paths)
        if ends[tuple(path[-size:])] == 1:
            return "_".join(path[-size:]).lower()
    return "_".join(path).lower()


def _named(label: str, value: Any) -> str:
    """Part of an arm's name: ``width16``, ``rate0_5``, ``width_1_16``, ``format_int8``."""
    text = "".join(sign if sign.isalnum() or sign in "+-" else "_" for sign in _text(value))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{label}{'' if is_number and not label[-1:].isdigit() else '_'}{text}"


def _text(value: Any) -> str:
    """A value as YAML has it; whole numbers without a point."""
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    return f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)
