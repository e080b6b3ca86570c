"""Merged plain data to ``Settings``; what pydantic finds becomes sentences with file and line."""

from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from utils.config.places import MarkedDict, Place, nearest, nearest_or_all, shown
from utils.config.schema import Settings
from utils.errors import ConfigError

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "finite_number": "a finite number",
}
_UNION = ("int", "float", "str")  # what pydantic adds to the path of a union's member
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


def validate(data: MarkedDict) -> Settings:
    """Check a merged set.

    Args:
        data: the set with all its sections, as merged.

    Returns:
        The frozen settings.

    Raises:
        ConfigError: one line for each thing that is wrong: where, what was received, what is right.
    """
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        sentences = dict.fromkeys(_sentence(detail, data) for detail in _one_a_place(error))
        raise ConfigError("\n".join(sentences)) from error


def _one_a_place(error: ValidationError) -> list[ErrorDetails]:
    """Errors without the repetitions of a union, which pydantic reports once for each member."""
    found: dict[tuple[Any, ...], ErrorDetails] = {}
    for detail in error.errors(include_url=False):
        loc = detail["loc"]
        union = loc and loc[-1] in _UNION and detail["type"] in _EXPECTED
        found.setdefault(loc[:-1] if union else loc, detail)
    return list(found.values())


def _sentence(detail: ErrorDetails, data: MarkedDict) -> str:
    context = detail.get("ctx", {})
    loc = tuple(context["path"].split(".")) if "path" in context else detail["loc"]
    place, received = _find(loc, data)
    return str(place.error(_problem(detail, loc, received)))


def _find(loc: tuple[int | str, ...], data: MarkedDict) -> tuple[Place, Any]:
    """Place and value at ``loc``; where the data lacks a key, the line is that of its section."""
    place, value = Place(""), cast(Any, data)
    for key in loc:
        inside = key in value if isinstance(value, dict) else isinstance(key, int)
        if not inside and key in _UNION:
            break
        place, value = place.at(value, key), value[key] if inside else None
    return place, value


def _problem(detail: ErrorDetails, loc: tuple[int | str, ...], received: Any) -> str:
    """What was received and what is right, as one sentence."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key '{loc[-1]}'.{nearest_or_all(str(loc[-1]), _keys(loc[:-1]))}"
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters, received {shown(received)}."
    if kind == "missing":
        return f"the key '{loc[-1]}' is missing."
    if kind == "literal_error":
        allowed = context["expected"]
        words = allowed.replace("'", "").replace(" or ", ", ").split(", ")
        near = nearest(received, words) if isinstance(received, str) else ""
        return f"expected {allowed}, received {shown(received)}.{near}"
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"must be {words} {context[name]:g}, received {received}."
    if loc[-1] in _UNION and kind in _EXPECTED:
        return f"expected a number or text, received {shown(received)}."
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, received {shown(received)}.{_hint(kind, received)}"
    if kind in ("misplaced", "value_error"):
        return detail["msg"].removeprefix("Value error, ") + "."
    return f"{detail['msg']}, received {shown(received)}."


def _hint(kind: str, received: Any) -> str:
    """What to do about the commonest confusions of types."""
    if isinstance(received, str) and kind in ("int_type", "float_type"):
        try:
            float(received)
        except ValueError:
            return ""
        return " Write it without quotes."
    if isinstance(received, bool) and kind == "string_type":
        return " YAML reads yes, no, on and off as true and false; put the word in quotes."
    if isinstance(received, int | float) and kind == "string_type":
        return " Put it in quotes."
    return ""


def _keys(parent: tuple[int | str, ...]) -> list[str]:
    """Keys that the section at ``parent`` takes; those of a whole set at the top."""
    section: Any = Settings
    for key in parent:
        if isinstance(key, str) and isinstance(section, type) and issubclass(section, BaseModel):
            section = section_of(section.model_fields[key].annotation)
    return list(section.model_fields)


def section_of(annotation: Any) -> Any:
    """The section class inside an annotation such as ``tuple[AugmentStep, ...] | None``.

    Args:
        annotation: of a field.

    Returns:
        The class, or None where the annotation holds no section.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = section_of(inner)
        if found is not None:
            return found
    return None
