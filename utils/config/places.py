"""Where a value stands: file and line to go to, YAML path as used; and the nearest right name.

Mappings and lists that come from YAML remember the line of every key and item, so that merging
carries the lines along and an error can name them however late it is found.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from utils.errors import ConfigError


@dataclass(frozen=True)
class Mark:
    """A line of a file, or a source without lines such as ``--override a.b=1``."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


class MarkedDict(dict[str, Any]):
    """A mapping that remembers where it and each of its keys stand."""

    def __init__(self, *, mark: Mark | None = None) -> None:
        super().__init__()
        self.mark = mark
        self.marks: dict[str, Mark] = {}

    def put(self, key: str, value: Any, mark: Mark | None) -> None:
        """Set a key together with its place."""
        self[key] = value
        if mark is not None:
            self.marks[key] = mark


class MarkedList(list[Any]):
    """A list that remembers where it and each of its items stand."""

    def __init__(self, *, mark: Mark | None = None) -> None:
        super().__init__()
        self.mark = mark
        self.marks: list[Mark] = []

    def put(self, value: Any, mark: Mark) -> None:
        """Append an item together with its place."""
        self.append(value)
        self.marks.append(mark)


@dataclass(frozen=True)
class Place:
    """Place of one value: the line where it is written, the path where it is used."""

    path: str
    mark: Mark | None = field(default=None, compare=False)

    def at(self, container: Any, key: str | int) -> "Place":
        """Place of an item of ``container``, which itself stands here.

        Args:
            container: mapping or list; without marks (plain data) the line stays this one's.
            key: key of the mapping or index in the list; a missing key gives the mapping's line.
        """
        mark = getattr(container, "mark", None) or self.mark
        if isinstance(container, MarkedDict) and isinstance(key, str):
            mark = container.marks.get(key, mark)
        elif isinstance(container, MarkedList) and isinstance(key, int):
            mark = container.marks[key] if key < len(container.marks) else mark
        return Place(self._join(key), mark)

    def _join(self, key: str | int) -> str:
        if isinstance(key, int):
            return f"{self.path}[{key}]"
        return f"{self.path}.{key}" if self.path else key

    def error(self, message: str) -> ConfigError:
        """The error to raise: ``file:line: path: message``."""
        parts = [str(self.mark) if self.mark else "", self.path, message]
        return ConfigError(": ".join(part for part in parts if part))


def without(mapping: Mapping[str, Any], *keys: str) -> MarkedDict:
    """The mapping without some of its keys, with its lines."""
    kept = MarkedDict(mark=getattr(mapping, "mark", None))
    marks = getattr(mapping, "marks", {})
    for key, value in mapping.items():
        if key not in keys:
            kept.put(key, value, marks.get(key))
    return kept


def nearest(received: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the nearest of the known names, or an empty string."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(received.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean '{by_lower[found[0]]}'?" if found else ""


def nearest_or_all(received: str, known: Iterable[str]) -> str:
    """The nearest of the known names or, where none is near, all of them."""
    names = list(known)
    return nearest(received, names) or f" Known: {', '.join(names) or 'none'}."


def shown(value: Any) -> str:
    """A received value in words: its type as YAML sees it, and the value itself, shortened."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"a mapping with the keys {', '.join(map(str, value)) or '(none)'}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return f"the text '{value if len(value) <= 60 else value[:57] + '...'}'"
    return f"the number {value}"
