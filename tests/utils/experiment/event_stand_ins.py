"""Stand-ins for what networks of sound events are, learn from and are asked for."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import soundfile

from utils.config.schema import Settings
from utils.datasets import Clip
from utils.experiment import Job
from utils.features import from_settings
from utils.files import digest
from utils.inference.predictor import Predictor

RATE, SAMPLES = 1000, 400
MELS, FRAMES = 4, 41
STEPS, STEP = 10, 0.04
CLASSES = ("cat", "dog", "hum")


class Scorer(Predictor):
    """Scores of steps that hang on the step's frames, the class and the name of the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, None, (MELS, FRAMES, 1))
        seed = int(digest([path.name]), 16) % 2**32
        self.weights = np.random.default_rng(seed).normal(0, 2, (MELS, len(CLASSES)))
        self.batches: list[int] = []

    def _predict(self, features: np.ndarray) -> tuple[np.ndarray, ...]:
        self.batches.append(len(features))
        frames = features[..., : STEPS * 4, 0].reshape(len(features), MELS, STEPS, 4).mean(axis=3)
        strong = 1 / (1 + np.exp(-np.einsum("nms,mc->nsc", frames, self.weights)))
        return strong.astype(np.float32), strong.max(axis=1).astype(np.float32)


class Network:
    """What a Keras network is to the one that predicts with it."""

    def __init__(self, scorer: Any, name: str = "network") -> None:
        self.scorer, self.name = scorer, name
        self.input = SimpleNamespace(shape=(None, MELS, FRAMES, 1))

    def predict_on_batch(self, clips: np.ndarray) -> dict[str, np.ndarray]:
        strong, weak = self.scorer.outputs(clips)
        return {"strong": strong, "weak": weak}


CAT, DOG = [("cat", 0.1, 0.2)], [("dog", 0.0, 0.3)]
BOTH = [("cat", 0.05, 0.15), ("cat", 0.3, 0.4), ("dog", 0.2, 0.35)]


EVENT_SETTINGS: dict[str, Any] = {
    "set_id": "test",
    "dataset": {"name": "desed"},
    "audio": {"sample_rate": RATE, "seconds": SAMPLES / RATE},
    "features": {
        "window_seconds": 0.032, "hop_seconds": 0.01, "n_fft": 32, "n_mels": MELS,
        "mel_scale": "linear", "frames": None, "log": "none", "normalise": {"method": "none"},
    },
    "model": {"layers": [
        {"Reshape": {"target_shape": [FRAMES, MELS]}},
        {"AveragePooling1D": {"pool_size": 4}},
        {"Dense": {"units": "$CLASS_COUNT", "activation": "sigmoid", "name": "strong"}},
        {"Dense": {"units": "$CLASS_COUNT", "name": "attention"}, "from": "strong"},
        {"AttentionPooling": {"name": "weak"}, "from": ["strong", "attention"]},
    ], "outputs": ["strong", "weak"]},
    "pipeline": {"jobs": 1},
    "training": {
        "epochs": 2, "batch_size": 6, "parts": {"strong": 2, "weak": 1, "unlabelled": 3},
        "teacher": {}, "loss": "binary_crossentropy", "metrics": [],
        "select": {"metric": "val_objective", "after_epoch": 0},
    },
    "evaluation": {"bootstrap": 0},
    "export": {"formats": ["float32"], "calibration_clips": 2},
    "limits": {"parameter_bytes": {}, "parameters": {}, "macs": {}, "format": "float32"},
}  # fmt: skip


def laid_over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Sections of settings with other values in some places."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = laid_over(base[key], value) if both and value else value
    return merged


def event_settings(**changes: Any) -> Settings:
    """The tiny set with other values in some places."""
    return Settings.model_validate(laid_over(EVENT_SETTINGS, changes))


def features_of(job: Job, clips: Sequence[Clip]) -> np.ndarray:
    """Linear mels of clips, from their files."""
    representation = from_settings(job.settings.audio, job.settings.features)
    return np.stack([representation(soundfile.read(c.path, dtype="float32")[0]) for c in clips])
