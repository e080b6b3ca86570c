"""Section of task.yaml on the submission of a challenge: what its forms ask and no run can know."""

from typing import Annotated, Literal

from pydantic import Field

from utils.config.fields import Count, Many, Positive, Section, Text


class AuthorSettings(Section):
    """An author of a challenge submission."""

    firstname: str = Field(description="first name")
    lastname: str = Field(description="last name")
    email: str = Field(description="e-mail address")
    corresponding: bool = Field(False, description="of exactly one author")
    institute: str = Field(description="full name")
    affiliation: str = Field("", description="abbreviation of the institute")
    department: str = Field("", description="of the institute")
    location: str = Field("", description="city and country")


class DescriptionSettings(Section):
    """How the system works, in the challenge's words, where the run's own words do not say it.

    What is null is told by the run, or written as null where the run cannot know it.
    """

    acoustic_features: Text | None = Field(None, description="null: by `features`")
    embeddings: Text | None = Field(None, description="2021 to 2023: such as VGGish; null: none")
    data_augmentation: Text | None = Field(None, description="null: by `augment`")
    machine_learning_method: Text | None = Field(None, description="null: by the kinds of layers")
    decision_making: Text | None = Field(None, description="2021 to 2023: such as average")
    external_data_usage: Text | None = Field(
        None, description="such as pre-trained model; goes with `external_datasets`"
    )
    complexity_management: Text | None = Field(None, description="null: by `limits.format`")
    pipeline: Text | None = Field(
        None, description="from 2022: stages with commas between; null: by the set"
    )
    framework: Text | None = Field(None, description="from 2022: null: keras/tensorflow")
    split_adaptations: Text | None = Field(
        None, description="2024: what differs between the systems of the splits"
    )
    system_adaptations: Text | None = Field(
        None, description="2024: how the system deals with few labelled clips"
    )


class ComplexitySettings(Section):
    """Figures that you expect; they are counted in the file, and another figure is an error.

    Only operations that cannot be counted (see the report's notes) are taken from here.
    """

    total_parameters: Count | None = Field(None, description="parameters, zeros included")
    total_parameters_non_zero: Count | None = Field(None, description="2021 to 2023")
    model_size: Positive | None = Field(
        None, description="2021: non-zero parameters in KB of 1,024 bytes"
    )
    total_model_size: Count | None = Field(None, description="from 2023: bytes of all parameters")
    memory_use: Count | None = Field(
        None, description="2022 and 2023: most bytes of activations at one time"
    )
    macs: Count | None = Field(
        None,
        description="from 2022: multiply-accumulate operations for one clip, of all its shifts",
    )


class EnergySettings(Section):
    """2023: energy in kWh, measured with CodeCarbon on your machine; no run estimates it."""

    training: Positive | None = Field(None, description="of the training")
    inference: Positive | None = Field(None, description="of answering the evaluation set")
    baseline_inference: Positive | None = Field(
        None, description="of the challenge's baseline on the same machine"
    )


class ExternalDatasetSettings(Section):
    """Data from outside the challenge."""

    name: Text = Field(description="of the data set")
    url: Text = Field(description="where it is found")
    total_audio_length: Annotated[float, Field(ge=0.0)] = Field(description="minutes")


class SubmissionSettings(Section):
    """What the challenge's meta file asks for and no run can know."""

    year: Literal[2021, 2022, 2023, 2024] | None = Field(
        None,
        description="form of the DCASE challenge's task 1 (2021: 1A); null: 2024 for a "
        "`dataset.subset`, 2022 for tau_urban_2022_mobile and 2021 for other sets",
    )
    label: Annotated[str, Field(pattern=r"^[^./\\]+$")] | None = Field(
        None,
        description="[LastName]_[Inst]_task1_[1-4], 2021 ..._task1a_[1-4]; null: a placeholder, "
        "which is not packed",
    )
    name: str = Field("DCASE baseline in Keras", description="of the system")
    abbreviation: Annotated[str, Field(max_length=10)] = Field(
        "Baseline", description="of the name, for tables"
    )
    authors: Many[AuthorSettings] = Field((), description="in the order of the report")
    source_code: str | None = Field(None, description="address of the published source")
    description: DescriptionSettings = Field(default_factory=lambda: DescriptionSettings())
    complexity: ComplexitySettings = Field(default_factory=lambda: ComplexitySettings())
    energy_consumption: EnergySettings = Field(default_factory=lambda: EnergySettings())
    external_datasets: Many[ExternalDatasetSettings] = Field(
        (), description="data from outside the challenge; [] for none"
    )
