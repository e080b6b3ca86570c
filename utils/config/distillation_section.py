"""Section of task.yaml on networks that learn from the answers of others."""

from pydantic import Field, field_validator

from utils.config.fields import Fraction, Many, Positive, Section


class DistillationSettings(Section):
    """Knowledge distillation: the loss is (1 - w) label loss + w T^2 KL(teachers || network)."""

    teachers: Many[str] = Field(
        description="sets whose runs with the same data and seed are the teachers, or folders of "
        "finished runs of the same data, with a `/`, relative to the script; several are averaged "
        "(their logits). An --override changes a teacher only where the same command trains it, "
        "but for dataset, training.folds and paths"
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
