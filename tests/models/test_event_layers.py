"""Layers for sound events: values against NumPy, what is refused, saving, cost, export."""

import re

import keras
import numpy as np
import pytest
from scipy.ndimage import correlate
from scipy.special import softmax

from models.builder import build
from models.complexity import count
from models.event_layers import AttentionPooling, FrequencyDynamicConv2D
from utils.config.nodes import parse_yaml
from utils.config.schema import ModelSettings
from utils.errors import ConfigError
from utils.export import export_formats
from utils.inference import Metadata, load_keras, load_predictor

MELS, FRAMES, CHANNELS, FILTERS, BASIS, CLASSES = 6, 8, 5, 3, 4, 2
NETWORK = f"""
layers:
  - FrequencyDynamicConv2D: {{filters: {FILTERS}, basis: {BASIS}, temperature: 2.0}}
  - AveragePooling2D: {{pool_size: [{MELS}, 2]}}
  - Reshape: {{target_shape: [{FRAMES // 2}, {FILTERS}], name: encoded}}
  - Dense: {{units: $CLASS_COUNT, activation: sigmoid, name: strong}}
  - {{Dense: {{units: $CLASS_COUNT, name: attention}}, from: encoded}}
  - {{AttentionPooling: {{name: weak}}, from: [strong, attention]}}
outputs: [strong, weak]
"""


def built(text, *, shape=(MELS, FRAMES, CHANNELS), constants=None):
    settings = ModelSettings.model_validate(parse_yaml(text, "task.yaml"))
    constants = {"CLASS_COUNT": CLASSES} if constants is None else constants
    return build(settings, named={}, input_shape=shape, constants=constants, name="net", seed=0)


def with_random_weights(made, rng):
    """Give every weight of a layer or network another value; variances stay above 0."""
    for variable in made.weights:
        value = 0.4 * rng.standard_normal(variable.shape)
        variable.assign(np.abs(value) + 0.5 if "variance" in variable.path else value)
    return made


@pytest.mark.parametrize("axis", [1, 2])
def test_pooling_is_a_weighted_mean_over_steps(rng, axis):
    probabilities = rng.random((3, 7, CLASSES)).astype(np.float32)
    attention = 20 * rng.standard_normal((3, 7, CLASSES)).astype(np.float32)
    attention[0, :, 0] = -60  # far below 1e-7 of the softmax over classes
    weights = np.clip(softmax(attention.astype(np.float64), axis=axis), 1e-7, 1)
    expected = (probabilities * weights).sum(axis=1) / weights.sum(axis=1)
    layer = AttentionPooling(axis=axis)
    np.testing.assert_allclose(np.asarray(layer(probabilities, attention)), expected, rtol=2e-5)


def test_pooling_over_classes_is_what_a_layer_list_gives():
    assert AttentionPooling().get_config()["axis"] == 2
    model = built(NETWORK)
    assert {name: tensor.shape for name, tensor in model.output.items()} == {
        "strong": (None, FRAMES // 2, CLASSES),
        "weak": (None, CLASSES),
    }


def test_pooling_of_steps_without_attention_is_not_a_division_by_nothing():
    attention = np.stack([np.full((1, 4), -1e4), np.full((1, 4), 1e4)], axis=-1)
    found = AttentionPooling()(np.full((1, 4, 2), 0.25, np.float32), attention.astype(np.float32))
    np.testing.assert_allclose(np.asarray(found), 0.25, rtol=1e-5)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("[{AttentionPooling: {axis: 0}, from: [input, input]}]", "axis is 0; it must be 2"),
        (
            "[{Dense: {units: 2, name: a}}, {AttentionPooling: {}, from: [input, a]}]",
            "of one shape, receives (None, 7, 3) and (None, 7, 2)",
        ),
        (
            "[{Flatten: {name: a}}, {AttentionPooling: {}, from: [a, a]}]",
            "expects two inputs (batch, steps, classes)",
        ),
        ("[{FrequencyDynamicConv2D: {filters: 2}}]", "expects (batch, mels, frames, channels)"),
        ("[FrequencyDynamicConv2D]", "needs the argument 'filters'"),
        ("[{FrequencyDynamicConv2D: {filter: 2}}]", "Did you mean 'filters'?"),
        *(
            (f"[{{FrequencyDynamicConv2D: {{filters: 2, {name}: 0}}}}]", f"{name} is 0; it must be")
            for name in ("kernel_size", "basis", "temperature", "reduction")
        ),
        ("[{FrequencyDynamicConv2D: {filters: -1}}]", "filters is -1; it must be above 0"),
    ],
)
def test_what_does_not_fit_is_named(layers, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        built(f"layers: {layers}", shape=(7, 3), constants={})


def dynamic_by_numpy(layer, inputs, *, training):
    """The layer's docstring, kernel by kernel, in float64."""
    x = inputs.astype(np.float64)
    padded = np.pad(x.mean(axis=2), ((0, 0), (1, 1), (0, 0)))
    windows = np.stack([padded[:, place : place + MELS] for place in range(3)], axis=2)
    context = np.einsum("bmkc,kch->bmh", windows, np.asarray(layer.first.kernel))
    norm = layer.norm
    mean, variance = np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)
    if training:
        mean, variance = context.mean(axis=(0, 1)), context.var(axis=(0, 1))
    context = (context - mean) / np.sqrt(variance + norm.epsilon)
    context = np.maximum(context * np.asarray(norm.gamma) + np.asarray(norm.beta), 0)
    scores = context @ np.asarray(layer.last.kernel)[0] + np.asarray(layer.last.bias)
    shares = softmax(scores / layer.temperature, axis=-1)  # (batch, mels, basis)
    kernels = np.split(np.asarray(layer.kernels.kernel), layer.basis, axis=-1)
    biases = np.split(np.asarray(layer.kernels.bias), layer.basis)
    total = np.zeros((*x.shape[:3], layer.filters))
    for number, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        for clip in range(len(x)):
            for out in range(layer.filters):
                same = sum(
                    correlate(x[clip, :, :, c], kernel[:, :, c, out], mode="constant")
                    for c in range(x.shape[3])
                )
                total[clip, :, :, out] += shares[clip, :, number, None] * (same + bias[out])
    return total


@pytest.mark.parametrize("training", [False, True])
def test_dynamic_convolution_sums_its_kernels_by_mel(rng, training):
    layer = FrequencyDynamicConv2D(FILTERS, basis=BASIS, temperature=0.7, reduction=1)
    inputs = rng.standard_normal((2, MELS, FRAMES, CHANNELS)).astype(np.float32)
    layer.build(inputs.shape)
    with_random_weights(layer, rng)
    expected = dynamic_by_numpy(layer, inputs, training=training)
    found = np.asarray(layer(inputs, training=training))
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_kernels_that_are_alike_are_one_convolution(rng):
    layer = FrequencyDynamicConv2D(FILTERS, kernel_size=5, basis=BASIS)
    inputs = rng.standard_normal((2, MELS, FRAMES, CHANNELS)).astype(np.float32)
    layer.build(inputs.shape)
    with_random_weights(layer, rng)
    one = np.asarray(layer.kernels.kernel)[..., :FILTERS]
    layer.kernels.kernel.assign(np.tile(one, BASIS))
    layer.kernels.bias.assign(np.zeros(FILTERS * BASIS))
    plain = keras.layers.Conv2D(FILTERS, 5, padding="same", use_bias=False)
    plain.build(inputs.shape)
    plain.kernel.assign(one)
    np.testing.assert_allclose(np.asarray(layer(inputs)), np.asarray(plain(inputs)), atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "reduction", "hidden"), [(1, 4, 4), (12, 4, 4), (32, 4, 8), (9, 1, 9)]
)
def test_the_small_network_has_four_channels_at_least(channels, reduction, hidden):
    layer = FrequencyDynamicConv2D(2, reduction=reduction)
    layer.build((None, MELS, FRAMES, channels))
    assert layer.first.kernel.shape == (3, channels, hidden)
    assert layer.compute_output_shape((None, MELS, FRAMES, channels)) == (None, MELS, FRAMES, 2)


def test_a_precision_of_its_own_holds_for_its_parts(rng):
    layer = FrequencyDynamicConv2D(FILTERS, dtype="mixed_bfloat16")
    found = layer(rng.standard_normal((1, MELS, FRAMES, CHANNELS)).astype(np.float32))
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    assert {keras.backend.standardize_dtype(weight.dtype) for weight in layer.weights} == {
        "float32"
    }


def test_a_saved_network_is_loaded_with_its_arguments(tmp_path, rng):
    text = NETWORK.replace("{name: weak}", "{name: weak, axis: 1}")
    model = with_random_weights(built(text), rng)
    model.save(tmp_path / "model.keras")
    loaded = load_keras(tmp_path / "model.keras")
    kept = [layer.get_config() for layer in loaded.layers]
    assert kept == [layer.get_config() for layer in model.layers]
    assert (kept[1]["temperature"], kept[-1]["axis"]) == (2.0, 1)
    clips = rng.standard_normal((4, MELS, FRAMES, CHANNELS)).astype(np.float32)
    expected, found = (network(clips, training=False) for network in (model, loaded))
    for name in ("strong", "weak"):
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(expected[name]))


def test_operations_are_those_of_the_parts():
    """All kernels at each place, the small network at each mel; the pooling has no weights."""
    cost = count(built(NETWORK))
    hidden, steps = 4, FRAMES // 2
    dynamic = "frequency_dynamic_conv2d"
    rows = {row.name.removeprefix(f"{dynamic}/"): row for row in cost.layers}
    assert {name: row.macs for name, row in rows.items() if row.macs} == {
        "kernels": MELS * FRAMES * 3 * 3 * CHANNELS * FILTERS * BASIS,
        "context": MELS * 3 * CHANNELS * hidden,
        "weights": MELS * hidden * BASIS,
        "strong": steps * FILTERS * CLASSES,
        "attention": steps * FILTERS * CLASSES,
    }
    assert rows["kernels"].parameters == (9 * CHANNELS + 1) * FILTERS * BASIS
    assert rows["norm"].parameters == 4 * hidden
    assert rows["weak"].parameters == 0
    assert cost.unknown == ()
    assert sum(row.parameters for row in cost.layers) == cost.parameters


def test_the_float32_file_says_what_keras_says(tmp_path, rng):
    model = with_random_weights(built(NETWORK), rng)
    clips = rng.standard_normal((4, MELS, FRAMES, CHANNELS)).astype(np.float32)
    metadata = Metadata(
        set_id="test", classes=("a", "b"), audio={}, features={}, normaliser=None, data="demo"
    )
    paths = export_formats(
        model, calibration=clips, folder=tmp_path, formats=("float32",), metadata=metadata
    )
    expected = model(clips, training=False)
    strong, weak = load_predictor(paths["float32"]).outputs(clips)
    np.testing.assert_allclose(strong, np.asarray(expected["strong"]), atol=1e-6)
    np.testing.assert_allclose(weak, np.asarray(expected["weak"]), atol=1e-6)
