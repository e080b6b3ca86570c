"""What the DCASE challenge, task 1, asks of a submission each year: a table, and the meta file.

Names of fields, of files and of folders, and the number of evaluation clips are those that the
organisers' own checks ask for (github.com/toni-heittola, ``dcase20YY_task1_submission_validator``,
MIT licence); limits and ranking are those of the task's pages, dcase.community/challenge20YY.

Three things those sources leave open, and what is done here: ``memory_use`` is in bytes, as the
organisers' tool NeSsi prints it; 128 kB of 2023 are 128,000 bytes, as the baseline of 2024 has
them; the two folders above a system's own of 2021 have no published name that we know, only their
number, so they are ``task1/task1a``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, field_validator

from utils.config.fields import Count, Text

PLACEHOLDER = "Lastname_Inst"


@dataclass(frozen=True)
class Limit:
    """The most that a figure of the meta file may be.

    Attributes:
        field: name in ``system.complexity``.
        most: the limit itself is allowed.
        unit: of both, as the report names it.
    """

    field: str
    most: float
    unit: str


@dataclass(frozen=True)
class Form:
    """One year's form.

    Attributes:
        year: of the challenge.
        task: third part of a label.
        package: folders of the zip above a system's own, which is named after its label.
        evaluation: published folder of the evaluation set.
        clips: number of its clips, ``0.wav`` and on.
        description: fields of ``system.description``.
        complexity: fields of ``system.complexity``.
        ranking: what ranks the systems.
        limits: of the complexity.
        weights: the only type that weights may have (biases in int32); None: any.
        energy: fields of ``system.energy_consumption``; empty: the form has none.
        splits: per cent of the training list, with an output file and results for each; empty: one.
    """

    year: int
    task: str
    package: str
    evaluation: str
    clips: int
    description: tuple[str, ...]
    complexity: tuple[str, ...]
    ranking: str
    limits: tuple[Limit, ...]
    weights: str | None = None
    energy: tuple[str, ...] = ()
    splits: tuple[int, ...] = ()

    @property
    def placeholder(self) -> str:
        """Label of a system whose author is not known."""
        return f"{PLACEHOLDER}_{self.task}_1"

    @property
    def output_endings(self) -> tuple[str, ...]:
        """What the names of the output files have after the label."""
        return tuple(self.output_ending(split) for split in self.splits or (None,))

    def output_ending(self, split: int | None) -> str:
        """What the name of an output file has after the label; None for a form without splits."""
        return ".output.csv" if split is None else f".output.split_{split}.csv"


META_ENDING = ".meta.yaml"
REPORT_ENDING = ".pdf"  # of technical reports, which may lie anywhere in a package

_SYSTEM = (
    "input_sampling_rate", "acoustic_features", "embeddings", "data_augmentation",
    "machine_learning_method", "ensemble_method_subsystem_count", "decision_making",
    "external_data_usage", "complexity_management",
)  # fmt: skip
_PARAMETERS = Limit("total_parameters", 128_000, "parameters")
_MEMORY = Limit("total_model_size", 128_000, "bytes of parameters")
_MACS = Limit("macs", 30_000_000, "MAC")


def _evaluation(year: int) -> str:
    return f"TAU-urban-acoustic-scenes-{year}-mobile-evaluation"


FORMS: dict[int, Form] = {
    form.year: form
    for form in (
        Form(
            year=2021,
            task="task1a",
            package="task1/task1a",
            evaluation=_evaluation(2021),
            clips=7920,
            description=_SYSTEM,
            complexity=("total_parameters", "total_parameters_non_zero", "model_size"),
            ranking="log loss, mean over the classes",
            limits=(Limit("model_size", 128, "KB of non-zero parameters, 1,024 bytes each"),),
        ),
        Form(
            year=2022,
            task="task1",
            package="task1",
            evaluation=_evaluation(2022),
            clips=118_800,
            description=(*_SYSTEM, "pipeline", "framework"),
            complexity=("total_parameters", "total_parameters_non_zero", "memory_use", "macs"),
            ranking="log loss, mean over the classes",
            limits=(_PARAMETERS, _MACS),
            weights="int8",
        ),
        Form(
            year=2023,
            task="task1",
            package="task1",
            evaluation=_evaluation(2023),
            clips=118_800,
            description=(*_SYSTEM, "pipeline", "framework"),
            complexity=(
                *("total_model_size", "total_parameters", "total_parameters_non_zero"),
                *("memory_use", "macs"),
            ),
            energy=("training", "inference", "baseline_inference"),
            ranking="weighted mean of the ranks by accuracy, memory and MAC; energy is reported",
            limits=(_MEMORY, _MACS),
        ),
        Form(
            year=2024,
            task="task1",
            package="task1",
            evaluation=_evaluation(2024),
            clips=135_730,
            description=(
                *("input_sampling_rate", "acoustic_features", "data_augmentation"),
                *("machine_learning_method", "external_data_usage", "complexity_management"),
                *("pipeline", "framework", "split_adaptations", "system_adaptations"),
            ),
            complexity=("total_model_size", "total_parameters", "macs"),
            splits=(5, 10, 25, 50, 100),
            ranking="accuracy, mean over the classes and then over the splits",
            limits=(_MEMORY, _MACS),
        ),
    )
}
"""Forms by year."""

_YEAR_OF_DATA = {"tau_urban_2020_mobile": 2021, "tau_urban_2022_mobile": 2022}


def form_of(data: str, year: int | None) -> Form:
    """The form that a set is handed in by.

    Args:
        data: ``dataset.name``; data of no challenge take the form of 2021.
        year: ``submission.year``; None: the first year that ranks systems of this data.
    """
    return FORMS[year or _YEAR_OF_DATA.get(data, 2021)]


# --- the meta file ---


def _email(address: str) -> str:
    if not re.fullmatch(r"[^\s@]+@[^\s@]+\.[^\s@]+", address):
        raise ValueError("this is no e-mail address")
    return address


def _label(task: str) -> Callable[[str], str]:
    """Check of labels of one task."""
    name = r"[^\W_]+(-[^\W_]+)*"

    def check(label: str) -> str:
        if not re.fullmatch(rf"{name}_{name}_{task}_[1-4]", label):
            raise ValueError(f"the label must be [LastName]_[Inst]_{task}_[1-4]")
        if label.startswith(f"{PLACEHOLDER}_"):
            raise ValueError(
                "the label is still the placeholder; set submission.label to the corresponding "
                "author's last name and institute"
            )
        return label

    return check


Number = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Above = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class MetaSection(BaseModel):
    """A part of the meta file; more fields than those named here are allowed."""

    model_config = ConfigDict(strict=True, str_strip_whitespace=True, frozen=True)


class Affiliation(MetaSection):
    """Where an author works."""

    abbreviation: Text
    institute: Text
    department: str
    location: str


class Author(MetaSection):
    """An author; exactly one of them is corresponding."""

    lastname: Text
    firstname: Text
    email: Annotated[str, AfterValidator(_email)]
    corresponding: bool = False
    affiliation: Affiliation


class Entry(MetaSection):
    """Who hands in what."""

    label: str
    name: Text
    abbreviation: Annotated[str, Field(min_length=1, max_length=10)]
    authors: list[Author]

    @field_validator("authors")
    @classmethod
    def one_corresponds(cls, authors: list[Author]) -> list[Author]:
        """Refuse none and several corresponding authors."""
        corresponding = sum(author.corresponding for author in authors)
        if corresponding != 1:
            raise ValueError(
                f"exactly one of the authors must be corresponding, not {corresponding} "
                f"of {len(authors)}"
            )
        return authors


class ExternalDataset(MetaSection):
    """Data from outside the challenge; ``total_audio_length`` in minutes."""

    name: Text
    url: Text
    total_audio_length: Number


class Result(MetaSection):
    """Macro scores; accuracy in percent."""

    logloss: Number
    accuracy: Annotated[float, Field(ge=0.0, le=100.0, allow_inf_nan=False)]


class DevelopmentResults(MetaSection):
    """Results on the test part of the development set."""

    overall: Result
    class_wise: dict[str, Result]
    device_wise: dict[str, Result]


_KINDS: dict[str, Any] = {  # null is allowed for what a system may do without
    "input_sampling_rate": Text,
    "machine_learning_method": Text,
    "pipeline": Text,
    "framework": Text,
    "ensemble_method_subsystem_count": Count | None,
    "total_parameters": Count,
    "total_parameters_non_zero": Count,
    "total_model_size": Count,
    "memory_use": Count,
    "macs": Count,
    "model_size": Above,
    "training": Above,
    "inference": Above,
    "baseline_inference": Above,
}


@cache
def meta_model(form: Form) -> type[BaseModel]:
    """The model of a year's meta file, made of the form's fields."""
    kinds = {name: _KINDS.get(name, Text | None) for name in (*form.description, *form.complexity)}
    system = {
        "description": _section("Description", {name: kinds[name] for name in form.description}),
        "complexity": _section("Complexity", {name: kinds[name] for name in form.complexity}),
        "external_datasets": list[ExternalDataset] | None,
        "source_code": str | None,
    }
    if form.energy:
        energy = {name: _KINDS[name] for name in form.energy}
        system["energy_consumption"] = _section("EnergyConsumption", energy)
    results: Any = DevelopmentResults
    if form.splits:
        parts = {f"split_{split}": DevelopmentResults for split in form.splits}
        results = _section("Splits", parts)
    label = Annotated[str, AfterValidator(_label(form.task))]
    entry = create_model("LabelledEntry", __base__=Entry, label=(label, ...))
    return _section(
        "MetaFile",
        {
            "submission": entry,
            "system": _section("System", system),
            "results": _section("Results", {"development_dataset": results}),
        },
    )


def _section(name: str, kinds: Mapping[str, Any]) -> type[BaseModel]:
    """A part of the meta file, all of whose fields are needed."""
    fields: dict[str, Any] = {field: (kind, ...) for field, kind in kinds.items()}
    return create_model(name, __base__=MetaSection, **fields)
