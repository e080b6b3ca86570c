"""docs/configuration.md, written from the schema: ``python -m utils.config.reference``."""

import types
import typing
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from utils.config.schema import Settings
from utils.config.validate import section_of
from utils.files import write_text

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
_INTRODUCTION = """# Configuration

Written by `python -m utils.config.reference` from `utils/config/schema.py`; edit that instead.

`task.yaml` has three blocks:

- `sets`: what a script runs, by `set_id`. `based_on: ID` takes another set and states differences;
  `task: NAME` is the script that the set belongs to (inherited; without it, every script lists it);
  `demo:` holds differences that apply on demo data only.
- `defaults`: lies under all sets.
- `models`: networks and parts by name, see [adding a layer](adding_a_layer.md).

## What lies over what

    defaults <- based_on, and what that is based on <- the set <- demo: <- --override KEY=VALUE

A file given by `-p` has the same blocks. Before anything else, its defaults are laid over the
defaults, its sets over the shipped sets of the same id (others are added), and its models over the
models. So a default from `-p` does not beat what a set states itself.

Mappings merge; lists and single values replace what is below. Some mappings replace as well:
an optimizer when another one is named, `model` when it names another network (constants belong to
a network), and `dataset.music.stems`. Unknown keys, duplicate keys and numbers that YAML reads as
text (`1e-3`; write `1.0e-3`) are errors with file, line and path.

## Own data

Copy the set `task1a_csv` into a file of your own and say what your table is called and how its
columns are named; then run `python task1a.py -p my.yaml -s my_data --data FOLDER`:

```yaml
sets:
  - set_id: my_data
    based_on: task1a_csv
    description: my recordings
    dataset:
      metadata: labels.csv              # in FOLDER
      audio_folder: wav                 # in FOLDER
      columns: {filename: file, label: scene, fold: fold, group: speaker}
    audio: {seconds: 2.0}
    features: {frames: null}            # all frames of a clip
```

## Sections
"""


def page() -> str:
    """The whole page as Markdown."""
    top = ["### A set", "", *_table(Settings)]
    return "\n".join([_INTRODUCTION, *top, *_sections(Settings, "")])


def _sections(section: type[BaseModel], path: str) -> list[str]:
    """Headings and tables of the sections inside a section, outer ones first."""
    lines: list[str] = []
    for name, field in section.model_fields.items():
        inner = section_of(field.annotation)
        if inner is None:
            continue
        here = f"{path}.{name}" if path else name
        lines += ["", f"### {here}", "", " ".join((inner.__doc__ or "").split()), ""]
        lines += [*_table(inner), *_sections(inner, here)]
    return lines


def _table(section: type[BaseModel]) -> list[str]:
    """One row for each key that is a value, and a row for each section that may be left out."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in section.model_fields.items():
        meaning = field.description or ""
        inner = section_of(field.annotation)
        if inner is not None and not meaning:
            meaning = " ".join((inner.__doc__ or "").split())
        cells = (f"`{name}`", _kind(field), _default(field), meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def _kind(field: FieldInfo) -> str:
    bounds = [text for item in field.metadata for text in _bounds(item)]
    return " ".join([_type(field.annotation), *bounds])


def _bounds(item: Any) -> list[str]:
    """``> 0`` and the like from an annotation's metadata."""
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "max_length": "length ≤"}
    return [
        f"{sign} {getattr(item, name):g}"
        for name, sign in signs.items()
        if getattr(item, name, None) is not None
    ]


def _inner_bounds(metadata: tuple[Any, ...]) -> list[str]:
    """Bounds of an ``Annotated`` type inside another, where pydantic has not opened its fields."""
    items = [
        part
        for item in metadata
        for part in (item.metadata if isinstance(item, FieldInfo) else [item])
    ]
    return [text for item in items for text in _bounds(item)]


def _type(annotation: Any) -> str:
    """A type in the words of YAML."""
    words = {int: "whole number", float: "number", str: "text", bool: "true or false", Any: "any"}
    if annotation in words:
        return words[annotation]
    if annotation is type(None):
        return "null"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return " ".join([_type(arguments[0]), *_inner_bounds(arguments[1:])])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(argument) for argument in arguments)
    if origin in (tuple, list):
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"mapping of names to {_type(arguments[1])}"
    return "section"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return ""
    return f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    """A default as one would write it in YAML."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    return str(value) if value != "" else '""'


if __name__ == "__main__":
    write_text(_PAGE, page() + "\n")
