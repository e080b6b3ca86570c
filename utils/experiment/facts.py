"""What a network and its files cost, and everything about a run, as results.json holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from models import complexity
from utils import export, inference
from utils.config.separation_sections import SeparationSettings
from utils.errors import UserError
from utils.experiment.job import Job
from utils.export.samples import SUFFIX
from utils.features import Normaliser
from utils.files import write_bytes
from utils.report import limits
from utils.report.measures import headline_measures
from utils.report.results import ExportFacts, LayerFacts, ModelFacts, Results, StepFacts
from utils.run import Run

if TYPE_CHECKING:
    import keras

LATENCY_REPEATS = 20
FLOAT_BYTES = 4  # of a parameter of a Keras network
_SIZES = ("file_bytes", "parameters", "non_zero", "parameter_bytes", "non_zero_bytes")


def model_facts(model: "keras.Model") -> ModelFacts:
    """Count a network's parameters, operations and activations."""
    counted = complexity.count(model)
    return ModelFacts(
        parameters=counted.parameters,
        trainable=counted.trainable,
        non_zero=counted.non_zero,
        macs=counted.macs,
        keras_float16_bytes=counted.keras_float16_bytes,
        peak_activation_bytes=counted.peak_activation_bytes,
        layers=tuple(
            LayerFacts(
                name=layer.name,
                kind=layer.kind,
                output_shape=layer.output_shape,
                parameters=layer.parameters,
                macs=layer.macs,
            )
            for layer in counted.layers
        ),
    )


def uncounted(model: ModelFacts) -> tuple[str, ...]:
    """A note that names the layers whose operations are missing from the sum."""
    names = ", ".join(layer.name for layer in model.layers if layer.macs is None)
    return (f"The operations of these layers could not be counted: {names}.",) if names else ()


def file_facts(path: Path, *, clip: np.ndarray, max_difference: float) -> dict[str, Any]:
    """What is counted and measured of an exported file, as plain data.

    Args:
        path: a ``.tflite`` file.
        clip: features of one clip, for its time on one thread.
        max_difference: largest difference of its outputs to those of the Keras model.
    """
    single = inference.load_predictor(path, threads=1)
    return asdict(export.measure(path)) | {
        "max_difference": max_difference,
        "latency_ms": inference.latency_ms(single, clip, repeats=LATENCY_REPEATS),
    }


def network_facts(path: Path, *, clip: np.ndarray) -> dict[str, Any]:
    """What is counted and measured of a Keras network, as plain data.

    Its time is that of its float32 TFLite file on one thread, as files are timed; None where there
    can be none.

    Args:
        path: a ``.keras`` file.
        clip: features of one clip, (rows, frames, channels).
    """
    network = inference.load_keras(path)
    counted = complexity.count(network)
    return {
        "parameters": counted.parameters,
        "non_zero": counted.non_zero,
        "macs": counted.macs,
        "latency_ms": _float32_ms(network, clip),
    }


def _float32_ms(network: "keras.Model", clip: np.ndarray) -> float | None:
    """Milliseconds of a network's float32 file for a clip; None where it cannot be converted."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.tflite"
        try:
            found = export.converted(
                network, calibration=clip[np.newaxis], formats=("float32",), folder=file.parent
            )
        except UserError:
            return None
        write_bytes(file, found["float32"])
        single = inference.load_predictor(file, threads=1)
        return inference.latency_ms(single, clip, repeats=LATENCY_REPEATS)


def step_facts(
    name: str, measured: Sequence[Mapping[str, Any]], overall: Mapping[str, float | None]
) -> StepFacts:
    """Join what was measured of a network, one a fold, with its scores: see ``export_facts``.

    Args:
        name: of the step.
        measured: ``network_facts`` of each fold.
        overall: scores of the networks on the test part.
    """
    first = measured[0]
    return StepFacts(
        name=name,
        parameters=first["parameters"],
        non_zero=first["non_zero"],
        bytes=FLOAT_BYTES * first["parameters"],
        non_zero_bytes=FLOAT_BYTES * first["non_zero"],
        macs=first["macs"],
        scores={measure.key: overall[measure.key] for measure in headline_measures(overall)},
        latency_ms=None
        if first["latency_ms"] is None
        else float(np.median([part["latency_ms"] for part in measured])),
    )


def steps_of(
    networks: Sequence[StepFacts], exports: Mapping[str, ExportFacts]
) -> tuple[StepFacts, ...]:
    """What a network became step by step: in Keras, then as each file; () without networks.

    Args:
        networks: after each step; the last one was exported.
        exports: by format; files that take samples are other networks and left out.
    """
    if not networks:
        return ()
    files = (
        StepFacts(
            name=name,
            parameters=facts.parameters,
            non_zero=facts.non_zero,
            bytes=facts.parameter_bytes,
            non_zero_bytes=facts.non_zero_bytes,
            macs=networks[-1].macs if facts.macs is None else facts.macs,
            scores=facts.scores,
            latency_ms=facts.latency_ms,
        )
        for name, facts in exports.items()
        if not name.endswith(SUFFIX)
    )
    return (*networks, *files)


def export_facts(
    measured: Sequence[Mapping[str, Any]], overall: Mapping[str, float | None]
) -> ExportFacts:
    """Join what was measured of a format's files, one a fold, with its scores.

    Sizes are those of the first file, the difference is the largest, the time the median; scores of
    validation clips are means.

    Args:
        measured: ``file_facts`` of each fold.
        overall: scores of the format on the test part.
    """
    custom = measured[0].get("custom_operators")  # runs of earlier versions have none
    return ExportFacts(
        **{key: measured[0][key] for key in _SIZES},
        scores={measure.key: overall[measure.key] for measure in headline_measures(overall)},
        max_difference=max(part["max_difference"] for part in measured),
        latency_ms=float(np.median([part["latency_ms"] for part in measured])),
        custom_operators=None if custom is None else tuple(custom),
        macs=measured[0].get("macs"),
        nessi_macs=measured[0].get("nessi_macs"),
        validation={
            key: float(np.mean([part["validation"][key] for part in measured]))
            for key in measured[0].get("validation", {})
        },
    )


def metadata_of(job: Job, normaliser: Any, **refinement: Any) -> inference.Metadata:
    """What a model file has to say for itself.

    Args:
        job: the set and the data.
        normaliser: that the network was trained with; its statistics travel, if it has any.
        **refinement: fields of ``Metadata`` on what follows the network.
    """
    settings = job.settings
    return inference.Metadata(
        set_id=settings.set_id,
        classes=job.data.classes,
        audio=settings.audio.model_dump(mode="json"),
        features=settings.features.model_dump(mode="json"),
        normaliser=statistics(normaliser),
        data=job.data.name,
        **refinement,
    )


def separator_metadata(job: Job, *, training: bool = False) -> inference.Metadata:
    """What the model file of a network that separates has to say for itself.

    Args:
        job: its set and data.
        training: whether it is still trained: then it has the segments of training, and what
            follows it is as the defaults say, since the set's settings may change later.
    """
    settings = SeparationSettings() if training else job.settings.separation
    return metadata_of(job, None, separation=settings.model_dump(mode="json"))


def statistics(normaliser: Any) -> dict[str, Any] | None:
    """Statistics of the training clips that features are normalised by, if any."""
    return normaliser.as_dict() if isinstance(normaliser, Normaliser) else None


def results_of(
    job: Job,
    run: Run,
    *,
    scores: dict[str, Any],
    model: "keras.Model",
    exports: dict[str, ExportFacts],
    seconds: dict[str, float],
    notes: Sequence[str],
    steps: Sequence[StepFacts] = (),
) -> Results:
    """Everything about a run, with the verdict on each limit.

    Args:
        job: the set and the data.
        run: the run folder.
        scores: as plain data.
        model: the network whose size is told.
        exports: by format.
        seconds: of each stage.
        notes: what a reader must know besides the notes on the data.
        steps: networks of a compression.
    """
    settings = job.settings
    counted = replace(model_facts(model), passes=len(settings.evaluation.shifts_seconds))
    return Results(
        set_id=settings.set_id,
        description=settings.description,
        data=run.data,
        data_identity=run.identity,
        demo=run.is_demo,
        seed=settings.seed,
        commit=run.source.commit,
        versions=run.source.versions,
        stages=seconds,
        scores=scores,
        model=counted,
        exports=exports,
        steps=steps_of(steps, exports),
        limits=limits.judge(settings.limits, model=counted, exports=exports),
        notes=(*job.data.notes, *notes, *uncounted(counted)),
        differences_in_demo=job.demo_differences,
    )
