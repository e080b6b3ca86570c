"""Every parameter of task.yaml as frozen pydantic models: names, types, units, defaults, bounds.

``docs/configuration.md`` is generated from this file. Times are in seconds, frequencies in hertz;
samples and frames are derived by the stages.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from utils.config.compression_section import CompressionSettings
from utils.config.data_sections import (
    ColumnSettings,
    DatasetSettings,
    MixingSettings,
    ValidationSettings,
)
from utils.config.distillation_section import DistillationSettings
from utils.config.event_sections import (
    FeatureAugmentStep,
    PartsSettings,
    PostprocessSettings,
    TeacherSettings,
)
from utils.config.export_section import ExportSettings, LimitSettings
from utils.config.feature_sections import (
    AudioSettings,
    AugmentStep,
    BetweenClassSettings,
    DeviceResponseSettings,
    FeatureSettings,
    MixupSettings,
    NoiseSettings,
    NormaliseSettings,
    PitchShiftSettings,
    ShiftSettings,
    check_features,
)
from utils.config.fields import (
    AsGiven,
    Count,
    Fraction,
    Many,
    Positive,
    Section,
    Threads,
    misplaced,
)
from utils.config.separation_sections import (
    MusicSettings,
    SegmentSettings,
    SeparationSettings,
    SpeakerSettings,
)
from utils.config.study_section import SearchSettings, StudySettings
from utils.config.submission_section import AuthorSettings, SubmissionSettings

__all__ = [
    "AudioSettings",
    "AugmentStep",
    "AuthorSettings",
    "BetweenClassSettings",
    "ColumnSettings",
    "DatasetSettings",
    "DeviceResponseSettings",
    "EvaluationSettings",
    "ExportSettings",
    "FeatureSettings",
    "LimitSettings",
    "MixingSettings",
    "MixupSettings",
    "ModelSettings",
    "MusicSettings",
    "NoiseSettings",
    "NormaliseSettings",
    "PathSettings",
    "PipelineSettings",
    "PitchShiftSettings",
    "ReportSettings",
    "ScheduleSettings",
    "SearchSettings",
    "SegmentSettings",
    "SelectSettings",
    "SeparationSettings",
    "Settings",
    "ShiftSettings",
    "SpeakerSettings",
    "StudySettings",
    "SubmissionSettings",
    "TrainingSettings",
    "ValidationSettings",
]


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


_BETTER: dict[str, tuple[str, ...]] = {  # which way metrics of these endings are better
    "max": ("accuracy", "auc", "precision", "recall", "f1", "psds", "improvement", "epoch"),
    "min": ("loss", "divergence", "error", "crossentropy", "mse", "mae"),
}


class SelectSettings(Section):
    """Which epoch's weights are kept."""

    metric: str = Field(
        "val_categorical_accuracy",
        description="a column of history.csv; `epoch` with mode max keeps the last epoch",
    )
    mode: Literal["max", "min"] = Field("max", description="which way is better")
    after_epoch: Annotated[int, Field(ge=0)] = Field(
        51, description="only epochs after this one (counted from 1) compete; 0: all compete"
    )

    @model_validator(mode="after")
    def _keeps_the_best(self) -> "SelectSettings":
        """Refuse to keep the worst epoch, as where a metric is changed and its mode is not."""
        for mode, endings in _BETTER.items():
            if mode != self.mode and self.metric.endswith(endings):
                which = "high" if mode == "max" else "low"
                raise misplaced(
                    "training.select.mode", f"{self.metric} is better {which}; set it to {mode}"
                )
        return self


class ScheduleSettings(Section):
    """How the optimizer's learning rate changes, step by step."""

    kind: Literal["constant", "cosine", "step", "plateau"] = Field(
        "constant",
        description="constant; cosine: half a cosine from the learning rate down to `final`; step: "
        "times `factor` every `step_epochs`; plateau: times `factor` after more than `patience` "
        "epochs in which `metric` became no lower (by 1e-4 of itself), as in PyTorch",
    )
    warmup_epochs: Annotated[float, Field(ge=0.0)] = Field(0.0, description="rise before it")
    warmup: Literal["linear", "exponential"] = Field(
        "linear",
        description="linear: from 0; exponential: exp(-5 (1 - t)^2) of it, from 0.7 %",
    )
    final: Fraction = Field(0.0, description="cosine: last rate as a share of the highest")
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(0.5, description="step and plateau")
    step_epochs: Count = Field(2, description="step: epochs of each rate")
    patience: Annotated[int, Field(ge=0)] = Field(
        5, description="plateau: so many epochs may pass; Keras' own callback counts one more"
    )
    metric: str = Field(
        "val_loss", description="plateau: a column of history.csv that ends in `loss`"
    )

    @model_validator(mode="after")
    def plateau_falls(self) -> "ScheduleSettings":
        """Refuse a plateau of what is better high: it would count every better epoch as worse."""
        if self.kind == "plateau" and not self.metric.endswith("loss"):
            raise misplaced(
                "training.schedule.metric",
                f"a plateau is of what should fall, and {self.metric} does not end in 'loss'",
            )
        return self


class TrainingSettings(Section):
    """How the network is trained."""

    epochs: Count = Field(200, description="passes over the training clips")
    folds: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="cross-validation: the development clips are divided into so many parts, each "
        "of them tested by a network trained on the others; null: one network",
    )
    batch_size: Count = Field(16, description="clips a step")
    parts: PartsSettings | None = Field(
        None, description="sound events: how many clips of each kind `batch_size` is made of"
    )
    teacher: TeacherSettings | None = Field(
        None, description="sound events: mean teacher; null learns from labels alone"
    )
    distillation: DistillationSettings | None = Field(
        None, description="labels of whole clips: learn from the answers of other networks too"
    )
    optimizer: dict[str, dict[str, Any]] = Field(
        default_factory=lambda: {"Adam": {"learning_rate": 0.001}},
        description="name of a keras.optimizers class and its arguments",
    )
    schedule: ScheduleSettings = Field(default_factory=lambda: ScheduleSettings())
    loss: str = Field("categorical_crossentropy", description="own loss or a Keras loss by name")
    metrics: Many[str] = Field(
        ("categorical_accuracy",), description="Keras metrics by name, columns of history.csv"
    )
    select: SelectSettings = Field(default_factory=lambda: SelectSettings())
    ema: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        None,
        description="momentum (such as 0.999) of a moving average of the weights over the steps, "
        "batch statistics included, without bias towards the start; validation judges the average, "
        "and it is kept; null: none",
    )
    patience: Count | None = Field(
        None,
        description="stop after so many epochs without a better `select.metric`; null: never",
    )
    jit_compile: Literal["auto", "on", "off"] = Field(
        "auto",
        description="XLA: auto is on for GPUs without `deterministic`; off for CPUs, where it is "
        "slower",
    )
    deterministic: bool = Field(
        True,
        description="the same seed gives the same numbers on the same machine; excludes XLA",
    )
    threads: Threads = Field(
        "within",
        description="how a step uses the cores of a CPU; within: each operation is divided among "
        "them; between: operations that do not depend on each other run at the same time, each on "
        "one core, which suits recurrent layers; the last digits hang on it",
    )
    mixed_precision: Literal["off", "mixed_float16", "mixed_bfloat16"] = Field(
        "off", description="Keras dtype policy; pays on GPUs"
    )
    strategy: Literal["auto", "single", "mirrored"] = Field(
        "auto",
        description="auto mirrors over all GPUs if there are several; sound events and "
        "separation take one",
    )
    checkpoint_epochs: Count = Field(1, description="epochs between full-state checkpoints")
    log_steps: Annotated[int, Field(ge=0)] = Field(
        0,
        description="first steps of the training whose loss and gradient norm (before any "
        "clipping) are written to steps.csv; 0: none; TensorFlow on one device",
    )

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
    def parts_fill_the_batch(self) -> "TrainingSettings":
        """Refuse parts that are not the batch."""
        if self.parts is None:
            return self
        clips = self.parts.strong + self.parts.weak + self.parts.unlabelled
        if clips != self.batch_size:
            raise misplaced(
                "training.batch_size", f"{self.batch_size} is not the sum of the parts, {clips}"
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
    shifts_seconds: Many[float] = Field(
        (0.0,),
        description="test-time augmentation: predictions for the features rolled by these times "
        "(whole frames) are averaged",
    )
    calibration: Literal["none", "temperature"] = Field(
        "none",
        description="temperature: probabilities to the power 1/T, T fitted to validation clips",
    )


class ReportSettings(Section):
    """What report.html shows."""

    wrong_clips: Annotated[int, Field(ge=0)] = Field(
        6, description="spectrograms of wrongly classified clips"
    )
    examples: Annotated[int, Field(ge=0)] = Field(
        3, description="test files whose separated stems are kept as audio"
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
    ensemble: Many[str] = Field(
        (),
        description="sets that are run and averaged, with weights fitted out of fold; the set's "
        "own features, network, training, export, shifts and calibration are not used then",
    )
    study: StudySettings | None = Field(
        None,
        description="a set that is varied, arm by arm, and compared; such a set has no other keys "
        "than `task` and `description`, and `demo: {study: ...}`",
    )
    seed: Annotated[int, Field(ge=0)] = Field(
        0, description="of weights, order and augmentation; 0 is a seed like any other"
    )
    dataset: DatasetSettings = Field(default_factory=lambda: DatasetSettings())
    audio: AudioSettings = Field(default_factory=lambda: AudioSettings())
    features: FeatureSettings = Field(default_factory=lambda: FeatureSettings())
    augment: Many[AugmentStep] = ()
    feature_augment: Many[FeatureAugmentStep] = ()
    view_augment: Many[FeatureAugmentStep] = ()
    model: ModelSettings = Field(default_factory=lambda: ModelSettings())
    training: TrainingSettings = Field(default_factory=lambda: TrainingSettings())
    compression: CompressionSettings | None = Field(
        None, description="what makes the trained network smaller; for labels of whole clips"
    )
    pipeline: PipelineSettings = Field(default_factory=lambda: PipelineSettings())
    postprocess: PostprocessSettings = Field(default_factory=lambda: PostprocessSettings())
    segments: SegmentSettings = Field(default_factory=lambda: SegmentSettings())
    separation: SeparationSettings = Field(default_factory=lambda: SeparationSettings())
    evaluation: EvaluationSettings = Field(default_factory=lambda: EvaluationSettings())
    export: ExportSettings = Field(default_factory=lambda: ExportSettings())
    limits: LimitSettings = Field(default_factory=lambda: LimitSettings())
    submission: SubmissionSettings = Field(default_factory=lambda: SubmissionSettings())
    report: ReportSettings = Field(default_factory=lambda: ReportSettings())
    paths: PathSettings = Field(default_factory=lambda: PathSettings())

    @model_validator(mode="after")
    def one_network(self) -> "Settings":
        """Refuse no network, and a named one beside a layer list; an ensemble needs none."""
        if self.ensemble and self.model.use is None and self.model.layers is None:
            return self
        if (self.model.use is None) == (self.model.layers is None):
            received = "neither" if self.model.use is None else "both"
            raise misplaced("model", f"expected use: NAME or layers: [...], received {received}")
        return self

    @model_validator(mode="after")
    def mixed_clips_have_partners(self) -> "Settings":
        """Refuse to mix the clips of a batch where that does nothing or is misread."""
        if not any(step.Mixup or step.BetweenClass for step in self.augment):
            return self
        if self.training.batch_size == 1:
            raise misplaced(
                "training.batch_size",
                "Mixup and BetweenClass mix clips of a batch; raise it or remove the step",
            )
        if self.training.loss in ("hinge", "squared_hinge"):
            raise misplaced(
                "training.loss",
                f"{self.training.loss} needs targets of 0 and 1, which Mixup and BetweenClass turn "
                "into shares; take categorical_crossentropy or kl_divergence",
            )
        return self

    @model_validator(mode="after")
    def features_fit_audio(self) -> "Settings":
        """Refuse features that a clip of this rate and length cannot give."""
        check_features(self.features, self.audio)
        return self
