"""YAML layer lists to Keras models: the only place that turns names into layers.

The grammar is in ``docs/adding_a_layer.md``. Only ``keras`` is used, so a network builds on every
Keras backend. Weights are reproducible: ``build`` sets Keras' random seed, from which every
initializer and dropout layer then draws a seed of its own.
"""

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.arguments import check_arguments, keras_error, layer_class, resolved, written
from models.selu import warn_of_mixes
from utils.config.network import INPUT, LayerItem, Network, flatten
from utils.config.places import nearest_or_all, shown
from utils.config.schema import ModelSettings

_ALIASES = {"FEATURE_VECTOR_LENGTH": "MELS", "INPUT_SEQUENCE_LENGTH": "FRAMES"}  # DCASE's names

_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])")  # Conv2D is one word


def build(
    model: ModelSettings,
    *,
    named: Mapping[str, Any],
    input_shape: tuple[int | None, ...],
    constants: Mapping[str, int | float],
    name: str,
    seed: int,
    more_inputs: Mapping[str, tuple[int | None, ...]] | None = None,
) -> Any:
    """Build a network.

    Args:
        model: the set's ``model`` section.
        named: the ``models`` block of task.yaml (``Resolved.models``).
        input_shape: shape of one clip, without the batch: ``(mels, frames, 1)``.
        constants: what the run knows: CLASS_COUNT, MELS, FRAMES; of separation SOURCES, CHANNELS.
            With CLASS_COUNT, each output must be ``(batch, classes)`` or ``(batch, steps,
            classes)``.
        name: name of the Keras model; characters that Keras refuses become ``_``.
        seed: seed of the initial weights and of dropout; sets Keras', NumPy's and Python's.
        more_inputs: shapes of further inputs by the name that ``from:`` calls them.

    Returns:
        An uncompiled functional ``keras.Model``; several outputs make a mapping by name, and so do
        several inputs, of which the first is ``input``.

    Raises:
        ConfigError: where the network is not what Keras can build, with file, line and YAML path.
    """
    import keras

    known = dict(constants)
    known |= {old: known[new] for old, new in _ALIASES.items() if new in known}
    network = flatten(model, named=named, known=known)
    keras.utils.set_random_seed(seed)
    graph = _Graph(network, {INPUT: input_shape, **(more_inputs or {})})
    inputs = dict(graph.tensors) if more_inputs else graph.tensors[INPUT]
    graph.apply_layers()
    outputs = graph.outputs(constants.get("CLASS_COUNT"))
    built = keras.Model(inputs, outputs, name=re.sub(r"[^A-Za-z0-9_.-]", "_", name))
    graph.check_all_reached(built)
    warn_of_mixes([(layer, item.place) for layer, item in graph.layers])
    return built


class _Graph:
    """The network as applied layers: tensors by layer name, and what each layer was written as."""

    def __init__(self, network: Network, shapes: Mapping[str, tuple[int | None, ...]]) -> None:
        import keras

        self._network = network
        self._inputs_known = tuple(shapes)
        self._given = _given_names(network.layers, taken=shapes)
        self.tensors = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
        self._last: Any = self.tensors[INPUT]
        self.layers: list[tuple[Any, LayerItem]] = []

    def apply_layers(self) -> None:
        """Make all layers and apply them one after the other."""
        names = _all_names(self._network.layers, self._given)
        for item, name in zip(self._network.layers, names, strict=True):
            self._add(item, name)

    def _add(self, item: LayerItem, name: str) -> None:
        """Make the layer and apply it to its inputs."""
        inputs = self._inputs(item)
        made = layer_class(item.class_name, item.place)
        item = _without_input_shape(item, inputs)
        check_arguments(made, item.arguments, item.arguments_place)
        ready = {**resolved(item.arguments, item.arguments_place), "name": name}
        shapes = " and ".join(str(tensor.shape) for tensor in inputs)
        context = written(item.arguments)
        try:
            layer = made(**ready)
            context = f"on an input of shape {shapes}"
            self._last = _applied(layer, inputs, several=item.several)
        except Exception as error:  # whatever Keras says about the layer is the file's mistake
            raise keras_error(error, item.arguments_place, context) from error
        _check_result(self._last, item, context)
        self.tensors[name] = self._last
        self.layers.append((layer, item))

    def _inputs(self, item: LayerItem) -> list[Any]:
        if item.sources is None:
            return [self._last]
        for source in item.sources:
            if source not in self.tensors:
                known = [
                    *self._inputs_known,
                    *(name for name in self._given if name in self.tensors),
                ]
                raise item.sources_place.error(
                    f"no layer named '{source}' before this one.{nearest_or_all(source, known)}"
                )
        return [self.tensors[source] for source in item.sources]

    def outputs(self, class_count: int | float | None) -> Any:
        """The output tensor, or a mapping of names to output tensors."""
        names, place = self._network.outputs, self._network.outputs_place
        by_name = {layer.name: item for layer, item in self.layers}
        for name in names:
            if name not in by_name:
                raise place.error(f"no layer named '{name}'.{nearest_or_all(name, self._given)}")
        for name in names or [next(reversed(by_name))]:
            if class_count is not None:
                _check_output(self.tensors[name], by_name[name], class_count)
        if len(names) > 1:
            return {name: self.tensors[name] for name in names}
        return self.tensors[names[0]] if names else self._last

    def check_all_reached(self, model: Any) -> None:
        """Refuse a layer that leads to no output: Keras would drop it in silence."""
        kept = {id(layer) for layer in model.layers}
        for layer, item in self.layers:
            if id(layer) not in kept:
                raise item.place.error(
                    f"nothing takes the output of '{layer.name}'; name it in from: or outputs:."
                )


def _given_names(items: Sequence[LayerItem], *, taken: Iterable[str]) -> list[str]:
    """Names that the file gives to layers; each may be given once."""
    inputs = list(taken)
    places = dict.fromkeys(inputs, "the network's input")
    for item in items:
        if "name" not in item.arguments:
            continue
        name, place = item.arguments["name"], item.arguments_place.at(item.arguments, "name")
        if not isinstance(name, str):
            raise place.error(f"expected a layer's name, received {shown(name)}.")
        if name in places:
            raise place.error(f"the name '{name}' is taken by {places[name]}; choose another.")
        places[name] = item.place.path
    return list(places)[len(inputs) :]


def _all_names(items: Sequence[LayerItem], given: Sequence[str]) -> list[str]:
    """Names of all layers: the given one, or the class name with a number.

    Keras would number over the whole process, so that a second fold's layers had other names.
    """
    names: list[str] = []
    counts: Counter[str] = Counter()
    for item in items:
        name = item.arguments.get("name")
        while name is None or ("name" not in item.arguments and name in given):
            base = _WORD_START.sub("_", item.class_name).lower()
            name = f"{base}_{counts[base]}" if counts[base] else base
            counts[base] += 1
        names.append(name)
    return names


def _without_input_shape(item: LayerItem, inputs: Sequence[Any]) -> LayerItem:
    """The layer without DCASE's ``input_shape``, which is compared with what the layer receives."""
    if "input_shape" not in item.arguments:
        return item
    stated, actual = item.arguments["input_shape"], list(inputs[0].shape[1:])
    if stated != actual:
        raise item.arguments_place.at(item.arguments, "input_shape").error(
            f"this layer's input is of shape {actual}, received {shown(stated)}: {stated}; "
            "leave input_shape out."
        )
    return item.without("input_shape")


def _applied(layer: Any, inputs: list[Any], *, several: bool) -> Any:
    """The layer's output; ``from: [a, b]`` fills several inputs (attention) or gives a list."""
    if not several:
        return layer(inputs[0])
    required = [
        p
        for p in inspect.signature(layer.call).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    return layer(*inputs) if len(required) > 1 else layer(inputs)


def _check_result(result: Any, item: LayerItem, context: str) -> None:
    """Refuse several outputs of one layer, and an output without any values."""
    import keras

    if not isinstance(result, keras.KerasTensor):
        raise item.arguments_place.error(
            f"gives {len(result)} outputs; a layer list takes layers with one output."
        )
    if any(size is not None and size <= 0 for size in result.shape):
        raise item.arguments_place.error(
            f"{context}: nothing is left, the output would be of shape {result.shape}."
        )


def _check_output(tensor: Any, item: LayerItem, class_count: int | float) -> None:
    """Refuse an output that is not one value per class."""
    shape = tensor.shape
    received = f"the output is of shape {shape}, expected (None, {class_count})"
    if len(shape) not in (2, 3):
        raise item.arguments_place.error(f"{received}; put Flatten or a global pooling before it.")
    if shape[-1] != class_count:
        raise item.arguments_place.error(f"{received}; the last layer needs units: $CLASS_COUNT.")
