"""How long the baseline's export takes, what the files weigh, and how fast they answer.

    python -m benchmarks.export

Prints a Markdown table: the DCASE 2021 baseline network in four TFLite formats and in Keras, one
clip of 10 s at a time, one thread for TFLite.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from utils.backend import start
from utils.export import export_formats, measure
from utils.export.convert import FORMATS
from utils.inference import Metadata, load_predictor
from utils.inference.predictor import compare, latency_ms

SHAPE = (40, 500, 1)
CALIBRATION_CLIPS = 100
REPEATS = 200


def main() -> None:
    """Export, measure, print."""
    start()
    model = baseline()
    clips = np.random.default_rng(0).standard_normal((CALIBRATION_CLIPS, *SHAPE)).astype(np.float32)
    metadata = Metadata("task1a", tuple("abcdefghij"), {}, {}, None, "noise")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        paths = export_formats(
            model, calibration=clips, folder=folder, formats=FORMATS, metadata=metadata
        )
        seconds = time.perf_counter() - began
        model.save(folder / "model.keras")
        expected = load_predictor(folder / "model.keras")(clips)
        print(f"Export of {len(paths)} formats: {seconds:.1f} s\n")
        print("| format | file bytes | parameter bytes | largest difference | ms a clip |")
        print("|---|---|---|---|---|")
        for kind, path in {"keras": folder / "model.keras", **paths}.items():
            predictor = load_predictor(path, threads=1)
            size = "" if kind == "keras" else f"{measure(path).parameter_bytes:,}"
            difference = compare(predictor, expected, clips)
            latency = latency_ms(predictor, clips[0], repeats=REPEATS)
            weight = path.stat().st_size
            print(f"| {kind} | {weight:,} | {size} | {difference:.1e} | {latency:.2f} |")


def baseline():
    """The DCASE 2021 baseline network with random weights."""
    from keras import Input, Model, layers, utils

    utils.set_random_seed(0)
    x = inputs = Input(SHAPE)
    for filters, pool in ((16, None), (16, (5, 5)), (32, (4, 100))):
        x = layers.Conv2D(filters, 7, padding="same", bias_initializer="random_normal")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        x = layers.MaxPooling2D(pool)(x) if pool else x
    x = layers.Flatten()(x)
    x = layers.Dense(100, activation="relu", bias_initializer="random_normal")(x)
    outputs = layers.Dense(10, activation="softmax", bias_initializer="random_normal")(x)
    return Model(inputs, outputs)


if __name__ == "__main__":
    main()
