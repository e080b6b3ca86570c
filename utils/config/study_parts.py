"""A study taken apart: its section, its base, the layers of which each of its arms is made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utils.config.merge import merge
from utils.config.places import (
    Mark,
    MarkedDict,
    Place,
    nearest_or_all,
    shown,
    without,
)
from utils.config.study_grid import with_grid
from utils.config.study_section import RATES, is_rate

_KEYS = ("set_id", "description", "based_on", "task", "demo", "study")


@dataclass(frozen=True)
class Study:
    """What a study is made of.

    Attributes:
        set_id: id of the study.
        section: ``study``, with the differences of demo data and the overrides.
        layers: what all arms have in common: the base, and the differences of all arms.
        given: overrides of the arms.
        task: script of the study and of its base.
    """

    set_id: str
    section: MarkedDict
    layers: tuple[MarkedDict, ...]
    given: tuple[MarkedDict, ...]
    task: str | None

    def arm(self, name: str) -> "Arm":
        """An arm by its name.

        Raises:
            ConfigError: when there is no such arm, or it is no mapping.
        """
        arms, place = self.section.get("arms"), Place("study").at(self.section, "arms")
        if not isinstance(arms, MarkedDict) or name not in arms:
            known = arms if isinstance(arms, MarkedDict) else ()
            raise place.error(f"there is no arm '{name}'.{nearest_or_all(name, known)}")
        arm, place = arms[name], place.at(arms, name)
        if not isinstance(arm, MarkedDict):
            raise place.error(f"expected a mapping, received {shown(arm)}.")
        rates = arm[RATES] if RATES in arm else self.section.get("search")
        described = str(arm.get("description", f"arm {name} of {self.set_id}"))
        set_id = f"{self.set_id}/{name}"
        layers = (*self.layers, without(arm, RATES), own_keys(set_id, described))
        return Arm(set_id, layers, place, searched=bool(rates))


@dataclass(frozen=True)
class Arm:
    """An arm of a study.

    Attributes:
        set_id: ``STUDY/ARM``.
        layers: what it is made of, without overrides.
        place: where it is written.
        searched: whether its learning rate is searched.
    """

    set_id: str
    layers: tuple[MarkedDict, ...]
    place: Place
    searched: bool

    def written_rate(self, optimizer: Mapping[str, Mapping[str, Any]]) -> float:
        """Learning rate that its optimizer is written with.

        Args:
            optimizer: ``training.optimizer`` as resolved.

        Raises:
            ConfigError: when there is none that could be changed.
        """
        ((name, arguments),) = optimizer.items()
        rate = arguments.get("learning_rate")
        if rate is None or not is_rate(rate):
            raise self.place.error(
                f"{name} has no learning_rate above 0 that could be changed; write one, or leave "
                f"the arm out of the search with {RATES}: []."
            )
        return float(rate)

    def rate(self, text: str) -> float:
        """The learning rate behind the ``@`` of an arm's id.

        Raises:
            ConfigError: when it is none.
        """
        try:
            rate = float(text)
        except ValueError:
            rate = 0.0
        if not is_rate(rate):
            raise self.place.error(f"'@{text}': expected a learning rate above 0, as in @0.01.")
        return rate


def take_apart(
    set_id: str,
    data: MarkedDict,
    given: Sequence[MarkedDict],
    *,
    demo: bool,
    base: Callable[[str, Place], MarkedDict],
) -> Study:
    """Take a study apart.

    Args:
        set_id: id of the study.
        data: the study as written.
        given: overrides: those of ``study`` change its section, the others its arms.
        demo: whether its ``demo`` block applies.
        base: finds a set, over the defaults; told where it is named.

    Raises:
        ConfigError: for keys that a study cannot have, and a base that cannot be varied.
    """
    for key in data:
        if key not in _KEYS:
            raise _in_set(set_id, data, key).error(
                f"a study has no '{key}' of its own; put it under study.common."
            )
    section = _section(set_id, data, given, demo=demo)
    under = _base(section, base)
    task, script = data.get("task"), under.get("task")
    if task not in (None, script):
        raise _in_set(set_id, data, "task").error(
            f"its base '{section['base']}' is of {script or 'no script'}; leave the task out."
        )
    common = section.get("common")
    layers = (under, common) if isinstance(common, MarkedDict) else (under,)
    of_arms = tuple(one for one in given if "study" not in one)
    return Study(set_id, section, layers, of_arms, script)


def own_keys(set_id: str, description: str) -> MarkedDict:
    """What tells a set from those that it is made of."""
    own = MarkedDict()
    own.put("set_id", set_id, None)
    own.put("description", description, None)
    return own


def nested(names: Sequence[str], value: Any, mark: Mark | None) -> MarkedDict:
    """``{a: {b: value}}`` for the names a and b, all of it from one place."""
    *outer, last = names
    mapping = MarkedDict(mark=mark)
    mapping.put(last, value, mark)
    return nested(outer, mapping, mark) if outer else mapping


def _section(
    set_id: str, data: MarkedDict, given: Sequence[MarkedDict], *, demo: bool
) -> MarkedDict:
    """The section ``study`` with what lies over it."""
    block = data.get("demo", MarkedDict())
    if not isinstance(block, MarkedDict) or not block.keys() <= {"study"}:
        raise _in_set(set_id, data, "demo").error(
            "expected `study: ...` alone, what is different in the study on demo data."
        )
    own = without(data, *(data.keys() - {"study"}))
    for over in (*([block] if demo else []), *given):
        own = merge(own, without(over, *(over.keys() - {"study"})))
    section = own["study"]
    if not isinstance(section, MarkedDict):
        raise Place("").at(own, "study").error(f"expected a mapping, received {shown(section)}.")
    return with_grid(section)


def _base(section: MarkedDict, find: Callable[[str, Place], MarkedDict]) -> MarkedDict:
    """The set that is varied, over the defaults."""
    place, base = Place("study").at(section, "base"), section.get("base")
    if not isinstance(base, str):
        raise place.error(f"name the set that is varied, received {shown(base)}.")
    data = find(base, place)
    for key, kind in (("study", "a study"), ("ensemble", "an ensemble")):
        if data.get(key):
            raise place.error(f"'{base}' is {kind} itself; name a set with a network.")
    return data


def _in_set(set_id: str, data: MarkedDict, key: str) -> Place:
    return Place(f"sets.{set_id}").at(data, key)
