"""Sections of task.yaml on the data: which set, how it is split, how words are mixed."""

from typing import Annotated, Literal

from pydantic import Field

from utils.config.fields import Count, Many, Section
from utils.config.separation_sections import MusicSettings, SpeakerSettings


class ColumnSettings(Section):
    """Column names of a data set's table; null where it has no such column."""

    filename: str = Field(
        "filename",
        description="file name relative to audio_folder; a column, or a pattern of columns in "
        "braces such as fold{fold}/{slice_file_name}",
    )
    label: str = Field("label", description="class label")
    fold: str | None = Field(None, description="fold number; the fold's clips are its test part")
    group: str | None = Field(None, description="recording or place that must not be split")
    device: str | None = Field(None, description="recording device")
    split: str | None = Field(
        None, description="words and speakers data sets: train, validation or test, by speaker"
    )


class ValidationSettings(Section):
    """How validation clips are taken out of a fold's training clips.

    Of isolated words (data set ``words``) whole speakers are taken, so ``amount`` alone counts, and
    ``mixing.seed`` draws them.
    """

    method: Literal["location_city", "group", "random"] = Field(
        "location_city",
        description="location_city: whole locations, balanced by class and city (DCASE baseline); "
        "group: whole groups, balanced by class; random: single clips, balanced by class",
    )
    amount: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.3, description="share of the training clips"
    )
    candidates: Count = Field(100, description="random splits of which the nearest is kept")
    seed: int = Field(0, description="seed of the split alone; the DCASE baseline's split is 0")


class MixingSettings(Section):
    """How isolated words are mixed into clips (data set ``words``; no other takes notice).

    Each word is brought to the same RMS, then a level and a circular shift are drawn for it; the
    sum is scaled to a peak of 30,000 / 32,768.
    """

    words: Count = Field(4, description="words in a clip; each has the same share of the target")
    repeat_words: bool = Field(False, description="whether a clip may hold one word twice")
    repeat_speakers: bool = Field(False, description="whether a speaker may say two of its words")
    level_db: Annotated[float, Field(ge=0.0)] = Field(
        3.0, description="largest change of a word's level to either side, decibels"
    )
    shift_seconds: Annotated[float, Field(ge=0.0)] = Field(
        0.1, description="largest circular shift of a word to either side"
    )
    train: Count = Field(16000, description="clips of an epoch")
    validation: Count = Field(1500, description="validation clips")
    test: Count = Field(1500, description="test clips; with folds, of each fold too")
    fresh: bool = Field(
        True, description="mix the training clips afresh in each epoch; false: once, as files"
    )
    seed: int = Field(0, description="of the clips that are mixed once, whatever the run's seed")


class DesedSettings(Section):
    """Parts of a DESED tree: names of folders below audio/ and of tables below metadata/."""

    strong: Many[str] = Field(
        ("synthetic21_train",), description="training clips with onsets and offsets"
    )
    weak: Many[str] = Field(("weak",), description="training clips with labels of the whole clip")
    unlabelled: Many[str] = Field(
        ("unlabel_in_domain",), description="training clips without labels"
    )
    validation: Many[str] = Field(
        ("synthetic21_validation",),
        description="validation clips with onsets and offsets, beside a share of the weak ones",
    )
    test: Literal["validation", "public"] = Field(
        "validation", description="clips that are scored: the real validation or public evaluation"
    )


class EmbeddingSettings(Section):
    """Frame embeddings of another network (BEATs, ATST ...), computed beforehand: a second input.

    A clip's file holds ``(frames, size)`` floats; frames are averaged to steps. It is named as the
    clip, ``.npy``: ``NAME.npy`` or, where names occur in several parts, ``PART/NAME.npy``.
    """

    folder: str = Field(description="folder of the files, relative to --data")
    size: Count = Field(description="values of a frame")
    steps: Count = Field(156, description="steps of a clip in the network, at most the frames")


class DatasetSettings(Section):
    """Which data set, where its parts lie, and how it is split."""

    name: str = Field("tau_urban_2020_mobile", description="loader, see docs/adding_a_dataset.md")
    folds: Many[int] | None = Field(None, description="folds to run; null runs all")
    published_folds: bool = Field(
        True,
        description="csv data sets and those of urban sounds: false draws as many folds anew (or "
        "training.folds), by the validation method; by method random, recordings of one source lie "
        "on both sides",
    )
    classes: Many[str] | None = Field(None, description="class order; null sorts by name")
    subset: Literal[5, 10, 25, 50, 100] | None = Field(
        None,
        description="tau_urban data sets: per cent of the training list, as split5.csv to "
        "split100.csv of DCASE 2024 list them; networks to be handed in learn no other clips",
    )
    metadata: str = Field(
        "meta.csv",
        description="csv, words and speakers data sets: the table, relative to --data; a words "
        "data set without it has a folder for each word, as Speech Commands",
    )
    test_amount: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.3, description="share drawn for test by the validation method, where no part is given"
    )
    evaluation: str | None = Field(
        None,
        description="csv data sets: table of unlabelled clips for -m eval, relative to --data",
    )
    audio_folder: str = Field(
        "audio", description="csv, words and speakers data sets: audio, relative to --data"
    )
    columns: ColumnSettings = Field(default_factory=lambda: ColumnSettings())
    validation: ValidationSettings = Field(default_factory=lambda: ValidationSettings())
    mixing: MixingSettings = Field(default_factory=lambda: MixingSettings())
    music: MusicSettings = Field(default_factory=lambda: MusicSettings())
    speakers: SpeakerSettings = Field(default_factory=lambda: SpeakerSettings())
    desed: DesedSettings = Field(default_factory=lambda: DesedSettings())
    embeddings: EmbeddingSettings | None = Field(
        None, description="sound events: a second input `embeddings`, (steps, size); null: none"
    )
