"""Layers of networks that separate by masks: values, modes, what is refused, saving, kernels."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.builder import build
from models.complexity import count
from models.unet_layers import InferenceMode, Stack
from utils.config.nodes import parse_yaml
from utils.config.schema import ModelSettings
from utils.errors import ConfigError
from utils.inference import load_keras
from utils.training.kernels import quick_kernels

SHAPE = (8, 6, 3)
NORMALISED = """
layers:
  - InferenceMode: {layer: {BatchNormalization: {momentum: 0.5}}, while_training: $LEGACY}
"""


def built(text, **constants):
    settings = ModelSettings.model_validate(parse_yaml(text, "task.yaml"))
    return build(settings, named={}, input_shape=SHAPE, constants=constants, name="net", seed=0)


def clips_of(rng):
    return (5 + 3 * rng.standard_normal((4, *SHAPE))).astype(np.float32)


@pytest.mark.parametrize("axis", [1, 2, 4, -1, -4])
def test_stack_puts_its_inputs_on_a_new_axis(rng, axis):
    parts = [rng.standard_normal((2, *SHAPE)).astype(np.float32) for _ in range(3)]
    layer = Stack(axis=axis)
    found = np.asarray(layer(parts))
    np.testing.assert_array_equal(found, np.stack(parts, axis=axis))
    shape = (None, *SHAPE)
    expected = np.stack([np.zeros((7, *SHAPE))] * 3, axis=axis).shape
    told = layer.compute_output_shape([shape] * 3)
    assert tuple(7 if size is None else size for size in told) == expected


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("[Stack]", "expects several inputs of one shape, receives (None, 8, 6, 3)"),
        ("[{Stack: {}, from: [input]}]", "expects several inputs of one shape"),
        ("[{Flatten: {name: a}}, {Stack: {}, from: [input, a]}]", "expects several inputs of one"),
        ("[{Stack: {axis: 0}, from: [input, input]}]", "axis is 0; it must be from 1 to 4"),
        ("[{Stack: {axis: 5}, from: [input, input]}]", "axis is 5; it must be from 1 to 4"),
        ("[{Stack: {axis: -5}, from: [input, input]}]", "axis is -5; it must be from 1 to 4"),
        ("[InferenceMode]", "needs the argument 'layer'"),
        ("[{InferenceMode: {layer: Droput}}]", "Did you mean 'Dropout'?"),
        (
            "[{InferenceMode: {layer: ReLU, while_training: 2}}]",
            "while_training is 2; it must be 0 or 1",
        ),
    ],
)
def test_what_does_not_fit_is_named(layers, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        built(f"layers: {layers}")


def test_kept_in_inference_mode_the_statistics_never_move(rng):
    """Division by the first statistics, mean 0 and variance 1; scale and offset are trained."""
    model, clips = built(NORMALISED, LEGACY=1), clips_of(rng)
    with tf.GradientTape() as tape:
        outputs = model(clips, training=True)
        loss = tf.reduce_sum(outputs**2)
    np.testing.assert_allclose(outputs, clips / np.sqrt(1 + 1e-3), rtol=1e-5)
    for gradient in tape.gradient(loss, model.trainable_variables):
        assert np.abs(gradient).min() > 1
    names = {variable.name: np.asarray(variable) for variable in model.variables}
    np.testing.assert_array_equal(names["moving_mean"], 0)
    np.testing.assert_array_equal(names["moving_variance"], 1)
    assert len(model.trainable_variables) == 2


def test_else_the_layer_is_what_it_is_alone(rng):
    model, clips = built(NORMALISED, LEGACY=0), clips_of(rng)
    found = np.asarray(model(clips, training=True))
    plain = keras.layers.BatchNormalization(momentum=0.5)
    np.testing.assert_allclose(found, plain(clips, training=True), atol=1e-6)
    np.testing.assert_allclose(found.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    in_use = np.asarray(model(clips, training=False))
    np.testing.assert_allclose(in_use, plain(clips, training=False), atol=1e-6)
    assert np.abs(in_use - found).max() > 0.1


@pytest.mark.parametrize("always", [False, True])
def test_it_wraps_other_layers_too(rng, always):
    layer, clips = InferenceMode(keras.layers.Dropout(0.5, seed=0), always), clips_of(rng)
    dropped = np.mean(np.asarray(layer(clips, training=True)) == 0)
    assert dropped == 0 if always else 0.3 < dropped < 0.7


def test_quick_kernels_reach_the_layer_inside(rng):
    clips = clips_of(rng)
    outputs, moved = [], []
    for quick in (False, True):
        model = built(NORMALISED, LEGACY=0)
        inner = next(layer for layer in model._flatten_layers() if hasattr(layer, "momentum"))
        plain = inner.call
        if quick:
            with quick_kernels(model):
                assert inner.call is not plain
                outputs.append(np.asarray(model(clips, training=True)))
        else:
            outputs.append(np.asarray(model(clips, training=True)))
        moved.append(np.asarray(inner.moving_mean))
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-5)
    np.testing.assert_allclose(moved[1], moved[0], rtol=1e-5)


def test_the_parts_are_counted_and_saved(tmp_path, rng):
    text = (
        "layers:\n"
        + NORMALISED.partition("layers:\n")[2]
        + ("  - Identity: {name: kept}\n  - {Stack: {axis: 2}, from: [input, kept]}\n")
    )
    model = built(text, LEGACY=1)
    model(clips_of(rng), training=False)
    rows = count(model).layers
    assert [row.parameters for row in rows if row.name.startswith("inference_mode/")] == [12]
    assert count(model).unknown == ()
    model.save(tmp_path / "model.keras")
    loaded = load_keras(tmp_path / "model.keras")
    wrapper, stack = loaded.layers[1], loaded.layers[-1]
    assert (wrapper.while_training, wrapper.layer.momentum, stack.axis) == (True, 0.5, 2)
    clips = clips_of(rng)
    np.testing.assert_array_equal(loaded(clips), model(clips))
