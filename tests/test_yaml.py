"""task.yaml as shipped: every set resolves, builds, and has the size that it states."""

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.builder import build
from utils.config import load
from utils.config.schema import Settings

PROJECT = Path(__file__).resolve().parent.parent
CATALOGUE = load(PROJECT / "task.yaml")
PARAMETERS = {
    "task1a": 46_246,
    "task1a_layer4": 47_846,
    "task1a_layer5": 191_030,
    "task1a_selu": 45_990,
    "task1a_selu_nodropout": 45_990,
    "task1a_aug": 46_246,
    "task1a_tau2022": 46_246,
    "task1a_csv": 46_246,
}


def built(resolved, frames: int | None = None):
    features = resolved.settings.features
    frames = frames or features.frames
    return build(
        resolved.settings.model,
        named=resolved.models,
        input_shape=(features.n_mels, frames, 1),
        constants={"CLASS_COUNT": 10, "MELS": features.n_mels, "FRAMES": frames},
        name=resolved.settings.set_id,
        seed=resolved.settings.seed,
    )


def test_every_set_is_known_here():
    assert CATALOGUE.set_ids("task1a") == list(PARAMETERS)


@pytest.mark.parametrize("set_id", CATALOGUE.set_ids())
def test_every_set_is_described_and_belongs_to_a_script(set_id):
    resolved = CATALOGUE.resolve(set_id)
    assert "description" in CATALOGUE.sets[set_id]
    assert resolved.task in CATALOGUE.sets


@pytest.mark.parametrize("demo", [False, True], ids=["real", "demo"])
@pytest.mark.parametrize("set_id", PARAMETERS)
def test_every_set_builds_with_its_parameter_count(set_id, demo, caplog):
    model = built(CATALOGUE.resolve(set_id, demo=demo))
    assert model.count_params() == PARAMETERS[set_id]
    assert model.output_shape == (None, 10)
    assert caplog.records == []


@pytest.mark.parametrize("frames", [51, 100, 150, 250])
@pytest.mark.parametrize("set_id", ["task1a", "task1a_layer4", "task1a_layer5", "task1a_selu"])
def test_shorter_clips_keep_the_parameter_count(set_id, frames):
    assert built(CATALOGUE.resolve(set_id), frames).count_params() == PARAMETERS[set_id]


POOLINGS = {
    "task1a": [(5, 5), (4, 100)],
    "task1a_tau2022": [(5, 5), (4, 10)],
    "task1a_layer4": [(5, 5), (4, 4), (2, 5)],
    "task1a_layer5": [(5, 5), (2, 5), (2, 5), (1, 2)],
}


@pytest.mark.parametrize(("set_id", "sizes"), POOLINGS.items())
def test_poolings_are_the_published_ones(set_id, sizes):
    layers = built(CATALOGUE.resolve(set_id)).layers
    assert [layer.pool_size for layer in layers if hasattr(layer, "pool_size")] == sizes


def test_the_baseline_is_as_published():
    model = built(CATALOGUE.resolve("task1a"))
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == 46_118
    first, hidden, last = model.layers[1], model.layers[-3], model.layers[-1]
    assert type(first.kernel_initializer).__name__ == "GlorotUniform"
    for dense in (hidden, last):
        assert (dense.kernel_initializer.minval, dense.kernel_initializer.maxval) == (-0.05, 0.05)
    settings = CATALOGUE.resolve("task1a").settings
    assert (settings.training.epochs, settings.training.batch_size) == (200, 16)
    assert settings.training.optimizer == {"Adam": {"learning_rate": 0.001}}
    assert settings.training.select.after_epoch == 51
    assert settings.dataset.validation.method == "location_city"


ONE_STEP = """
import pathlib, keras, numpy as np
from models.builder import build
from utils.config import load

assert keras.backend.backend() == "jax"
catalogue = load(pathlib.Path("task.yaml"))
networks = {catalogue.resolve(set_id).settings.model.use: set_id for set_id in catalogue.set_ids()}
for set_id in networks.values():
    resolved = catalogue.resolve(set_id)
    model = build(
        resolved.settings.model, named=resolved.models, input_shape=(40, 51, 1), name="x", seed=0,
        constants={"CLASS_COUNT": 10, "MELS": 40, "FRAMES": 51},
    )
    model.compile("adam", "categorical_crossentropy")
    clips = np.random.default_rng(0).standard_normal((4, 40, 51, 1)).astype("float32")
    print(resolved.settings.model.use, model.train_on_batch(clips, np.eye(10, dtype="float32")[:4]))
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_every_network_takes_a_training_step_on_jax():
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", ONE_STEP],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    losses = dict(line.split() for line in done.stdout.splitlines())
    assert set(losses) == {CATALOGUE.resolve(s).settings.model.use for s in CATALOGUE.set_ids()}
    assert all(0 < float(loss) < 10 for loss in losses.values())


def test_selu_networks_drop_what_breaks_self_normalisation():
    kinds = {type(layer).__name__ for layer in built(CATALOGUE.resolve("task1a_selu")).layers}
    assert "AlphaDropout" in kinds
    assert not kinds & {"BatchNormalization", "Dropout"}
    nodropout = built(CATALOGUE.resolve("task1a_selu_nodropout"))
    assert {layer.rate for layer in nodropout.layers if hasattr(layer, "rate")} == {0.0}


def test_defaults_written_in_task_yaml_are_those_of_the_schema():
    """A default is stated twice where people look for it in task.yaml: it must not drift."""
    plain = Settings.model_validate({"set_id": "x", "model": {"use": "x"}}).model_dump(mode="json")

    def differences(stated, schema, path=""):
        for key, value in stated.items():
            if isinstance(value, dict) and isinstance(schema[key], dict):
                yield from differences(value, schema[key], f"{path}{key}.")
            elif value != schema[key]:
                yield f"{path}{key}: {value} is not {schema[key]}"

    assert list(differences(CATALOGUE.defaults, plain)) == []
