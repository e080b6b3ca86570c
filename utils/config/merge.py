"""Laying one part of the configuration over another: mappings merge, lists and scalars replace."""

from collections.abc import Mapping, Sequence
from typing import Any

from utils.config.places import MarkedDict

_ONE_NAME = {
    ("training", "optimizer"),
    ("compression", "channels", "optimizer"),
    ("compression", "zeros", "optimizer"),
    ("export", "qat", "optimizer"),
}
_NETWORK = ("model",)
_WHOLE = ("dataset", "music", "stems")


def merge(base: MarkedDict, over: MarkedDict, path: tuple[str, ...] = ()) -> MarkedDict:
    """Lay ``over`` over ``base``; each key keeps the line of the one that it comes from.

    Three mappings are replaced instead of merged: an optimizer by one of another name, a ``model``
    section by one that names another network (the constants belong to the network), and the stems
    of songs, whose order is that of the network's outputs.

    Args:
        base: what is laid under; not changed.
        over: what wins; not changed.
        path: YAML path of both inside a set.

    Returns:
        The merged mapping.
    """
    if _replaces(base, over, path):
        return over
    merged = MarkedDict(mark=over.mark or base.mark)
    for source in (base, over):
        for key, value in source.items():
            merged.put(key, _laid(merged.get(key), value, (*path, key)), source.marks.get(key))
    return merged


def with_network_first(differences: Sequence[MarkedDict]) -> list[MarkedDict]:
    """Differences that are laid over each other, what they say of the network's name before all.

    Another network has constants of its own, so its name would else take away constants that were
    given before it. The order of all other differences stays: the later one wins.
    """
    named = []
    for one in differences:
        model = one.get(*_NETWORK)
        if isinstance(model, MarkedDict) and not {"use", "layers"}.isdisjoint(model):
            names, inner = MarkedDict(mark=one.mark), MarkedDict(mark=model.mark)
            for key in ("use", "layers"):
                if key in model:
                    inner.put(key, model[key], model.marks.get(key))
            names.put(*_NETWORK, inner, one.marks.get(*_NETWORK))
            named.append(names)
    return [*named, *differences]


def _laid(base: Any, over: Any, path: tuple[str, ...]) -> Any:
    if isinstance(base, MarkedDict) and isinstance(over, MarkedDict):
        return merge(base, over, path)
    return over


def _replaces(base: Mapping[str, Any], over: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    path = _inside(path)
    if path in _ONE_NAME:
        return bool(over) and over.keys() != base.keys()
    if path == _WHOLE:
        return bool(over)
    if path == _NETWORK:
        return any(key in over and over[key] != base.get(key) for key in ("use", "layers"))
    return False


def _inside(path: tuple[str, ...]) -> tuple[str, ...]:
    """The path inside a set of what stands in ``demo``, or is an arm's or a grid's in ``study``."""
    path = path[1:] if path[:1] == ("demo",) else path
    if path[:2] == ("study", "common"):
        path = path[2:]
    elif path[:2] == ("study", "arms"):
        path = path[3:]
    elif path[:2] == ("study", "grid"):
        path = path[4:]  # axis and alternative; what is a path there ends in lists
    return path[1:] if path[:1] == ("demo",) else path
