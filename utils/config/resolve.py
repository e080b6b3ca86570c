"""task.yaml and what lies over it, resolved to the settings of one set.

Order: ``defaults`` <- ``based_on`` chain <- set <- ``demo:`` block (demo data only) <- overrides.
A ``--param_file`` is laid over task.yaml block by block before that: defaults over defaults, sets
of the same id over each other, models by name.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.config.merge import merge
from utils.config.network import reached
from utils.config.nodes import parse_yaml, read_yaml
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
from utils.config.validate import validate
from utils.errors import ConfigError

_BLOCKS = ("defaults", "sets", "models")
_SET_ONLY = ("set_id", "description", "based_on", "task", "ensemble", "demo")
"""Keys of a set that cannot be overridden."""


@dataclass(frozen=True)
class Resolved:
    """One set as it will run.

    Attributes:
        settings: checked and frozen.
        models: the ``models`` block: networks and parts by name, for ``builder.build``.
        task: name of the script that the set belongs to; None for every script.
        demo_differences: the ``demo:`` block of differences that was laid over the set; empty on
            real data.
    """

    settings: Settings
    models: MarkedDict
    task: str | None = None
    demo_differences: dict[str, Any] = field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """Everything that determines the run as plain data: settings, and the networks they use."""
        networks = reached(self.settings.model, named=self.models)
        return {**self.settings.model_dump(mode="json"), "models": _plain(networks)}


@dataclass(frozen=True)
class Catalogue:
    """All sets of task.yaml and of a parameter file."""

    source: str
    defaults: MarkedDict
    sets: dict[str, MarkedDict]
    models: MarkedDict

    def set_ids(self, task: str | None = None) -> list[str]:
        """Ids of the sets in order of the file.

        Args:
            task: only the sets of this script (their key ``task``, inherited by ``based_on``) and
                those of no script; None lists all.
        """
        return [
            set_id
            for set_id in self.sets
            if task is None or self._merged(set_id).get("task", task) == task
        ]

    def description(self, set_id: str) -> str:
        """Description of a set.

        Raises:
            ConfigError: when there is no such set.
        """
        return str(self._merged(set_id).get("description", ""))

    def resolve(
        self, set_id: str, *, overrides: Sequence[str] = (), demo: bool = False
    ) -> Resolved:
        """Merge and check one set.

        Args:
            set_id: id of the set.
            overrides: ``KEY=VALUE`` each, such as ``training.epochs=5``; the value is YAML.
            demo: whether the run uses demo data, so that the set's ``demo:`` block applies.

        Raises:
            ConfigError: when there is no such set, or something in it is wrong.
        """
        data = merge(self.defaults, self._merged(set_id))
        task, demo_block = data.get("task"), data.get("demo", MarkedDict())
        if task is not None and not isinstance(task, str):
            raise _in_set(data, "task").error(f"expected a script's name, received {shown(task)}.")
        if not isinstance(demo_block, MarkedDict):
            raise _in_set(data, "demo").error(f"expected a mapping, received {shown(demo_block)}.")
        data = without(data, "based_on", "task", "demo")
        on_demo = merge(data, demo_block)
        if demo:
            data = on_demo
        else:
            self._checked(on_demo)  # a mistake in the block shows on real data too
        for override in overrides:
            data = merge(data, _override(override))
        differences = _plain(demo_block) if demo else {}
        return Resolved(self._checked(data), self.models, task, differences)

    def _checked(self, data: MarkedDict) -> Settings:
        """Settings whose network and parts are all there."""
        settings = validate(data)
        use = settings.model.use
        if use is not None and use not in self.models:
            place = Place("model").at(data["model"], "use")
            raise place.error(f"there is no '{use}' in models.{nearest_or_all(use, self.models)}")
        reached(settings.model, named=self.models)
        return settings

    def _merged(self, set_id: str) -> MarkedDict:
        """A set laid over the sets that it is based on, without the defaults."""
        if set_id not in self.sets:
            raise ConfigError(
                f"{self.source}: there is no set '{set_id}'.{nearest(set_id, self.sets)} "
                f"Sets: {', '.join(self.sets) or 'none'}."
            )
        merged = MarkedDict()
        for link in reversed(list(self._chain(set_id))):
            merged = merge(merged, link)
        return merged

    def _chain(self, set_id: str) -> Iterator[MarkedDict]:
        """The set, the set it is based on, and so on."""
        seen = [set_id]
        while True:
            link = self.sets[seen[-1]]
            yield link
            base = link.get("based_on")
            if base is None:
                return
            place = _in_set(link, "based_on")
            if not isinstance(base, str) or base not in self.sets:
                raise place.error(
                    f"there is no set '{base}'.{nearest_or_all(str(base), self.sets)}"
                )
            if base in seen:
                raise place.error(f"'{base}' is based on itself: {' -> '.join([*seen, base])}.")
            seen.append(base)


def load(path: Path, param_file: Path | None = None) -> Catalogue:
    """Read task.yaml and the parameter file that is laid over it.

    Args:
        path: task.yaml.
        param_file: a file of the same blocks; shipped sets stay, sets of the same id are merged.

    Raises:
        ConfigError: when a file cannot be read, or its blocks are not what they should be.
    """
    files = [path] if param_file is None else [path, param_file]
    defaults, models = MarkedDict(), MarkedDict()
    sets: dict[str, MarkedDict] = {}
    for file in files:
        content = read_yaml(file)
        for key in content:
            if key not in _BLOCKS:
                raise (
                    Place("")
                    .at(content, key)
                    .error(f"unknown block.{nearest_or_all(key, _BLOCKS)}")
                )
        defaults = merge(defaults, _block(content, "defaults"))
        models = merge(models, _block(content, "models"))
        for set_id, data in _sets(content):
            sets[set_id] = merge(sets[set_id], data) if set_id in sets else data
    return Catalogue(" and ".join(map(str, files)), defaults, sets, models)


def _block(content: MarkedDict, name: str) -> MarkedDict:
    block = content.get(name)
    if block is None:
        return MarkedDict()
    if not isinstance(block, MarkedDict):
        raise Place("").at(content, name).error(f"expected a mapping, received {shown(block)}.")
    return block


def _sets(content: MarkedDict) -> Iterator[tuple[str, MarkedDict]]:
    """Sets of one file with their ids."""
    listed = content.get("sets")
    place = Place("").at(content, "sets")
    if listed is not None and not isinstance(listed, MarkedList):
        raise place.error(f"expected a list of sets, received {shown(listed)}.")
    seen: dict[str, Place] = {}
    for index, data in enumerate(listed or ()):
        here = place.at(listed, index)
        if not isinstance(data, MarkedDict):
            raise here.error(f"expected a mapping with a set_id, received {shown(data)}.")
        set_id = data.get("set_id")
        if not isinstance(set_id, str) or not set_id:
            raise here.error(f"expected a set_id of text, received {shown(set_id)}.")
        if set_id in seen:
            raise here.error(f"the set '{set_id}' is given twice (first: {seen[set_id].mark}).")
        seen[set_id] = here
        yield set_id, data


def _override(text: str) -> MarkedDict:
    """The nested mapping that ``a.b=VALUE`` stands for."""
    source = f"--override {text}"
    mark = Mark(source)
    key, equals, written = text.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(f"{source}: expected KEY=VALUE such as training.epochs=5.")
    if names[0] in _SET_ONLY:
        raise ConfigError(f"{source}: '{names[0]}' cannot be overridden; choose a set with -s.")
    value = parse_yaml(written, source, lines=False, path=key.strip())
    for name in reversed(names):
        outer = MarkedDict(mark=mark)
        outer.put(name, value, mark)
        value = outer
    return value


def _in_set(data: MarkedDict, key: str) -> Place:
    return Place("sets." + str(data.get("set_id", "?"))).at(data, key)


def _plain(value: Any) -> Any:
    """The same data in plain mappings and lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
