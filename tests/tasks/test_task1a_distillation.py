"""task1a.py with teachers: from audio to report, mixed clips, int8 training, kills, refusals."""

import csv
from pathlib import Path

import pytest

from tests.tasks.conftest import TINY
from tests.tasks.processes import kill_in_epoch
from tests.tasks.refusals import refusal
from utils.experiment.teachers import model_identity
from utils.report.results import read_results

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.smoke

SETS = """
  - set_id: tiny_quick
    based_on: tiny
    export: {formats: [int8], calibration_clips: 8}
    limits: {format: int8}
    evaluation: {bootstrap: 0}
    report: {wrong_clips: 0}
  - set_id: tiny_teacher
    based_on: tiny_quick
    features: {n_mels: 20}
  - set_id: tiny_student
    based_on: tiny_quick
    augment: [Mixup]
    training: {distillation: {teachers: [tiny_teacher], weight: 0.8}}
  - set_id: tiny_killed
    based_on: tiny_student
    training: {epochs: 10}
"""


@pytest.fixture(scope="module")
def taught(script, tau, tmp_path_factory):
    """Folder of the tiny sets and of the teacher's run; how both are named."""
    folder = tmp_path_factory.mktemp("taught")
    sets = folder / "tiny.yaml"
    sets.write_text(TINY.format(folder=folder) + SETS)
    data = ("-p", sets, "--data", tau)
    assert script("-s", "tiny_teacher", *data) == 0
    return folder, data


def columns(folder):
    with (folder / "history.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def test_a_student_learns_from_a_teacher_with_other_features(script, taught, capsys):
    folder, arguments = taught
    student = ("-s", "tiny_student", *arguments, "--override", "export.qat={epochs: 1}")
    capsys.readouterr()
    assert script(*student) == 0
    run = (folder / "runs" / "tiny_student" / "latest").resolve()
    results = read_results(run / "results.json")
    assert results.overall["accuracy"] > 0.5
    assert set(results.exports) == {"int8", "int8_qat"}
    assert any("learnt from labels and from tiny_teacher (tau_" in note for note in results.notes)
    first, then = columns(run), columns(run / "qat")
    for found in (first, then):
        for loss, label, soft in zip(
            found["loss"], found["label_loss"], found["distillation_loss"], strict=True
        ):
            assert loss == pytest.approx(0.2 * label + 0.8 * soft, rel=1e-5)
        assert "val_label_loss" not in found
    assert then["distillation_loss"][-1] < first["distillation_loss"][0]
    assert len(list((folder / "cache" / "teachers").iterdir())) == 1
    capsys.readouterr()
    assert script(*student) == 0
    assert "int8 training (reused)" in capsys.readouterr().out
    said = refusal(capsys, script, "-m", "eval", *student)
    assert "all_data; train it with `python task1a.py -s tiny_teacher --seed 0 --data" in said
    assert "-m eval`" in said
    said = refusal(capsys, script, *student, "--seed", "1")
    assert "train it with `python task1a.py -s tiny_teacher --seed 1 --data" in said


def test_a_student_that_was_killed_ends_as_if_undisturbed(script, taught):
    folder, arguments = taught
    student = ("-s", "tiny_killed", *arguments, "--until_trained")
    runs = folder / "runs" / "tiny_killed"
    kill_in_epoch(3, "task1a.py", *student, runs=runs)
    (run,) = runs.iterdir()
    before = (run / "history.csv").read_text().splitlines()
    assert len(before) < 11
    assert script(*student) == 0
    after = (run / "history.csv").read_text().splitlines()
    assert after[: len(before)] == before
    known = model_identity(run / "model.keras")
    assert script(*student, "--overwrite") == 0
    assert (run / "history.csv").read_text().splitlines() == after
    assert model_identity(run / "model.keras") == known
