"""task_urbansound.py as its users run it: published folds, mixed clips, own files, a submission."""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.tasks.processes import PROJECT, kill_in_epoch
from tests.tasks.runs import results_of, run_of
from utils.evaluation import read_system_output
from utils.report.results import read_results

CLASSES = ("car_horn", "dog_bark", "siren")
CLASS_OF = {"1": "car_horn", "3": "dog_bark", "8": "siren"}  # by the number in a file's name
FOLDS = ("fold1", "fold2", "fold3")
ONE_FOLD = "dataset.folds=[1]"
NO_FILES = "export.formats=[]"
pytestmark = pytest.mark.smoke


@pytest.fixture(scope="module")
def finished(urbansound, urban, write_tiny_urban, tmp_path_factory):
    """Folder of a run on all folds; tests start it again, but train nothing anew."""
    folder = tmp_path_factory.mktemp("finished")
    assert urbansound("-s", "tiny", "-p", write_tiny_urban(folder), "--data", urban) == 0
    return folder


def answers_of(run):
    """Each clip's true class by its name, and what the system said, without the project's code."""
    with (run / "system_output.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return {row["filename"]: (CLASS_OF[row["filename"].split("-")[1]], row) for row in rows}


def log_loss(answers):
    """Mean over classes of the mean negative logarithm of the true class's probability."""
    losses = {label: [] for label in CLASSES}
    for label, row in answers.values():
        losses[label].append(-np.log(float(row[label])))
    return np.mean([np.mean(found) for found in losses.values()])


def accuracy(answers):
    return np.mean([label == row["scene_label"] for label, row in answers.values()])


def test_the_published_folds_from_audio_to_report(finished):
    run, results = run_of(finished), results_of(finished)
    expected = {
        "results.json", "report.html", "parameters.yaml", "system_output.csv", "log.txt", *FOLDS,
    }  # fmt: skip
    assert expected <= {path.name for path in run.iterdir()}
    assert not (run / "submission.csv").exists()
    for fold in FOLDS:
        of_fold = {"model.keras", "model.metadata.json", "model_float32.tflite", "history.csv"}
        assert of_fold <= {path.name for path in (run / fold).iterdir()}
    assert (results.data, results.demo) == ("urbansound8k", False)
    assert tuple(results.scores["per_class"]) == CLASSES
    assert any("3 of the 10 folds" in note for note in results.notes)
    assert results.exports["float32"].max_difference < 1e-5
    page = (run / "report.html").read_text()
    assert "generated" not in page
    for title in ("Results", "Confusion", "Folds", "Export and limits"):
        assert f"<h2>{title}</h2>" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_each_fold_is_scored_by_itself_and_all_clips_together(finished, urban):
    results, answers = results_of(finished), answers_of(run_of(finished))
    files = {path.relative_to(urban / "audio").as_posix() for path in urban.rglob("*.wav")}
    assert set(answers) == files
    assert len(files) == 36
    assert results.overall["accuracy"] > 0.8
    assert results.overall["accuracy_micro"] == pytest.approx(accuracy(answers))
    assert results.overall["log_loss"] == pytest.approx(log_loss(answers), rel=1e-5)
    summary = results.scores["per_fold"]
    assert tuple(summary["folds"]) == FOLDS
    losses = []
    for fold in FOLDS:
        own = {name: row for name, row in answers.items() if name.startswith(f"{fold}/")}
        assert len(own) == 12
        losses.append(log_loss(own))
        assert summary["folds"][fold]["log_loss"] == pytest.approx(losses[-1], rel=1e-5)
        assert summary["folds"][fold]["accuracy"] == pytest.approx(accuracy(own))
    assert len(set(losses)) == 3
    assert summary["mean"]["log_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert summary["deviation"]["log_loss"] == pytest.approx(np.std(losses, ddof=1), rel=1e-5)


def test_a_second_start_reuses_all_folds_and_prints_them(
    urbansound, finished, urban, tmp_path, capsys
):
    before, output = results_of(finished), tmp_path / "here" / "answers.csv"
    arguments = ("-s", "tiny", "-p", finished / "tiny.yaml", "--data", urban)
    assert urbansound(*arguments, "-o", output) == 0
    printed = capsys.readouterr().out
    for fold in FOLDS:
        for stage in ("training", "validation", "test", "export"):
            assert f"\n{fold}: {stage} (reused)\n" in printed
    lines = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.split()}
    summary = before.scores["per_fold"]
    for name, found in (*summary["folds"].items(), ("mean", summary["mean"])):
        shown = [f"{100 * found['accuracy']:.1f}", f"{found['log_loss']:.3f}"]
        assert lines[name] == shown
    assert "deviation" in lines
    assert "note: UrbanSound8K.csv has 3 of the 10 folds" in printed
    assert results_of(finished).scores == before.scores
    assert output.read_bytes() == (run_of(finished) / "system_output.csv").read_bytes()


def test_a_file_of_answers_is_scored_without_a_model(urbansound, finished, urban, tmp_path, capsys):
    told = tmp_path / "answers.csv"
    shutil.copy(run_of(finished) / "system_output.csv", told)
    arguments = ("-s", "tiny", "-p", finished / "tiny.yaml", "--data", urban)
    assert urbansound("-m", "score", told, *arguments) == 0
    printed = capsys.readouterr().out
    overall = results_of(finished).overall
    (line,) = (line.split() for line in printed.splitlines() if line.startswith("all (macro)"))
    assert line[2] == f"{100 * overall['accuracy']:.1f}"
    assert f"{overall['log_loss']:.3f}" in line
    header, *rows = told.read_text().splitlines()
    sure = [row.split("\t")[0] + "\tsiren\t0\t0\t1" for row in rows]
    told.write_text("\n".join([header, *sure]) + "\n")
    assert urbansound("-m", "score", told, *arguments) == 0
    assert re.search(r"all \(macro\) +33\.3 ", capsys.readouterr().out)


def test_predict_takes_files_of_any_length_rate_and_channels(
    urbansound, finished, urban, tmp_path, capsys
):
    own = tmp_path / "own"
    own.mkdir()
    clip, rate = soundfile.read(urban / "audio" / "fold1" / "1000-3-0-0.wav")
    other, _ = soundfile.read(urban / "audio" / "fold1" / "1012-8-0-0.wav")
    sounds = {
        "clip": clip, "half": other[:2000], "long": np.concatenate([clip, other[:2000]]),
        "short": clip[:80], "stereo": np.stack([clip, clip], axis=1),
    }  # fmt: skip
    for name, samples in sounds.items():
        soundfile.write(own / f"{name}.wav", samples, rate)
    soundfile.write(own / "rate.flac", soxr.resample(clip, rate, 44_100), 44_100)
    table = tmp_path / "labels.csv"
    arguments = ("-m", "predict", own, "-s", "tiny", "-p", finished / "tiny.yaml", "-o", table)
    for model in ((), ("--model", run_of(finished) / "fold1" / "model_float32.tflite")):
        capsys.readouterr()
        assert urbansound(*arguments, *model) == 0
        assert ("It is the first of several folds" in capsys.readouterr().out) == (not model)
        found = read_system_output(table, classes=CLASSES)
        said = {
            Path(name).stem: row for name, row in zip(found.names, found.probabilities, strict=True)
        }
        assert set(said) == {*sounds, "rate"}
        assert said["clip"].argmax() == CLASSES.index("dog_bark")
        assert said["half"].argmax() == CLASSES.index("siren")
        np.testing.assert_allclose(said["stereo"], said["clip"], atol=1e-3)
        np.testing.assert_allclose(said["rate"], said["clip"], atol=0.05)
        # two windows weigh as much as they have samples
        expected = (2 * said["clip"] + said["half"]) / 3
        np.testing.assert_allclose(said["long"], expected, atol=1e-3)
        tested = answers_of(run_of(finished))["fold1/1000-3-0-0.wav"][1]
        expected = [float(tested[label]) for label in CLASSES]
        np.testing.assert_allclose(said["clip"], expected, atol=1e-3)


def test_random_folds_tell_how_much_they_leak(urbansound, urban, tiny_urban, tmp_path, capsys):
    random = ("dataset.published_folds=false", "dataset.validation.method=random")
    arguments = ("-s", "tiny", "-p", tiny_urban, "--data", urban, "--override", *random)
    changes = ("training.folds=3", ONE_FOLD, "training.epochs=1", NO_FILES)
    assert urbansound(*arguments, *changes) == 0
    printed = capsys.readouterr().out
    notes = results_of(tmp_path).notes
    assert any("gives 3 folds (column 'fold'), which are ignored" in note for note in notes)
    tested = Counter(name.split("/")[1].split("-")[0] for name in answers_of(run_of(tmp_path)))
    assert tested.total() == 12
    split = sum(count == 1 for count in tested.values())  # the other slice is learnt or chosen by
    told = [
        tuple(map(int, re.findall(r"(\d+) (?:groups|clips)", note)))
        for note in notes
        if "test part (" in note
    ]
    assert split > 0
    assert sum(groups for groups, *_ in told) == split
    assert all(first == second == groups for groups, first, second in told)
    for note in notes:
        assert f"note: {note}" in printed


def test_two_sets_are_compared_and_the_seed_decides_their_numbers(
    urbansound, urban, tiny_urban, tmp_path, capsys
):
    arguments = ("-p", tiny_urban, "--data", urban, "--override", ONE_FOLD, "training.epochs=2")
    found = []
    for given, files in (
        (("-s", "tiny_mixed", "--seed", 1), (NO_FILES,)),
        (("-s", "tiny_mixed", "--seed", 1, "--overwrite"), (NO_FILES,)),
        (("-s", "tiny_mixed,tiny_image", "--seed", 2), ()),
    ):
        assert urbansound(*given, *arguments, *files) == 0
        run = run_of(tmp_path, "tiny_mixed")
        names = ("history.csv", "system_output.csv")
        found.append([(run / name).read_bytes() for name in names])
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]
    assert found[0][1] != found[2][1]
    assert "comparison:" in capsys.readouterr().out
    (table,) = (tmp_path / "runs" / "comparisons").glob("*/comparison.md")
    text = table.read_text()
    assert text.index(r"tiny\_mixed") < text.index(r"tiny\_image")
    assert "different data" not in text
    check_images(urbansound, tiny_urban, run_of(tmp_path, "tiny_image"), urban)


def check_images(urbansound, parameters, run, urban):
    """Clips that were stretched to images for the test are so for ``-m predict``."""
    answers, table = answers_of(run), run.parent / "labels.csv"
    clips = [urban / "audio" / name for name in answers]
    expected = [[float(row[name]) for name in CLASSES] for _, row in answers.values()]
    for model in ("model.keras", "model_float32.tflite"):
        predict = ("-m", "predict", *clips, "--model", run / model, "-o", table)
        assert urbansound(*predict, "-s", "tiny_image", "-p", parameters) == 0
        found = read_system_output(table, classes=CLASSES).probabilities
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_interrupted_by_kill_it_ends_as_if_undisturbed(urbansound, urban, tiny_urban, tmp_path):
    """``kill -9`` in a process of its own, amid clips mixed in both ways; then once more."""
    steps = "augment=[Shift: {max_seconds: 0.2}, Mixup: {probability: 0.5}, BetweenClass: {}]"
    changes = (steps, ONE_FOLD, NO_FILES)
    command = ("-s", "tiny", "-p", tiny_urban, "--data", urban, "--override", *changes)
    kill_in_epoch(3, "task_urbansound.py", *command, runs=tmp_path / "runs" / "tiny")
    assert urbansound(*command) == 0
    assert urbansound(*command, f"paths.runs={tmp_path}/quiet") == 0
    quiet = (tmp_path / "quiet" / "tiny" / "latest").resolve()
    for name in ("history.csv", "system_output.csv"):
        assert (run_of(tmp_path) / name).read_bytes() == (quiet / name).read_bytes()
    assert results_of(tmp_path).scores == read_results(quiet / "results.json").scores


LABELLED = "dataset.name=urbansound_labelled"


def test_eval_labels_the_unlabelled_clips(
    urbansound, labelled, urban, tiny_urban, tmp_path, capsys
):
    output = tmp_path / "here" / "labels.csv"
    arguments = ("-s", "tiny", "-p", tiny_urban, "--data", labelled)
    changes = (LABELLED, NO_FILES)
    assert urbansound("-m", "eval", *arguments, "-o", output, "--override", *changes) == 0
    run, results = run_of(tmp_path), results_of(tmp_path)
    submission = run / "submission.csv"
    assert f"submission: {submission}" in capsys.readouterr().out
    assert output.read_bytes() == submission.read_bytes()
    header, *rows = (line.split(",") for line in submission.read_text().splitlines())
    assert header == ["ID", "Class"]
    ids = (labelled / "test.csv").read_text().split()[1:]
    assert [name for name, _ in rows] == ids
    # the unlabelled clips are those of fold 3
    truth = [CLASS_OF[path.name.split("-")[1]] for path in sorted(urban.glob("audio/fold3/*"))]
    right = sum(label == true for (_, label), true in zip(rows, truth, strict=True))
    assert right >= 10
    assert results.data == LABELLED.split("=")[1]
    assert any("does not tell of which recording 24 of 24" in note for note in results.notes)
    tested = run / "system_output.csv"
    with (labelled / "train.csv").open(newline="") as stream:
        of_id = {f"{row['ID']}.wav": row["Class"] for row in csv.DictReader(stream)}
    found = read_system_output(tested, classes=CLASSES)
    assert len(found.names) == 6
    equal = [label == of_id[name] for name, label in zip(found.names, found.labels, strict=True)]
    assert results.overall["accuracy_micro"] == pytest.approx(np.mean(equal))
    assert urbansound("-m", "score", tested, *arguments, "--override", LABELLED) == 0
    assert f"{results.overall['log_loss']:.3f}" in capsys.readouterr().out


def test_unlabelled_clips_that_cannot_be_read_are_named(
    urbansound, labelled, tiny_urban, tmp_path, capsys
):
    data = tmp_path / "data"
    shutil.copytree(labelled, data)
    (broken, *_), count = sorted((data / "Test").iterdir()), len(list((data / "Test").iterdir()))
    broken.write_bytes(b"no audio")
    arguments = ("-s", "tiny", "-p", tiny_urban, "--data", data, "--override", LABELLED)
    skip = ("training.epochs=1", "audio.on_bad_audio=skip")
    assert urbansound("-m", "eval", *arguments, *skip) == 0
    printed = capsys.readouterr().out
    assert f"{broken.name} could not be read, it has no row." in printed
    submission = run_of(tmp_path) / "submission.csv"
    assert len(submission.read_text().splitlines()) == count
    assert any(broken.name in note for note in results_of(tmp_path).notes)
    # without -m eval the same folder holds other scores: an old submission is not left beside them
    assert urbansound(*arguments, *skip) == 0
    assert f"removed: {submission}" in capsys.readouterr().out
    assert not submission.exists()


def test_without_data_it_runs_on_generated_sounds(
    urbansound, tiny_urban, tmp_path, monkeypatch, capsys
):
    from utils.datasets import demo_urban

    size = demo_urban.UrbanSize(folds=3, sources=1, slices=1)
    monkeypatch.setattr(demo_urban, "UrbanSize", lambda: size)
    brief = ("training.epochs=1", "dataset.validation.amount=0.5", ONE_FOLD)
    assert urbansound("-s", "tiny", "-p", tiny_urban, "--override", *brief) == 0
    results = results_of(tmp_path)
    assert results.demo
    assert results.data == "demo"
    assert tuple(results.scores["per_class"]) == demo_urban.CLASSES
    assert "generated demo data" in capsys.readouterr().out
    assert "generated" in (run_of(tmp_path) / "report.html").read_text()


def test_it_lists_its_own_sets_in_a_process_of_its_own(tiny_urban):
    command = [sys.executable, PROJECT / "task_urbansound.py", "--show_sets", "-p", tiny_urban]
    answer = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False,
        env=os.environ | {"COLUMNS": "100", "TERM": "dumb"},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    shown = {line.split()[0] for line in answer.stdout.splitlines() if line.split()}
    assert {"task_urbansound", "urbansound_random", "tiny", "tiny_image"} <= shown
    assert not {name for name in shown if name.startswith(("task1a", "task_dacon", "dacon"))}
