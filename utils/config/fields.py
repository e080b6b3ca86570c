"""Types that the sections of the schema are made of: bounds, lists, the closed section itself."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WrapValidator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

T = TypeVar("T")


def _as_given(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Check a value but keep the object as it is, with the lines that it remembers."""
    check(value)
    return value


Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Many = Annotated[tuple[T, ...], Field(strict=False)]  # a YAML list becomes a tuple
AsGiven = Annotated[T, WrapValidator(_as_given)]


def misplaced(path: str, sentence: str) -> PydanticCustomError:
    """The error of a value that fits its type but not its neighbours.

    Args:
        path: YAML path of the value to change.
        sentence: what was received and what is right, without a full stop.
    """
    return PydanticCustomError("misplaced", "{sentence}", {"sentence": sentence, "path": path})


class Section(BaseModel):
    """A closed, frozen section: unknown keys are errors, text is not taken for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
