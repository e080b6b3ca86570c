"""Sections of task.yaml on sound events: augmentation of features, teacher, post-processing."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from utils.config.fields import Count, Fraction, Positive, Section, Step


class GroupMixupSettings(Section):
    """Weighted sums of two clips that are labelled alike: strong with strong, weak with weak."""

    alpha: Annotated[float, Field(ge=0.001)] = Field(
        0.2, description="the share of a batch is drawn from Beta(alpha, alpha) for each group"
    )
    probability: Fraction = Field(0.5, description="share of the batches")
    labels: Literal["soft", "hard"] = Field(
        "soft", description="soft: targets are mixed in the same shares; hard: both are there"
    )


class FilterAugmentSettings(Section):
    """A random gain for each of some frequency bands (Nam, Kim and Park, ICASSP 2022)."""

    kind: Literal["step", "linear"] = Field(
        "step", description="gain within a band: constant, or linear between the edges' gains"
    )
    min_db: float = Field(-6.0, description="lowest gain")
    max_db: float = Field(6.0, description="highest gain")
    min_bands: Count = Field(3, description="fewest bands")
    max_bands: Count = Field(6, description="most bands")
    min_bandwidth: Count = Field(6, description="narrowest band, mels")
    probability: Fraction = Field(1.0, description="share of the clips")

    @model_validator(mode="after")
    def ordered(self) -> "FilterAugmentSettings":
        """Refuse empty ranges."""
        if self.min_db > self.max_db or self.min_bands > self.max_bands:
            raise ValueError("a lowest value is above the highest")
        return self


class TimeMaskSettings(Section):
    """A stretch of frames without any sound; what happened there is taken out of the labels."""

    min_share: Fraction = Field(0.05, description="shortest stretch, share of the clip")
    max_share: Fraction = Field(0.2, description="longest stretch")
    probability: Fraction = Field(1.0, description="share of the clips")

    @model_validator(mode="after")
    def ordered(self) -> "TimeMaskSettings":
        """Refuse an empty range."""
        if self.min_share > self.max_share:
            raise ValueError(f"min_share {self.min_share:g} is above max_share {self.max_share:g}")
        return self


class FrameShiftSettings(Section):
    """Circular shift in time by whole steps of the labels' grid; labels are shifted too."""

    deviation_seconds: Positive = Field(
        1.44, description="standard deviation of the shift, which is normally distributed"
    )
    probability: Fraction = Field(1.0, description="share of the clips")


class FeatureAugmentStep(Step):
    """One augmentation of features: exactly one of these names with its arguments."""

    GroupMixup: GroupMixupSettings | None = None
    FilterAugment: FilterAugmentSettings | None = None
    TimeMask: TimeMaskSettings | None = None
    FrameShift: FrameShiftSettings | None = None


class PartsSettings(Section):
    """Clips of each kind in a training step of sound events."""

    strong: Count = Field(12, description="clips whose events have onset and offset")
    weak: Annotated[int, Field(ge=0)] = Field(12, description="clips with labels of the whole clip")
    unlabelled: Annotated[int, Field(ge=0)] = Field(24, description="clips without labels")


class TeacherSettings(Section):
    """A moving average of the network's weights as its teacher (Tarvainen and Valpola, 2017)."""

    decay: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.999, description="of the average, after a faster start"
    )
    distance: Literal["mse", "bce"] = Field(
        "mse", description="between student and teacher: mean square or binary cross-entropy"
    )
    weight: Annotated[float, Field(ge=0.0)] = Field(
        2.0, description="of the distance in the loss, after the rise"
    )
    warmup_epochs: Annotated[float, Field(ge=0.0)] = Field(
        50.0, description="rise of the weight: exp(-5 (1 - t)^2)"
    )


class BoxSettings(Section):
    """Sound event bounding boxes by change detection, instead of a median filter."""

    seconds: Positive = Field(0.512, description="length of the step filter")
    absolute: Annotated[float, Field(ge=0.0)] = Field(
        0.3, description="a gap this much below its higher neighbour stays a gap"
    )
    relative: Annotated[float, Field(ge=1.0)] = Field(
        1.5, description="so does one that is lower by this factor"
    )


class PostprocessSettings(Section):
    """From scores of steps to sound events."""

    method: Literal["median", "boxes"] = Field(
        "median", description="median filter and threshold, or bounding boxes"
    )
    median_seconds: Positive = Field(0.448, description="length of the median filter")
    threshold: Fraction = Field(0.5, description="events are where scores are above it")
    boxes: BoxSettings = Field(default_factory=lambda: BoxSettings())
    weak_masking: bool = Field(
        False, description="scores of steps are multiplied by the clip's probability"
    )
    tune: bool = Field(
        False,
        description="choose filter and threshold, or boxes, for each class on the strongly "
        "labelled validation clips, instead of the values above",
    )
