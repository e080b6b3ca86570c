"""docs/configuration.md is what the schema says."""

import re
from pathlib import Path

from pydantic import BaseModel

from utils.config import reference
from utils.config.schema import Settings
from utils.config.validate import section_of

PROJECT = Path(__file__).resolve().parents[3]


def test_the_page_is_current():
    written = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == reference.page() + "\n", "run: python -m utils.config.reference"


def sections(section: type[BaseModel]):
    yield section
    for field in section.model_fields.values():
        inner = section_of(field.annotation)
        if inner is not None:
            yield from sections(inner)


def test_every_key_has_a_row():
    rows = re.findall(r"^\| `(\w+)` \|", reference.page(), re.MULTILINE)
    keys = [key for section in sections(Settings) for key in section.model_fields]
    assert sorted(rows) == sorted(keys)


def test_types_bounds_and_defaults_are_told():
    page = reference.page()
    assert "| `amount` | number > 0 < 1 | `0.3` |" in page
    assert "| `f_max` | number > 0 or null | `null` |" in page
    assert "| `folds` | list of whole number or null | `null` |" in page
    assert "| `set_id` | text | required |" in page
