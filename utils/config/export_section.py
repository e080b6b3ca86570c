"""Sections of task.yaml on the files that a trained network is exported to, and their limits."""

from typing import Literal

from pydantic import Field, model_validator

from utils.config.compression_section import FurtherSettings
from utils.config.fields import Count, Many, Section, misplaced

ExportFormat = Literal["float32", "float16", "dynamic", "int8"]
ExportedFile = Literal["float32", "float16", "dynamic", "int8", "mixed", "int8_qat"]


def how_to_export(name: str) -> str:
    """What to write so that a file is exported."""
    own = {"mixed": "export.mixed", "int8_qat": "export.qat"}
    return f"set {own[name]}" if name in own else "add it to export.formats"


class QatSettings(FurtherSettings):
    """Quantisation-aware training: the int8 file trained further, with the numbers that it has."""


class MixedSettings(Section):
    """A file of two precisions: int8, but for the layers that lose most by it."""

    layers: Count = Field(
        2,
        description="convolutions and dense layers whose weights stay in float16: those without "
        "whose rounding the outputs for calibration clips differ least from the network's",
    )


class ExportSettings(Section):
    """TFLite export."""

    formats: Many[ExportFormat] = ("float32", "float16", "dynamic", "int8")
    calibration_clips: Count = Field(100, description="training clips that set the int8 ranges")
    qat: QatSettings | None = Field(
        None,
        description="one more file, `int8_qat`: int8 like `int8`, trained further with rounded "
        "weights and activations, whose ranges are learnt; for labels of whole clips; null: none",
    )
    mixed: MixedSettings | None = Field(
        None,
        description="one more file, `mixed`: int8 but for some layers in float16, with float32 "
        "input and output; for labels of whole clips; null: none",
    )
    samples: Many[ExportedFile] = Field(
        (),
        description="of the formats: those written a second time as "
        "`model_<format>_samples.tflite`, which takes the samples of a clip and gives calibrated "
        "probabilities (front end, normaliser and calibration in float32 around the same network); "
        "for labels of whole clips, with an `n_fft` that is a power of two",
    )
    c_array: Many[ExportedFile] = Field(
        (),
        description="of the formats: those written as C source too, `model_<format>.h` and `.c`; "
        "for labels of whole clips, other files by `python -m utils.export.c_array`",
    )

    @model_validator(mode="after")
    def made_of_exported_files(self) -> "ExportSettings":
        """Refuse to make something of a file that is not exported."""
        for name in ("samples", "c_array"):
            for wanted in getattr(self, name):
                if wanted not in self.files:
                    raise misplaced(
                        f"export.{name}",
                        f"{wanted} is not among the files that are exported "
                        f"({', '.join(self.files) or 'none'}); {how_to_export(wanted)}",
                    )
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files that take features: the formats, then those that are asked for."""
        asked = {"mixed": self.mixed, "int8_qat": self.qat}
        return (*self.formats, *(name for name, settings in asked.items() if settings is not None))


class LimitSettings(Section):
    """Limits of challenges; the report gives a verdict on each."""

    parameter_bytes: dict[str, Count] = Field(
        default_factory=lambda: {"DCASE 2021 (128 KB)": 128_000, "DCASE 2021 (128 KiB)": 131_072},
        description="non-zero parameter bytes by name of the limit (the rule of 2021)",
    )
    model_bytes: dict[str, Count] = Field(
        default_factory=dict,
        description="parameter bytes by name of the limit, zeros included (the rule since 2022)",
    )
    parameters: dict[str, Count] = Field(
        default_factory=lambda: {"DCASE 2022 (128 K parameters)": 128_000},
        description="parameters by name of the limit, zeros included",
    )
    macs: dict[str, Count] = Field(
        default_factory=lambda: {"DCASE 2022 (30 MMAC)": 30_000_000},
        description="multiply-accumulate operations for one clip, of all "
        "evaluation.shifts_seconds: of the network, and of the judged file as NeSsi counts them, "
        "the challenges' tool",
    )
    format: Literal["keras_float16"] | ExportedFile = Field(
        "int8",
        description="the model that is judged: an export format, or Keras in float16, whose zeros "
        "always count",
    )
