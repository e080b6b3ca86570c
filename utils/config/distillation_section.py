"""Section of task.yaml on networks that learn from the answers of others."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from utils.config.fields import Fraction, Many, Positive, Section


class DistillationSettings(Section):
    """Knowledge distillation: the loss is (1 - w) label loss + w T^2 KL(teachers || network)."""

    teachers: Many[str] = Field(
        description="sets whose runs with the same data and seed are the teachers, or folders of "
        "finished runs of the same data, with a `/`, relative to the script; several are averaged "
        "(their logits, by teacher_weights). An --override changes a teacher only where the same "
        "command trains it, but for dataset, training.folds and paths"
    )
    teacher_weights: Many[Positive] | None = Field(
        None,
        description="how much each teacher counts beside the others, in their order; the mean of "
        "the logits is divided by their sum; null: all alike",
    )
    temperature: Positive = Field(
        2.0, description="T, by which logits of teachers and network are divided"
    )
    weight: Fraction = Field(
        0.5, description="w, of the teachers; 0: they are asked, but change nothing; 1: no labels"
    )

    @field_validator("teachers")
    @classmethod
    def each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse no teacher, and one that is named twice."""
        if not value or len(set(value)) < len(value):
            raise ValueError(
                f"expected one teacher or several, each once, received {list(value) or 'none'}"
            )
        return value

    @model_validator(mode="after")
    def one_for_each(self) -> Self:
        """Refuse weights of other teachers than there are."""
        if self.teacher_weights is not None and len(self.teacher_weights) != len(self.teachers):
            raise ValueError(
                f"teacher_weights has {len(self.teacher_weights)} numbers for "
                f"{len(self.teachers)} teachers; give one for each, or null"
            )
        return self
