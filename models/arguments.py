"""Names and arguments of a layer list as Keras has them: looked up, checked, made into objects."""

import inspect
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from utils.config.network import one_name
from utils.config.places import Place, nearest, nearest_or_all, shown
from utils.errors import ConfigError

_INNER_LAYERS = ("layer", "backward_layer", "cell", "cells")  # arguments of wrappers
_EVERY_LAYER = ("name", "dtype", "trainable", "activity_regularizer")
_RUNS_CODE = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
_NO_LAYERS = ("Layer", "Wrapper", "InputLayer", *_RUNS_CODE)
_NO_NAMES = ("get", "serialize", "deserialize")  # functions of the modules that hold the names
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_NODE = re.compile(r"\{\{function_node .*?\}\} ?")
_PREAMBLE = re.compile(r"Exception encountered when calling .*?\n\n", re.DOTALL)


def layer_class(name: str, place: Place) -> Any:
    """The class of a layer in :mod:`models.layers` or ``keras.layers``.

    Args:
        name: as written.
        place: where, for errors.

    Raises:
        ConfigError: when there is no such layer, or it would run code from the file.
    """
    import keras

    from models.layers import OWN

    if name in OWN:
        return OWN[name]
    if name in _RUNS_CODE:
        raise place.error(
            f"{name} runs code of its own and is not allowed; write a layer in models/layers.py."
        )
    if name in ("Input", "InputLayer"):
        raise place.error(f"the run makes the input itself; leave {name} out.")
    found = getattr(keras.layers, name, None)
    if name not in _NO_LAYERS and _is_layer(found):
        return found
    known = [*OWN, *(key for key in dir(keras.layers) if _is_layer(getattr(keras.layers, key)))]
    raise place.error(
        f"unknown layer '{name}'.{nearest(name, [key for key in known if key not in _NO_LAYERS])}"
    )


def _is_layer(candidate: Any) -> bool:
    import keras

    return inspect.isclass(candidate) and issubclass(candidate, keras.layers.Layer)


def check_arguments(made: Any, arguments: Mapping[str, Any], place: Place) -> None:
    """Refuse unknown and missing arguments of a class.

    Args:
        made: the class.
        arguments: by name.
        place: of the arguments, for errors.

    Raises:
        ConfigError: with the nearest right name.
    """
    parameters = list(inspect.signature(made.__init__).parameters.values())[1:]
    by_name = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    known = list(by_name)
    if _is_layer(made) and any(p.kind is p.VAR_KEYWORD for p in parameters):
        known += [name for name in _EVERY_LAYER if name not in by_name]
    for name in arguments:
        if name not in known:
            raise place.at(arguments, name).error(
                f"{made.__name__} has no argument '{name}'.{nearest_or_all(name, known)}"
            )
    for name, parameter in by_name.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise place.error(f"{made.__name__} needs the argument '{name}'.")


def resolved(arguments: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """Arguments as Keras takes them: inner layers, initializers and regularizers become objects.

    Args:
        arguments: as written, with constants filled in.
        place: of the arguments, for errors.

    Raises:
        ConfigError: for an inner name or argument that Keras does not know.
    """
    return {
        name: _object(name, value, place.at(arguments, name)) for name, value in arguments.items()
    }


def _object(name: str, value: Any, place: Place) -> Any:
    if name in _INNER_LAYERS and value is not None:
        if name == "cells" and isinstance(value, list):
            return [_inner_layer(item, place.at(value, i)) for i, item in enumerate(value)]
        return _inner_layer(value, place)
    module = _module(name)
    if module is not None and isinstance(value, Mapping):
        return _named_object(module, value, place)
    if module is not None and isinstance(value, str):
        return _known_name(module, name, value, place)
    if isinstance(value, Mapping):
        raise place.error(f"expected a single value or a list, received {shown(value)}.")
    return _plain_list(value)


def _plain_list(value: Any) -> Any:
    return [_plain_list(item) for item in value] if isinstance(value, list) else value


def _inner_layer(item: Any, place: Place) -> Any:
    """The layer that a wrapper's argument stands for."""
    name, arguments, inner = one_name(item, place, what="a layer")
    made = layer_class(name, place)
    return _made(made, arguments, inner)


def _made(made: Any, arguments: Mapping[str, Any], place: Place) -> Any:
    check_arguments(made, arguments, place)
    ready = resolved(arguments, place)
    try:
        return made(**ready)
    except Exception as error:  # whatever Keras says about the arguments is the file's mistake
        raise keras_error(error, place, written(arguments)) from error


def _module(argument: str) -> ModuleType | None:
    """The Keras module that an argument's names come from."""
    import keras

    kinds = {
        "activation": keras.activations,
        "initializer": keras.initializers,
        "regularizer": keras.regularizers,
        "constraint": keras.constraints,
    }
    return kinds.get(argument.rpartition("_")[2])


def _named_object(module: ModuleType, value: Mapping[str, Any], place: Place) -> Any:
    """An initializer, regularizer or constraint written as ``{Name: {argument: value}}``."""
    kind = module.__name__.rpartition(".")[2].removesuffix("s")
    name, arguments, inner = one_name(value, place, what=f"an {kind}")
    known = [key for key in dir(module) if inspect.isclass(getattr(module, key))]
    if name not in known:
        raise place.error(f"unknown {kind} '{name}'.{nearest_or_all(name, known)}")
    return _made(getattr(module, name), arguments, inner)


def _known_name(module: ModuleType, argument: str, value: str, place: Place) -> str:
    """A name such as ``relu`` or ``lecun_normal``, checked."""
    try:
        module.get(value)
    except ValueError as error:
        known = [key for key in dir(module) if key[0].islower() and key not in _NO_NAMES]
        raise place.error(f"unknown {argument} '{value}'.{nearest_or_all(value, known)}") from error
    return value


def written(arguments: Mapping[str, Any]) -> str:
    """``with filters: 16, padding: same``: the arguments that a message is about."""
    return "with " + (", ".join(f"{name}: {value}" for name, value in arguments.items()) or "none")


def keras_error(error: Exception, place: Place, context: str = "") -> ConfigError:
    """What Keras says, in one line without colours and call listings.

    Args:
        error: raised by Keras.
        place: the layer's.
        context: put before Keras' words, such as the shape of the input.
    """
    text = _NODE.sub("", _PREAMBLE.sub("", _ANSI.sub("", str(error))))
    text = text.split("\n\nArguments received by")[0]
    words = " ".join(text.split()) or type(error).__name__
    return place.error(f"{context}: {words}" if context else words)
