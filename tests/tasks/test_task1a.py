"""task1a.py as its users run it: everything, sets compared, own files, the submission, mistakes."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from tests.tasks.conftest import TINY
from tests.tasks.processes import PROJECT, kill_when
from utils.report.results import read_results

ONE_FORMAT = "export.formats=[int8]"
pytestmark = pytest.mark.smoke


@pytest.fixture(scope="module")
def finished_scenes(script, tau, tmp_path_factory):
    """Folder of a run in all formats."""
    folder = tmp_path_factory.mktemp("finished_scenes")
    (folder / "tiny.yaml").write_text(TINY.format(folder=folder))
    assert script("-s", "tiny", "-p", folder / "tiny.yaml", "--data", tau) == 0
    return folder


@pytest.fixture
def finished(finished_scenes, tiny, tmp_path):
    """That run in the test's own folder, where the tiny sets look for it."""
    for name in ("runs", "cache"):
        shutil.copytree(finished_scenes / name, tmp_path / name, symlinks=True)
    return tmp_path / "runs" / "tiny"


def scores_of(tmp_path, set_id="tiny"):
    return read_results(tmp_path / "runs" / set_id / "latest" / "results.json")


def test_everything_from_audio_to_report(script, tau, finished, tiny, tmp_path, capsys):
    capsys.readouterr()
    assert script("-s", "tiny", "-p", tiny, "--data", tau) == 0
    folder = finished / "latest"
    expected = {
        "results.json", "report.html", "parameters.yaml", "model.keras", "model.metadata.json",
        "system_output.csv", "history.csv", "log.txt",
        *(f"model_{name}.tflite" for name in ("float32", "float16", "dynamic", "int8")),
    }  # fmt: skip
    assert expected <= {path.name for path in folder.iterdir()}
    results = scores_of(tmp_path)
    assert results.overall["accuracy"] > 0.5
    assert set(results.exports) == {"float32", "float16", "dynamic", "int8"}
    assert results.exports["float32"].max_difference < 1e-5
    assert results.scores["groups"]["unseen"]["devices"] == ["s4"]
    assert not results.demo
    printed = capsys.readouterr().out
    assert "street_traffic" in printed
    assert "DCASE 2021 (128 KB)" in printed
    page = (folder / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert len((folder / "system_output.csv").read_text().splitlines()) == 41


def test_the_seed_decides_the_results(script, tau, tiny, tmp_path):
    """The same seed gives the same results twice, another one gives another run."""

    def told(run):
        scores = read_results(run / "results.json").scores
        return (run / "history.csv").read_bytes(), scores

    arguments = ("-s", "tiny", "-p", tiny, "--data", tau)
    steps = "augment=[Noise, Shift: {max_seconds: 0.1}]"
    changes = ("--override", "training.epochs=2", ONE_FORMAT, steps)
    assert script(*arguments, "--seed", "1", *changes) == 0
    first = (tmp_path / "runs" / "tiny" / "latest").resolve()
    found = told(first)
    assert script(*arguments, "--seed", "1,2", "--overwrite", *changes) == 0
    assert told(first) == found
    runs = [p for p in first.parent.iterdir() if not p.is_symlink()]
    histories = {(run / "history.csv").read_bytes() for run in runs}
    assert len(runs) == len(histories) == 2


@pytest.mark.usefixtures("finished")
def test_sets_are_compared_in_one_table_and_one_plot(script, tau, tiny, tmp_path, capsys):
    assert script("-s", "tiny,tiny_deeper", "-p", tiny, "--data", tau) == 0
    (folder,) = (tmp_path / "runs" / "comparisons").iterdir()
    assert {"comparison.html", "comparison.md", "comparison.png"} <= {
        path.name for path in folder.iterdir()
    }
    table = (folder / "comparison.md").read_text()
    assert table.index("tiny ") < table.index(r"tiny\_deeper")
    assert "tiny_deeper" in capsys.readouterr().out
    assert script("-s", "tiny", "-p", tiny, "--show_results") == 0
    assert "tiny_deeper" in capsys.readouterr().out


def test_a_smaller_network_is_told_step_by_step(script, tau, tiny, tmp_path, capsys):
    steps = "{channels: {share: 0.5, epochs: 2}, zeros: {epochs: 2}}"
    arguments = ("-s", "tiny", "-p", tiny, "--data", tau, "--override", f"compression={steps}")
    assert script(*arguments, "export.formats=[int8]", "training.epochs=2") == 0
    folder = tmp_path / "runs" / "tiny" / "latest"
    rows = {step.name: step for step in scores_of(tmp_path).steps}
    assert list(rows) == ["trained", "channels", "zeros", "int8"]
    assert rows["channels"].macs == rows["trained"].macs // 2
    assert rows["zeros"].non_zero < 0.7 * rows["channels"].non_zero
    assert all({"accuracy", "log_loss"} <= set(row.scores) for row in rows.values())
    assert (folder / "trained.keras").exists()
    printed = capsys.readouterr().out
    for text in (printed, (folder / "report.html").read_text()):
        assert "Steps" in text
        assert f"{rows['channels'].parameters:,}" in text


@pytest.mark.usefixtures("finished")
def test_check_limits_tells_by_the_exit_status(script, tau, tiny):
    arguments = ("-s", "tiny", "-p", tiny, "--data", tau, "--check_limits")
    assert script(*arguments) == 0
    assert script(*arguments, "--override", "limits.parameter_bytes={tight: 10}") == 1


def test_predict_labels_files_of_any_kind(script, tau, finished, tiny, tmp_path, capsys):
    own = tmp_path / "own"
    own.mkdir()
    clip, rate = soundfile.read(tau / "audio" / "tram-lyon-4-4-a.wav")
    soundfile.write(own / "tram.flac", clip, rate)
    soundfile.write(own / "tram.mp3", np.tile(clip, 3), rate)
    soundfile.write(own / "stereo.wav", np.stack([clip, clip], axis=1), rate)
    table = tmp_path / "labels.csv"
    int8 = finished / "latest" / "model_int8.tflite"
    for model in ((), ("--model", int8)):
        arguments = ("-m", "predict", own, "-s", "tiny", "-p", tiny, "-o", table, *model)
        assert script(*arguments) == 0
        lines = table.read_text().splitlines()
        assert len(lines) == 4
        labels = {Path(line.split("\t")[0]).name: line.split("\t")[1] for line in lines[1:]}
        assert set(labels) == {"stereo.wav", "tram.flac", "tram.mp3"}
        assert labels["stereo.wav"] == labels["tram.flac"] == "tram"
    assert "stereo.wav" in capsys.readouterr().out


def test_predict_without_a_model_says_how_to_make_one(script, tau, tiny, capsys):
    clip = tau / "audio" / "tram-lyon-4-4-a.wav"
    assert script("-m", "predict", clip, "-s", "tiny", "-p", tiny) == 2
    assert "train one with `python task1a.py -s tiny`" in capsys.readouterr().err.replace("\n", " ")


def test_a_file_of_answers_is_scored_without_a_model(script, tau, finished, tiny, tmp_path, capsys):
    answers = shutil.copy(finished / "latest" / "system_output.csv", tmp_path)
    accuracy = scores_of(tmp_path).overall["accuracy"]
    shutil.rmtree(finished)
    capsys.readouterr()
    assert script("-m", "score", answers, "-s", "tiny", "-p", tiny, "--data", tau) == 0
    assert f"{100 * accuracy:.1f}" in capsys.readouterr().out


def test_interrupted_at_any_moment_it_ends_as_if_undisturbed(script, tau, tiny, tmp_path):
    """``kill -9`` amid training, then amid the export; then the same command."""
    command = ("-s", "tiny_aug", "-p", tiny, "--data", tau, "--override", "training.epochs=12")
    begun = tmp_path / "runs" / "tiny_aug"

    def rows():
        return sum(path.read_text().count("\n") for path in begun.glob("*/history.csv"))

    kill_when(lambda: rows() > 4, "task1a.py", *command)
    assert rows() < 13
    printed = kill_when(lambda: list(begun.glob("*/*.tflite")), "task1a.py", *command)
    assert "training (reused)" not in printed
    assert not list(begun.glob("*/results.json"))
    assert script(*command) == 0
    quiet = (f"paths.runs={tmp_path}/quiet", f"paths.cache={tmp_path}/quiet_cache")
    assert script(*command, *quiet) == 0
    runs = [tmp_path / name / "tiny_aug" / "latest" for name in ("quiet", "runs")]
    histories = [(run / "history.csv").read_bytes() for run in runs]
    assert histories[0] == histories[1]
    results = [json.loads((run / "results.json").read_text()) for run in runs]
    assert results[0]["scores"] == results[1]["scores"]
    exports = [{k: v["scores"] for k, v in r["exports"].items()} for r in results]
    assert exports[0] == exports[1]


def test_the_system_output_goes_where_o_says(script, tau, finished, tiny, tmp_path):
    output = tmp_path / "here" / "answers.csv"
    assert script("-s", "tiny", "-p", tiny, "--data", tau, "-o", output) == 0
    assert output.read_bytes() == (finished / "latest" / "system_output.csv").read_bytes()


def test_what_does_not_change_the_model_does_not_train_it_anew(script, tau, finished, tiny, capsys):
    changes = ("evaluation.bootstrap=20", "report.wrong_clips=1", "pipeline.memory_gb=1.0")
    capsys.readouterr()
    assert script("-s", "tiny", "-p", tiny, "--data", tau, "--override", *changes) == 0
    assert "training (reused)" in capsys.readouterr().out
    assert len([path for path in finished.iterdir() if not path.is_symlink()]) == 1


def test_what_follows_the_training_does_not_train_it_anew(
    script, tau, finished, tiny, tmp_path, capsys
):
    before, history = scores_of(tmp_path), (finished / "latest" / "history.csv").read_bytes()
    first = (finished / "latest").resolve().name
    capsys.readouterr()
    steps = "compression.zeros={share: 0.5, epochs: 1}"
    assert script("-s", "tiny", "-p", tiny, "--data", tau, "--override", ONE_FORMAT, steps) == 0
    assert f"training as in tiny/{first}" in capsys.readouterr().out
    found = scores_of(tmp_path)
    assert (finished / "latest" / "history.csv").read_bytes() == history
    assert found.steps[0].name == "trained"
    assert found.steps[0].scores["log_loss"] == before.overall["log_loss"]
    assert found.stages["training"] == before.stages["training"]
    assert any(f"is that of tiny/{first}" in note for note in found.notes)


@pytest.mark.usefixtures("finished")
def test_changed_audio_is_not_scored_with_the_old_model(script, tau, tiny, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(tau, data)
    arguments = ("-s", "tiny", "-p", tiny, "--data", data)
    capsys.readouterr()
    assert script(*arguments) == 0
    assert "training (reused)" in capsys.readouterr().out
    clip = data / "audio" / "tram-lyon-0-0-a.wav"
    samples, rate = soundfile.read(clip)
    soundfile.write(clip, samples[::-1], rate, subtype="PCM_24")
    assert script(*arguments) == 0
    assert "reused" not in capsys.readouterr().out


def write_csv(folder, tau):
    """Write the table of a two-fold data set of the test clips of device a and s4."""
    lines = ["file;what;part"]
    for number, clip in enumerate(sorted((tau / "audio").glob("*-[ab].wav"))):
        lines.append(f"{clip.name};{clip.name.split('-')[0]};{number % 2 + 1}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    (folder / "audio").symlink_to(tau / "audio")


CSV = (
    "dataset.name=csv", "dataset.metadata=table.csv", "dataset.folds=null",
    "dataset.columns={filename: file, label: what, fold: part}",
    "dataset.validation={method: random, amount: 0.3}",
)  # fmt: skip


def test_own_data_by_a_table_in_two_folds(script, tau, tiny, tmp_path, capsys):
    own = tmp_path / "own"
    own.mkdir()
    write_csv(own, tau)
    arguments = ("-s", "tiny", "-p", tiny, "--data", own)
    assert script(*arguments, "--override", *CSV, "training.epochs=2", ONE_FORMAT) == 0
    run = tmp_path / "runs" / "tiny" / "latest"
    assert (run / "fold1" / "model_int8.tflite").exists()
    assert (run / "fold2" / "model.keras").exists()
    results = scores_of(tmp_path)
    assert set(results.scores["per_fold"]["folds"]) == {"fold1", "fold2"}
    assert results.scores["per_device"] == {}
    answers = run / "system_output.csv"
    capsys.readouterr()
    assert script("-m", "score", answers, *arguments, "--override", *CSV) == 0
    assert f"{100 * results.overall['accuracy']:.1f}" in capsys.readouterr().out
    assert script("-m", "eval", *arguments, "--override", *CSV) == 2
    assert "evaluation" in capsys.readouterr().err


def test_a_network_on_waveforms(script, tau, tiny, tmp_path):
    layers = "[Conv1D: {filters: 4, kernel_size: 64, strides: 32}, GlobalAveragePooling1D, "
    layers += "Dense: {units: $CLASS_COUNT, activation: softmax}]"
    arguments = ("-s", "tiny", "-p", tiny, "--data", tau, "--override", f"model.layers={layers}")
    waveform = ("features.kind=waveform", "features.normalise.method=none", "features.frames=null")
    assert script(*arguments, *waveform, "training.epochs=1") == 0
    assert scores_of(tmp_path).model.parameters == 4 * 65 + 5 * 10


def test_help_and_mistakes_answer_without_tensorflow(task1a, tiny):
    start = time.monotonic()
    answer = task1a("--help")
    assert answer.returncode == 0
    assert "--parameter_set" in answer.stdout
    probe = "import sys; import task1a; print([m for m in ('tensorflow', 'keras', 'librosa', "
    probe += "'matplotlib', 'sklearn', 'scipy') if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", probe], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"
    assert time.monotonic() - start < 20


def test_shows(script, tiny, tau, capsys):
    assert script("--show_sets", "-p", tiny) == 0
    assert "task1a_layer5" in capsys.readouterr().out
    assert script("--show_parameters", "-s", "tiny", "-p", tiny, "--data", tau) == 0
    assert yaml.safe_load(capsys.readouterr().out)["training"]["epochs"] == 6
    assert script("--show_model", "-s", "tiny", "-p", tiny, "--data", tau) == 0
    assert "Conv2D" in capsys.readouterr().out
