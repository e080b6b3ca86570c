"""Quicker kernels: equal to Keras where they are meant to be, not there everywhere else."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.event_layers import FrequencyDynamicConv2D
from utils.inference import load_keras
from utils.training.kernels import quick_kernels

SHAPE = (5, 4, 3, 2)  # batch, rows, columns, channels


def network(layer, shape=SHAPE):
    """A network of one layer."""
    inputs = keras.Input(shape[1:])
    return keras.Model(inputs, layer(inputs))


@pytest.fixture
def fused(monkeypatch) -> list[int]:
    """One entry for each use of TensorFlow's kernel."""
    used, kernel = [], tf.compat.v1.nn.fused_batch_norm

    def counted(*args, **kwargs):
        used.append(1)
        return kernel(*args, **kwargs)

    monkeypatch.setattr(tf.compat.v1.nn, "fused_batch_norm", counted)
    return used


def normalised(inputs, *, quick: bool, training: bool = True, **arguments) -> list[np.ndarray]:
    """Outputs, moving statistics after two steps, and gradients of a batch normalisation."""
    layer = keras.layers.BatchNormalization(**arguments)
    model = network(layer, inputs.shape)
    values = np.random.default_rng(3)
    for variable in layer.trainable_variables:
        variable.assign(values.uniform(0.5, 2.0, variable.shape))
    upstream = values.standard_normal(inputs.shape)
    clips, outputs = tf.constant(inputs), None

    def step() -> None:
        nonlocal outputs
        outputs = model(clips, training=training)

    with tf.GradientTape() as tape:
        tape.watch(clips)
        if quick:
            with quick_kernels(model):
                step()
                step()
        else:
            step()
            step()
        total = tf.reduce_sum(tf.cast(outputs, tf.float32) * upstream)
    gradients = tape.gradient(total, [clips, *(v.value for v in layer.trainable_variables)])
    moving = [np.asarray(variable) for variable in layer.non_trainable_variables]
    return [np.asarray(tf.cast(outputs, tf.float32)), *moving, *map(np.asarray, gradients)]


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        (SHAPE, {}),
        (SHAPE, {"axis": 3, "momentum": 0.3}),
        (SHAPE, {"scale": False}),
        (SHAPE, {"center": False}),
        (SHAPE, {"scale": False, "center": False}),
        (SHAPE, {"epsilon": 1e-6}),
        ((2, 7, 9, 1), {}),
        ((1, 1, 2, 3), {}),
        ((1, 1, 1, 3), {}),  # one value of a channel: no variance, and none of a sample
    ],
)
def test_normalisation_is_that_of_keras(rng, fused, shape, arguments):
    inputs = (4 + 3 * rng.standard_normal(shape)).astype(np.float32)
    expected = normalised(inputs, quick=False, **arguments)
    assert not fused
    found = normalised(inputs, quick=True, **arguments)
    assert len(fused) == 2
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def test_the_moving_variance_is_that_of_the_batch(rng):
    """By n, not n - 1, which six values tell apart."""
    inputs = rng.standard_normal((1, 2, 3, 1)).astype(np.float32)
    _, mean, variance, *_ = normalised(inputs, quick=True, momentum=0.5)
    np.testing.assert_allclose(mean, 0.75 * inputs.mean(), rtol=1e-5)
    np.testing.assert_allclose(variance, 0.25 + 0.75 * inputs.var(), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        (SHAPE, {"axis": 1}),
        (SHAPE, {"axis": 2}),
        ((5, 3), {}),
        ((5, 4, 3), {}),
        ((2, 2, 3, 4, 2), {}),
        (SHAPE, {"dtype": "mixed_float16"}),
        (SHAPE, {"dtype": "mixed_bfloat16"}),
        (SHAPE, {"synchronized": True}),
        (SHAPE, {"renorm": True}),
        (SHAPE, {"trainable": False}),
        (SHAPE, {"training": False}),
    ],
    ids=str,
)
def test_other_normalisations_are_left_to_keras(rng, fused, shape, arguments):
    inputs = (4 + 3 * rng.standard_normal(shape)).astype(np.float32)
    expected = normalised(inputs, quick=False, **arguments)
    found = normalised(inputs, quick=True, **arguments)
    assert not fused
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_masked_values_are_left_to_keras(rng, fused):
    layer = keras.layers.BatchNormalization()
    model = network(layer)
    inputs = rng.standard_normal(SHAPE).astype(np.float32)
    mask = np.arange(SHAPE[2]) < 2
    mask = np.broadcast_to(mask, SHAPE[:3])
    with quick_kernels(model):
        layer(inputs, training=True, mask=tf.constant(mask))
    assert not fused
    expected = 0.01 * inputs[:, :, :2].mean(axis=(0, 1, 2))
    np.testing.assert_allclose(np.asarray(layer.moving_mean), expected, rtol=1e-4)


def test_a_layer_inside_another_is_found_and_three_axes_are_left_to_keras(rng, fused):
    layer = FrequencyDynamicConv2D(2)
    model = network(layer)
    with quick_kernels(model):
        assert "call" in vars(layer.norm)
        found = model(rng.standard_normal(SHAPE).astype(np.float32), training=True)
    assert not fused
    assert np.isfinite(np.asarray(found)).all()


def dropped(inputs, layer, *, quick: bool = True, calls: int = 1) -> list[np.ndarray]:
    """Outputs of some calls."""
    model = network(layer, inputs.shape)
    if not quick:
        return [np.asarray(model(inputs, training=True)) for _ in range(calls)]
    with quick_kernels(model):
        return [np.asarray(model(inputs, training=True)) for _ in range(calls)]


@pytest.mark.parametrize("rate", [0.5, 0.25, 0.3, 0.1, 0.9])
def test_dropout_has_its_rate_and_keeps_the_mean(rate):
    """Halves and quarters are drawn by a byte, the others by two."""
    count = 200_000
    (found,) = dropped(np.ones((100, count // 100), np.float32), keras.layers.Dropout(rate, seed=1))
    kept = found > 0
    deviation = np.sqrt(rate * (1 - rate) / count)
    assert kept.mean() == pytest.approx(1 - rate, abs=5 * deviation)
    np.testing.assert_allclose(found[kept], 1 / (1 - rate), rtol=2e-4)
    assert found.mean() == pytest.approx(1, abs=5 * deviation / (1 - rate))
    for distance in (1, 2, 7):  # values of one random word are independent of each other
        both = np.mean(kept.ravel()[:-distance] & kept.ravel()[distance:])
        assert both == pytest.approx((1 - rate) ** 2, abs=6 * deviation)


@pytest.mark.parametrize("rate", [0.5, 0.3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 5), (8, 4), (2, 3, 5), (3, 2, 3, 5)])
def test_every_size_is_covered(shape, rate):
    (found,) = dropped(np.ones(shape, np.float32), keras.layers.Dropout(rate, seed=2))
    assert found.shape == shape
    assert set(np.round(np.unique(found * (1 - rate)), 3)) <= {0, 1}


def test_the_gradient_takes_the_same_mask(rng):
    inputs = tf.constant(rng.standard_normal((9, 50)).astype(np.float32))
    model = network(keras.layers.Dropout(0.3, seed=1), inputs.shape)
    upstream = rng.standard_normal(inputs.shape).astype(np.float32)
    with quick_kernels(model), tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = model(inputs, training=True)
        total = tf.reduce_sum(outputs * upstream)
    factor = np.asarray(outputs) / np.asarray(inputs)
    assert 0 < np.count_nonzero(factor) < factor.size
    found = np.asarray(tape.gradient(total, inputs))
    np.testing.assert_allclose(found, upstream * factor, rtol=1e-5, atol=1e-6)


def test_the_seed_decides_and_every_step_differs():
    ones = np.ones((20, 30), np.float32)
    first, same, other = (
        dropped(ones, keras.layers.Dropout(0.4, seed=seed), calls=3) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert len({found.tobytes() for found in (*first, *other)}) == 6


def test_a_state_that_is_restored_goes_on_where_it_was():
    ones = np.ones((20, 30), np.float32)
    one, other = (keras.layers.Dropout(0.4, seed=seed) for seed in (1, 2))
    whole = dropped(ones, one, calls=2)
    state = np.asarray(one.seed_generator.state)
    third = dropped(ones, one)
    other.seed_generator.state.assign(state)
    np.testing.assert_array_equal(dropped(ones, other), third)
    assert (third[0] != whole[1]).any()


@pytest.mark.parametrize(
    "arguments",
    [
        {"rate": 0.4, "noise_shape": (None, 1)},
        {"rate": 0.4, "dtype": "mixed_bfloat16"},
        {"rate": 0.0},
        {"rate": 1.0},
        {"rate": 1e-6},
        {"rate": 1 - 1e-6},
    ],
    ids=str,
)
def test_other_dropouts_are_left_to_keras(arguments):
    ones = np.ones((20, 30), np.float32)
    found, expected = (
        dropped(ones, keras.layers.Dropout(seed=1, **arguments), quick=quick, calls=2)
        for quick in (True, False)
    )
    np.testing.assert_array_equal(np.float32(found), np.float32(expected))


def test_subclasses_are_left_to_keras():
    layer = keras.layers.SpatialDropout2D(0.5, seed=1)
    with quick_kernels(network(layer)):
        assert "call" not in vars(layer)


def small(seed: int = 1):
    """Two convolutions, the second inside a network of its own, and a dropout for each frame."""
    keras.utils.set_random_seed(seed)
    inner = keras.Sequential(
        [
            keras.Input((4, 6, 3)),
            keras.layers.Conv2D(3, 3, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
        ]
    )
    x = inputs = keras.Input((4, 6, 2))
    x = keras.layers.Conv2D(3, 3, padding="same")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = inner(inner(x))  # a part that is used twice
    x = keras.layers.TimeDistributed(keras.layers.Dropout(0.3))(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))


def changed(model) -> list[str]:
    return [layer.name for layer in model._flatten_layers() if "call" in vars(layer)]


def test_layers_are_as_before_also_after_an_error():
    model = small()
    with quick_kernels(model):
        assert len(changed(model)) == 3
    assert changed(model) == []

    def fail() -> None:
        with quick_kernels(model):
            raise RuntimeError("the loss is no number")

    with pytest.raises(RuntimeError):
        fail()
    assert changed(model) == []


def data(rng, clips: int = 10):
    labels = np.eye(2, dtype=np.float32)[rng.integers(0, 2, clips)]
    return rng.standard_normal((clips, 4, 6, 2)).astype(np.float32), labels


def test_they_compile_with_xla(rng):
    clips = tf.constant(rng.standard_normal(SHAPE).astype(np.float32))
    norm, dropout = keras.layers.BatchNormalization(), keras.layers.Dropout(0.3, seed=1)
    model = keras.Sequential([keras.Input(SHAPE[1:]), norm, dropout])
    expected = np.asarray(keras.layers.BatchNormalization()(clips, training=True)) / 0.7
    step = tf.function(lambda: model(clips, training=True), jit_compile=True)
    with quick_kernels(model):
        found = np.asarray(step())
    assert 0 < np.count_nonzero(found) < found.size
    np.testing.assert_allclose(found[found != 0], expected[found != 0], rtol=1e-3)
    mean = 0.01 * np.mean(clips, axis=(0, 1, 2))
    np.testing.assert_allclose(np.asarray(norm.moving_mean), mean, rtol=1e-4)


def test_a_network_trains_and_its_file_is_one_of_keras(tmp_path, rng):
    model = small()
    model.compile("adam", "categorical_crossentropy", jit_compile=False)
    clips, labels = data(rng)
    with quick_kernels(model):
        fitted = model.fit(clips, labels, batch_size=4, epochs=2, verbose=0)  # 4, 4, 2 clips
        inside = model.predict(clips, verbose=0)
    assert np.isfinite(fitted.history["loss"]).all()
    model.save(tmp_path / "model.keras")
    loaded = load_keras(tmp_path / "model.keras")
    kinds = [type(layer).__module__.split(".")[0] for layer in loaded._flatten_layers()]
    assert set(kinds) == {"keras"}
    assert changed(loaded) == []
    for outputs in (model.predict(clips, verbose=0), np.asarray(loaded(clips, training=False))):
        np.testing.assert_allclose(outputs, inside, atol=1e-5)


MIRRORED = """
from contextlib import nullcontext
import keras
import numpy as np
import tensorflow as tf
from utils.training.kernels import quick_kernels

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
rng = np.random.default_rng(1)
clips = rng.standard_normal((12, 4, 6, 1)).astype(np.float32)
labels = np.eye(2, dtype=np.float32)[rng.integers(0, 2, 12)]

def trained(quick):
    keras.utils.set_random_seed(3)
    with strategy.scope():
        model = keras.Sequential([
            keras.Input((4, 6, 1)), keras.layers.Conv2D(3, 3), keras.layers.BatchNormalization(),
            keras.layers.Flatten(), keras.layers.Dense(2, "softmax"),
        ])
        model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", jit_compile=False)
    with quick_kernels(model) if quick else nullcontext():
        fitted = model.fit(clips, labels, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return [fitted.history["loss"], *model.get_weights()]

for one, other in zip(trained(True), trained(False), strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
print("equal")
"""


def test_two_devices_see_the_same_as_with_keras():
    """Loss, weights and moving statistics of batch normalisation."""
    run = subprocess.run(
        [sys.executable, "-c", MIRRORED],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.split() == ["equal"], run.stderr[-3000:]
