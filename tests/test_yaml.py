"""task.yaml as shipped: every set resolves, builds, and has the size that it states."""

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from models.builder import build
from models.complexity import count
from utils.config import load
from utils.config.schema import Settings
from utils.features import from_settings

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
DACON = {  # input of the network, parameters, those that are trained, MMAC
    "task_dacon": ((64, 81, 1), 527_038, 525_054, 67.32),
    "dacon_vrmodel": ((80, 101, 1), 647_286, 645_750, 12.35),
    "dacon_selu_cnn": ((221, 98, 1), 780_862, 779_326, 336.20),
    "dacon_selu_batchnorm": ((221, 98, 1), 780_862, 779_326, 336.20),
    "dacon_selu_alphadropout": ((221, 98, 1), 777_790, 777_790, 336.20),
    "dacon_multires": ((64, 81, 4), 529_438, 527_454, 70.47),
    "dacon_kinds": ((64, 81, 3), 528_638, 526_654, 69.42),
    "dacon_wave_cnn": ((16_000, 1), 347_166, 345_182, 48.30),
    "dacon_wave_resnet": ((16_000, 1), 337_566, 335_294, 44.69),
    "dacon_wave_densenet": ((16_000, 1), 228_158, 226_654, 45.64),
}
SCENES = {  # the same: of task1a, within the limits of low complexity
    "task1a_bcresnet": ((256, 334, 1), 110_406, 102_354, 178.91),
    "task1a_bcresnet_light": ((128, 118, 1), 93_210, 85_890, 27.32),
    "task1a_bcresnet_tau2022": ((256, 51, 1), 110_406, 102_354, 27.64),
    "task1a_cpmobile": ((256, 321, 1), 124_236, 120_152, 142.84),
    "task1a_cpmobile_light": ((128, 126, 1), 124_236, 120_152, 28.03),
    "task1a_cpmobile_tau2022": ((256, 65, 1), 63_856, 61_148, 29.42),
    "task1a_dscnn": ((40, 500, 1), 91_642, 89_274, 28.83),
    "task1a_dscnn_distilled": ((40, 500, 1), 91_642, 89_274, 28.83),
    "task1a_dscnn_entry": ((40, 500, 1), 91_642, 89_274, 28.83),
    "task1a_dscnn_pruned": ((40, 500, 1), 91_642, 89_274, 28.83),  # before it is pruned
    "task1a_dscnn_tau2022": ((40, 51, 1), 91_642, 89_274, 6.77),
}
URBAN = {  # the same
    "task_urbansound": ((64, 161, 1), 497_578, 495_594, 123.12),
    "urbansound_ann": ((176_400, 1), 11_294_474, 11_294_474, 11.29),
    "urbansound_cnn": ((128, 173, 1), 1_400_266, 1_400_266, 55.29),
    "urbansound_random": ((64, 161, 1), 497_578, 495_594, 123.12),
}
OTHERS = SCENES | DACON | URBAN


def built(resolved, frames: int | None = None):
    features = resolved.settings.features
    shape = (features.n_mels, frames or features.frames, 1)
    return built_for(resolved, shape=shape, classes=10)


def built_for(resolved, *, shape: tuple[int, ...], classes: int):
    lengths = {"SAMPLES": shape[0]} if len(shape) == 2 else {"MELS": shape[0], "FRAMES": shape[1]}
    return build(
        resolved.settings.model,
        named=resolved.models,
        input_shape=shape,
        constants={"CLASS_COUNT": classes, **lengths},
        name=resolved.settings.set_id,
        seed=resolved.settings.seed,
    )


def test_every_set_is_known_here():
    of_task1a = [*PARAMETERS, *SCENES, "task1a_search"]
    assert sorted(CATALOGUE.set_ids("task1a")) == sorted(of_task1a)
    assert CATALOGUE.set_ids("task_dacon") == [*DACON, "dacon_ensemble"]
    assert CATALOGUE.set_ids("task_urbansound") == list(URBAN)


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


@pytest.mark.parametrize("set_id", OTHERS)
def test_every_other_set_builds_with_its_size(set_id, caplog):
    resolved = CATALOGUE.resolve(set_id)
    shape, *sizes = OTHERS[set_id]
    classes = 30 if set_id in DACON else 10
    assert from_settings(resolved.settings.audio, resolved.settings.features).input_shape == shape
    model = built_for(resolved, shape=shape, classes=classes)
    cost = count(model)
    assert [cost.parameters, cost.trainable, round(cost.macs / 1e6, 2)] == sizes
    assert cost.unknown == ()
    assert model.output_shape == (None, classes)
    stated = re.search(r"([\d,]+) (?:parameters|trained)", CATALOGUE.description(set_id))
    assert int(stated[1].replace(",", "")) in sizes
    mixes = set_id in ("dacon_selu_cnn", "dacon_selu_batchnorm")  # SELU with normalisation
    assert all("leave BatchNormalization out" in record.message for record in caplog.records)
    assert bool(caplog.records) == mixes


STATED = re.compile(r"^  (\w+): +# ([\d,]+) parameters, ([\d.]+) MMAC$", re.MULTILINE)


def test_comments_state_the_cost_of_each_network():
    """What the comments of task.yaml say; the smallest input of a network is what they are for."""
    text = (PROJECT / "task.yaml").read_text(encoding="utf-8")
    stated = {
        name: (int(parameters.replace(",", "")), float(macs))
        for name, parameters, macs in STATED.findall(text)
    }
    costs = {}
    for set_id, parameters in PARAMETERS.items():
        resolved = CATALOGUE.resolve(set_id)
        if resolved.settings.model.use not in costs:
            macs = count(built(resolved, frames=500)).macs
            costs[resolved.settings.model.use] = parameters, round(macs / 1e6, 2)
    for set_id, (_, parameters, _, macs) in OTHERS.items():
        costs.setdefault(CATALOGUE.resolve(set_id).settings.model.use, (parameters, macs))
    assert stated == costs
    for set_id in ("dacon_kinds", "dacon_multires"):
        (*_, channels), parameters, _, macs = DACON[set_id]
        assert re.search(
            rf"{channels}(?: channels)?: {parameters:,} parameters, {macs:.2f} MMAC", text
        )


def test_dacon_sets_share_data_and_loss():
    for set_id in CATALOGUE.set_ids("task_dacon"):
        settings = CATALOGUE.resolve(set_id).settings
        assert settings.dataset == CATALOGUE.resolve("task_dacon").settings.dataset
        assert settings.training.loss == "kl_divergence"
        assert not any(settings.limits.model_dump(exclude={"format"}).values())
        demo = CATALOGUE.resolve(set_id, demo=True).settings
        assert (demo.dataset.name, demo.dataset.mixing.train) == ("words", 4000)
        assert demo.training.epochs == 8


def test_dacon_selects_by_a_column_that_keras_writes():
    import keras
    import numpy as np

    training = CATALOGUE.resolve("task_dacon").settings.training
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
    model.compile(loss=training.loss, metrics=list(training.metrics))
    logs = model.test_on_batch(np.ones((1, 2)), np.full((1, 3), 1 / 3), return_dict=True)
    assert training.select.metric in {f"val_{name}" for name in logs}
    assert (training.select.mode, training.select.after_epoch) == ("min", 0)


def test_dacon_shifts_are_whole_frames():
    settings = CATALOGUE.resolve("task_dacon").settings
    hops = [shift / settings.features.hop_seconds for shift in settings.evaluation.shifts_seconds]
    assert hops == pytest.approx([-4, 0, 4])


def test_the_dacon_ensemble_names_sets_of_its_task():
    settings = CATALOGUE.resolve("dacon_ensemble").settings
    assert settings.model.use is None
    assert len(settings.ensemble) == 3
    assert set(settings.ensemble) <= set(DACON)


PUBLISHED = {  # what the two authors' code says
    "dacon_vrmodel": {
        "signal": {
            "sample_rate": 16_000, "window_length": 400, "hop_length": 160, "n_fft": 512,
            "window": "hann", "n_mels": 80, "f_min": 0.0, "f_max": 8000.0, "power": 2,
            "mel_scale": "htk", "mel_norm": "none", "log": "decibel", "pad": "reflect",
            "scale": 32_768.0, "shape": (80, 101),
        },
        "normalise": "none",
        "layers": ["Conv2D"] * 5 + ["Flatten"] + ["Dense", "BatchNormalization"] * 3 + ["Dense"],
        "convolutions": [
            (8, (4, 5), (2, 2)), (16, (4, 5), (2, 2)), (32, (4, 5), (1, 1)),
            (64, (4, 4), (1, 1)), (64, (3, 4), (2, 3)),
        ],
        "padding": {"valid"},
        "flat": 1600,
        "dense": [(256, "relu")] * 3 + [(30, "softmax")],
        "batch_normalization": {(0.9, 1e-5)},  # PyTorch's momentum of 0.1
        "initial": {("VarianceScaling", "fan_in", "uniform", 0.333)},  # PyTorch's
        "pools": set(),
        "augment": [],
        "patience": None,
    },
    "dacon_selu_cnn": {
        "signal": {
            "sample_rate": 22_050, "window_length": 441, "hop_length": 221, "n_fft": 441,
            "window": "hann", "scale": 1.0, "shape": (221, 98),
        },
        "normalise": "clip_mean_std",
        "layers": [
            "Conv2D", "BatchNormalization", "Conv2D", "Add", "BatchNormalization",
            "MaxPooling2D", "AveragePooling2D", "Add",
        ] * 4 + ["Flatten"] + ["Dense", "BatchNormalization"] * 2 + ["Dense"],
        "convolutions": [(32, (3, 3), (1, 1))] * 8,
        "padding": {"same"},
        "flat": 13 * 6 * 32,
        "dense": [(256, "selu")] * 2 + [(30, "softmax")],
        "batch_normalization": {(0.99, 1e-3)},  # Keras' defaults
        "initial": {("LecunNormal",)},  # published for the convolutions; what SELU wants
        "pools": {("MaxPooling2D", (2, 2)), ("AveragePooling2D", (2, 2))},
        "augment": [  # a quarter of the copies each; ratios of a sigma of 0.005 to 0.5
            {"Noise": {"min_snr_db": -12.0, "max_snr_db": 28.0, "probability": 0.25}},
            {"Shift": {"max_seconds": 0.1, "probability": 0.25}},
            {"PitchShift": {"max_semitones": 5.0, "probability": 0.25}},
        ],
        "patience": 10,
    },
}  # fmt: skip


def initial(layer) -> tuple:
    """Kind and arguments of what a layer's kernel is drawn from."""
    found = layer.kernel_initializer
    kind = type(found).__name__
    if kind != "VarianceScaling":
        return (kind,)
    return kind, found.mode, found.distribution, round(found.scale, 3)


@pytest.mark.parametrize("set_id", PUBLISHED)
def test_published_dacon_systems_are_as_published(set_id):
    resolved = CATALOGUE.resolve(set_id)
    settings, expected = resolved.settings, PUBLISHED[set_id]
    signal = from_settings(settings.audio, settings.features)
    kept = built_for(resolved, shape=signal.input_shape, classes=30).layers
    layers = [one for one in kept if type(one).__name__ not in ("InputLayer", "Identity")]
    convolutions = [one for one in layers if hasattr(one, "filters")]
    dense = [one for one in layers if hasattr(one, "units")]
    facts = {
        "signal": {name: getattr(signal, name) for name in expected["signal"]},
        "normalise": settings.features.normalise.method,
        "layers": [type(one).__name__ for one in layers],
        "convolutions": [(one.filters, one.kernel_size, one.strides) for one in convolutions],
        "padding": {one.padding for one in convolutions},
        "flat": next(one.output.shape[1] for one in layers if type(one).__name__ == "Flatten"),
        "dense": [(one.units, one.activation.__name__) for one in dense],
        "batch_normalization": {
            (one.momentum, one.epsilon) for one in layers if hasattr(one, "momentum")
        },
        "initial": {initial(one) for one in (*convolutions, *dense)},
        "pools": {
            (type(one).__name__, one.pool_size) for one in layers if hasattr(one, "pool_size")
        },
        "augment": [step.model_dump(exclude_none=True) for step in settings.augment],
        "patience": settings.training.patience,
    }
    assert facts == expected
    hidden = dense[0].activation.__name__
    assert {one.activation.__name__ for one in convolutions} == {hidden}


@pytest.mark.parametrize("set_id", PUBLISHED)
def test_published_dacon_systems_are_trained_as_published(set_id):
    settings = CATALOGUE.resolve(set_id).settings
    training, evaluation = settings.training, settings.evaluation
    assert training.optimizer == {"Adam": {"learning_rate": 0.001}}
    assert training.batch_size == 256
    if set_id == "dacon_vrmodel":  # the other stops early
        assert training.epochs == 100
    assert (training.schedule.kind, training.schedule.warmup_epochs) == ("constant", 0.0)
    assert (evaluation.shifts_seconds, evaluation.calibration) == ((0.0,), "none")


def test_the_alpha_dropout_network_holds_nothing_that_normalises():
    resolved = CATALOGUE.resolve("dacon_selu_alphadropout")
    kinds = {
        type(layer).__name__ for layer in built_for(resolved, shape=(221, 98, 1), classes=30).layers
    }
    assert "AlphaDropout" in kinds
    assert not kinds & {"Add", "BatchNormalization", "Dropout"}


ONE_STEP = """
import json, pathlib, sys, keras, numpy as np
from models.builder import build
from utils.config import load

assert keras.backend.backend() == sys.argv[1]
catalogue = load(pathlib.Path("task.yaml"))
for set_id, shape in json.loads(sys.argv[2]).items():
    resolved = catalogue.resolve(set_id)
    model = build(
        resolved.settings.model, named=resolved.models, input_shape=tuple(shape), name="x", seed=0,
        constants={"CLASS_COUNT": 10, "MELS": shape[0], "FRAMES": shape[1]},
    )
    model.compile("adam", "categorical_crossentropy")
    clips = np.random.default_rng(0).standard_normal((4, *shape)).astype("float32")
    print(resolved.settings.model.use, model.train_on_batch(clips, np.eye(10, dtype="float32")[:4]))
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_every_network_takes_a_training_step_on_jax():
    shapes = {set_id: (40, 51, 1) for set_id in PARAMETERS}
    shapes |= {set_id: shape for set_id, (shape, *_) in OTHERS.items()}
    networks = {CATALOGUE.resolve(set_id).settings.model.use: set_id for set_id in shapes}
    steps = json.dumps({set_id: shapes[set_id] for set_id in networks.values()})
    done = subprocess.run(
        [sys.executable, "-c", ONE_STEP, "jax", steps],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    losses = dict(line.split() for line in done.stdout.splitlines())
    assert losses.keys() == networks.keys()
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
