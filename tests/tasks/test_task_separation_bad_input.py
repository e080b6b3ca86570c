"""task_separation.py given songs that are odd, and songs and files that cannot work."""

import numpy as np
import pytest
import soundfile

from tests.tasks.conftest import imported
from tests.tasks.refusals import refusal
from tests.tasks.separation_data import RATE, write_songs, write_tiny_separation
from utils.report.results import read_results

SHORT = RATE // 5  # half a segment of the tiny set
WINDOWS = """
  - set_id: unet
    based_on: tiny
    audio: {seconds: 0.6}
    features: {frames: 64, bins: 64}
    model: {use: spleeter_2stems, constants: {WIDTH: 1}}
    separation: {frames: 100}
  - set_id: waves
    based_on: tiny_voices
    dataset: {name: musdb, music: {stems: {low: [bass, drums], high: [vocals, other]}}}
    separation: {frames: 64}
  - set_id: dense
    based_on: tiny
    model:
      layers:
        - Permute: {dims: [2, 3, 1]}
        - Dense: {units: 32, activation: sigmoid}
        - Permute: {dims: [3, 1, 2], name: low}
        - {Stack: {axis: 1}, from: [low, low]}
    separation: {frames: 64}
  - set_id: scaled
    based_on: tiny
    model:
      layers:
        - LayerNormalization: {axis: 1, name: low}
        - {Stack: {axis: 1}, from: [low, low]}
    separation: {frames: 64}
"""
pytestmark = pytest.mark.smoke


@pytest.fixture(scope="module")
def separation():
    """task_separation.py, imported."""
    return imported("task_separation")


@pytest.fixture
def tiny(tmp_path):
    """Arguments for one epoch of the tiny set, and its songs."""
    songs = write_songs(tmp_path / "songs")
    parameters = write_tiny_separation(tmp_path)
    command = ("-s", "tiny", "-p", parameters, "--data", songs, "--override", "training.epochs=1")
    return (*command, "export.formats=[float32]"), songs


def change(song, change_of):
    """Rewrite every file of a song by a function of name and samples."""
    for path in song.glob("*.wav"):
        samples, rate = soundfile.read(path)
        soundfile.write(path, change_of(path.stem, samples), rate, subtype="FLOAT")


def silent(stem, samples):
    return samples * (stem in ("bass", "drums", "mixture"))


def test_odd_songs_are_learnt_from_and_scored(separation, tiny, tmp_path):
    command, songs = tiny
    for part, name in (("train", "A"), ("test", "X")):  # "low" alone
        change(songs / part / name, silent)
        low = sum(
            soundfile.read(songs / part / name / f"{stem}.wav")[0] for stem in ("bass", "drums")
        )
        soundfile.write(songs / part / name / "mixture.wav", low, RATE, subtype="FLOAT")
    for song in ("train/B", "test/Y"):
        change(songs / song, lambda _, samples: samples[:SHORT])
    change(songs / "train" / "C", lambda _, samples: samples[:, 0])
    assert separation(*command) == 0
    run = tmp_path / "runs" / "tiny" / "latest"
    results = read_results(run / "results.json")
    assert (results.scores["files"], results.scores["silent"]) == (2, 1)
    assert results.scores["seconds"] == pytest.approx(3.2)
    for name in ("si_sdr", "sdr", "si_sdr_improvement", "sdr_improvement"):
        assert np.isfinite(results.overall[name]), name
        assert np.isfinite(results.scores["per_class"]["high"][name]), name
    assert any("mono" in note for note in results.notes)
    assert "nan" not in (run / "history.csv").read_text()


@pytest.mark.parametrize(
    ("file", "samples", "rate", "told"),
    [
        ("test/X/bass.wav", 2 * RATE, RATE, "test/X/bass.wav"),
        ("train/B/other.wav", 3 * RATE, RATE // 2, "other.wav"),
        ("train/B/vocals.wav", None, None, "vocals.wav"),
        ("train/D/mixture.wav", None, None, "mixture.wav"),
    ],
    ids=["shorter", "of another rate", "without a stem", "without a mixture"],
)
def test_songs_that_cannot_work(separation, tiny, capsys, file, samples, rate, told):
    command, songs = tiny
    if samples is None:
        (songs / file).unlink()
    else:
        soundfile.write(songs / file, np.full((samples, 2), 0.1), rate)
    message = refusal(capsys, separation, *command)
    assert told in message
    assert message.rstrip().endswith(".")


@pytest.mark.parametrize("memory_gb", [1.0, 1e-4], ids=["held", "streamed"])
def test_a_sample_that_is_no_number(separation, tiny, capsys, memory_gb):
    """It is found when the song is read: before the first step, or by a thread in the training."""
    command, songs = tiny
    path = songs / "train" / "A" / "vocals.wav"
    samples, rate = soundfile.read(path)
    samples[len(samples) // 2] = np.nan
    soundfile.write(path, samples, rate, subtype="FLOAT")
    steps = ("training.epochs=40", f"pipeline.memory_gb={memory_gb}")
    message = refusal(capsys, separation, *command, "--override", *steps)
    assert "A/vocals.wav: " in message


@pytest.mark.parametrize(
    ("set_id", "told"),
    [
        ("waves", "is for networks that hear magnitudes"),
        ("unet", "separation.frames: 100 frames do not suit the network: "),
        ("dense", "its output has shape (2, 32, 129, 2), (2, 64, 129, 2) is needed"),
        ("scaled", "its weights are made for the segments of training"),
    ],
)
def test_windows_that_a_network_cannot_take(separation, tiny, tmp_path, capsys, set_id, told):
    """A U-Net halves its frames six times; other layers have weights of each frame."""
    parameters = tmp_path / "windows.yaml"
    parameters.write_text((tmp_path / "tiny.yaml").read_text() + WINDOWS)
    _, songs = tiny
    message = refusal(capsys, separation, "-s", set_id, "-p", parameters, "--data", songs)
    assert told in message


def test_own_files_may_be_mono_and_shorter_than_a_segment(separation, tiny, tmp_path):
    command, _ = tiny
    assert separation(*command) == 0
    sound = 0.1 * np.random.default_rng(0).standard_normal(SHORT)
    soundfile.write(tmp_path / "short.wav", sound, RATE)
    set_of = ("-s", "tiny", "-p", tmp_path / "tiny.yaml")
    options = ("-m", "predict", tmp_path / "short.wav", "-o", tmp_path / "out")
    assert separation(*set_of, *options) == 0
    for name in ("low", "high"):
        samples, rate = soundfile.read(tmp_path / "out" / "short" / f"{name}.wav")
        assert (samples.shape, rate) == ((SHORT,), RATE)
        assert 0 < np.abs(samples).max() < 1
