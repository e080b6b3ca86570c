"""task1a.py with teachers: from audio to report, mixed clips, int8 training, kills, refusals."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tasks.processes import wait_for_epochs
from tests.tasks.refusals import refusal
from utils.report.results import read_results

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.smoke

SETS = """
  - set_id: tiny_teacher
    based_on: tiny
    features: {n_mels: 20}
  - set_id: tiny_student
    based_on: tiny
    augment: [Mixup]
    training: {distillation: {teachers: [tiny_teacher], weight: 0.8}}
"""
QUICK = (
    "--override", "export.formats=[int8]", "export.calibration_clips=8", "limits.format=int8",
    "evaluation.bootstrap=0", "report.wrong_clips=0",
)  # fmt: skip


@pytest.fixture
def sets(tiny):
    """Parameter file of the tiny sets, with a teacher and a student of other features."""
    with tiny.open("a") as stream:
        stream.write(SETS)
    return tiny


def columns(folder):
    with (folder / "history.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def test_a_student_learns_from_a_teacher_with_other_features(script, tau, sets, tmp_path, capsys):
    arguments = ("-p", sets, "--data", tau, *QUICK)
    student = ("-s", "tiny_student", *arguments, "export.qat={epochs: 1}")
    said = refusal(capsys, script, *student)
    assert "there is no finished run of tiny_teacher in" in said
    assert "train it with `python task1a.py -s tiny_teacher --seed 0 --data" in said
    assert script("-s", "tiny_teacher", *arguments) == 0
    assert script(*student) == 0
    run = (tmp_path / "runs" / "tiny_student" / "latest").resolve()
    results = read_results(run / "results.json")
    assert results.overall["accuracy"] > 0.5
    assert set(results.exports) == {"int8", "int8_qat"}
    assert any("learnt from labels and from tiny_teacher (tau_" in note for note in results.notes)
    for folder in (run, run / "qat"):
        found = columns(folder)
        for loss, label, soft in zip(
            found["loss"], found["label_loss"], found["distillation_loss"], strict=True
        ):
            assert loss == pytest.approx(0.2 * label + 0.8 * soft, rel=1e-5)
        assert "val_label_loss" not in found
    assert found["distillation_loss"][-1] < columns(run)["distillation_loss"][0]
    assert len(list((tmp_path / "cache" / "teachers").iterdir())) == 1
    capsys.readouterr()
    assert script(*student) == 0
    assert "int8 training (reused)" in capsys.readouterr().out
    said = refusal(capsys, script, "-m", "eval", *student)
    assert "all_data; train it with `python task1a.py -s tiny_teacher" in said
    assert "-m eval`" in said


def test_a_student_that_was_killed_ends_as_if_undisturbed(script, tau, sets, tmp_path):
    arguments = ("-p", sets, "--data", tau, *QUICK)
    assert script("-s", "tiny_teacher", *arguments) == 0
    student = ("-s", "tiny_student", *arguments, "training.epochs=12")
    command = [sys.executable, PROJECT / "task1a.py", *student]
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    runs = tmp_path / "runs" / "tiny_student"
    wait_for_epochs(runs, 2, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (run,) = runs.iterdir()
    before = (run / "history.csv").read_text().splitlines()
    assert script(*student) == 0
    found = [(run / name).read_bytes() for name in ("history.csv", "predictions.npz")]
    assert found[0].decode().splitlines()[: len(before)] == before
    assert script(*student, "--overwrite") == 0
    assert [(run / name).read_bytes() for name in ("history.csv", "predictions.npz")] == found
    assert json.loads((run / "training.json").read_text())["best_epoch"] > 0
