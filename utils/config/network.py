"""The layer list of a network made flat: parts put in, nested lists opened, constants filled.

Needs no Keras: what a layer's name and arguments mean is the builder's business. The grammar is in
``docs/adding_a_layer.md``.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from utils.config.constants import Placed, Scope, Value, placed
from utils.config.places import Place, nearest_or_all, shown, without
from utils.config.schema import ModelSettings

INPUT = "input"  # what `from:` calls the network's input
_NETWORK_KEYS = ("constants", "layers", "outputs")
_PART_KEYS = ("use", "constants", "repeat")


@dataclass(frozen=True)
class LayerItem:
    """One layer of a flat list.

    Attributes:
        class_name: as written: a name in ``keras.layers``.
        arguments: with their constants filled in.
        place: of the layer.
        arguments_place: of the arguments, for errors about one of them.
        sources: names of earlier layers; None takes the layer before.
        several: whether ``from:`` is a list, so that the layer receives a list.
        sources_place: where ``from:`` stands.
    """

    class_name: str
    arguments: Mapping[str, Any]
    place: Place
    arguments_place: Place
    sources: tuple[str, ...] | None
    several: bool
    sources_place: Place

    def without(self, name: str) -> "LayerItem":
        """The same layer without one of its arguments."""
        return replace(self, arguments=without(self.arguments, name))


@dataclass(frozen=True)
class Network:
    """A flat network: its layers, and the names of its outputs (none: the last layer)."""

    layers: tuple[LayerItem, ...]
    outputs: tuple[str, ...]
    place: Place
    outputs_place: Place


@dataclass(frozen=True)
class _Body:
    """A network or part of ``models`` as written."""

    layers: Any
    layers_place: Place
    constants: Placed
    outputs: Any
    outputs_place: Place


def flatten(
    model: ModelSettings, *, named: Mapping[str, Any], known: Mapping[str, Value]
) -> Network:
    """Flatten a network.

    Args:
        model: the set's ``model`` section.
        named: the ``models`` block: networks and parts by name.
        known: constants that the run sets (CLASS_COUNT, MELS, FRAMES ...).

    Returns:
        Its layers in order, with constants filled in.

    Raises:
        ConfigError: for anything that the grammar does not allow.
    """
    own = Place("model")
    if model.use is None:
        outputs_place = own.at(None, "outputs")
        body = _Body(model.layers, own.at(model.layers, "layers"), {}, None, outputs_place)
    else:
        body = _body(model.use, named, own.at(None, "use"))
    constants = {**body.constants, **placed(model.constants, own.at(model.constants, "constants"))}
    scope = Scope.of_run(known).inner(defaults=constants, given={})
    path = [] if model.use is None else [model.use]
    layers = tuple(_Flattener(named).items(body.layers, body.layers_place, scope, path, {}))
    if not layers:
        raise body.layers_place.error("the layer list is empty; give at least one layer.")
    scope.check_all_used()
    outputs, outputs_place = body.outputs, body.outputs_place
    if model.outputs is not None:
        outputs, outputs_place = model.outputs, own.at(model.outputs, "outputs")
    return Network(layers, _names(outputs, outputs_place), body.layers_place, outputs_place)


def reached(model: ModelSettings, *, named: Mapping[str, Any]) -> dict[str, Any]:
    """The networks and parts of the ``models`` block that a model uses, directly or through others.

    Args:
        model: the set's ``model`` section.
        named: the ``models`` block.

    Raises:
        ConfigError: for a name that is not in ``models``.
    """
    found: dict[str, Any] = {}

    def visit(value: Any, place: Place) -> None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                visit(item, place.at(value, index))
        elif isinstance(value, Mapping) and isinstance(value.get("use"), str):
            take(value["use"], place.at(value, "use"))

    def take(name: str, place: Place) -> None:
        body = _body(name, named, place)
        if name not in found:
            found[name] = named[name]
            visit(body.layers, body.layers_place)

    if model.use is not None:
        take(model.use, Place("model.use"))
    visit(model.layers, Place("model.layers"))
    return found


def one_name(item: Any, place: Place, *, what: str) -> tuple[str, Any, Place]:
    """Name and arguments of ``Name``, ``{Name: {...}}`` or ``{class_name: Name, config: {...}}``.

    Args:
        item: as written, without ``from``.
        place: where it stands.
        what: what it is, for errors: "a layer".

    Returns:
        Its name, its arguments (a mapping) and the place of the arguments.

    Raises:
        ConfigError: for any other form.
    """
    if isinstance(item, str):
        return item, {}, place.at(None, item)
    if isinstance(item, Mapping) and "class_name" in item:
        for key in item:
            if key not in ("class_name", "config"):
                raise place.at(item, key).error(
                    f"unknown key '{key}' beside class_name.{nearest_or_all(key, ['config'])}"
                )
        name, key = item["class_name"], "config"
    elif isinstance(item, Mapping) and len(item) == 1:
        name = key = next(iter(item))
    else:
        raise place.error(
            f"expected {what}: Name or Name: {{argument: value}}, received {shown(item)}."
        )
    if not isinstance(name, str):
        raise place.error(f"expected the name of {what}, received {shown(name)}.")
    arguments = item.get(key)
    arguments_place = Place(place.at(None, name).path, place.at(item, key).mark)
    if arguments is not None and not isinstance(arguments, Mapping):
        raise arguments_place.error(
            f"expected named arguments such as {{name: value}}, received {shown(arguments)}."
        )
    return name, arguments or {}, arguments_place


class _Flattener:
    """Walks nested lists and named parts; knows the parts it is in, to refuse circles."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._uses: Counter[str] = Counter()

    def items(
        self, value: Any, place: Place, scope: Scope, path: list[str], names: Mapping[str, str]
    ) -> Iterator[LayerItem]:
        """Layers of a list in order.

        Args:
            value: the list as written.
            place: where it stands.
            scope: the constants it sees.
            path: names of the parts that the list is in.
            names: of layers inside those parts: as written -> in the whole network.
        """
        if not isinstance(value, list):
            raise place.error(f"expected a list of layers, received {shown(value)}.")
        for index, item in enumerate(value):
            here = place.at(value, index)
            if isinstance(item, list):
                yield from self.items(item, here, scope, path, names)
            elif isinstance(item, Mapping) and "use" in item:
                yield from self._part(item, here, scope, path, names)
            else:
                yield _layer(item, here, scope, names)

    def _part(
        self,
        item: Mapping[str, Any],
        place: Place,
        scope: Scope,
        path: list[str],
        names: Mapping[str, str],
    ) -> Iterator[LayerItem]:
        for key in item:
            if key not in _PART_KEYS:
                raise place.at(item, key).error(
                    f"unknown key '{key}' beside use.{nearest_or_all(key, _PART_KEYS[1:])}"
                )
        name, name_place = item["use"], place.at(item, "use")
        body = _body(name, self._named, name_place)
        if name in path:
            raise name_place.error(f"'{name}' uses itself: {' -> '.join([*path, name])}.")
        if body.outputs is not None:
            raise name_place.error(f"'{name}' has outputs of its own; a part has none.")
        times = _times(item, place, scope)
        given = placed(item.get("constants"), place.at(item, "constants"))
        inner = scope.inner(defaults=body.constants, given=given)
        used = Place(place.at(None, name).path, body.layers_place.mark)
        before = Counter(self._uses)
        for _ in range(max(times, 1)):
            self._uses[name] += 1
            own = {one: f"{name}_{self._uses[name]}_{one}" for one in _written_names(body.layers)}
            layers = self.items(body.layers, used, inner, [*path, name], {**names, **own})
            if times:
                yield from layers
            else:  # its constants are used and right, wherever it is not left out
                list(layers)
                self._uses = before


def _times(item: Mapping[str, Any], place: Place, scope: Scope) -> int:
    """How often a part is put in, one time after the other."""
    here = place.at(item, "repeat")
    times = scope.fill(item.get("repeat", 1), here)
    if isinstance(times, bool) or not isinstance(times, int) or times < 0:
        raise here.error(f"expected a whole number, at least 0, received {shown(times)}.")
    return times


def _written_names(layers: Any) -> Iterator[str]:
    """Names that a part gives to its own layers, those of parts in it left out."""
    for item in layers if isinstance(layers, list) else []:
        if isinstance(item, list):
            yield from _written_names(item)
        elif isinstance(item, Mapping) and "use" not in item:
            arguments = [value for value in item.values() if isinstance(value, Mapping)]
            yield from (one["name"] for one in arguments if isinstance(one.get("name"), str))


def _layer(item: Any, place: Place, scope: Scope, names: Mapping[str, str]) -> LayerItem:
    sources = None
    sources_place = place.at(item, "from")
    if isinstance(item, Mapping) and "from" in item:
        sources = item["from"]
        item = without(item, "from")
    name, arguments, arguments_place = one_name(item, place, what="a layer")
    bare = isinstance(item, Mapping) and "class_name" in item
    filled = scope.fill(arguments, arguments_place, bare=bare)
    own = filled.get("name")
    if isinstance(own, str) and own == arguments["name"]:  # a constant's value is its giver's name
        filled["name"] = names.get(own, own)
    taken = () if sources is None else _names(sources, sources_place)
    return LayerItem(
        class_name=name,
        arguments=filled,
        place=place,
        arguments_place=arguments_place,
        sources=None if sources is None else tuple(names.get(each, each) for each in taken),
        several=isinstance(sources, list),
        sources_place=sources_place,
    )


def _names(value: Any, place: Place) -> tuple[str, ...]:
    """Names of layers: one, several or, for null, none."""
    names = value if isinstance(value, list) else [] if value is None else [value]
    for index, name in enumerate(names):
        if not isinstance(name, str):
            here = place.at(value, index) if isinstance(value, list) else place
            raise here.error(f"expected a layer's name, received {shown(name)}.")
    if isinstance(value, list) and not names:
        raise place.error("expected at least one layer's name, received an empty list.")
    return tuple(names)


def _body(name: Any, named: Mapping[str, Any], place: Place) -> _Body:
    """Body of a network or part of ``models``; a plain list stands for its layers."""
    if not isinstance(name, str) or name not in named:
        raise place.error(f"there is no '{name}' in models.{nearest_or_all(str(name), named)}")
    body = named[name]
    place = Place("models").at(named, name)
    if isinstance(body, list):
        return _Body(body, place, {}, None, place)
    if not isinstance(body, Mapping):
        raise place.error(f"expected a mapping with the key layers, received {shown(body)}.")
    for key in body:
        if key not in _NETWORK_KEYS:
            raise place.at(body, key).error(
                f"unknown key '{key}'.{nearest_or_all(key, _NETWORK_KEYS)}"
            )
    if "layers" not in body:
        raise place.error("the key layers is missing; give the list of layers.")
    return _Body(
        layers=body["layers"],
        layers_place=place.at(body, "layers"),
        constants=placed(body.get("constants"), place.at(body, "constants")),
        outputs=body.get("outputs"),
        outputs_place=place.at(body, "outputs"),
    )
