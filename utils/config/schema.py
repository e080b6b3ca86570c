"""Every parameter of task.yaml as frozen pydantic models: names, types, units, defaults, bounds.

``docs/configuration.md`` is generated from this file. Times are in seconds, frequencies in hertz;
samples and frames are derived by the stages.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from utils.config.fields import AsGiven, Count, Fraction, Many, Positive, Section, misplaced


class ColumnSettings(Section):
    """Column names of a ``csv`` data set; null where the table has no such column."""

    filename: str = Field("filename", description="file name relative to audio_folder")
    label: str = Field("label", description="class label")
    fold: str | None = Field(None, description="fold number; the fold's clips are its test part")
    group: str | None = Field(None, description="recording or place that must not be split")
    device: str | None = Field(None, description="recording device")


class ValidationSettings(Section):
    """How validation clips are taken out of a fold's training clips."""

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


class DatasetSettings(Section):
    """Which data set, where its parts lie, and how it is split."""

    name: str = Field("tau_urban_2020_mobile", description="loader, see docs/adding_a_dataset.md")
    folds: Many[int] | None = Field(None, description="folds to run; null runs all")
    classes: Many[str] | None = Field(None, description="class order; null sorts by name")
    metadata: str = Field("meta.csv", description="csv data sets: the table, relative to --data")
    evaluation: str | None = Field(
        None,
        description="csv data sets: table of unlabelled clips for -m eval, relative to --data",
    )
    audio_folder: str = Field("audio", description="csv data sets: audio, relative to --data")
    columns: ColumnSettings = Field(default_factory=lambda: ColumnSettings())
    validation: ValidationSettings = Field(default_factory=lambda: ValidationSettings())


class AudioSettings(Section):
    """What a clip is once it is read: mono, one rate, one length."""

    sample_rate: Count = Field(44100, description="hertz; other rates are resampled by soxr")
    seconds: Positive = Field(10.0, description="clip length; longer clips are cut")
    short_clips: Literal["zeros", "loop", "reflect"] = Field(
        "zeros", description="how shorter clips are extended"
    )
    on_bad_audio: Literal["fail", "skip"] = Field(
        "fail", description="stop at a file that cannot be used, or list it in the report"
    )


class NormaliseSettings(Section):
    """Feature normalisation by statistics of each frequency band."""

    method: Literal["mean_std", "none"] = Field("mean_std", description="(x - mean) / std")
    clips: Literal["train", "train_and_validation"] = Field(
        "train", description="clips of the statistics; the DCASE baseline used both"
    )


class FeatureSettings(Section):
    """Log-mel spectrogram as librosa defines it, or the waveform itself."""

    kind: Literal["log_mel", "waveform"] = Field("log_mel", description="what the network sees")
    window_seconds: Positive = Field(0.04, description="analysis window, seconds")
    hop_seconds: Positive = Field(0.02, description="from frame to frame, seconds")
    n_fft: Count = Field(2048, description="FFT length in samples")
    window: Literal["hamming", "hann"] = Field("hamming", description="periodic window")
    n_mels: Count = Field(40, description="mel bands: rows of the network's input")
    f_min: Annotated[float, Field(ge=0.0)] = Field(0.0, description="lowest band edge, hertz")
    f_max: Positive | None = Field(
        None, description="highest band edge, hertz; null is half the rate"
    )
    power: Literal[1, 2] = Field(1, description="1: magnitude, 2: power spectrogram")
    mel_scale: Literal["slaney", "htk"] = Field("slaney", description="formula of the mel scale")
    mel_norm: Literal["slaney", "none"] = Field("slaney", description="area normalisation")
    log: Literal["natural", "decibel"] = Field(
        "natural", description="natural: ln(x + 2.2e-16) as DCASE; decibel as librosa"
    )
    frames: Count | None = Field(500, description="frames kept from the start; null keeps all")
    normalise: NormaliseSettings = Field(default_factory=lambda: NormaliseSettings())


class NoiseSettings(Section):
    """White noise at a random signal-to-noise ratio."""

    min_snr_db: float = Field(5.0, description="loudest noise, decibels below the signal")
    max_snr_db: float = Field(40.0, description="softest noise")
    probability: Fraction = Field(0.5, description="share of the clips")

    @model_validator(mode="after")
    def ordered(self) -> "NoiseSettings":
        """Refuse an empty range."""
        if self.min_snr_db > self.max_snr_db:
            raise ValueError(
                f"min_snr_db {self.min_snr_db:g} is above max_snr_db {self.max_snr_db:g}"
            )
        return self


class ShiftSettings(Section):
    """Circular shift in time."""

    max_seconds: Positive = Field(1.0, description="largest shift to either side")
    probability: Fraction = Field(0.5, description="share of the clips")


class PitchShiftSettings(Section):
    """Pitch shift at constant length by a phase vocoder."""

    max_semitones: Positive = Field(2.0, description="largest shift up or down")
    probability: Fraction = Field(0.5, description="share of the clips")


class AugmentStep(Section):
    """One augmentation: exactly one of these names with its arguments."""

    Noise: NoiseSettings | None = None
    Shift: ShiftSettings | None = None
    PitchShift: PitchShiftSettings | None = None

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
    def one_name(self) -> "AugmentStep":
        """Refuse an empty step and a step of two names."""
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"an augmentation step has one name, received {given or 'none'}")
        return self


class ModelSettings(Section):
    """The network: a named one of ``models`` or a layer list of its own."""

    use: str | None = Field(None, description="name in `models`")
    constants: AsGiven[dict[str, int | float | str]] = Field(
        default_factory=dict, description="values of $NAMES in the layer list"
    )
    layers: AsGiven[list[Any]] | None = Field(
        None, description="layer list, see docs/adding_a_layer.md"
    )
    outputs: AsGiven[list[str]] | None = Field(
        None, description="names of output layers; null: the last"
    )


class SelectSettings(Section):
    """Which epoch's weights are kept."""

    metric: str = Field("val_categorical_accuracy", description="a column of history.csv")
    mode: Literal["max", "min"] = Field("max", description="which way is better")
    after_epoch: Annotated[int, Field(ge=0)] = Field(
        51, description="only epochs after this one (counted from 1) compete; 0: all compete"
    )


class TrainingSettings(Section):
    """How the network is trained."""

    epochs: Count = Field(200, description="passes over the training clips")
    batch_size: Count = Field(16, description="clips a step")
    optimizer: dict[str, dict[str, Any]] = Field(
        default_factory=lambda: {"Adam": {"learning_rate": 0.001}},
        description="name of a keras.optimizers class and its arguments",
    )
    loss: str = Field("categorical_crossentropy", description="own loss or a Keras loss by name")
    metrics: Many[str] = Field(
        ("categorical_accuracy",), description="Keras metrics by name, columns of history.csv"
    )
    select: SelectSettings = Field(default_factory=lambda: SelectSettings())
    jit_compile: Literal["auto", "on", "off"] = Field(
        "auto",
        description="XLA: auto is on for GPUs without `deterministic`; off for CPUs, where it is "
        "slower",
    )
    deterministic: bool = Field(
        True,
        description="the same seed gives the same numbers on the same machine; excludes XLA",
    )
    mixed_precision: Literal["off", "mixed_float16", "mixed_bfloat16"] = Field(
        "off", description="Keras dtype policy; pays on GPUs"
    )
    strategy: Literal["auto", "single", "mirrored"] = Field(
        "auto", description="auto mirrors over all GPUs if there are several"
    )
    checkpoint_epochs: Count = Field(1, description="epochs between full-state checkpoints")

    @model_validator(mode="after")
    def xla_is_not_deterministic(self) -> "TrainingSettings":
        """Refuse a wish for XLA that Keras would silently drop."""
        if self.deterministic and self.jit_compile == "on":
            raise misplaced(
                "training.jit_compile",
                "on excludes deterministic kernels; set training.deterministic to false",
            )
        return self

    @model_validator(mode="after")
    def one_optimizer(self) -> "TrainingSettings":
        """Refuse none or two optimizers."""
        if len(self.optimizer) != 1:
            raise misplaced(
                "training.optimizer",
                f"expected one optimizer, received {', '.join(self.optimizer) or 'none'}",
            )
        return self


class PipelineSettings(Section):
    """Resources of feature extraction and of the tf.data pipeline."""

    memory_gb: Positive = Field(
        4.0, description="features up to this size are held in memory, larger files are streamed"
    )
    jobs: Count | None = Field(None, description="extraction processes; null: one a core")


class EvaluationSettings(Section):
    """How predictions are scored."""

    batch_size: Count = Field(32, description="clips in a validation batch")
    bootstrap: Annotated[int, Field(ge=0)] = Field(
        1000, description="resamples for the 95 % intervals; 0 turns them off"
    )


class ExportSettings(Section):
    """TFLite export."""

    formats: Many[Literal["float32", "float16", "dynamic", "int8"]] = (
        "float32",
        "float16",
        "dynamic",
        "int8",
    )
    calibration_clips: Count = Field(100, description="training clips that set the int8 ranges")


class LimitSettings(Section):
    """Limits of challenges; the report gives a verdict on each."""

    parameter_bytes: dict[str, Count] = Field(
        default_factory=lambda: {"DCASE 2021 (128 KB)": 128_000, "DCASE 2021 (128 KiB)": 131_072},
        description="non-zero parameter bytes by name of the limit",
    )
    parameters: dict[str, Count] = Field(
        default_factory=lambda: {"DCASE 2022 (128 K parameters)": 128_000},
        description="parameters by name of the limit, zeros included",
    )
    macs: dict[str, Count] = Field(
        default_factory=lambda: {"DCASE 2022 (30 MMAC)": 30_000_000},
        description="multiply-accumulate operations for one clip",
    )
    format: Literal["keras_float16", "float32", "float16", "dynamic", "int8"] = Field(
        "int8", description="the model that is judged (an export format or Keras in float16)"
    )


class AuthorSettings(Section):
    """An author of a challenge submission."""

    firstname: str
    lastname: str
    email: str
    corresponding: bool = False
    institute: str
    affiliation: str = Field("", description="abbreviation of the institute")
    department: str = ""
    location: str = ""


class SubmissionSettings(Section):
    """What the challenge's meta file asks for and no run can know."""

    label: str = Field("Lastname_Inst_task1a_1", description="[LastName]_[Inst]_task1a_[1-4]")
    name: str = "DCASE baseline in Keras"
    abbreviation: Annotated[str, Field(max_length=10)] = "Baseline"
    authors: Many[AuthorSettings] = ()
    source_code: str | None = None


class ReportSettings(Section):
    """What report.html shows."""

    wrong_clips: Annotated[int, Field(ge=0)] = Field(
        6, description="spectrograms of wrongly classified clips"
    )


class PathSettings(Section):
    """Folders, relative to the script's own; they do not change a result."""

    runs: str = Field("runs", description="run folders: models, scores, reports")
    cache: str = Field("cache", description="extracted features, shared by all runs")
    demo: str = Field("datasets/demo", description="generated demo data")


class Settings(Section):
    """One resolved set: everything that a run needs to know."""

    set_id: str = Field(description="name of the set, for -s and for the run's folder")
    description: str = Field("", description="one line for --show_sets and tables")
    seed: Annotated[int, Field(ge=0)] = Field(
        0, description="of weights, order and augmentation; 0 is a seed like any other"
    )
    dataset: DatasetSettings = Field(default_factory=lambda: DatasetSettings())
    audio: AudioSettings = Field(default_factory=lambda: AudioSettings())
    features: FeatureSettings = Field(default_factory=lambda: FeatureSettings())
    augment: Many[AugmentStep] = ()
    model: ModelSettings = Field(default_factory=lambda: ModelSettings())
    training: TrainingSettings = Field(default_factory=lambda: TrainingSettings())
    pipeline: PipelineSettings = Field(default_factory=lambda: PipelineSettings())
    evaluation: EvaluationSettings = Field(default_factory=lambda: EvaluationSettings())
    export: ExportSettings = Field(default_factory=lambda: ExportSettings())
    limits: LimitSettings = Field(default_factory=lambda: LimitSettings())
    submission: SubmissionSettings = Field(default_factory=lambda: SubmissionSettings())
    report: ReportSettings = Field(default_factory=lambda: ReportSettings())
    paths: PathSettings = Field(default_factory=lambda: PathSettings())

    @model_validator(mode="after")
    def one_network(self) -> "Settings":
        """Refuse no network, and a named one beside a layer list."""
        if (self.model.use is None) == (self.model.layers is None):
            received = "neither" if self.model.use is None else "both"
            raise misplaced("model", f"expected use: NAME or layers: [...], received {received}")
        return self

    @model_validator(mode="after")
    def features_fit_audio(self) -> "Settings":
        """Refuse features that a clip of this rate and length cannot give."""
        rate, features = self.audio.sample_rate, self.features
        if features.kind == "waveform":
            return self
        top = features.f_max or rate / 2
        if top > rate / 2:
            raise misplaced(
                "features.f_max",
                f"{top:g} Hz is above half the sample rate ({rate / 2:g} Hz); lower it",
            )
        if features.f_min >= top:
            raise misplaced("features.f_min", f"{features.f_min:g} Hz is not below {top:g} Hz")
        window = round(features.window_seconds * rate)
        if window > features.n_fft:
            raise misplaced(
                "features.n_fft",
                f"{features.n_fft} is less than the window of {window} samples; raise it",
            )
        hop = max(1, round(features.hop_seconds * rate))
        frames = 1 + round(self.audio.seconds * rate) // hop
        if features.frames is not None and features.frames > frames:
            raise misplaced(
                "features.frames",
                f"a clip of {self.audio.seconds:g} s has {frames} frames, "
                f"received {features.frames}; lower it or write null",
            )
        return self
