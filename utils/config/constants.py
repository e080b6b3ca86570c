"""``$NAME`` constants of a layer list and their arithmetic, computed without running any code.

A value that holds ``$`` is computed: ``$FILTERS``, ``$FRAMES // 5``, ``max(1, $FRAMES // 125)``. In
DCASE's own ``{class_name, config}`` form, constants are bare (``CLASS_COUNT``, ``CHANNELS * 2``).
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from utils.config.places import MarkedDict, MarkedList, Place, nearest, nearest_or_all, shown
from utils.errors import ConfigError

Value = int | float | str
_NAME = re.compile(r"\$([A-Za-z_]\w*)")
_ALLOWED = "write $NAME, numbers, + - * / // %, max(a, b) and min(a, b)."
_BARE = re.compile(r"[A-Z][A-Z0-9_]+")  # how DCASE files write constants
_FUNCTIONS: dict[str, Callable[..., Any]] = {"max": max, "min": min}


def _divided(left: Any, right: Any) -> Any:
    """Quotient; whole numbers that divide exactly stay whole, as filter counts must be."""
    if isinstance(left, int) and isinstance(right, int) and right and left % right == 0:
        return left // right
    return left / right


_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divided,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


@dataclass
class Constant:
    """A constant as written, where it stands and in which scope it is computed."""

    name: str
    written: Value
    place: Place
    scope: "Scope"
    used: bool = False
    pending: bool = False


Placed = Mapping[str, tuple[Any, Place]]


def placed(constants: Any, place: Place) -> dict[str, tuple[Any, Place]]:
    """Constants of one mapping, each with its place.

    Args:
        constants: mapping of names to values as written; None holds none.
        place: where the mapping stands.

    Raises:
        ConfigError: when it is no mapping.
    """
    if constants is None:
        return {}
    if not isinstance(constants, Mapping):
        raise place.error(f"expected a mapping of names to values, received {shown(constants)}.")
    return {name: (value, place.at(constants, name)) for name, value in constants.items()}


@dataclass
class Scope:
    """The constants that a layer list sees.

    Attributes:
        constants: by name.
        known: names that the run sets; they may be unused and cannot be set again.
        written: every constant of layer lists, sets and uses; each must be used somewhere.
    """

    constants: dict[str, Constant]
    known: frozenset[str]
    written: list[Constant] = field(default_factory=list)

    @classmethod
    def of_run(cls, known: Mapping[str, Value]) -> "Scope":
        """Scope of what the run itself knows (CLASS_COUNT, MELS, FRAMES ...)."""
        scope = cls({}, frozenset(known))
        for name, value in known.items():
            scope.constants[name] = Constant(name, value, Place(f"${name}"), scope)
        return scope

    def inner(self, *, defaults: Placed, given: Placed) -> "Scope":
        """Scope of a part: ``given`` beats this scope's constants, which beat the part's defaults.

        Args:
            defaults: the part's own constants, computed in the part's scope.
            given: constants of the place that uses the part, computed in this scope.

        Raises:
            ConfigError: for a name that the run sets or a value that is no number or text.
        """
        scope = Scope(dict(self.constants), self.known, self.written)
        for name, (value, place) in defaults.items():
            self._check(name, value, place)
            if name not in self.constants and name not in given:
                scope._add(Constant(name, value, place, scope))
        for name, (value, place) in given.items():
            self._check(name, value, place)
            scope._add(Constant(name, value, place, self))
        return scope

    def check_all_used(self) -> None:
        """Refuse a constant that no layer uses: it would be an option without effect.

        Raises:
            ConfigError: with the nearest name that the layer list does use.
        """
        used = {constant.name for constant in self.written if constant.used} | self.known
        for constant in self.written:
            if not constant.used:
                raise constant.place.error(
                    f"no layer uses the constant '{constant.name}'."
                    + nearest_or_all(constant.name, sorted(used))
                )

    def _check(self, name: str, value: Any, place: Place) -> None:
        if name in self.known:
            raise place.error(f"'{name}' is set by the run; leave it out, or choose another name.")
        if not name.isidentifier() or name in _FUNCTIONS:
            raise place.error(f"'{name}' cannot be a constant; write letters, digits and _.")
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise place.error(f"expected a number or text, received {shown(value)}.")

    def _add(self, constant: Constant) -> None:
        self.constants[constant.name] = constant
        self.written.append(constant)

    def fill(self, value: Any, place: Place, *, bare: bool = False) -> Any:
        """A value with its constants computed; mappings and lists keep their lines.

        Args:
            value: plain data of a layer's arguments.
            place: where it stands.
            bare: whether constants may be written without ``$`` (DCASE's form).

        Raises:
            ConfigError: for an unknown constant or an expression that cannot be computed.
        """
        if isinstance(value, str):
            return self._text(value, place, bare)
        if isinstance(value, Mapping):
            bare = bare or "class_name" in value
            filled = MarkedDict(mark=getattr(value, "mark", None))
            for key, item in value.items():
                filled.put(key, self.fill(item, place.at(value, key), bare=bare), None)
            filled.marks = getattr(value, "marks", {})
            return filled
        if isinstance(value, list):
            items = MarkedList(mark=getattr(value, "mark", None))
            items.extend(self.fill(v, place.at(value, i), bare=bare) for i, v in enumerate(value))
            items.marks = getattr(value, "marks", [])
            return items
        return value

    def _text(self, text: str, place: Place, bare: bool) -> Any:
        if "$" in text:
            return self._computed(text, place)
        tree = _parsed(text) if bare else None
        if tree is not None and self._are_constants(_names(tree), place):
            return self._evaluated(tree, text, place)
        return text

    def _are_constants(self, names: set[str], place: Place) -> bool:
        """Whether bare names are constants; one that only looks like one is refused."""
        for name in sorted(names - self.constants.keys()):
            if _BARE.fullmatch(name) and nearest(name, self.constants):
                raise self._unknown(name, place, sigil="")
        return bool(names) and names <= self.constants.keys()

    def _computed(self, text: str, place: Place) -> Any:
        """Value of an expression whose constants are written ``$NAME``."""
        tree = _parsed(_NAME.sub(r" \1 ", text))
        if tree is None:
            cut = text.count("(") != text.count(")")
            raise place.error(
                f"'{text}' cannot be computed; "
                + ("quote it, as a comma inside {} or [] ends a value." if cut else _ALLOWED)
            )
        bare = _names(tree) - set(_NAME.findall(text))
        if bare:
            name = min(bare)
            raise place.error(f"'{name}' in '{text}': a constant is written ${name}.")
        return self._evaluated(tree, text, place)

    def _evaluated(self, tree: ast.expr, text: str, place: Place) -> Any:
        try:
            return self._node(tree, place)
        except (ArithmeticError, TypeError) as error:
            raise place.error(f"'{text}' cannot be computed ({error}).") from error

    def _node(self, node: ast.expr, place: Place) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self._value(node.id, place)
            case ast.UnaryOp():
                return -self._node(node.operand, place)
            case ast.BinOp():
                left, right = self._node(node.left, place), self._node(node.right, place)
                if isinstance(left, str) or isinstance(right, str):
                    raise TypeError("text is no number")
                return _OPERATORS[type(node.op)](left, right)
            case ast.Call(func=ast.Name(id=name)):
                return _FUNCTIONS[name](*(self._node(item, place) for item in node.args))
        raise AssertionError(f"_parsed let {ast.dump(node)} pass")

    def _value(self, name: str, place: Place) -> Any:
        constant = self.constants.get(name)
        if constant is None:
            raise self._unknown(name, place, sigil="$")
        constant.used = True
        if constant.pending:
            raise constant.place.error(f"the constant '{name}' is computed from itself.")
        if not isinstance(constant.written, str):
            return constant.written
        constant.pending = True
        value = constant.scope._text(constant.written, constant.place, bare=True)
        constant.pending = False
        return value

    def _unknown(self, name: str, place: Place, *, sigil: str) -> ConfigError:
        received = sigil + name
        known = [sigil + item for item in sorted(self.constants)]
        return place.error(
            f"unknown constant '{received}' (known: {', '.join(known) or 'none'})."
            + nearest(received, known)
        )


def _parsed(text: str) -> ast.expr | None:
    """Syntax tree of an arithmetic expression; None for anything else."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if _is_arithmetic(tree) else None


def _is_arithmetic(node: ast.expr) -> bool:
    match node:
        case ast.Constant():
            return isinstance(node.value, int | float) and not isinstance(node.value, bool)
        case ast.Name():
            return node.id not in _FUNCTIONS
        case ast.UnaryOp(op=ast.USub()):
            return _is_arithmetic(node.operand)
        case ast.BinOp():
            return (
                type(node.op) in _OPERATORS
                and _is_arithmetic(node.left)
                and _is_arithmetic(node.right)
            )
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            return name in _FUNCTIONS and len(node.args) > 1 and all(map(_is_arithmetic, node.args))
    return False


def _names(tree: ast.expr) -> set[str]:
    """Names of constants in an expression, without those of functions."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called
    }
