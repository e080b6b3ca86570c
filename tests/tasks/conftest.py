"""A data set of a hundred half-second tones in the published TAU 2020 layout, and a tiny set."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

PROJECT = Path(__file__).resolve().parents[2]
SCENES = (
    "airport", "bus", "metro", "metro_station", "park", "public_square", "shopping_mall",
    "street_pedestrian", "street_traffic", "tram",
)  # fmt: skip
RATE = 44_100

TINY = """
models:
  tiny:
    - Conv2D: {{filters: 4, kernel_size: 3, padding: same}}
    - BatchNormalization
    - Activation: {{activation: relu}}
    - MaxPooling2D: {{pool_size: [4, 5]}}
    - Dropout: {{rate: 0.2}}
    - Flatten
    - Dense: {{units: $CLASS_COUNT, activation: softmax}}
  tiny_deeper:
    - Conv2D: {{filters: 4, kernel_size: 3, padding: same, activation: relu}}
    - use: tiny
sets:
  - set_id: tiny
    based_on: task1a
    description: a network that trains in seconds
    audio: {{seconds: 0.5}}
    features: {{frames: 25}}
    model: {{use: tiny}}
    training:
      epochs: 6
      optimizer: {{Adam: {{learning_rate: 0.02}}}}
      select: {{metric: val_loss, mode: min, after_epoch: 0}}
    export: {{calibration_clips: 20}}
    evaluation: {{bootstrap: 50}}
    paths: {{runs: {folder}/runs, cache: {folder}/cache, demo: {folder}/demo}}
  - set_id: tiny_deeper
    based_on: tiny
    model: {{use: tiny_deeper}}
  - set_id: tiny_aug
    based_on: tiny
    augment:
      - Noise: {{probability: 1.0}}
      - Shift: {{max_seconds: 0.1}}
      - PitchShift: {{max_semitones: 1.0}}
"""


def write_tau(folder: Path) -> Path:
    """Write the data set: in each scene a tone of its own in noise, six places, three devices."""
    rng = np.random.default_rng(7)
    rows: dict[str, list[str]] = {"train": [], "test": [], "meta": []}
    (folder / "audio").mkdir(parents=True)
    (folder / "evaluation_setup").mkdir()
    for number, scene in enumerate(SCENES):
        for place in range(6):
            part = "test" if place > 3 else "train"
            for device in ("a", "s4") if part == "test" else ("a", "b"):
                name = f"audio/{scene}-{('lyon', 'prague')[place % 2]}-{place}-{place}-{device}.wav"
                time = np.arange(RATE // 2) / RATE
                tone = 0.1 * np.sin(2 * np.pi * 200 * 1.5**number * time)
                noise = 0.02 * rng.standard_normal(len(time))
                soundfile.write(folder / name, tone + noise, RATE, subtype="PCM_24")
                city = f"{('lyon', 'prague')[place % 2]}-{place}"
                rows[part].append(f"{name}\t{scene}")
                rows["meta"].append(f"{name}\t{scene}\t{city}\t{device}")
    header = "filename\tscene_label"
    tables = {
        "meta.csv": [f"{header}\tidentifier\tsource_label", *rows["meta"]],
        "evaluation_setup/fold1_train.csv": [header, *rows["train"]],
        "evaluation_setup/fold1_test.csv": [
            "filename", *(row.split("\t")[0] for row in rows["test"]),
        ],
        "evaluation_setup/fold1_evaluate.csv": [header, *rows["test"]],
    }  # fmt: skip
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def tau(tmp_path_factory) -> Path:
    """Folder of the tiny data set."""
    return write_tau(tmp_path_factory.mktemp("tau") / "data")


@pytest.fixture
def tiny(tmp_path) -> Path:
    """Parameter file of the tiny sets; runs and cache lie in the test's own folder."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.format(folder=tmp_path))
    return path


@pytest.fixture
def task1a():
    """Run task1a.py as a user does, in a process of its own."""

    def run(*arguments, script="task1a.py", **options):
        return subprocess.run(
            [sys.executable, str(PROJECT / script), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"COLUMNS": "100", "TERM": "dumb"},
            **options,
        )

    return run


@pytest.fixture(scope="module")
def script():
    """task1a.py, imported, so that TensorFlow starts once for all tests here."""
    spec = importlib.util.spec_from_file_location("task1a", PROJECT / "task1a.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(*arguments):
        from utils import cli

        return cli.main(module.SCRIPT, [str(argument) for argument in arguments])

    return run
