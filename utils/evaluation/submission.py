"""The pair of files of a DCASE 2021 task 1A entry: ``<label>.output.csv``, ``<label>.meta.yaml``.

The fields of the meta file are written down once, as the models below: they give the file its order
and the validator (``utils.evaluation.validator``) its rules.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from utils.config.schema import AugmentStep, AuthorSettings, FeatureSettings, SubmissionSettings
from utils.evaluation.predictions import Predictions
from utils.evaluation.system_output import write_system_output
from utils.files import write_text

OUTPUT_ENDING = ".output.csv"
META_ENDING = ".meta.yaml"
DEMO_MARK = "# Made from demo data: not for submission."
LIMIT_KB = 128.0  # of non-zero parameters; KB = 1,024 bytes


def _check_label(label: str) -> str:
    """Return a label of the challenge's form.

    Raises:
        ValueError: for another form, and for the placeholder of the settings.
    """
    name = r"[^\W_]+(-[^\W_]+)*"
    if not re.fullmatch(rf"{name}_{name}_task1a_[1-4]", label):
        raise ValueError("the label must be [LastName]_[Inst]_task1a_[1-4]")
    placeholder = str(SubmissionSettings.model_fields["label"].default)
    if label.rsplit("_", 1)[0] == placeholder.rsplit("_", 1)[0]:
        raise ValueError(
            "the label is still the placeholder; set submission.label to the corresponding "
            "author's last name and institute"
        )
    return label


def _check_email(address: str) -> str:
    if not re.fullmatch(r"[^\s@]+@[^\s@]+\.[^\s@]+", address):
        raise ValueError("this is no e-mail address")
    return address


Text = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0.0, le=100.0, allow_inf_nan=False)]


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
    email: Annotated[str, AfterValidator(_check_email)]
    corresponding: bool = False
    affiliation: Affiliation


class Entry(MetaSection):
    """Who hands in what."""

    label: Annotated[str, AfterValidator(_check_label)]
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


class Description(MetaSection):
    """How the system works, in the challenge's words; null for what it does not use."""

    input_sampling_rate: Text
    acoustic_features: Text | None
    embeddings: Text | None
    data_augmentation: Text | None
    machine_learning_method: Text
    ensemble_method_subsystem_count: Annotated[int, Field(ge=1)] | None
    decision_making: Text | None
    external_data_usage: Text | None
    complexity_management: Text | None


class Complexity(MetaSection):
    """Size of the model as handed in; ``model_size`` is the non-zero parameters in KB (1,024 B)."""

    total_parameters: Annotated[int, Field(ge=1)]
    total_parameters_non_zero: Annotated[int, Field(ge=1)]
    model_size: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]

    @field_validator("model_size")
    @classmethod
    def within_limit(cls, kilobytes: float) -> float:
        """Refuse a model over the challenge's limit."""
        if kilobytes > LIMIT_KB:
            raise ValueError(f"the model is over the challenge's limit of {LIMIT_KB:g} KB")
        return kilobytes

    @model_validator(mode="after")
    def counts_fit(self) -> "Complexity":
        """Refuse more non-zero parameters than parameters."""
        if self.total_parameters_non_zero > self.total_parameters:
            raise ValueError(
                f"{self.total_parameters_non_zero} of {self.total_parameters} parameters cannot "
                "be non-zero"
            )
        return self


class ExternalDataset(MetaSection):
    """Data from outside the challenge; ``total_audio_length`` in minutes."""

    name: Text
    url: Text
    total_audio_length: Annotated[float, Field(ge=0.0)]


class System(MetaSection):
    """The system."""

    description: Description
    complexity: Complexity
    external_datasets: list[ExternalDataset] | None
    source_code: str | None


class Result(MetaSection):
    """Macro scores; accuracy in percent."""

    logloss: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    accuracy: Share


class DevelopmentResults(MetaSection):
    """Results on the test part of the development set."""

    overall: Result
    class_wise: dict[str, Result]
    device_wise: dict[str, Result]


class Results(MetaSection):
    """Results of the development phase."""

    development_dataset: DevelopmentResults


class MetaFile(MetaSection):
    """All of ``<label>.meta.yaml``."""

    submission: Entry
    system: System
    results: Results


@dataclass(frozen=True)
class SubmissionFacts:
    """What the challenge wants to know and only the run can tell.

    Attributes:
        sample_rate_hz: rate that the system works at.
        acoustic_features: such as "log-mel energies"; None for waveform input.
        data_augmentation: such as "noise, pitch shift"; None without.
        machine_learning_method: such as "CNN".
        total_parameters: values in the model that is handed in.
        total_parameters_non_zero: those that are not 0.
        parameter_bytes: bytes of the non-zero parameters.
        complexity_management: such as "weight quantization"; None without.
        subsystems: number of networks or of averaged predictions; 1 is no ensemble.
        decision_making: such as "average" over an ensemble; None without.
        demo: whether the run was on demo data; the meta file then says so in its first line.
    """

    sample_rate_hz: int
    acoustic_features: str | None
    data_augmentation: str | None
    machine_learning_method: str
    total_parameters: int
    total_parameters_non_zero: int
    parameter_bytes: int
    complexity_management: str | None = None
    subsystems: int = 1
    decision_making: str | None = None
    demo: bool = False


def write_pair(
    folder: Path,
    *,
    submission: SubmissionSettings,
    facts: SubmissionFacts,
    scores: Mapping[str, Any],
    predictions: Predictions,
    classes: Sequence[str],
) -> tuple[Path, Path]:
    """Write both files, each whole or not at all.

    What the settings leave open (authors) or the development set cannot give (a device without
    clips) is written as it is: ``validate_pair`` names it.

    Args:
        folder: where the files go; the challenge wants a folder named after the label.
        submission: label, names and authors.
        facts: what the run knows of the system.
        scores: ``SceneScores.as_dict()`` of the development set's test part.
        predictions: of the evaluation clips; folders are taken off their names.
        classes: class names in the order of the columns.

    Returns:
        Paths of the output and of the meta file.

    Raises:
        UserError: when a file cannot be written.
    """
    output = folder / (submission.label + OUTPUT_ENDING)
    meta = folder / (submission.label + META_ENDING)
    names = tuple(PurePosixPath(name).name for name in predictions.names)
    write_system_output(output, replace(predictions, names=names), classes)
    content = meta_of(submission=submission, facts=facts, scores=scores)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    write_text(meta, f"{DEMO_MARK}\n{text}" if facts.demo else text)
    return output, meta


def meta_of(
    *, submission: SubmissionSettings, facts: SubmissionFacts, scores: Mapping[str, Any]
) -> dict[str, Any]:
    """Fill the meta file's fields without judging them.

    Args:
        submission: label, names and authors.
        facts: what the run knows of the system.
        scores: ``SceneScores.as_dict()`` of the development set's test part.

    Returns:
        Plain data in the order of the file.
    """
    entry = Entry.model_construct(
        label=submission.label,
        name=submission.name,
        abbreviation=submission.abbreviation,
        authors=[_author(author) for author in submission.authors],
    )
    system = System.model_construct(
        description=_description(facts),
        complexity=Complexity.model_construct(
            total_parameters=facts.total_parameters,
            total_parameters_non_zero=facts.total_parameters_non_zero,
            model_size=round(facts.parameter_bytes / 1024, 3),
        ),
        external_datasets=None,
        source_code=submission.source_code,
    )
    results = DevelopmentResults.model_construct(
        overall=_result(scores["overall"]),
        class_wise={name: _result(cell) for name, cell in scores["per_class"].items()},
        device_wise={name: _result(cell) for name, cell in scores["per_device"].items()},
    )
    return MetaFile.model_construct(
        submission=entry,
        system=system,
        results=Results.model_construct(development_dataset=results),
    ).model_dump(warnings=False)


def features_text(features: FeatureSettings) -> str | None:
    """Name the acoustic features in the challenge's words."""
    return "log-mel energies" if features.kind == "log_mel" else None


def augmentation_text(steps: Iterable[AugmentStep]) -> str | None:
    """List the augmentations in words: Noise and PitchShift give "noise, pitch shift"."""
    names = [name for step in steps for name in step.model_dump(exclude_none=True)]
    words = ["".join(f" {c.lower()}" if c.isupper() else c for c in name).strip() for name in names]
    return ", ".join(dict.fromkeys(words)) or None


def management_text(*, pruned: bool, quantised: bool) -> str | None:
    """List what keeps the network small, in the challenge's words."""
    words = [*("pruning",) * pruned, *("weight quantization",) * quantised]
    return ", ".join(words) or None


def method_text(layer_types: Iterable[str]) -> str:
    """Name the kind of network by its layers' class names: CNN, RNN, CRNN or MLP."""
    types = tuple(layer_types)
    convolutional = any("Conv" in name for name in types)
    recurrent = any(name in ("GRU", "LSTM", "SimpleRNN", "Bidirectional", "RNN") for name in types)
    return {(True, True): "CRNN", (True, False): "CNN", (False, True): "RNN"}.get(
        (convolutional, recurrent), "MLP"
    )


def _author(author: AuthorSettings) -> Author:
    """An author as the meta file nests it."""
    return Author.model_construct(
        lastname=author.lastname,
        firstname=author.firstname,
        email=author.email,
        corresponding=author.corresponding,
        affiliation=Affiliation.model_construct(
            abbreviation=author.affiliation,
            institute=author.institute,
            department=author.department,
            location=author.location,
        ),
    )


def _description(facts: SubmissionFacts) -> Description:
    """How the system works."""
    return Description.model_construct(
        input_sampling_rate=f"{facts.sample_rate_hz / 1000:g}kHz",
        acoustic_features=facts.acoustic_features,
        embeddings=None,
        data_augmentation=facts.data_augmentation,
        machine_learning_method=facts.machine_learning_method,
        ensemble_method_subsystem_count=facts.subsystems if facts.subsystems > 1 else None,
        decision_making=facts.decision_making,
        external_data_usage=None,
        complexity_management=facts.complexity_management,
    )


def _result(cell: dict[str, Any]) -> Result:
    """A pair of scores, accuracy in percent; an empty cell becomes NaN, which validation finds."""
    loss, accuracy = (
        math.nan if cell[name] is None else float(cell[name]) for name in ("log_loss", "accuracy")
    )
    return Result.model_construct(logloss=round(loss, 4), accuracy=round(100 * accuracy, 3))
