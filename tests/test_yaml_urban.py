"""task.yaml as shipped: the sets of task_urbansound, what they share and what was published."""

import math
from pathlib import Path

import pytest

from models.builder import build
from utils.config import load
from utils.features import from_settings

CATALOGUE = load(Path(__file__).resolve().parent.parent / "task.yaml")
SETS = CATALOGUE.set_ids("task_urbansound")


def built(resolved):
    settings = resolved.settings
    shape = from_settings(settings.audio, settings.features).input_shape
    return build(
        settings.model,
        named=resolved.models,
        input_shape=shape,
        constants={"CLASS_COUNT": 10, "MELS": shape[0], "FRAMES": shape[1]},
        name=settings.set_id,
        seed=settings.seed,
    )


def test_urban_sets_share_data_and_loss():
    default = CATALOGUE.resolve("task_urbansound").settings
    assert (default.dataset.name, default.dataset.published_folds) == ("urbansound8k", True)
    assert default.dataset.validation.method == "group"
    for set_id in ("urbansound_ann", "urbansound_cnn"):
        assert CATALOGUE.resolve(set_id).settings.dataset == default.dataset
    for set_id in SETS:
        settings = CATALOGUE.resolve(set_id).settings
        assert (settings.audio.seconds, settings.audio.short_clips) == (4.0, "reflect")
        assert settings.training.loss == "categorical_crossentropy"
        assert (settings.training.select.metric, settings.training.select.mode) == ("epoch", "max")
        assert not any(settings.limits.model_dump(exclude={"format"}).values())
        assert len(settings.export.formats) == 4
        demo = CATALOGUE.resolve(set_id, demo=True).settings
        assert demo.dataset == settings.dataset
        assert demo.training.epochs <= 12


def test_the_urban_set_that_leaks_differs_in_its_split_alone():
    leaking = CATALOGUE.resolve("urbansound_random").settings
    honest = CATALOGUE.resolve("task_urbansound").settings
    assert not leaking.dataset.published_folds
    assert leaking.dataset.validation.method == "random"
    own = {"set_id", "description", "dataset"}
    assert leaking.model_dump(exclude=own) == honest.model_dump(exclude=own)


def test_longer_urban_sounds_take_the_same_network():
    resolved = CATALOGUE.resolve("task_urbansound", overrides=["audio.seconds=5.0"])
    longer = built(resolved)
    assert longer.input_shape == (None, 64, 201, 1)
    assert longer.count_params() == built(CATALOGUE.resolve("task_urbansound")).count_params()


SEED = {  # what the tutorial says of its two networks; where it is silent the sets say "ours"
    "urbansound_ann": {
        "kind": "waveform",
        "sample_rate": 44_100,
        "normalise": "none",
        "input": 176_400,
        "layers": ["Flatten", "Dense", "Dense", "Dense"],
        "activations": ["relu", "relu", "softmax"],
        "epochs": 5,
    },
    "urbansound_cnn": {
        "kind": "log_mel",  # ours
        "sample_rate": 22_050,
        "normalise": "clip_image",
        "input": 128 * 173,  # ours
        "layers": ["Conv2D", "MaxPooling2D"] * 3 + ["Flatten", "Dense", "Dense"],
        "activations": ["relu", "relu", "relu", "relu", "softmax"],
        "epochs": 30,  # ours
    },
}


@pytest.mark.parametrize("set_id", SEED)
def test_urban_seed_networks_are_as_published(set_id):
    resolved = CATALOGUE.resolve(set_id)
    settings, training = resolved.settings, resolved.settings.training
    network = built(resolved)
    layers = [one for one in network.layers if type(one).__name__ != "InputLayer"]
    facts = {
        "kind": settings.features.kind,
        "sample_rate": settings.audio.sample_rate,
        "normalise": settings.features.normalise.method,
        "input": math.prod(network.input_shape[1:]),
        "layers": [type(one).__name__ for one in layers],
        "activations": [one.activation.__name__ for one in layers if hasattr(one, "activation")],
        "epochs": training.epochs,
    }
    assert facts == SEED[set_id]
    assert training.optimizer == {"Adam": {"learning_rate": 0.001}}
    assert (training.schedule.kind, training.schedule.warmup_epochs) == ("constant", 0.0)
    assert (training.batch_size, settings.augment) == (32, ())
