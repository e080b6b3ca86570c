"""Layers of dual-path networks: values against NumPy, chunks, levels, what is refused, cost."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from models.builder import build
from models.complexity import count
from models.dual_path_layers import (
    DivideByLevel,
    DualPath,
    Level,
    MulCat,
    OverlapAdd,
    chunked,
    merged,
)
from utils.config.nodes import parse_yaml
from utils.config.schema import ModelSettings
from utils.errors import ConfigError

CHANNELS, UNITS, CHUNK, SOURCES, POOL = 6, 3, 4, 2, 3


def random_weights(layer, rng):
    """Give every weight another value, biases and slopes too."""
    for variable in layer.weights:
        variable.assign(0.5 * rng.standard_normal(variable.shape))
    return layer


# --- the definitions, step by step in float64 ---


def lstm(cell, steps):
    """One LSTM over (steps, channels), gates in Keras' order: input, forget, candidate, output."""
    kernel, recurrent, bias = (np.asarray(w, np.float64) for w in cell.weights)
    hidden = carry = np.zeros(recurrent.shape[0])
    outputs = []
    for step in steps:
        i, f, g, o = np.split(step @ kernel + hidden @ recurrent + bias, 4)
        carry = expit(f) * carry + expit(i) * np.tanh(g)
        hidden = expit(o) * np.tanh(carry)
        outputs.append(hidden)
    return np.stack(outputs)


def mulcat(layer, steps):
    """P3([P1(LSTM_a(x)) * P2(LSTM_b(x)), x]) of (steps, channels)."""

    def both(pair):
        ahead = lstm(pair.forward_layer.cell, steps)
        back = lstm(pair.backward_layer.cell, steps[::-1])[::-1]
        return np.concatenate([ahead, back], axis=-1)

    def linear(dense, x):
        return x @ np.asarray(dense.kernel, np.float64) + np.asarray(dense.bias, np.float64)

    p1, p2, p3 = layer.maps
    product = linear(p1, both(layer.heard)) * linear(p2, both(layer.gate))
    return linear(p3, np.concatenate([product, steps], axis=-1))


def dual_path(layer, frames):
    """All scales of one clip (frames, channels): convolution, overlap-add, then the pooling."""
    half, total = layer.chunk // 2, len(frames)
    starts = range(-half, total, half)
    chunks = np.zeros((len(starts), layer.chunk, frames.shape[1]))
    for number, start in enumerate(starts):
        for step in range(layer.chunk):
            if 0 <= start + step < total:
                chunks[number, step] = frames[start + step]
    kernel, bias = np.asarray(layer.kernel, np.float64), np.asarray(layer.bias, np.float64)
    scales = []
    for pair in range(layer.pairs):
        for axis, block in ((1, layer.along[pair]), (0, layer.across[pair])):
            sequences = np.moveaxis(chunks, axis, 1)
            found = np.moveaxis(np.stack([mulcat(block, s) for s in sequences]), 1, axis)
            if layer.normalise:
                norm = layer.norms[2 * pair + (axis == 0)]
                found = (found - found.mean()) / np.sqrt(found.var() + 1e-8)
                found = found * np.asarray(norm.gamma) + np.asarray(norm.beta)
            chunks = chunks + found
        active = np.where(chunks > 0, chunks, float(layer.slope) * chunks)
        heads = active @ kernel + bias
        whole = np.zeros((total, heads.shape[-1]))
        for number, start in enumerate(starts):
            for step in range(layer.chunk):
                if 0 <= start + step < total:
                    whole[start + step] += heads[number, step]
        pooled = whole.reshape(total, layer.sources, -1, layer.pool).mean(axis=-1)
        scales.append(pooled.transpose(1, 0, 2))
    return np.stack(scales)


# --- levels ---


def test_a_level_is_that_of_the_samples_that_sound(rng):
    clips = rng.standard_normal((2, 50, 1)).astype(np.float32)
    clips[1] *= 1e-4
    levels = np.asarray(Level()(clips))
    np.testing.assert_allclose(levels[:, 0, 0], np.sqrt((clips**2).mean(axis=(1, 2))), rtol=1e-5)
    padded = np.pad(clips, [[0, 0], [7, 30], [0, 0]])
    np.testing.assert_allclose(Level()(padded), levels, rtol=1e-6)
    np.testing.assert_allclose(Level()(DivideByLevel()(clips, levels)), 1.0, rtol=1e-5)


def test_silence_has_no_level_and_stays_silence():
    clips = tf.zeros((1, 20, 1))
    with tf.GradientTape() as tape:
        tape.watch(clips)
        level = Level()(clips)
        outputs = DivideByLevel()(clips, level) * level
    np.testing.assert_array_equal(level, 0)
    np.testing.assert_array_equal(outputs, 0)
    assert np.isfinite(tape.gradient(outputs, clips)).all()


# --- chunks ---


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 9, 12])
def test_every_frame_is_in_two_chunks(rng, frames):
    given = rng.standard_normal((2, frames, 3)).astype(np.float32)
    chunks = np.asarray(chunked(given, CHUNK))
    half = CHUNK // 2
    assert chunks.shape == (2, -(-frames // half) + 1, CHUNK, 3)
    for number, start in enumerate(range(-half, chunks.shape[1] * half - half, half)):
        for step in range(CHUNK):
            inside = 0 <= start + step < frames
            expected = given[:, start + step] if inside else 0
            np.testing.assert_array_equal(chunks[:, number, step], expected)
    np.testing.assert_array_equal(merged(chunks, frames), 2 * given)


# --- blocks ---


def test_a_block_multiplies_and_concatenates(rng):
    layer = MulCat(UNITS)
    steps = rng.standard_normal((2, 7, CHANNELS)).astype(np.float32)
    layer.build(steps.shape)
    random_weights(layer, rng)
    expected = [mulcat(layer, clip) for clip in steps]
    np.testing.assert_allclose(layer(steps), expected, atol=1e-5)
    assert layer.compute_output_shape((None, 7, CHANNELS)) == (None, 7, CHANNELS)


def test_a_block_has_the_published_size():
    """627,072 with PyTorch's two biases of each LSTM; Keras has one."""
    layer = MulCat(128)
    layer.build((None, None, 128))
    assert layer.count_params() == 627_072 - 4 * 4 * 128


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("frames", [5, 8])
def test_the_whole_path_is_what_its_steps_are(rng, frames, normalise):
    layer = DualPath(2, UNITS, CHUNK, SOURCES, POOL, normalise=normalise)
    given = rng.standard_normal((2, frames, CHANNELS)).astype(np.float32)
    layer.build(given.shape)
    random_weights(layer, rng)
    expected = np.stack([dual_path(layer, clip) for clip in given])
    assert expected.shape == (2, 2, SOURCES, frames, CHANNELS // POOL)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(layer(given, training=True), expected, atol=1e-5 * scale)
    last = np.asarray(layer(given, training=False))
    np.testing.assert_allclose(last, expected[:, -1:], atol=1e-5 * scale)


def test_an_open_length_is_taken_in_a_graph(rng):
    layer = DualPath(1, UNITS, CHUNK, SOURCES, POOL)
    layer.build((None, None, CHANNELS))
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None, None, CHANNELS))])
    for frames in (1, 6, 11):
        given = rng.standard_normal((2, frames, CHANNELS)).astype(np.float32)
        np.testing.assert_allclose(graph(given), layer(given), atol=1e-6)
    assert layer.compute_output_shape((None, None, CHANNELS)) == (None, None, 2, None, 2)


def test_the_head_starts_as_published():
    layer = DualPath(1, UNITS, CHUNK, SOURCES, POOL)
    layer.build((None, None, CHANNELS))
    assert float(layer.slope) == 0.25
    np.testing.assert_array_equal(layer.bias, 0)


@pytest.mark.parametrize(("size", "hop"), [(4, 2), (6, 2), (8, 2), (16, 4)])
def test_frames_are_added_where_they_overlap(rng, size, hop):
    count, samples = 5, 4 * hop + 2 * hop
    frames = rng.standard_normal((2, 3, SOURCES, count, size)).astype(np.float32)
    expected = np.zeros((2, 3, SOURCES, (count - 1) * hop + size))
    for number in range(count):
        expected[..., number * hop : number * hop + size] += frames[..., number, :]
    layer = OverlapAdd(hop)
    found = layer(frames, np.zeros((2, samples, 1), np.float32))
    np.testing.assert_allclose(found, expected[..., :samples], atol=1e-6)
    told = layer.compute_output_shape((None, None, *frames.shape[2:]), (None, samples, 1))
    assert told == (None, None, SOURCES, samples)


# --- in layer lists ---

PATH = "DualPath: {pairs: 1, units: 2, chunk: 4, sources: 2, pool: 3}"


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        *(
            (f"[{{{PATH.replace(f'{name}: {value}', f'{name}: 0')}}}]", f"{name} is 0; it must be")
            for name, value in {"pairs": 1, "units": 2, "chunk": 4, "sources": 2, "pool": 3}.items()
        ),
        (f"[{{{PATH.replace('chunk: 4', 'chunk: 5')}}}]", "chunk is 5; it must be even"),
        (f"[{{{PATH.replace('pool: 3', 'pool: 4')}}}]", "pool is 4, which does not divide 6"),
        (f"[Flatten, {{{PATH}}}]", "expects (batch, frames, channels), receives (None, 60)"),
        ("[{MulCat: {units: 0}}]", "units is 0; it must be above 0"),
        (
            "[Flatten, {MulCat: {units: 2}}]",
            "expects (batch, steps, channels), receives (None, 60)",
        ),
        ("[{OverlapAdd: {hop: 1}, from: [input, input]}]", "expects (batch, scales, sources, "),
        *(
            (
                f"[{{{PATH}, name: a}}, {{OverlapAdd: {{hop: {hop}}}, from: [a, input]}}]".replace(
                    "}, name: a", ", name: a}"
                ),
                f"hop is {hop}; frames of 2 samples want half or a part",
            )
            for hop in (0, 2, 3)
        ),
    ],
)
def test_what_does_not_fit_is_named(layers, words):
    settings = ModelSettings.model_validate(parse_yaml(f"layers: {layers}", "task.yaml"))
    with pytest.raises(ConfigError, match=re.escape(words)):
        build(settings, named={}, input_shape=(10, CHANNELS), constants={}, name="net", seed=0)


def test_operations_are_those_of_the_blocks():
    """Each pair: a block over each chunk, and one over the chunks at each place."""

    def cost_of_block(steps):
        inputs = keras.Input((steps, CHANNELS))
        return count(keras.Model(inputs, MulCat(UNITS)(inputs))).macs

    frames, pairs, chunks = 9, 2, 6
    inputs = keras.Input((frames, CHANNELS))
    path = DualPath(pairs, UNITS, CHUNK, SOURCES, POOL)
    cost = count(keras.Model(inputs, path(inputs)))
    block = chunks * cost_of_block(CHUNK) + CHUNK * cost_of_block(chunks)
    head = chunks * CHUNK * CHANNELS * SOURCES * (CHANNELS // POOL)  # of the last pair, in use
    assert cost_of_block(CHUNK) > 0
    assert cost.macs == pairs * block + head
    assert cost.unknown == ()
    assert cost.parameters == path.count_params()
