"""What a network will weigh as a file: against the file itself, and by hand."""

from pathlib import Path

import keras
import numpy as np
import pytest

from models.footprint import Footprint, estimate
from utils.export import export_formats, measure
from utils.inference.metadata import Metadata


def network(seed: int = 0) -> keras.Model:
    """Normalisation that is merged, one that is not, a depthwise and a dense layer."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    clip = x = keras.Input((8, 6, 1))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(beta_initializer="random_normal")(x))
    x = layers.DepthwiseConv2D(3, padding="same", bias_initializer="random_normal")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D()(x)
    x = layers.BatchNormalization(beta_initializer="random_normal")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(3, activation="softmax", bias_initializer="random_normal")(x)
    return keras.Model(clip, x)


def branched() -> keras.Model:
    """A separable convolution, dropout before a normalisation, a convolution that two layers take.

    The normalisation of a part of the graph stays where its convolution is taken twice.
    """
    keras.utils.set_random_seed(1)
    layers, drawn = keras.layers, keras.initializers.RandomUniform(0.5, 1.5, seed=1)
    noise = {"beta_initializer": "random_normal", "moving_variance_initializer": drawn}
    clip = x = keras.Input((8, 6, 2))
    x = layers.SeparableConv2D(4, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(**noise)(x))
    x = layers.Dropout(0.2)(layers.Conv2D(5, 1, use_bias=False)(x))
    x = layers.ReLU()(layers.BatchNormalization(**noise)(x))
    x = layers.Conv2D(3, 1, bias_initializer="random_normal")(x)
    x = layers.Add()([layers.ReLU()(x), layers.ReLU()(layers.BatchNormalization(**noise)(x))])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(clip, layers.Dense(3, bias_initializer="random_normal")(x))


def test_numbers_of_branches_by_hand():
    """Separable 18 + 8, then 20, 15, factor and offset of the last normalisation 6, dense 9."""
    assert estimate(branched()) == Footprint(
        weights=18 + 8 + 20 + 15 + 6 + 9, biases=2 + 4 + 5 + 3 + 3
    )


def test_numbers_by_hand():
    """Kernels 36 + 36 + 12; factor and offset of the last normalisation 2 x 4; biases 4 + 4 + 3."""
    assert estimate(network()) == Footprint(weights=36 + 36 + 12 + 8, biases=4 + 4 + 3)


@pytest.mark.parametrize(
    ("file", "size"),
    [("float32", 412), ("float16", 206), ("dynamic", 136), ("int8", 136), ("int8_qat", 136)],
)
def test_bytes_by_format(file, size):
    assert Footprint(weights=92, biases=11).size(file) == size


@pytest.mark.parametrize("make", [network, branched])
def test_the_file_is_as_was_estimated(tmp_path: Path, rng, make):
    model = make()
    clips = rng.standard_normal((12, *model.input_shape[1:])).astype(np.float32)
    metadata = Metadata(
        set_id="test", classes=("a", "b", "c"), audio={}, features={}, normaliser=None, data="demo"
    )
    paths = export_formats(
        model, calibration=clips, folder=tmp_path, formats=("float32", "int8"), metadata=metadata
    )
    found = estimate(model)
    for file, path in paths.items():
        facts = measure(path)
        assert facts.parameters == found.parameters, file
        assert facts.parameter_bytes == found.size(file), file


def test_a_normalisation_behind_an_activation_stays():
    """It is no part of the convolution: what the activation did lies between them."""
    layers = keras.layers
    clip = keras.Input((4, 4, 2))
    convolved = layers.Conv2D(3, 1, activation="relu")(clip)
    model = keras.Model(clip, layers.BatchNormalization()(convolved))
    assert estimate(model) == Footprint(weights=6 + 2 * 3, biases=3)
