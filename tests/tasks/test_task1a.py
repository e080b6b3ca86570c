"""task1a.py as its users run it: everything, sets compared, own files, the submission, mistakes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from utils.report.results import read_results

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.smoke


def scores_of(tmp_path, set_id="tiny"):
    return read_results(tmp_path / "runs" / set_id / "latest" / "results.json")


def test_everything_from_audio_to_report(script, tau, tiny, tmp_path, capsys):
    assert script("-s", "tiny", "-p", tiny, "--data", tau) == 0
    folder = tmp_path / "runs" / "tiny" / "latest"
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


def test_the_same_seed_gives_the_same_results_twice(script, tau, tiny, tmp_path):
    found = []
    for _ in range(2):
        assert script("-s", "tiny_aug", "-p", tiny, "--data", tau, "--overwrite") == 0
        history = tmp_path / "runs" / "tiny_aug" / "latest" / "history.csv"
        found.append((history.read_bytes(), scores_of(tmp_path, "tiny_aug").scores))
    assert found[0] == found[1]


def test_another_seed_gives_another_run(script, tau, tiny, tmp_path):
    assert script("-s", "tiny", "-p", tiny, "--data", tau, "--seed", "1,2") == 0
    runs = [p for p in (tmp_path / "runs" / "tiny").iterdir() if not p.is_symlink()]
    histories = {(run / "history.csv").read_bytes() for run in runs}
    assert len(runs) == len(histories) == 2


def test_sets_are_compared_in_one_table_and_one_plot(script, tau, tiny, tmp_path, capsys):
    arguments = ("-s", "tiny,tiny_deeper", "-p", tiny, "--data", tau)
    assert script(*arguments, "--override", "training.epochs=1") == 0
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


def test_check_limits_tells_by_the_exit_status(script, tau, tiny):
    arguments = ("-s", "tiny", "-p", tiny, "--data", tau, "--check_limits", "--override")
    epochs = "training.epochs=1"
    assert script(*arguments, epochs) == 0
    assert script(*arguments, epochs, "limits.parameter_bytes={tight: 10}") == 1


def test_predict_labels_files_of_any_kind(script, tau, tiny, tmp_path, capsys):
    assert script("-s", "tiny", "-p", tiny, "--data", tau) == 0
    own = tmp_path / "own"
    own.mkdir()
    clip, rate = soundfile.read(tau / "audio" / "tram-lyon-4-4-a.wav")
    soundfile.write(own / "tram.flac", clip, rate)
    soundfile.write(own / "tram.mp3", np.tile(clip, 3), rate)
    soundfile.write(own / "stereo.wav", np.stack([clip, clip], axis=1), rate)
    table = tmp_path / "labels.csv"
    int8 = tmp_path / "runs" / "tiny" / "latest" / "model_int8.tflite"
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


def test_a_file_of_answers_is_scored_without_a_model(script, tau, tiny, tmp_path, capsys):
    assert script("-s", "tiny", "-p", tiny, "--data", tau) == 0
    answers = tmp_path / "runs" / "tiny" / "latest" / "system_output.csv"
    capsys.readouterr()
    assert script("-m", "score", answers, "-s", "tiny", "-p", tiny, "--data", tau) == 0
    accuracy = 100 * scores_of(tmp_path).overall["accuracy"]
    assert f"{accuracy:.1f}" in capsys.readouterr().out


def test_interrupted_at_any_moment_it_ends_as_if_undisturbed(task1a, tau, tiny, tmp_path):
    """``kill -9`` at random moments of extraction, training, export; then the same command."""
    command = ("-s", "tiny_aug", "-p", tiny, "--data", tau, "--override", "training.epochs=25")
    quiet = task1a(*command, f"paths.runs={tmp_path}/quiet", f"paths.cache={tmp_path}/quiet_cache")
    assert quiet.returncode == 0, quiet.stderr
    start = time.monotonic()
    moments = random.Random(4)
    whole = [sys.executable, str(PROJECT / "task1a.py"), *map(str, command)]
    for _ in range(3):
        process = subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(moments.uniform(4.0, 11.0))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    last = task1a(*command)
    assert last.returncode == 0, last.stderr
    assert time.monotonic() - start < 200
    runs = [tmp_path / name / "tiny_aug" / "latest" for name in ("quiet", "runs")]
    histories = [(run / "history.csv").read_bytes() for run in runs]
    assert histories[0] == histories[1]
    results = [json.loads((run / "results.json").read_text()) for run in runs]
    assert results[0]["scores"] == results[1]["scores"]
    exports = [{k: v["scores"] for k, v in r["exports"].items()} for r in results]
    assert exports[0] == exports[1]


def test_the_system_output_goes_where_o_says(script, tau, tiny, tmp_path):
    output = tmp_path / "here" / "answers.csv"
    arguments = ("-s", "tiny", "-p", tiny, "--data", tau, "-o", output)
    assert script(*arguments, "--override", "training.epochs=1") == 0
    run = tmp_path / "runs" / "tiny" / "latest"
    assert output.read_bytes() == (run / "system_output.csv").read_bytes()


def test_what_does_not_change_the_model_does_not_train_it_anew(script, tau, tiny, tmp_path, capsys):
    arguments = ("-s", "tiny", "-p", tiny, "--data", tau, "--override", "training.epochs=2")
    assert script(*arguments) == 0
    changes = ("evaluation.bootstrap=20", "report.wrong_clips=1", "pipeline.memory_gb=1.0")
    assert script(*arguments, *changes) == 0
    assert "training (reused)" in capsys.readouterr().out
    assert len([p for p in (tmp_path / "runs" / "tiny").iterdir() if not p.is_symlink()]) == 1


def test_changed_audio_is_not_scored_with_the_old_model(script, tau, tiny, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(tau, data)
    arguments = ("-s", "tiny", "-p", tiny, "--data", data, "--override", "training.epochs=1")
    assert script(*arguments) == 0
    clip = data / "audio" / "tram-lyon-0-0-a.wav"
    samples, rate = soundfile.read(clip)
    soundfile.write(clip, samples[::-1], rate, subtype="PCM_24")
    capsys.readouterr()
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
    assert script(*arguments, "--override", *CSV, "training.epochs=2") == 0
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
