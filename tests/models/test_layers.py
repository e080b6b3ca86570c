"""Own layers: what SpecAugment hides, that it is repeated and saved, that it costs nothing."""

import re

import keras
import numpy as np
import pytest

from models.builder import build
from models.complexity import count
from models.layers import OWN, SpecAugment
from utils.config.nodes import parse_yaml
from utils.config.schema import ModelSettings
from utils.errors import ConfigError
from utils.inference import load_keras

SHAPE = (400, 24, 30, 2)


def hidden(**arguments):
    """Where the layer puts 0 into ones: booleans (clips, mels, frames, channels)."""
    layer = SpecAugment(seed=1, **arguments)
    return np.asarray(layer(np.ones(SHAPE, np.float32), training=True)) == 0


def widths(bands):
    """Number of hidden places of each clip; bands (clips, places) must be one stretch each."""
    edges = np.abs(np.diff(np.pad(bands, ((0, 0), (1, 1))).astype(int), axis=1)).sum(axis=1)
    assert set(edges) <= {0, 2}
    return bands.sum(axis=1)


def built(layers):
    settings = ModelSettings.model_validate(parse_yaml(f"layers: {layers}", "task.yaml"))
    return build(settings, named={}, input_shape=SHAPE[1:], constants={}, name="net", seed=0)


def test_one_band_of_mels_in_every_channel_and_frame():
    found = hidden(max_mels=6)
    bands = found[:, :, 0, 0]
    assert (found == bands[:, :, None, None]).all()
    drawn = np.bincount(widths(bands))
    assert len(drawn) == 7
    np.testing.assert_allclose(drawn / SHAPE[0], 1 / 7, atol=0.06)
    assert bands.any(axis=0).all()  # at the edges too


def test_one_stretch_of_frames():
    found = hidden(max_frames=30)
    stretches = found[:, 0, :, 0]
    assert (found == stretches[:, None, :, None]).all()
    drawn = widths(stretches)
    assert drawn.min() == 0
    assert drawn.max() == 30
    assert drawn.mean() == pytest.approx(15, abs=1.5)


def test_several_bands_hide_more_than_one():
    one, three = (hidden(max_mels=6, mel_masks=n)[:, :, 0, 0].mean() for n in (1, 3))
    assert 2 * one < three < 3 * one


def test_no_masks_hide_nothing():
    assert not hidden(max_mels=6, mel_masks=0, max_frames=6, frame_masks=0).any()
    assert not hidden().any()


def test_nothing_is_hidden_when_it_is_used():
    inputs = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    layer = SpecAugment(max_mels=24, max_frames=30)
    np.testing.assert_array_equal(np.asarray(layer(inputs)), inputs)
    np.testing.assert_array_equal(np.asarray(layer(inputs, training=False)), inputs)
    assert (np.asarray(layer(inputs, training=True)) != inputs).any()


def test_the_seed_decides_and_every_call_differs():
    ones = np.ones(SHAPE, np.float32)
    layers = [SpecAugment(max_mels=6, max_frames=6, seed=seed) for seed in (3, 3, 4)]
    first, second, other = (np.asarray(layer(ones, training=True)) for layer in layers)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert (np.asarray(layers[0](ones, training=True)) != first).any()


def test_a_training_that_is_taken_up_again_hides_what_it_would_have_hidden():
    ones = np.ones(SHAPE, np.float32)
    first, again = (built([{"SpecAugment": {"max_mels": 6, "max_frames": 9}}]) for _ in range(2))
    first(ones, training=True)
    for variable, value in zip(again.variables, first.variables, strict=True):  # as checkpoints do
        variable.assign(value)
    np.testing.assert_array_equal(
        np.asarray(again(ones, training=True)), np.asarray(first(ones, training=True))
    )


def test_a_saved_network_is_loaded_with_its_arguments(tmp_path):
    model = built([{"SpecAugment": {"max_mels": 6, "max_frames": 9, "mel_masks": 2, "seed": 5}}])
    model.save(tmp_path / "model.keras")
    loaded = load_keras(tmp_path / "model.keras")
    assert loaded.layers[1].get_config() == model.layers[1].get_config()


def test_half_precision_stays():
    layer = SpecAugment(max_mels=6, dtype="mixed_bfloat16")
    found = layer(keras.ops.ones(SHAPE, "bfloat16"), training=True)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"


def test_it_costs_nothing():
    found = count(built([{"SpecAugment": {"max_mels": 6}}, {"Dense": {"units": 3}}]))
    assert found.parameters == 9
    assert found.macs == 24 * 30 * 2 * 3
    assert found.unknown == ()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_mels": -1}, "max_mels is -1; it must be 0 or more"),
        ({"max_mels": 25}, "max_mels is 25, but the input has 24"),
        ({"max_frames": 31}, "max_frames is 31, but the input has 30"),
        ({"max_mel": 3}, "Did you mean 'max_mels'?"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        built([{"SpecAugment": arguments}])


def test_a_misspelt_name_leads_to_it():
    with pytest.raises(ConfigError, match="Did you mean 'SpecAugment'"):
        built(["SpecAugmen"])


def test_it_needs_mels_and_frames():
    with pytest.raises(ConfigError, match=r"expects .batch, mels, frames, channels."):
        built(["Flatten", {"SpecAugment": {}}])


def test_keras_has_none_of_these_names():
    assert not [name for name in OWN if hasattr(keras.layers, name)]
