"""Laying one part of the configuration over another: mappings merge, lists and scalars replace."""

from collections.abc import Mapping
from typing import Any

from utils.config.places import MarkedDict

_ONE_NAME = ("training", "optimizer")
_NETWORK = ("model",)


def merge(base: MarkedDict, over: MarkedDict, path: tuple[str, ...] = ()) -> MarkedDict:
    """Lay ``over`` over ``base``; each key keeps the line of the one that it comes from.

    Two mappings are replaced instead of merged: an optimizer by one of another name, and a
    ``model`` section by one that names another network (the constants belong to the network).

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


def _laid(base: Any, over: Any, path: tuple[str, ...]) -> Any:
    if isinstance(base, MarkedDict) and isinstance(over, MarkedDict):
        return merge(base, over, path)
    return over


def _replaces(base: Mapping[str, Any], over: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    path = path[1:] if path[:1] == ("demo",) else path
    if path == _ONE_NAME:
        return bool(over) and over.keys() != base.keys()
    if path == _NETWORK:
        return any(key in over and over[key] != base.get(key) for key in ("use", "layers"))
    return False
