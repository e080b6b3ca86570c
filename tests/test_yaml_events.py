"""task.yaml as shipped: the sets of task4_sed, their sizes, and the recipe of DCASE 2021."""

import re
from functools import cache
from pathlib import Path

import pytest

from models.builder import build
from models.complexity import count
from utils.augment.feature_chain import feature_chain, views
from utils.config import load
from utils.experiment.event_judging import SCORES
from utils.experiment.event_learning import StepGrid
from utils.experiment.event_needs import check_settings, steps_of
from utils.features import from_settings
from utils.inference import Decisions

PROJECT = Path(__file__).resolve().parent.parent
CATALOGUE = load(PROJECT / "task.yaml")
TRAINED = {  # parameters that training changes: of the set, of its demo
    "task4_sed": (1_112_420, 101_188),
    "sed_supervised": (1_112_420, 101_188),
    "sed_views": (1_112_420, 101_188),
    "sed_boxes": (1_112_420, 101_188),
    "sed_wide": (4_427_956, 397_300),
    "sed_dynamic": (2_773_316, 175_588),
    "sed_embeddings": (1_227_236, 1_227_236),
}
BOTH = [(set_id, demo) for set_id in TRAINED for demo in (False, True)]
GRID = StepGrid(156, 4, pytest.approx(0.064))


def representation_of(settings):
    return from_settings(settings.audio, settings.features)


def built(set_id: str, demo: bool):
    """The network of a set; sets that share one share its building."""
    model = CATALOGUE.resolve(set_id, demo=demo).settings.model
    for other, in_demo in BOTH:
        if CATALOGUE.resolve(other, demo=in_demo).settings.model == model:
            return _built(other, in_demo)
    raise AssertionError(set_id)


def more_inputs(settings):
    """Embeddings as the experiment gives them to the builder."""
    asked = settings.dataset.embeddings
    return {"embeddings": (asked.steps, asked.size)} if asked else None


@cache
def cost_of(network):
    return count(network)


@cache
def _built(set_id: str, demo: bool):
    resolved = CATALOGUE.resolve(set_id, demo=demo)
    shape = representation_of(resolved.settings).input_shape
    return build(
        resolved.settings.model,
        named=resolved.models,
        input_shape=shape,
        constants={"CLASS_COUNT": 10, "MELS": shape[0], "FRAMES": shape[1]},
        name=set_id,
        more_inputs=more_inputs(resolved.settings),
        seed=resolved.settings.seed,
    )


def test_every_set_is_known_here():
    assert CATALOGUE.set_ids("task4_sed") == list(TRAINED)


@pytest.mark.parametrize(("set_id", "demo"), BOTH)
def test_every_set_builds_with_its_size(set_id, demo):
    network, cost = built(set_id, demo), cost_of(built(set_id, demo))
    assert cost.trainable == TRAINED[set_id][demo]
    assert cost.unknown == ()
    heard = network.input["input"] if isinstance(network.input, dict) else network.input
    assert tuple(heard.shape) == (None, 128, 626, 1)
    assert {name: tensor.shape for name, tensor in network.output.items()} == {
        "strong": (None, 156, 10),
        "weak": (None, 10),
    }


def test_comments_and_descriptions_state_these_sizes():
    text = (PROJECT / "task.yaml").read_text(encoding="utf-8")
    stated = re.search(r"  crnn: +# ([\d,]+) trained parameters; WIDTH 32: ([\d,]+)\n", text)
    sizes = [int(number.replace(",", "")) for number in stated.groups()]
    assert sizes == [TRAINED["task4_sed"][0], TRAINED["sed_wide"][0]]
    assert "1,112,420 trained weights" in CATALOGUE.description("task4_sed")


@pytest.mark.parametrize(("set_id", "demo"), BOTH)
def test_every_set_is_one_of_sound_events(set_id, demo):
    settings = CATALOGUE.resolve(set_id, demo=demo).settings
    check_settings(settings)
    representation = representation_of(settings)
    assert StepGrid.of(representation, steps_of(built(set_id, demo), classes=10)) == GRID
    facts = {"mels": 128, "hop_seconds": 0.016, "frames_per_step": 4}
    feature_chain(settings.feature_augment, **facts)
    views(settings.view_augment, **facts)
    metric = settings.training.select.metric
    assert metric.removeprefix("val_") in SCORES
    assert settings.training.select.mode == "max"
    assert "int8" not in settings.export.formats
    assert not any(settings.limits.model_dump(exclude={"format"}).values())
    assert settings.training.schedule.warmup_epochs < settings.training.epochs
    default = CATALOGUE.resolve("task4_sed", demo=demo).settings
    own = {"sed_embeddings": {"dataset", "export"}}.get(set_id, set())
    for section in {"dataset", "audio", "features", "export"} - own:
        assert getattr(settings, section) == getattr(default, section)


def test_the_supervised_set_differs_in_what_it_learns_from_alone():
    for demo in (False, True):
        alone = CATALOGUE.resolve("sed_supervised", demo=demo).settings
        taught = CATALOGUE.resolve("task4_sed", demo=demo).settings
        own = {"set_id", "description", "training"}
        assert alone.model_dump(exclude=own) == taught.model_dump(exclude=own)
        own = {"batch_size", "parts", "teacher"}
        assert alone.training.model_dump(exclude=own) == taught.training.model_dump(exclude=own)
        assert (alone.training.parts.strong, alone.training.parts.weak) == (
            taught.training.parts.strong,
            taught.training.parts.weak,
        )
        assert alone.training.teacher is None


def test_the_recipe_of_2021_is_as_published():
    settings = CATALOGUE.resolve("task4_sed").settings
    signal, training = representation_of(settings), settings.training
    facts = {
        "sample_rate": 16_000, "n_samples": 160_000, "window_length": 2048, "hop_length": 256,
        "n_fft": 2048, "window": "hamming_symmetric", "n_mels": 128, "f_min": 0.0, "f_max": 8000.0,
        "power": 1, "mel_scale": "htk", "mel_norm": "none", "log": "none", "pad": "reflect",
        "n_frames": 626,
    }  # fmt: skip
    assert {name: getattr(signal, name) for name in facts} == facts
    assert settings.features.normalise.method == "clip_decibel"
    assert [step.model_dump(exclude_none=True) for step in settings.feature_augment] == [
        {"GroupMixup": {"alpha": 0.2, "probability": 0.5, "labels": "soft"}}
    ]
    assert training.parts.model_dump() == {"strong": 12, "weak": 12, "unlabelled": 24}
    assert training.teacher.model_dump() == {
        "decay": 0.999, "distance": "mse", "weight": 2.0, "warmup_epochs": 50.0,
    }  # fmt: skip
    assert training.optimizer == {"Adam": {"learning_rate": 0.001}}
    assert training.schedule.model_dump(exclude_unset=True) == {
        "kind": "constant", "warmup_epochs": 50.0, "warmup": "exponential",
    }  # fmt: skip
    assert (training.epochs, training.loss) == (200, "binary_crossentropy")
    assert (training.select.metric, training.select.after_epoch) == ("val_objective", 0)
    assert settings.dataset.validation.model_dump(include={"amount", "seed"}) == {
        "amount": 0.1,
        "seed": 42,
    }
    decisions = Decisions.of(settings.postprocess, classes=10, step_seconds=0.064)
    assert (decisions.method, decisions.weak_masking) == ("median", False)
    assert set(decisions.lengths) == {7}
    assert set(decisions.thresholds) == {0.5}


def test_the_network_of_2021_is_as_published():
    layers = built("task4_sed", False).layers
    convolutions = [one for one in layers if hasattr(one, "filters")]
    assert [one.filters for one in convolutions] == [16, 32, 64, 128, 128, 128, 128]
    assert {(one.kernel_size, one.strides) for one in convolutions} == {((3, 3), (1, 1))}
    pools = [one.pool_size for one in layers if hasattr(one, "pool_size")]
    assert pools == [(2, 2), (2, 2), (2, 1), (2, 1), (2, 1), (2, 1), (2, 1)]
    gates = [16, 32, 64, 128, 128, 128, 128]  # as many channels as before, not half of them
    dense = [one.units for one in layers if type(one).__name__ == "Dense"]
    assert dense == [*gates, 10, 10]
    assert [type(one).__name__ for one in layers].count("Multiply") == len(gates)
    recurrent = [one.forward_layer for one in layers if hasattr(one, "forward_layer")]
    assert [(type(one).__name__, one.units) for one in recurrent] == [("GRU", 128)] * 2
    assert {one.rate for one in layers if hasattr(one, "rate")} == {0.5}
    assert built("task4_sed", False).get_layer("weak").axis == 2  # over classes, as published
