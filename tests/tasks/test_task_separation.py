"""task_separation.py as its users run it: songs, speakers, own files, other settings of use."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile

from tests.tasks.conftest import imported
from tests.tasks.refusals import refusal
from tests.tasks.runs import results_of, run_of, set_of
from tests.tasks.separation_data import (
    GAINS,
    RATE,
    tones,
    write_songs,
    write_tiny_separation,
    write_utterances,
)
from utils.inference import load_keras, load_predictor
from utils.report.results import read_results

FORMATS = ("float32", "float16", "dynamic")
pytestmark = pytest.mark.smoke


@pytest.fixture(scope="session")
def separation():
    """task_separation.py, imported."""
    return imported("task_separation")


@pytest.fixture(scope="session")
def songs(tmp_path_factory):
    """Folder of songs in the layout of MUSDB18-HQ."""
    return write_songs(tmp_path_factory.mktemp("songs") / "musdb")


@pytest.fixture(scope="session")
def utterances(tmp_path_factory):
    """Folder of utterances, a folder for each speaker."""
    return write_utterances(tmp_path_factory.mktemp("utterances") / "data")


@pytest.fixture(scope="session")
def separated(separation, songs, tmp_path_factory):
    """Folder of a run on songs; tests start it again, but train nothing anew."""
    folder = tmp_path_factory.mktemp("separated")
    write_tiny_separation(folder)
    assert separation(*set_of(folder), "--data", songs) == 0
    return folder


def history(folder, set_id="tiny"):
    with (run_of(folder, set_id) / "history.csv").open(newline="") as stream:
        return [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)
        ]


def test_everything_from_songs_to_report(separated):
    run, results = run_of(separated), results_of(separated)
    expected = {
        "results.json", "report.html", "parameters.yaml", "history.csv", "log.txt", "test.json",
        "model.keras", "model.metadata.json", *(f"model_{name}.tflite" for name in FORMATS),
    }  # fmt: skip
    assert expected <= {path.name for path in run.iterdir()}
    assert (results.data, results.demo) == ("musdb", False)
    scores = results.scores
    assert set(scores["per_class"]) == {"low", "high"}
    assert (scores["files"], scores["seconds"], scores["silent"]) == (2, 6.0, 0)
    assert results.overall["si_sdr_improvement"] > 8.0
    assert results.overall["sdr_improvement"] > 8.0
    assert results.overall["bss_sdr"] > 8.0
    low, high = scores["intervals"]["sdr"]
    assert low <= results.overall["sdr"] <= high
    assert set(scores["real_time"]) == {"keras", *FORMATS}
    assert all(times > 0.5 for times in scores["real_time"].values())
    for name, near in zip(FORMATS, (1e-3, 0.1, 2.0), strict=True):
        assert results.exports[name].max_difference < near
    assert results.exports["float32"].scores["sdr_improvement"] == pytest.approx(
        results.overall["sdr_improvement"], abs=1e-3
    )
    page = (run / "report.html").read_text()
    assert "Improvement over the mixture" in page
    assert "Validation score by training time" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_history_has_loss_and_improvement_of_validation_stretches(separated):
    rows = history(separated)
    assert set(rows[0]) == {"epoch", "loss", "val_loss", "val_si_sdr_improvement", "learning_rate"}
    assert rows[-1]["val_loss"] < 0.7 * rows[0]["val_loss"]
    assert rows[-1]["val_si_sdr_improvement"] > rows[0]["val_si_sdr_improvement"] + 3


def test_stems_of_the_first_test_file_are_kept(separated):
    folder = run_of(separated) / "separated" / "test_X"
    assert sorted(path.name for path in folder.iterdir()) == ["high.wav", "low.wav"]
    assert len(list(folder.parent.iterdir())) == 1
    samples, rate = soundfile.read(folder / "low.wav")
    assert (samples.shape, rate) == ((3 * RATE, 2), RATE)


def test_the_same_command_finds_everything_done(separation, separated, songs, capsys):
    before = (run_of(separated) / "model.keras").stat().st_mtime_ns
    assert separation(*set_of(separated), "--data", songs) == 0
    assert (run_of(separated) / "model.keras").stat().st_mtime_ns == before


def test_other_masks_need_no_new_training(separation, separated, songs, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(separated, folder, symlinks=True)
    run = folder / "runs" / "tiny"
    model = (run / "latest" / "model.keras").stat().st_mtime_ns
    runs = f"paths.runs={folder}/runs"
    change = ("separation.add_up=true", "separation.exponent=1.0", runs)
    assert separation(*set_of(separated), "--data", songs, "--override", *change) == 0
    assert (run / "latest" / "model.keras").stat().st_mtime_ns == model
    assert len([path for path in run.iterdir() if not path.is_symlink()]) == 1
    kept = run / "latest" / "separated" / "test_X"
    stems = sum(soundfile.read(kept / f"{name}.wav")[0] for name in ("low", "high"))
    mixture = soundfile.read(songs / "test" / "X" / "mixture.wav")[0]
    np.testing.assert_allclose(stems, mixture, atol=1e-6)  # 24 bits each
    assert results_of(folder).overall["sdr"] != results_of(separated).overall["sdr"]


def test_windows_of_use_need_no_new_training(separation, separated, songs, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(separated, folder, symlinks=True)
    run = folder / "runs" / "tiny" / "latest"
    trained = (run / "training.json").stat().st_mtime_ns
    weights = load_keras(run / "model.keras").get_weights()
    for frames, given in (("64", 64), ("48", 48), ("null", 32)):
        change = (f"separation.frames={frames}", f"paths.runs={folder}/runs")
        assert separation(*set_of(separated), "--data", songs, "--override", *change) == 0
        model = load_keras(run / "model.keras")
        assert model.input_shape == (None, given, 129, 2)
        for before, after in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)
        tflite = load_predictor(run / "model_float32.tflite")
        assert tflite.input_shape == (given, 129, 2)
        # the network's frames know nothing of each other, so windows change nothing
        scores = read_results(run / "results.json").overall
        assert scores == pytest.approx(results_of(separated).overall, abs=1e-3)
    assert (run / "training.json").stat().st_mtime_ns == trained


def test_own_files_of_any_rate_and_length_become_stems(separation, separated, tmp_path):
    rng = np.random.default_rng(3)
    song = tmp_path / "song.wav"
    soundfile.write(song, tones(rng, low=True, seconds=2.2), 11025)
    assert separation(*set_of(separated), "-m", "predict", song, "-o", tmp_path / "out") == 0
    for name in ("low", "high"):
        samples, rate = soundfile.read(tmp_path / "out" / "song" / f"{name}.wav")
        assert rate == 11025
        assert samples.shape == (17600, 2)
    tflite = run_of(separated) / "model_float32.tflite"
    options = ("--model", tflite, "-o", tmp_path / "lite")
    assert separation(*set_of(separated), "-m", "predict", song, *options) == 0
    ours = soundfile.read(tmp_path / "out" / "song" / "low.wav")[0]
    theirs = soundfile.read(tmp_path / "lite" / "song" / "low.wav")[0]
    np.testing.assert_allclose(theirs, ours, atol=1e-4)


def test_own_files_are_separated_as_the_command_asks(separation, separated, tmp_path, capsys):
    song = tmp_path / "song.wav"  # half of it lies above what the network hears
    soundfile.write(song, np.random.default_rng(3).uniform(-0.1, 0.1, (RATE, 2)), 2 * RATE)
    predict = (*set_of(separated), "-m", "predict", song, "-o", tmp_path / "out", "--override")
    written = {}
    for asked in ("add_up=false", "add_up=true", "exponent=1"):
        assert separation(*predict, f"separation.{asked}") == 0
        out = tmp_path / "out" / "song"
        written[asked] = [soundfile.read(out / f"{name}.wav")[0] for name in ("low", "high")]
    lacking = {
        asked: np.abs(sum(s) - soundfile.read(song)[0]).max() for asked, s in written.items()
    }
    assert lacking["add_up=true"] < 1e-6 < 0.01 < lacking["add_up=false"]
    assert np.abs(written["exponent=1"][0] - written["add_up=false"][0]).max() > 1e-3
    assert separation(*predict, "separation={add_up: true, overlap: 0.75}") == 0
    for wrong in ("features.bins=9", "separation.frames=9", "separation={frames: 9}"):
        message = refusal(capsys, separation, *predict, wrong)
        key = "features.bins" if "bins" in wrong else "separation.frames"
        assert f"--override {key}: the model was made with its parameters" in message


def test_separated_files_of_any_system_are_scored(separation, separated, songs, tmp_path, capsys):
    theirs = tmp_path / "theirs"
    for song in ("X", "Y"):
        (theirs / song).mkdir(parents=True)
        stems = {
            name: soundfile.read(songs / "test" / song / f"{name}.wav")[0]
            for name in ("bass", "drums", "vocals", "other")
        }
        for name, parts in {"low": ("bass", "drums"), "high": ("vocals", "other")}.items():
            wrong = 0.1 * stems["vocals" if name == "low" else "bass"]
            samples = stems[parts[0]] + stems[parts[1]] + wrong
            soundfile.write(theirs / song / f"{name}.wav", samples, RATE, subtype="FLOAT")
    arguments = (*set_of(separated), "--data", songs, "-m", "score", theirs)
    assert separation(*arguments, "-o", tmp_path / "scores.json") == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["overall"]["sdr"] == pytest.approx(23.0, abs=1.5)  # a tenth of half the energy
    assert scores["files"] == 2
    assert "SI-SDR improvement" in capsys.readouterr().out
    (theirs / "Y" / "high.wav").unlink()
    assert "Y: has no high.wav" in refusal(capsys, separation, *arguments)
    shutil.rmtree(theirs / "Y")
    assert "has no folder Y" in refusal(capsys, separation, *arguments)
    samples, rate = soundfile.read(theirs / "X" / "low.wav")
    soundfile.write(theirs / "X" / "low.wav", samples[: rate * 2], rate)
    shutil.copytree(theirs / "X", theirs / "Y")
    assert "1.00 s longer or shorter" in refusal(capsys, separation, *arguments)


def test_stems_that_predict_writes_score_as_the_test_did(separation, separated, songs, tmp_path):
    """What -m predict writes of the test files scores as the test did."""
    files = [songs / "test" / song / "mixture.wav" for song in "XY"]
    assert separation(*set_of(separated), "-m", "predict", *files, "-o", tmp_path / "out") == 0
    asked = ("-m", "score", tmp_path / "out", "-o", tmp_path / "scores.json")
    assert separation(*set_of(separated), "--data", songs, *asked) == 0
    overall = json.loads((tmp_path / "scores.json").read_text())["overall"]
    assert overall == pytest.approx(results_of(separated).overall, abs=0.01)


def test_speakers_are_mixed_trained_and_separated(separation, utterances, tmp_path):
    write_tiny_separation(tmp_path)
    assert separation(*set_of(tmp_path, "tiny_voices"), "--data", utterances) == 0
    results = results_of(tmp_path, "tiny_voices")
    assert results.scores["per_class"] == {}
    assert results.scores["files"] == 3
    assert np.isfinite(results.overall["si_sdr_improvement"])
    assert "bss_sdr" not in results.overall
    assert results.exports["float32"].max_difference < 1e-3
    assert results.scores["window_seconds"] == 0.5  # those of training have 0.25
    for name in ("model.keras", "model_float32.tflite"):
        model = load_predictor(run_of(tmp_path, "tiny_voices") / name)
        assert model.input_shape == (4000, 1)
    speaker = next(utterances.rglob("*.flac"))
    options = ("-m", "predict", speaker, "-o", tmp_path / "out")
    assert separation(*set_of(tmp_path, "tiny_voices"), *options) == 0
    made = sorted(path.name for path in (tmp_path / "out" / speaker.stem).iterdir())
    assert made == ["speaker1.wav", "speaker2.wav"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("training.loss=multi_scale_si_snr", "training.loss: multi_scale_si_snr does not fit"),
        ("training.loss=magnitude_l2", "training.loss: unknown name 'magnitude_l2'"),
        ("augment=[Mixup]", "augment: has no effect on networks that separate"),
        ("postprocess.tune=true", "postprocess: has no effect on networks that separate"),
        ("features.kind=log_mel", "features.kind: log_mel"),
        ("features.bins=128", "models.tiny[9].Multiply: "),
        ("dataset.music.stems={low: [bass], mid: [drums], high: [other]}", "model: its output"),
    ],
)
def test_what_does_not_fit_is_told_before_training(
    separation, separated, songs, capsys, change, told
):
    arguments = (*set_of(separated), "--data", songs, "--override", change)
    assert told in refusal(capsys, separation, *arguments)


def test_a_loss_that_becomes_no_number_is_told_in_a_sentence(
    separation, utterances, tmp_path, capsys
):
    write_tiny_separation(tmp_path)
    changes = (GAINS, "training.optimizer.Adam.learning_rate=1.0e+30")
    arguments = (*set_of(tmp_path, "tiny_voices"), "--data", utterances, "--override", *changes)
    assert "the loss became nan in epoch 1" in refusal(capsys, separation, *arguments)
    assert list(tmp_path.rglob("diverged.json"))


@pytest.mark.parametrize("set_id", ["tiny", "tiny_voices"])
def test_the_network_is_shown(separation, separated, songs, utterances, capsys, set_id):
    data = {"tiny": songs, "tiny_voices": utterances}[set_id]
    assert separation(*set_of(separated, set_id), "--data", data, "--show_model") == 0
    shown = capsys.readouterr().out
    assert {"tiny": "2 × 32 × 129 × 2", "tiny_voices": "1 × 2 × 2000"}[set_id] in shown
    assert "parameters are trained" in shown


def test_a_model_of_another_task_is_refused(separation, separated, songs, capsys):
    task1a = imported("task1a")
    song = songs / "test" / "X" / "mixture.wav"
    model = run_of(separated) / "model_float32.tflite"
    message = refusal(capsys, task1a, "-m", "predict", song, "--model", model)
    assert "task_separation.py" in message


@pytest.mark.real_audio
def test_speakers_of_librispeech(separation, real_audio, tmp_path):
    """Real voices at another rate: all of them are mixed, few of them are learnt from."""
    write_tiny_separation(tmp_path)
    arguments = (*set_of(tmp_path, "tiny_voices"), "--data", real_audio / "librispeech_speakers")
    changes = (GAINS, "training.epochs=1", "export.formats=[]")
    assert separation(*arguments, "--override", *changes) == 0
    results = results_of(tmp_path, "tiny_voices")
    assert results.scores["files"] == 3
    assert results.scores["seconds"] > 6
    assert np.isfinite(results.overall["si_sdr"])
    assert any("by 24 speakers" in note for note in results.notes)
