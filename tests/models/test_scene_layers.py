"""Layers of small networks for scenes against sums done by hand, and what they keep to."""

import keras
import numpy as np
import pytest
from scipy import stats

from models.builder import build
from models.complexity import count
from models.normalisation_layers import (
    GlobalResponseNormalization,
    ResidualNormalization,
    SubSpectralNormalization,
)
from models.scene_layers import FreqMixStyle, FrequencyAveragePooling, StridedDepthwiseConv2D
from utils.config.nodes import parse_yaml
from utils.config.schema import ModelSettings
from utils.errors import ConfigError
from utils.inference import load_keras

MELS, FRAMES, CHANNELS = 10, 12, 3
LAYERS = """
layers:
  - FreqMixStyle: {alpha: 0.5, probability: 0.7, seed: 3}
  - SubSpectralNormalization: {bands: 2, momentum: 0.8}
  - ResidualNormalization: {shortcut: 0.2}
  - GlobalResponseNormalization: {epsilon: 1.0e-4}
  - StridedDepthwiseConv2D: {kernel_size: 3, strides: [2, 1], padding: same, use_bias: false}
  - FrequencyAveragePooling
"""


def built(text):
    settings = ModelSettings.model_validate(parse_yaml(text, "task.yaml"))
    shape = (MELS, FRAMES, CHANNELS)
    return build(settings, named={}, input_shape=shape, constants={}, name="net", seed=0)


@pytest.fixture
def clips(rng):
    """Clips whose mels and channels differ in level and spread."""
    levels = rng.standard_normal((1, MELS, 1, CHANNELS)) + rng.standard_normal((6, MELS, 1, 1))
    spreads = rng.uniform(0.5, 2.0, (6, MELS, 1, CHANNELS))
    noise = rng.standard_normal((6, MELS, FRAMES, CHANNELS))
    return (levels + spreads * noise).astype(np.float32)


def with_random_weights(layer, rng):
    for weight in layer.weights:
        positive = "gamma" in weight.path or "variance" in weight.path
        drawn = rng.uniform(0.5, 2.0, weight.shape) if positive else rng.normal(size=weight.shape)
        weight.assign(drawn.astype(np.float32))
    return layer


@pytest.mark.parametrize("training", [False, True])
def test_each_band_is_normalised_as_keras_normalises_a_batch(clips, rng, training):
    layer = SubSpectralNormalization(5, momentum=0.7, epsilon=1e-2)
    layer.build(clips.shape)
    with_random_weights(layer, rng)
    given = {name: np.asarray(getattr(layer, name)) for name in names_of_weights()}
    found = np.asarray(layer(clips, training=training))
    for band in range(5):
        plain = keras.layers.BatchNormalization(momentum=0.7, epsilon=1e-2)
        plain.build((None, 2, FRAMES, CHANNELS))
        for name in names_of_weights():
            getattr(plain, name).assign(given[name][band])
        part = slice(2 * band, 2 * band + 2)
        expected = np.asarray(plain(clips[:, part], training=training))
        np.testing.assert_allclose(found[:, part], expected, atol=1e-5)
        for name in names_of_weights():
            kept = np.asarray(getattr(layer, name))[band]
            np.testing.assert_allclose(kept, np.asarray(getattr(plain, name)), atol=1e-5)


def names_of_weights():
    return ("gamma", "beta", "moving_mean", "moving_variance")


def test_statistics_rest_when_the_layer_is_not_trained(clips):
    layer = SubSpectralNormalization(2)
    layer.build(clips.shape)
    layer.trainable = False
    found = np.asarray(layer(clips, training=True))
    np.testing.assert_allclose(found, clips / np.sqrt(1 + 1e-3), rtol=1e-5)
    assert not np.asarray(layer.moving_mean).any()


def test_bands_divide_the_mels():
    with pytest.raises(ValueError, match="4 bands do not divide 10 mels; choose another number"):
        SubSpectralNormalization(4).build((None, MELS, FRAMES, CHANNELS))


def test_residual_normalisation_is_instance_normalisation_and_a_share_of_the_input(clips):
    mean = clips.mean(axis=(2, 3), keepdims=True)
    deviation = np.sqrt(clips.var(axis=(2, 3), keepdims=True) + 1e-5)
    expected = 0.3 * clips + (clips - mean) / deviation
    found = np.asarray(ResidualNormalization(shortcut=0.3)(clips))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_residual_normalisation_takes_a_microphone_out(clips, rng):
    """A frequency response is an offset of log-mels; but for the shortcut it leaves nothing."""
    response = rng.normal(size=(1, MELS, 1, 1)).astype(np.float32)
    layer = ResidualNormalization(shortcut=0.0)
    heard, other = np.asarray(layer(clips)), np.asarray(layer(clips + response))
    np.testing.assert_allclose(other, heard, atol=1e-4)


def test_response_normalisation_by_hand(clips, rng):
    layer = GlobalResponseNormalization()
    np.testing.assert_array_equal(np.asarray(layer(clips)), clips)  # it starts as nothing
    layer.gamma.assign(0.6)
    layer.beta.assign(-0.2)
    norms = np.sqrt((clips**2).sum(axis=(1, 2), keepdims=True))
    expected = 0.6 * clips * norms / norms.mean(axis=3, keepdims=True) - 0.2 + clips
    np.testing.assert_allclose(np.asarray(layer(clips)), expected, rtol=1e-4, atol=1e-4)


def test_response_normalisation_of_silence_has_a_gradient(clips):
    import tensorflow as tf

    silent = tf.constant(clips * np.array([1.0, 0.0, 1.0], np.float32))
    for inputs in (silent, 0 * silent):
        layer = GlobalResponseNormalization()
        layer.build(inputs.shape)
        layer.gamma.assign(0.5)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = tf.reduce_sum(layer(inputs) ** 2)
        assert np.isfinite(tape.gradient(outputs, inputs).numpy()).all()


def statistics(clips):
    return clips.mean(axis=(2, 3)), clips.std(axis=(2, 3))


def test_a_clip_takes_on_the_statistics_of_one_other(clips):
    found = np.asarray(FreqMixStyle(alpha=1.0, probability=1.0, seed=5)(clips, training=True))
    old_mean, old_spread = statistics(clips)
    new_mean, new_spread = statistics(found)
    partners = []
    for clip in range(len(clips)):
        errors = []
        for other in range(len(clips)):
            change, way = new_mean[clip] - old_mean[clip], old_mean[other] - old_mean[clip]
            share = (change @ way) / max(way @ way, 1e-9)
            mean = old_mean[clip] + share * way
            spread = old_spread[clip] + share * (old_spread[other] - old_spread[clip])
            errors.append(np.abs([mean - new_mean[clip], spread - new_spread[clip]]).max())
            assert -1e-3 < share < 1.001 or errors[-1] > 1e-2
        partners.append(int(np.argmin(errors)))
        assert min(errors) < 1e-4
    assert len(set(partners)) > 1
    shape = (clips - old_mean[:, :, None, None]) / old_spread[:, :, None, None]
    kept = (found - new_mean[:, :, None, None]) / new_spread[:, :, None, None]
    np.testing.assert_allclose(kept, shape, atol=1e-3)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.5])
def test_shares_are_drawn_from_the_beta_distribution(alpha):
    layer = FreqMixStyle(alpha=alpha, seed=1)
    layer.build((None, MELS, FRAMES, CHANNELS))
    drawn = np.asarray(layer._shares(4000)).ravel()
    assert stats.kstest(drawn, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_a_share_of_the_batches_is_mixed_and_none_in_use(clips):
    import tensorflow as tf

    layer = FreqMixStyle(probability=0.4, seed=2)
    layer.build(clips.shape)
    mixed = tf.function(lambda batch: layer(batch, training=True))
    changed = [np.abs(mixed(clips).numpy() - clips).max() > 0 for _ in range(150)]
    assert 0.3 < np.mean(changed) < 0.5
    np.testing.assert_array_equal(np.asarray(layer(clips)), clips)
    assert not np.abs(np.asarray(FreqMixStyle(probability=0)(clips, training=True)) - clips).any()


def test_no_gradient_flows_through_the_statistics(clips):
    import tensorflow as tf

    inputs = tf.constant(clips)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = FreqMixStyle(probability=1.0, seed=5)(inputs, training=True)
    found = tape.gradient(outputs, inputs).numpy()
    ratio = statistics(outputs.numpy())[1] / statistics(clips)[1]
    np.testing.assert_allclose(
        found, np.broadcast_to(ratio[:, :, None, None], found.shape), rtol=1e-3
    )


def test_mixing_can_be_compiled(clips):
    import tensorflow as tf

    layer = FreqMixStyle(probability=1.0, seed=5)
    layer.build(clips.shape)
    found = tf.function(lambda batch: layer(batch, training=True), jit_compile=True)(clips).numpy()
    for values in (clips, found):
        mean, spread = (one[:, :, None, None] for one in statistics(values))
        values -= mean
        values /= spread
    np.testing.assert_allclose(found, clips, atol=1e-3)


def test_a_training_that_is_taken_up_again_draws_what_it_would_have_drawn(clips):
    first, again = (built("layers: [FreqMixStyle: {probability: 1.0}]") for _ in range(2))
    before = np.asarray(first(clips, training=True))
    for variable, value in zip(again.variables, first.variables, strict=True):  # as checkpoints do
        variable.assign(value)
    found = np.asarray(again(clips, training=True))
    np.testing.assert_array_equal(found, np.asarray(first(clips, training=True)))
    assert (found != before).any()


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [(1, 2), (2, 1), (3, 1), (2, 2), (1, 1)])
def test_strides_that_differ(clips, rng, strides, padding):
    """The oracle is an ordinary convolution with a kernel between like channels alone."""
    inputs = clips[:, : MELS - strides[1] // 2]  # even and odd lengths
    layer = StridedDepthwiseConv2D((3, 2), strides, padding, activation="relu")
    layer.build(inputs.shape)
    with_random_weights(layer, rng)
    plain = keras.layers.Conv2D(CHANNELS, (3, 2), strides, padding, activation="relu")
    plain.build(inputs.shape)
    plain.kernel.assign(np.asarray(layer.kernel) * np.eye(CHANNELS, dtype=np.float32))
    plain.bias.assign(layer.bias)
    expected = np.asarray(plain(inputs))
    np.testing.assert_allclose(np.asarray(layer(inputs)), expected, atol=1e-5)
    assert layer.compute_output_shape(inputs.shape) == expected.shape


def test_the_mean_over_mels_is_a_pooling_of_the_whole_height(clips):
    expected = np.asarray(keras.layers.AveragePooling2D((MELS, 1))(clips))
    layer = FrequencyAveragePooling()
    np.testing.assert_allclose(np.asarray(layer(clips)), expected, atol=1e-6)
    assert layer.compute_output_shape(clips.shape) == expected.shape


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("SubSpectralNormalization: {bands: 0}", "bands is 0; it must be 1 or more"),
        ("SubSpectralNormalization: {bands: 5, momentum: 2}", "momentum is 2; it must be from 0"),
        ("ResidualNormalization: {epsilon: 0}", "epsilon is 0; it must be above 0"),
        ("FreqMixStyle: {alpha: 0}", "alpha is 0; it must be above 0"),
        ("FreqMixStyle: {probability: 1.5}", "probability is 1.5; it must be from 0 to 1"),
        ("StridedDepthwiseConv2D: {kernel_size: 3, strides: [2, 3]}", "or one of them 1"),
        ("Flatten: {}\n  - ResidualNormalization", "expects (batch, mels, frames, channels)"),
        ("Flatten: {}\n  - FrequencyAveragePooling", "expects (batch, mels, frames, channels)"),
    ],
)
def test_mistakes_are_named(layer, message):
    with pytest.raises(ConfigError) as error:
        built(f"layers:\n  - {layer}")
    assert message in str(error.value)


def test_a_saved_network_is_loaded_with_its_arguments(tmp_path, clips, rng):
    model = built(LAYERS)
    for layer in model.layers[2:]:
        with_random_weights(layer, rng)
    model.save(tmp_path / "model.keras")
    loaded = load_keras(tmp_path / "model.keras")
    kept = [layer.get_config() for layer in loaded.layers]
    assert kept == [layer.get_config() for layer in model.layers]
    assert (kept[1]["alpha"], kept[2]["momentum"], kept[3]["shortcut"]) == (0.5, 0.8, 0.2)
    np.testing.assert_array_equal(np.asarray(loaded(clips)), np.asarray(model(clips)))


def test_half_precision_stays_and_statistics_are_float32(clips):
    for kind in (SubSpectralNormalization, ResidualNormalization, GlobalResponseNormalization):
        layer = kind(dtype="mixed_bfloat16")
        found = layer(keras.ops.cast(clips, "bfloat16"), training=kind is SubSpectralNormalization)
        assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
        assert {weight.dtype for weight in layer.weights} <= {"float32"}


def test_normalisation_counts_no_operations():
    cost = count(built(LAYERS))
    rows = {row.kind: row for row in cost.layers}
    assert cost.unknown == ()
    assert rows["SubSpectralNormalization"].parameters == 4 * 2 * CHANNELS
    assert rows["GlobalResponseNormalization"].parameters == 2
    assert cost.macs == 9 * MELS // 2 * FRAMES * CHANNELS == rows["StridedDepthwiseConv2D"].macs
    kept = 4 * 4 * 2 * CHANNELS  # statistics of batches stay float32 in a float16 network
    assert cost.keras_float16_bytes == kept + 2 * (2 + 9 * CHANNELS)
