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


def test_numbers_by_hand():
    """Kernels 36 + 36 + 12; factor and offset of the last normalisation 2 x 4; biases 4 + 4 + 3."""
    assert estimate(network()) == Footprint(weights=36 + 36 + 12 + 8, biases=4 + 4 + 3)


@pytest.mark.parametrize(
    ("file", "size"),
    [("float32", 412), ("float16", 206), ("dynamic", 136), ("int8", 136), ("int8_qat", 136)],
)
def test_bytes_by_format(file, size):
    assert Footprint(weights=92, biases=11).size(file) == size


def test_the_file_is_as_was_estimated(tmp_path: Path, rng):
    clips = rng.standard_normal((12, 8, 6, 1)).astype(np.float32)
    metadata = Metadata(
        set_id="test", classes=("a", "b", "c"), audio={}, features={}, normaliser=None, data="demo"
    )
    model = network()
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
