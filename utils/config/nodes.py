"""YAML to plain data that remembers its lines; what PyYAML lets pass silently is refused.

Refused: duplicate keys, keys that are not text (``on:`` is read as true), numbers such as ``1e-3``
that YAML reads as text, dates, tags, and a file that is empty or holds several documents.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from utils.config.places import Mark, MarkedDict, MarkedList, Place, shown
from utils.errors import ConfigError

_SCALARS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}
_MERGE = "tag:yaml.org,2002:merge"
_VALUE = "tag:yaml.org,2002:value"  # a lone "="
_MOST_LEVELS = 10_000  # libyaml's reader calls itself; it does so 20,000 times without harm
_BLOCK_COMMENT = re.compile(r"[|>][-+0-9]*#")
_EXPONENT = re.compile(r"([-+]?)(\d+\.?\d*|\.\d+)[eE]([-+]?)(\d+)")


def read_yaml(path: Path) -> MarkedDict:
    """Read a YAML file whose top level is a mapping.

    Args:
        path: the file; messages show it relative to the current folder where it lies inside.

    Returns:
        Its content with the line of every key and item.

    Raises:
        ConfigError: when the file is missing, is not UTF-8, is not YAML, or holds what is refused.
    """
    source = _short(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read ({error.strerror or error}).") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{source}:{line}: the byte {content[error.start]:#04x} is not UTF-8; save it as UTF-8."
        ) from error
    data = parse_yaml(text, source)
    if not isinstance(data, MarkedDict):
        found = (
            "nothing" if data is None else f"a {type(data).__name__.removeprefix('Marked').lower()}"
        )
        raise ConfigError(f"{source}: holds {found}; expected a mapping such as 'sets: ...'.")
    return data


def parse_yaml(text: str, source: str, *, lines: bool = True, path: str = "") -> Any:
    """Parse YAML text.

    Args:
        text: one YAML document.
        source: name of the file or option, shown in errors.
        lines: whether lines of ``source`` mean something to its reader.
        path: YAML path under which the value will stand, shown in errors.

    Returns:
        Plain scalars, ``MarkedDict`` and ``MarkedList``.

    Raises:
        ConfigError: when the text is not YAML or holds what is refused.
    """
    try:
        node = _quick_node(text)
        loader = yaml.SafeLoader(text if node is None else "")
        try:
            node = node or loader.get_single_node()
            return _Reader(loader, source, lines).read(node, Place(path)) if node else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        mark = Mark(source, line if lines else None)
        raise Place(path, mark).error(_problem(error)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Place(path, Mark(source, line if lines else None)).error(
            f"the character U+{ord(text[error.position]):04X} is not allowed in YAML; remove it."
        ) from error
    except RecursionError as error:
        raise Place(path, Mark(source)).error("is nested too deeply.") from error


def _quick_node(text: str) -> yaml.Node | None:
    """The document by libyaml, eight times as fast; None where PyYAML has to read it by itself.

    That is so without libyaml, for an empty document, for tabs, tags, marks of the byte order and
    comments right behind a block's sign, which the two do not take alike, for what libyaml refuses,
    since messages are those of PyYAML, and for what may be nested so deeply that libyaml's reader
    would overflow.
    """
    deepest = text.count("[") + text.count("{") + 2 * max(map(len, text.splitlines()), default=0)
    odd = set("\t!\ufeff") & set(text) or _BLOCK_COMMENT.search(text)
    if not yaml.__with_libyaml__ or odd or deepest > _MOST_LEVELS:
        return None
    try:
        loader = yaml.CSafeLoader(text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except (yaml.YAMLError, UnicodeEncodeError):
        return None


class _Reader:
    """Turns the nodes of one document into data; an anchor's value is read once and shared."""

    def __init__(self, loader: yaml.SafeLoader, source: str, lines: bool) -> None:
        self._loader = loader
        self._source = source
        self._lines = lines
        self._done: dict[yaml.Node, Any] = {}
        self._open: set[yaml.Node] = set()

    def mark(self, node: yaml.Node) -> Mark:
        return Mark(self._source, node.start_mark.line + 1 if self._lines else None)

    def read(self, node: yaml.Node, place: Place) -> Any:
        """Data of a node; ``place`` gives the path, the node its own line."""
        place = Place(place.path, self.mark(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if node in self._open:
            raise place.error("an anchor holds itself; name another part.")
        if node not in self._done:
            self._open.add(node)
            read = self._mapping if isinstance(node, yaml.MappingNode) else self._sequence
            self._done[node] = read(node, place)
            self._open.remove(node)
        return self._done[node]

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        if node.tag == _VALUE:
            return node.value
        if node.tag not in _SCALARS:
            raise self._tag(node, place)
        number = _EXPONENT.fullmatch(node.value)
        if node.tag.endswith(":str") and not node.style and number:
            sign, mantissa, exponent_sign, exponent = number.groups()
            whole, _, part = mantissa.partition(".")
            right = f"{sign}{whole or '0'}.{part or '0'}e{exponent_sign or '+'}{exponent}"
            raise place.error(f"YAML reads {node.value} as text; write {right}.")
        try:
            return self._loader.construct_object(node)
        except ValueError as error:
            raise place.error(f"{shown(node.value)} cannot be read as a value.") from error

    def _tag(self, node: yaml.Node, place: Place) -> ConfigError:
        """A value of a kind that configuration has no use for, such as a date or an object."""
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        if tag == "!!timestamp":
            return place.error(f"YAML reads {node.value} as a date; put it in quotes.")
        return place.error(f"the tag {tag} is not allowed; remove it.")

    def _sequence(self, node: yaml.Node, place: Place) -> MarkedList:
        if not isinstance(node, yaml.SequenceNode) or node.tag != "tag:yaml.org,2002:seq":
            raise self._tag(node, place)
        items = MarkedList(mark=place.mark)
        for index, item in enumerate(node.value):
            items.put(self.read(item, place.at(None, index)), self.mark(item))
        return items

    def _mapping(self, node: yaml.Node, place: Place) -> MarkedDict:
        if node.tag != "tag:yaml.org,2002:map":
            raise self._tag(node, place)
        data = MarkedDict(mark=place.mark)
        merged: list[MarkedDict] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged += self._merged(value_node, Place(place.path, self.mark(key_node)))
                continue
            key = self._key(key_node, place)
            mark = self.mark(key_node)
            if key in data:
                first = data.marks[key].line
                where = f" (first on line {first})" if first is not None else ""
                raise Place(place.path, mark).error(
                    f"the key '{key}' is given twice{where}; remove one."
                )
            data.put(key, self.read(value_node, place.at(None, key)), mark)
        for source in merged:
            for key in source.keys() - data.keys():
                data.put(key, source[key], source.marks[key])
        return data

    def _merged(self, node: yaml.Node, place: Place) -> list[MarkedDict]:
        """Mappings that ``<<:`` takes in; keys of the mapping itself come first, then in order."""
        value = self.read(node, place)
        sources = value if isinstance(value, MarkedList) else [value]
        for source in sources:
            if not isinstance(source, MarkedDict):
                raise place.error("'<<' takes a mapping or a list of mappings.")
        return list(sources)

    def _key(self, node: yaml.Node, place: Place) -> str:
        place = Place(place.path, self.mark(node))
        if not isinstance(node, yaml.ScalarNode):
            raise place.error("a key must be text, received a mapping or a list.")
        if node.tag not in ("tag:yaml.org,2002:str", _VALUE):
            kind = node.tag.removeprefix("tag:yaml.org,2002:")
            raise place.error(f"YAML reads the key '{node.value}' as {kind}; write it in quotes.")
        return str(node.value)


def _problem(error: yaml.MarkedYAMLError) -> str:
    """What PyYAML found, as one sentence."""
    problem = error.problem or "cannot be read"
    if "'\\t'" in problem:
        return "a tab cannot be used here; indent with spaces."
    if isinstance(error, yaml.composer.ComposerError) and "another document" in problem:
        return "a second document begins here ('---'); a file holds one."
    context = f" {error.context}" if error.context else ""
    begun = error.context_mark
    opened = f" that began on line {begun.line + 1}" if context and begun else ""
    return f"is not valid YAML:{context}{opened}{',' if context else ''} {problem}."


def _short(path: Path) -> str:
    """The path relative to the current folder if it lies inside, else as given."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
