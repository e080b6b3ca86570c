"""task4_sed.py with embeddings as second input: a network that hears nothing learns from them."""

import numpy as np
import pytest
import soundfile

from tests.tasks.sed_data import CLASSES, RATE, SECONDS
from utils.datasets.event_tables import read_strong
from utils.report.results import read_results

pytest_plugins = ["tests.tasks.sed_fixtures"]
SIZE, FRAMES = 4, 40

NETWORK = """
  second_input:
    layers:                             # the audio is there, and multiplied by 0
      - Rescaling: {scale: 0.0}
      - AveragePooling2D: {pool_size: [16, 4]}
      - Reshape: {target_shape: [$FRAMES // 4, 1], name: silence}
      - {Concatenate: {}, from: [silence, embeddings]}
      - Dense: {units: 16, activation: relu, name: encoded}
      - Dense: {units: $CLASS_COUNT, activation: sigmoid, name: strong}
      - {Dense: {units: $CLASS_COUNT, name: attention}, from: encoded}
      - {AttentionPooling: {name: weak}, from: [strong, attention]}
    outputs: [strong, weak]
"""
SET = """
  - set_id: embedded
    based_on: tiny
    dataset: {embeddings: {folder: embeddings, size: 4, steps: 31}}
    model: {use: second_input}
    export: {formats: []}
    feature_augment: [GroupMixup, FrameShift, TimeMask]
    view_augment: [{FilterAugment: {min_bandwidth: 2}}]
    training: {epochs: 25}
"""


@pytest.fixture(scope="module")
def told(desed):
    """The tree of tones with embeddings that say, frame by frame, which class sounds."""
    rng = np.random.default_rng(3)
    events = {}
    for table in (desed / "metadata").rglob("*.tsv"):
        if "onset" in table.read_text().splitlines()[0]:
            events |= read_strong(table).events
    folder = desed / "embeddings"
    folder.mkdir()
    for file in (desed / "audio").rglob("*.wav"):
        values = 0.1 * rng.standard_normal((FRAMES, SIZE))
        for event in events.get(file.name, ()):
            first, last = (round(t / SECONDS * FRAMES) for t in (event.onset, event.offset))
            values[first:last, CLASSES.index(event.label)] += 1.0
        np.save(folder / f"{file.stem}.npy", values.astype(np.float32))
    return desed


@pytest.fixture
def options(told, tiny_sed, tmp_path):
    models, sets = tiny_sed.read_text().split("sets:")
    own = tmp_path / "own.yaml"
    own.write_text(f"{models}{NETWORK}sets:{sets}{SET}")
    return "-s", "embedded", "-p", own, "--data", told


def test_a_deaf_network_finds_events_by_its_second_input(sed, options, tmp_path, capsys):
    assert sed(*options) == 0
    run = (tmp_path / "runs" / "embedded" / "latest").resolve()
    results = read_results(run / "results.json")
    assert results.overall["psds_scenario2"] > 0.6
    assert results.exports == {}
    capsys.readouterr()
    soundfile.write(tmp_path / "own.wav", np.zeros(RATE, np.float32) + 0.01, RATE)
    assert sed(*options[:4], "-m", "predict", tmp_path / "own.wav") == 2
    assert "needs embeddings beside the audio" in capsys.readouterr().err


def test_clips_without_embeddings_are_one_sentence(sed, options, told, capsys):
    missing = told / "embeddings" / "weak_0.npy"
    content = missing.read_bytes()
    missing.unlink()
    try:
        assert sed(*options) == 2
    finally:
        missing.write_bytes(content)
    assert "1 of 74 clips have no embeddings, such as train/weak/weak_0.wav" in (
        " ".join(capsys.readouterr().err.split())
    )


def test_two_inputs_are_not_exported(sed, options, capsys):
    assert sed(*options, "--override", "export.formats=[float32]") == 2
    assert "export.formats: a network that needs embeddings" in (
        " ".join(capsys.readouterr().err.split())
    )
