"""The files of a fold's network that take features, and C source of them."""

from pathlib import Path

import numpy as np

from utils import export, inference
from utils.config.export_section import ExportSettings
from utils.experiment.quantisation import QAT
from utils.export.c_array import write_c_array
from utils.export.labels import finished
from utils.export.mixed import MIXED, mixed
from utils.files import read_json, write_bytes, write_json

MIXED_FACTS = "mixed.json"


def write_files(
    folder: Path,
    settings: ExportSettings,
    *,
    calibration: np.ndarray,
    metadata: inference.Metadata,
) -> dict[str, Path]:
    """Write what ``export`` asks for; the file of the int8 training is there already.

    Args:
        folder: of the fold, with ``model.keras``.
        settings: the section.
        calibration: normalised features of training clips, float32 (clips, ...).
        metadata: put inside every file.

    Returns:
        Files by name.

    Raises:
        UserError: for a network that cannot be converted.
    """
    network = inference.load_keras(folder / "model.keras")
    paths = export.export_formats(
        network,
        calibration=calibration,
        folder=folder,
        formats=settings.formats,
        metadata=metadata,
    )
    if settings.mixed is not None:
        found = mixed(network, calibration=calibration, layers=settings.mixed.layers, folder=folder)
        paths[MIXED] = folder / f"model_{MIXED}.tflite"
        write_bytes(paths[MIXED], finished(found.content, metadata))
        facts = {"kept": found.kept, "errors": found.errors}
        write_json(folder / MIXED_FACTS, facts)
    if settings.qat is not None:
        paths[QAT] = folder / f"model_{QAT}.tflite"
    for chosen in settings.c_array:
        write_c_array(paths[chosen])
    return paths


def mixed_note(folder: Path) -> str:
    """What ``mixed.json`` says, in a sentence."""
    facts = read_json(folder / MIXED_FACTS)
    first, *_, last = facts["errors"]
    return (
        f"{MIXED} keeps {', '.join(facts['kept'])} in float16; for calibration clips its outputs "
        f"differ from the network's by {last:.2g} (root mean square), {first:.2g} without these."
    )
