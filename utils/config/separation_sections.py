"""Sections of task.yaml on separation: which stems, how speakers are mixed, segments, masks."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from utils.config.fields import Count, Fraction, Many, Positive, Section, misplaced


class MusicSettings(Section):
    """Songs and their stems (data sets ``musdb`` and ``spleeter``)."""

    stems: dict[str, Many[str]] = Field(
        default_factory=dict,
        description="what is to be separated, in order, and the stems of which each is the sum: "
        "`accompaniment: [drums, bass, other]`; files NAME.wav of musdb, columns NAME_path of "
        "spleeter",
    )
    train: str = Field("train.csv", description="spleeter: table of training songs, in --data")
    validation: str | None = Field(
        None, description="spleeter: table of validation songs; null draws validation.amount"
    )
    test: str | None = Field(
        None, description="spleeter: table of test songs; null draws test_amount"
    )


class SpeakerSettings(Section):
    """How utterances of several speakers are mixed (data set ``speakers``).

    No speaker is in two parts. Utterances are brought to the same RMS, then a level is drawn for
    each.
    """

    number: Annotated[int, Field(ge=2, le=6)] = Field(2, description="speakers in a clip")
    level_db: Annotated[float, Field(ge=0.0)] = Field(
        2.5, description="largest change of a speaker's level to either side, decibels"
    )
    length: Literal["min", "max"] = Field(
        "min", description="a mixture ends with its shorter or with its longer utterance"
    )
    overlap: Fraction = Field(
        1.0, description="least share of the shorter utterance that is overlapped; of max only"
    )
    train: Count = Field(1000, description="clips of an epoch")
    validation: Count = Field(100, description="validation clips")
    test: Count = Field(200, description="test clips")
    fresh: bool = Field(
        True, description="mix the training clips afresh in each epoch; false: once, as files"
    )
    seed: int = Field(0, description="of speakers' parts and of what is mixed once")

    @model_validator(mode="after")
    def cut_clips_overlap_whole(self) -> "SpeakerSettings":
        """Refuse an overlap that cannot be."""
        if self.length == "min" and self.overlap < 1.0:
            raise misplaced(
                "dataset.speakers.overlap",
                "mixtures that end with the shorter utterance overlap wholly; take length: max",
            )
        return self


class SegmentSettings(Section):
    """Stretches of long files that a separation network learns from, of ``audio.seconds`` each."""

    train: Count = Field(
        400, description="segments of an epoch; of speakers mixed afresh speakers.train counts"
    )
    validation: Count = Field(2, description="segments of each validation file, evenly apart")
    remix: Fraction = Field(
        0.0, description="share of the training segments whose stems are of different songs"
    )
    gain_db: Annotated[float, Field(ge=0.0)] = Field(
        0.0, description="largest change of a stem's level to either side while training"
    )


class SeparationSettings(Section):
    """From what a separation network says to waveforms; it does not change the training."""

    exponent: Positive = Field(
        2.0, description="magnitudes: masks are shares of the stems' magnitudes to this power"
    )
    extension: Literal["average", "zeros"] = Field(
        "average",
        description="magnitudes: mask above the network's highest bin: its mean over the bins of "
        "the frame, or 0",
    )
    add_up: bool = Field(
        False, description="spread over the stems what they lack to add up to the mixture"
    )
    frames: Count | None = Field(
        None,
        description="magnitudes: frames of the segments that files are separated in; longer ones "
        "than those of training know more of what is before and after; null: features.frames",
    )
    seconds: Positive | None = Field(
        None,
        description="waveforms: length of the segments that files are separated in; in longer "
        "ones than those of training speakers change places less often; null: audio.seconds",
    )
    overlap: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.5, description="share of a segment that the next one repeats in files of any length"
    )
