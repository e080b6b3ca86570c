"""Activation memory counted from files, against the published table of the baseline of 2022."""

import numpy as np
import pytest

from utils.errors import UserError
from utils.export import export_formats, peak_memory
from utils.inference import Metadata

METADATA = Metadata("test", ("a", "b"), {}, {}, None, "demo")


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """Files of the baseline of 2022 (one second: 40 mels, 51 frames)."""
    from keras import Input, Model, layers

    x = inputs = Input((40, 51, 1))
    for filters, pool in ((16, None), (16, (5, 5)), (32, (4, 10))):
        x = layers.Conv2D(filters, 7, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        if pool:
            x = layers.MaxPooling2D(pool)(x)
    x = layers.Dense(100, activation="relu")(layers.Flatten()(x))
    model = Model(inputs, layers.Dense(10, activation="softmax")(x))
    clips = np.random.default_rng(1).standard_normal((4, 40, 51, 1)).astype(np.float32)
    return export_formats(
        model,
        calibration=clips,
        folder=tmp_path_factory.mktemp("baseline"),
        formats=("float32", "int8"),
        metadata=METADATA,
    )


def test_the_published_memory_of_the_baseline_of_2022(baseline):
    # github.com/marmoi/dcase2022_task1_baseline, README, "Operator execution schedule"
    assert peak_memory(baseline["int8"]) == 65_280
    assert peak_memory(baseline["float32"]) == 4 * 65_280


def test_what_waits_for_a_later_layer_is_in_memory(tmp_path, rng):
    from keras import Input, Model, layers

    x = inputs = Input((8, 8, 4))
    for _ in range(3):
        x = layers.Conv2D(4, 3, padding="same")(x)
    peaks = []
    for name, outputs in (("chain", x), ("skip", layers.Add()([x, inputs]))):
        paths = export_formats(
            Model(inputs, outputs),
            calibration=rng.standard_normal((2, 8, 8, 4)).astype(np.float32),
            folder=tmp_path / name,
            formats=("float32",),
            metadata=METADATA,
        )
        peaks.append(peak_memory(paths["float32"]))
    one = 8 * 8 * 4 * 4  # bytes of a tensor
    assert peaks == [2 * one, 3 * one]


def test_a_file_that_is_none_is_told(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"x" * 40)
    with pytest.raises(UserError, match=r"model\.tflite"):
        peak_memory(tmp_path / "model.tflite")
