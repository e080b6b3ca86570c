"""Section of task.yaml on the files that a trained network is exported to."""

from typing import Literal

from pydantic import Field, model_validator

from utils.config.fields import Count, Many, Section, misplaced

ExportFormat = Literal["float32", "float16", "dynamic", "int8"]


class ExportSettings(Section):
    """TFLite export."""

    formats: Many[ExportFormat] = ("float32", "float16", "dynamic", "int8")
    calibration_clips: Count = Field(100, description="training clips that set the int8 ranges")
    samples: Many[ExportFormat] = Field(
        (),
        description="of the formats: those written a second time as "
        "`model_<format>_samples.tflite`, which takes the samples of a clip and gives calibrated "
        "probabilities (front end, normaliser and calibration in float32 around the same network); "
        "for labels of whole clips, with an `n_fft` that is a power of two",
    )
    c_array: Many[ExportFormat] = Field(
        (),
        description="of the formats: those written as C source too, `model_<format>.h` and `.c`; "
        "for labels of whole clips, other files by `python -m utils.export.c_array`",
    )

    @model_validator(mode="after")
    def made_of_exported_files(self) -> "ExportSettings":
        """Refuse to make something of a file that is not exported."""
        for name in ("samples", "c_array"):
            for wanted in getattr(self, name):
                if wanted not in self.formats:
                    raise misplaced(
                        f"export.{name}",
                        f"{wanted} is not among export.formats "
                        f"({', '.join(self.formats) or 'none'}); add it there",
                    )
        return self
