"""task.yaml and what lies over it, resolved to the settings of one set.

Order: ``defaults`` <- ``based_on`` chain <- set <- ``demo:`` block (demo data only) <- overrides.
An arm of a study is a set too, ``STUDY/ARM``: its base as it would run <- ``study.common`` <- the
arm <- overrides.
A ``--param_file`` is laid over task.yaml block by block before that: defaults over defaults, sets
of the same id over each other, models by name.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.config.merge import merge, with_network_first
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
from utils.config.study_grid import with_nested_paths
from utils.config.study_parts import Study, nested, own_keys, take_apart
from utils.config.study_section import rate_text
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
        teachers: of ``training.distillation``, in its order: sets as resolved, folders as written;
            :meth:`Catalogue.resolve` leaves it empty.
    """

    settings: Settings
    models: MarkedDict
    task: str | None = None
    demo_differences: dict[str, Any] = field(default_factory=dict)
    teachers: "tuple[Resolved | str, ...]" = ()

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
        """Ids of the sets in order of the file; of a study its own, not those of its arms.

        Args:
            task: only the sets of this script (their key ``task``, inherited by ``based_on`` and
                by a study from its base) and those of no script; None lists all.
        """
        return [one for one in self.sets if task is None or self._task(one) in (None, task)]

    def _task(self, set_id: str) -> Any:
        """Script of a set, as written."""
        data = merge(self.defaults, self._merged(set_id))
        study = data.get("study")
        base = study.get("base") if isinstance(study, MarkedDict) else None
        if "task" not in data and isinstance(base, str) and base in self.sets:
            return self._merged(base).get("task")
        return data.get("task")

    def has(self, set_id: str) -> bool:
        """Whether there is such a set, or such a study of which it may be an arm."""
        return set_id in self.sets or set_id.rpartition("/")[0] in self.sets

    def is_study(self, set_id: str) -> bool:
        """Whether a set is a study."""
        return self._merged(set_id).get("study") is not None

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
            set_id: id of the set; of an arm of a study ``STUDY/ARM``, or ``STUDY/ARM@RATE`` with
                another learning rate than the arm is written with. A study resolves to what its
                arms have in common, beside its section ``study``; all its arms are checked.
            overrides: ``KEY=VALUE`` each, such as ``training.epochs=5``; the value is YAML. Those
                of ``study`` change a study, the others each of its arms.
            demo: whether the run uses demo data, so that the set's ``demo:`` block applies.

        Raises:
            ConfigError: when there is no such set, or something in it is wrong.
        """
        given = with_network_first([with_nested_paths(_override(text)) for text in overrides])
        study_id, _, arm = set_id.rpartition("/")
        if set_id not in self.sets and study_id in self.sets:
            if not self.is_study(study_id):
                raise ConfigError(f"{self.source}: the set '{study_id}' has no arms: no study.")
            return self._arm(self._study(study_id, given, demo=demo), arm, demo=demo)
        data = self._merged(set_id)
        if data.get("study") is not None:
            if not demo and "demo" in data:  # a mistake in the block shows on real data too
                self._whole(self._study(set_id, [], demo=True), data, demo=True)
            return self._whole(self._study(set_id, given, demo=demo), data, demo=demo)
        for one in given:
            if "study" in one:
                raise Place("study").at(one, "study").error(f"the set '{set_id}' is no study.")
        layer = merge(self.defaults, data)
        return self._laid_out([layer], given, _script(layer), demo=demo)

    def _laid_out(
        self,
        layers: Sequence[MarkedDict],
        given: Sequence[MarkedDict],
        task: str | None,
        *,
        demo: bool,
    ) -> Resolved:
        """A set made of layers, each with a ``demo`` block of its own, and of overrides."""
        data, differences = _over_each_other(layers, demo=demo)
        if not demo:  # a mistake in a block shows on real data too
            self._checked(_over_each_other(layers, demo=True)[0])
        for one in given:
            data = merge(data, one)
        return Resolved(self._checked(data), self.models, task, _plain(differences))

    def _study(self, set_id: str, given: Sequence[MarkedDict], *, demo: bool) -> Study:
        """A study taken apart."""

        def base(name: str, place: Place) -> MarkedDict:
            if name not in self.sets:
                raise place.error(f"there is no set '{name}'.{nearest_or_all(name, self.sets)}")
            layer = merge(self.defaults, self._merged(name))
            _script(layer)
            return layer

        return take_apart(set_id, self._merged(set_id), given, demo=demo, base=base)

    def _whole(self, study: Study, data: MarkedDict, *, demo: bool) -> Resolved:
        """What the arms of a study have in common, and its section; every arm is checked."""
        own = own_keys(study.set_id, str(data.get("description", "")))
        own.put("study", study.section, data.marks.get("study"))
        found = self._laid_out([*study.layers, own], study.given, study.task, demo=demo)
        for arm in found.settings.study.arms if found.settings.study else ():
            self._arm(study, arm, demo=demo)
        return found

    def _arm(self, study: Study, named: str, *, demo: bool) -> Resolved:
        """An arm, ``ARM`` or ``ARM@RATE``, as a set of its own."""
        name, at, text = named.partition("@")
        arm = study.arm(name)
        found = self._laid_out(arm.layers, study.given, study.task, demo=demo)
        if not at and not arm.searched:
            return found
        optimizer = found.settings.training.optimizer
        written = arm.written_rate(optimizer)
        rate = arm.rate(text) if at else written
        if rate == written:
            return found
        keys = ("training", "optimizer", *optimizer, "learning_rate")
        changed = nested(keys, rate, arm.place.mark)
        own = own_keys(f"{arm.set_id}@{rate_text(rate)}", found.settings.description)
        return self._laid_out([*arm.layers, own], [*study.given, changed], study.task, demo=demo)

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
        yield set_id, with_nested_paths(data)


def overridden(text: str) -> tuple[str, ...]:
    """Paths of the values that an override ``KEY=VALUE`` gives; a mapping gives several.

    Raises:
        ConfigError: for a text of another form.
    """
    return tuple(".".join(path) for path in _leaves(_override(text)))


def _leaves(value: Any) -> Iterator[tuple[str, ...]]:
    """Keys on the way to each value of nested mappings."""
    if not isinstance(value, dict):
        yield ()
        return
    for key, inner in value.items():
        yield from ((str(key), *rest) for rest in _leaves(inner))


def _override(text: str) -> MarkedDict:
    """The nested mapping that ``a.b=VALUE`` stands for."""
    source = f"--override {text}"
    key, equals, written = text.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(f"{source}: expected KEY=VALUE such as training.epochs=5.")
    if names[0] in _SET_ONLY:
        raise ConfigError(f"{source}: '{names[0]}' cannot be overridden; choose a set with -s.")
    return nested(names, parse_yaml(written, source, lines=False, path=key.strip()), Mark(source))


def _over_each_other(layers: Sequence[MarkedDict], *, demo: bool) -> tuple[MarkedDict, MarkedDict]:
    """Layers merged, on demo data each followed by its ``demo`` block; and these blocks."""
    data, blocks = MarkedDict(), MarkedDict()
    for layer in layers:
        block = layer.get("demo", MarkedDict())
        if not isinstance(block, MarkedDict):
            raise _in_set(layer, "demo").error(f"expected a mapping, received {shown(block)}.")
        data = merge(data, without(layer, "based_on", "task", "demo"))
        if demo:
            data, blocks = merge(data, block), merge(blocks, block)
    return data, blocks


def _script(data: MarkedDict) -> str | None:
    """Script that a set belongs to; None for every script."""
    task = data.get("task")
    if task is not None and not isinstance(task, str):
        raise _in_set(data, "task").error(f"expected a script's name, received {shown(task)}.")
    return task


def _in_set(data: MarkedDict, key: str) -> Place:
    set_id = data.get("set_id")
    return Place(f"sets.{set_id}" if set_id else "study").at(data, key)


def _plain(value: Any) -> Any:
    """The same data in plain mappings and lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
