"""Types that the sections of the schema are made of: bounds, lists, the closed section itself."""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WrapValidator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

T = TypeVar("T")


def _as_given(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Check a value but keep the object as it is, with the lines that it remembers."""
    check(value)
    return value


Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Threads = Literal["within", "between"]  # how a step uses the cores, as training.threads says
Text = Annotated[str, Field(min_length=1)]
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


class Step(Section):
    """One of several named things to do: exactly one name, with its arguments.

    Each field is a name whose value, a section of its own, is None unless the step is that one.
    """

    @model_validator(mode="before")
    @classmethod
    def bare_name(cls, value: Any) -> Any:
        """Take ``Name`` alone, or ``Name:`` without arguments, for the name with its defaults."""
        if isinstance(value, str):
            return {value: {}}
        if isinstance(value, dict):
            return {name: {} if given is None else given for name, given in value.items()}
        return value

    @model_validator(mode="after")
    def one_name(self) -> Self:
        """Refuse an empty step and a step of two names."""
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"an augmentation step has one name, received {given or 'none'}")
        return self
