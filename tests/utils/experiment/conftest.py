"""Eighty samples a clip, three classes, two folds; stand-ins for networks that need no training."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from rich.console import Console

from tests.utils.experiment.event_stand_ins import BOTH, CAT, DOG, STEPS, event_settings
from tests.utils.experiment.event_stand_ins import CLASSES as EVENT_CLASSES
from tests.utils.experiment.event_stand_ins import SAMPLES as EVENT_SAMPLES
from utils import export, inference
from utils.config.schema import Settings
from utils.datasets import Clip, DataSet, Fold
from utils.datasets.base import Event
from utils.evaluation import score_words
from utils.experiment import ClipExperiment, Job, clips, facts, fold
from utils.experiment.event_learning import EventLearning, StepGrid
from utils.experiment.learning import stored
from utils.export import FileFacts
from utils.features import from_settings
from utils.files import digest, write_json
from utils.inference.predictor import Predictor
from utils.report.results import ModelFacts
from utils.run import Run, Source, open_run

RATE, SAMPLES = 1000, 80
CLASSES = ("high", "low", "mid")
SHARES = (("low", "mid"), (0.75, 0.25)), (("high",), (1.0,)), (("high", "mid"), (0.5, 0.5))


@pytest.fixture
def make_clips(tmp_path, rng):
    """Write clips of noise; their labels repeat, none for unlabelled ones."""

    def make(prefix: str, count: int, *, labelled: bool = True, group: str | None = None):
        (tmp_path / "audio").mkdir(exist_ok=True)
        found = []
        for number in range(count):
            path = tmp_path / "audio" / f"{prefix}{number}.wav"
            samples = 0.2 * rng.standard_normal(SAMPLES)
            soundfile.write(path, samples, RATE, subtype="FLOAT")
            labels, weights = SHARES[number % 3] if labelled else ((), ())
            found.append(Clip(path.name, path, labels, weights=weights, group=group))
        return tuple(found)

    return make


@pytest.fixture
def data(make_clips) -> DataSet:
    """Two folds of development clips, and four clips outside of them."""
    known = make_clips("known", 12)
    parts = known[:6], known[6:]
    folds = tuple(
        Fold(f"fold{number}", rest[:3], rest[3:], tested)
        for number, (tested, rest) in enumerate([parts, parts[::-1]], start=1)
    )
    return DataSet("words", CLASSES, folds, held_out=make_clips("outside", 4))


@pytest.fixture
def settings() -> Settings:
    """Three shifts, calibrated, a single export."""
    return Settings.model_validate(
        {
            "set_id": "test",
            "dataset": {"validation": {"method": "random"}},
            "audio": {"sample_rate": RATE, "seconds": SAMPLES / RATE},
            "features": {
                "window_seconds": 0.032, "hop_seconds": 0.01, "n_fft": 32, "n_mels": 4,
                "mel_scale": "linear", "frames": None,
            },
            "model": {"layers": ["Flatten", {"Dense": {"units": 3}}]},
            "pipeline": {"jobs": 1},
            "training": {"epochs": 1},
            "evaluation": {
                "shifts_seconds": [-0.02, 0.0, 0.01], "calibration": "temperature", "bootstrap": 0,
            },
            "export": {"formats": ["float32"], "calibration_clips": 2},
            "limits": {"parameter_bytes": {}, "parameters": {}, "macs": {}, "format": "float32"},
        }
    )  # fmt: skip


@pytest.fixture
def job(settings, data, tmp_path) -> Job:
    console = Console(file=io.StringIO(), width=200)
    cache = tmp_path / "cache"
    return Job(settings, {}, data, tmp_path, cache, console, target="distribution")


class Linear(Predictor):
    """A softmax of one layer; its weights hang on the name of the folder and of the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, None, (4, 9, 1))
        seed = int(digest([path.parent.name, path.name]), 16) % 2**32
        self.weights = np.random.default_rng(seed).normal(0, 0.3, (36, 3))
        self.calls = 0

    def _predict(self, features: np.ndarray) -> tuple[np.ndarray, ...]:
        self.calls += 1
        powers = np.exp(features.reshape(len(features), -1) @ self.weights)
        return ((powers / powers.sum(axis=1, keepdims=True)).astype(np.float32),)


def train(self: fold.FoldExperiment) -> float:
    """What a training leaves, without one."""
    folder = self.place.folder
    normaliser = fold.Learning(self.job, self.fold, self.features).fit_normaliser()
    write_json(folder / "normaliser.json", normaliser.as_dict())
    write_json(folder / "training.json", {"best_epoch": 1})
    (folder / "history.csv").write_text("epoch,loss\n1,0.5\n")
    (folder / "model.keras").touch()
    return 0.0


@pytest.fixture
def predictors(monkeypatch) -> list[Linear]:
    """Stand-ins for training, export and networks; every network that was asked for."""
    made: list[Linear] = []

    def load(path, *, threads=None):
        made.append(Linear(path))
        return made[-1]

    def write(model, *, folder, formats, metadata, calibration):
        for name in formats:
            (folder / f"model_{name}.tflite").write_text(metadata.to_json())
        return {name: folder / f"model_{name}.tflite" for name in formats}

    monkeypatch.setattr(fold.FoldExperiment, "_train", train)
    monkeypatch.setattr(inference, "load_predictor", load)
    monkeypatch.setattr(inference, "load_keras", lambda path: None)
    monkeypatch.setattr(inference, "latency_ms", lambda *args, **kwargs: 1.0)
    monkeypatch.setattr(clips, "load_keras", lambda path: None)
    monkeypatch.setattr(facts, "model_facts", lambda model: ModelFacts(111, 100, 110, 2000, 222))
    monkeypatch.setattr(export, "export_formats", write)
    monkeypatch.setattr(export, "measure", lambda path: FileFacts(500, 111, 110, 444, 440, {}))
    return made


@pytest.fixture
def finish(predictors, tmp_path):
    """Run all stages of a job, as a task script does."""

    def run(job: Job, unlabelled: tuple[Clip, ...] = ()) -> ClipExperiment:
        with open_run(
            tmp_path / "runs" / "test" / job.data.identity, parameters={}, data=job.data.name,
            identity=job.data.identity, source=Source("", {}), console=job.console,
        ) as opened:  # fmt: skip
            found = ClipExperiment(
                job,
                opened,
                score=lambda predictions, bootstrap: score_words(
                    predictions, classes=CLASSES, bootstrap=bootstrap
                ),
                unlabelled=unlabelled,
            )
            found.extract()
            found.run_folds()
        return found

    return run


@pytest.fixture
def changed():
    """A job with another value in one section of its settings."""

    def change(job: Job, section: str, **values: object) -> Job:
        part = getattr(job.settings, section).model_copy(update=values)
        return replace(job, settings=job.settings.model_copy(update={section: part}))

    return change


@pytest.fixture
def network():
    """The stand-in for a fold's network."""
    return lambda experiment, number: Linear(experiment.folds[number].model_path)


@pytest.fixture
def make_events(tmp_path, rng):
    """Write clips of noise; each is told its events, or its labels, or nothing."""

    def make(prefix: str, *told: Any, seconds: float | None = None) -> tuple[Clip, ...]:
        (tmp_path / "audio").mkdir(exist_ok=True)
        found = []
        for number, known in enumerate(told):
            path = tmp_path / "audio" / f"{prefix}{number}.wav"
            soundfile.write(path, 0.2 * rng.standard_normal(EVENT_SAMPLES), RATE, subtype="FLOAT")
            name = f"part/{path.name}"
            if known is None:
                found.append(Clip(name, path, seconds=seconds))
            elif isinstance(known, str):
                found.append(Clip(name, path, tuple(known.split(",")), seconds=seconds))
            else:
                events = tuple(Event(*event) for event in known)
                labels = tuple(sorted({event.label for event in events}))
                found.append(Clip(name, path, labels, events=events, seconds=seconds))
        return tuple(found)

    return make


@pytest.fixture
def event_data(make_events) -> DataSet:
    """Four strong, three weak, five unlabelled clips; three and two to choose by, three to test."""
    fold = Fold(
        "fold1",
        train=(
            *make_events("strong", CAT, DOG, BOTH, []),
            *make_events("weak", "cat", "cat,dog", "hum"),
            *make_events("unlabelled", *[None] * 5),
        ),
        validation=(
            *make_events("valid", BOTH, DOG, []),
            *make_events("valid_weak", "dog", "cat,hum"),
        ),
        test=make_events("test", CAT, BOTH, DOG, seconds=0.39),
    )
    return DataSet("desed", EVENT_CLASSES, (fold,))


@pytest.fixture
def event_job(event_data, tmp_path):
    """Make a job of the tiny set, with other values in some places."""

    def make(data: DataSet = event_data, **changes: Any) -> Job:
        console = Console(file=io.StringIO(), width=200)
        settings, cache = event_settings(**changes), tmp_path / "cache"
        return Job(settings, {}, data, tmp_path, cache, console, target="events")

    return make


@pytest.fixture
def event_learning(event_job):
    """Make what networks of a job learn from, with the features of all clips."""

    def make(job: Job | None = None, **changes: Any) -> EventLearning:
        job = job or event_job(**changes)
        representation = from_settings(job.settings.audio, job.settings.features)
        store = stored(job, representation, job.data.clips)
        grid = StepGrid.of(representation, STEPS)
        return EventLearning(job, job.data.folds[0], representation, store, grid)

    return make


@pytest.fixture
def open_folder(tmp_path):
    """Open the run folder of a job, the same one for all jobs."""

    def opened(job) -> Run:
        return open_run(
            tmp_path / "runs" / "test", parameters={}, data=job.data.name, identity="data",
            source=Source("", {}), console=job.console,
        )  # fmt: skip

    return opened
