"""Operations counted in a file are those of the Keras layers, or as NeSsi counts them."""

from pathlib import Path

import numpy as np
import pytest

from models.complexity import count
from utils.export import converted, measure


def counted(model, folder, *, name="float32"):
    """Operations of a network's file, and of the network."""
    return file_of(model, folder, name=name).macs, count(model).macs


def file_of(model, folder, *, name="float32"):
    """Facts of a network's file."""
    shape = model.input_shape[1:]
    calibration = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    path: Path = folder / f"{name}.tflite"
    files = converted(model, calibration=calibration, formats=[name], folder=folder)
    path.write_bytes(files[name])
    return measure(path)


def convolutions():
    from keras import Input, Model, layers

    x = clip = Input((12, 10, 4))
    x = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(8, 3, groups=2, padding="same", activation="relu")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(x)
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same")(x)
    x = layers.SeparableConv2D(5, 3)(x)
    x = layers.Dense(7, activation="relu")(x)
    return Model(clip, layers.Dense(3)(layers.Flatten()(x)))


def one_axis():
    from keras import Input, Model, layers

    x = clip = Input((40, 2))
    x = layers.Conv1D(6, 5, dilation_rate=2, activation="relu")(x)
    x = layers.DepthwiseConv1D(3, padding="same")(x)
    x = layers.Conv1D(4, 3, strides=3)(x)
    return Model(clip, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


@pytest.mark.parametrize("network", [convolutions, one_axis])
@pytest.mark.parametrize("name", ["float32", "float16", "int8"])
def test_a_file_computes_what_the_network_computes(network, name, tmp_path):
    by_file, by_layers = counted(network(), tmp_path, name=name)
    assert by_file == by_layers > 0


@pytest.mark.parametrize("name", ["float32", "int8"])
def test_selu_does_not_compute_a_layer_twice(name, tmp_path):
    from keras import Input, Model, layers

    clip = Input((8, 8, 3))
    x = layers.Conv2D(5, 3, activation="selu")(clip)
    x = layers.Dense(4, activation="selu")(layers.Flatten()(x))
    by_file, by_layers = counted(Model(clip, layers.Dense(2)(x)), tmp_path, name=name)
    assert by_file == by_layers


def test_what_the_converter_adds_is_counted(tmp_path):
    """A change of sign is put into the weights: the layer is there a second time."""
    from keras import Input, Model, layers, ops

    clip = Input((6,))
    x = layers.Dense(5)(clip)
    x = ops.concatenate([ops.relu(x), ops.relu(-x)], axis=-1)
    by_file, by_layers = counted(Model(clip, layers.Dense(2)(x)), tmp_path)
    assert by_file == by_layers + 6 * 5


def test_loops_are_not_counted(tmp_path):
    from keras import Input, Model, layers

    clip = Input((5, 3))
    by_file, by_layers = counted(Model(clip, layers.GRU(4)(clip)), tmp_path)
    assert by_file is None
    assert by_layers > 0
    assert file_of(Model(clip, layers.GRU(4)(clip)), tmp_path).nessi_macs is None


def test_the_baseline_of_2022_has_the_published_operations(tmp_path):
    """In the published file (2, 1, 32) goes to the dense layer: by the rule, 32 products for each
    of 100 numbers. Here the converter makes 64 of it first."""
    from keras import Input, Model, layers

    x = clip = Input((40, 51, 1))
    for filters, pool in ((16, None), (16, (5, 5)), (32, (4, 10))):
        x = layers.Conv2D(filters, 7, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(pool)(x) if pool else x
    x = layers.Dense(100, activation="relu")(layers.Flatten()(x))
    facts = file_of(Model(clip, layers.Dense(10, activation="softmax")(x)), tmp_path)
    assert facts.nessi_macs == 29_234_920 + 32 * 100
    assert facts.macs == facts.nessi_macs - 8 * 10 * 16 * 25 - 2 * 32 * 40


def pooled():
    from keras import layers

    return layers.AveragePooling2D((2, 3))


def means():
    from keras import layers

    return layers.GlobalAveragePooling2D(keepdims=True)


@pytest.mark.parametrize(
    ("layer", "operations"), [(pooled, 4 * 3 * 2 * 6), (means, 8 * 9 * 2), (None, 8 * 9 * 2)]
)
@pytest.mark.parametrize("name", ["float32", "int8"])
def test_nessi_counts_means_pooling_and_sums(layer, operations, name, tmp_path):
    from keras import Input, Model, layers

    clip = Input((8, 9, 2))
    x = layers.DepthwiseConv2D(3, padding="same")(clip)
    facts = file_of(Model(clip, layer()(x) if layer else x + clip), tmp_path, name=name)
    assert facts.macs == 8 * 9 * 2 * 9
    assert facts.nessi_macs == facts.macs + operations
