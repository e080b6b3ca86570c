"""Quantisation-aware training: the int8 file of a network, trained further as what it is."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils import export, inference
from utils.config.export_section import QatSettings
from utils.config.schema import TrainingSettings
from utils.experiment.further import require_optimizer, train_further
from utils.experiment.learning import Learning
from utils.export.labels import finished
from utils.features import AnyNormaliser
from utils.files import read_json, write_bytes, write_json
from utils.inference import Metadata
from utils.run import Place

if TYPE_CHECKING:
    import keras

    from utils.compression.simulation import Simulation

QAT = "int8_qat"
"""Name of the format: the file is ``model_int8_qat.tflite``."""

FACTS = "qat.json"
_PATH = "export.qat"
QAT_FOLDER = _PATH.rpartition(".")[2]
"""Of the training, in that of the fold."""


def train_int8(
    learning: Learning,
    place: Place,
    settings: QatSettings,
    *,
    normaliser: AnyNormaliser | None,
    calibration: np.ndarray,
    metadata: Metadata,
) -> float:
    """Convert a network to int8, train the file further, write it.

    Leaves ``model_int8_qat.tflite``, ``qat/`` with checkpoint and history, and ``qat.json``, which
    says how far the file and its simulation agree.

    Args:
        learning: what the network has learnt from.
        place: of the fold; the network is its ``model.keras``.
        settings: how long, how fast.
        normaliser: that the network was trained with.
        calibration: as for :func:`utils.export.export_formats`.
        metadata: put inside the file.

    Returns:
        Seconds that processes before this one spent on it.

    Raises:
        UserError: when the network cannot be converted or trained so.
    """
    from utils.compression.graph import Graph
    from utils.compression.simulation import Simulation
    from utils.compression.writing import written

    path = place.folder / f"model_{QAT}.tflite"
    files = export.converted(
        inference.load_keras(place.folder / "model.keras"),
        calibration=calibration,
        formats=("int8", "float32"),
        folder=place.folder,
    )
    graph = Graph.of(files["int8"], files["float32"])
    compression = learning.job.settings.compression
    pruned = compression is not None and compression.zeros is not None
    trained = train_further(
        learning, place, lambda: Simulation(graph, keep_zeros=pruned), settings,
        path=_PATH, start=place.folder / "model.keras", normaliser=normaliser,
    )  # fmt: skip
    write_bytes(path, finished(written(trained.model, files["int8"]), metadata))
    file = inference.load_predictor(path)
    write_json(place.folder / FACTS, _agreement(trained.model, file, learning, normaliser))
    return trained.earlier_seconds


def require_trainable(model: "keras.Model", training: TrainingSettings, asked: QatSettings) -> None:
    """Refuse what cannot be trained in int8; to be asked before hours of training too.

    Args:
        model: the network, trained or not.
        training: the set's section ``training``.
        asked: the section ``export.qat``.

    Raises:
        ConfigError: for an optimiser that does not exist.
        UserError: for a network that cannot be converted, or that holds an unknown operator.
    """
    from utils.compression.graph import Graph
    from utils.compression.simulation import Simulation

    export.require_possible(model, ["int8"], path=_PATH)
    clip = np.random.default_rng(0).standard_normal((1, *model.input_shape[1:])).astype(np.float32)
    files = export.converted(model, calibration=clip, formats=("int8", "float32"), folder=Path())
    simulation = Simulation(Graph.of(files["int8"], files["float32"]))
    require_optimizer(simulation, training, asked, path=_PATH)


def _agreement(
    simulation: "Simulation",
    predictor: inference.Predictor,
    learning: Learning,
    normaliser: AnyNormaliser | None,
) -> dict[str, Any]:
    """How far the file says what the simulation says of the validation clips.

    Returns:
        Numbers of the clips and shares of them, the largest difference in steps of the int8 output,
        and the scores of both, named as in history.csv.
    """
    from utils.compression.simulation import STEPS

    low, high = (float(limit) for limit in simulation.limits(simulation.graph.output))
    simulated = learning.validation_answers(lambda seen: np.asarray(simulation(seen)), normaliser)
    told = learning.validation_answers(predictor, normaliser)
    steps = np.abs(np.round((simulated - told) * STEPS / (high - low)))
    return {
        "clips": len(told),
        "equal": float(np.mean(steps == 0)),
        "largest": int(steps.max()),
        "same_class": float(np.mean(simulated.argmax(axis=-1) == told.argmax(axis=-1))),
        "scores_simulation": learning.validation_scores(simulated),
        "scores_file": learning.validation_scores(told),
    }


def agreement_note(place: Place) -> str:
    """What ``qat.json`` says, in a sentence."""
    found = read_json(place.folder / FACTS)
    same = 100 * found["same_class"]
    of_file = found["scores_file"]
    scores = ", ".join(
        f"{name} {value:.4g} and {of_file[name]:.4g}"
        for name, value in found["scores_simulation"].items()
    )
    return (
        f"{QAT}: on {found['clips']} validation clips {100 * found['equal']:.1f} % of the file's "
        f"numbers equal those of the simulation that was trained, the others differ by at most "
        f"{found['largest']} of 256 steps; the likeliest class is the same for {same:.1f} %. "
        f"In the simulation and by the file: {scores}."
    )
