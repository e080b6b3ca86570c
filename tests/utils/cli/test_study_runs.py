"""What the folder of a study's run tells: of a compressed network its last step."""

import os
from dataclasses import replace

import pytest

from utils.cli.study_runs import Asked
from utils.config.export_section import LimitSettings
from utils.experiment.records import write_best_epoch
from utils.files import write_json, write_text
from utils.report.study_arms import StudyArm
from utils.report.study_statistics import Spread
from utils.run import as_yaml

FIRST, CUT, SPARSE = (0.9, 0.95), (0.5, 0.6, 0.55), (0.7, 0.65, 0.4)


def trained(folder, values, best=None):
    """The record of a training."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{number},{value}" for number, value in enumerate(values, 1)]
    (folder / "history.csv").write_text("\n".join(["epoch,val_accuracy", *rows]))
    if best is not None:
        write_best_epoch(folder, best)


@pytest.fixture
def compressed(tmp_path):
    """A run of two folds, pruned by channels, then by weights."""
    for fold, best in (("fold1", 2), ("fold2", 3)):
        place = tmp_path / fold
        trained(place, FIRST, 2)
        trained(place / "channels", CUT, 2)
        trained(place / "zeros", SPARSE, best)
        write_json(place / "stages.json", {"training": {"seconds": 1.0}})
    return Asked("pruned", 0.1, 0, "s/pruned", tmp_path, ("fold1", "fold2"), 2, step="zeros")


def outcome(asked):
    return asked.outcome("val_accuracy", state="done")


def test_a_compressed_network_is_judged_after_its_last_step(compressed):
    """Not by the better network before it, nor by an epoch whose weights were not kept."""
    run = outcome(compressed)
    assert run.curve == FIRST
    assert run.best("max") == (pytest.approx((0.65 + 0.4) / 2), 2)
    arm = StudyArm("pruned", "", "max", 0.1, None, (), (run,))
    assert Spread.of(arm.values.values()).mean == pytest.approx(0.525)


def test_other_runs_are_judged_by_their_curves(compressed, tmp_path):
    plain = Asked("dense", 0.1, 0, "s/dense", tmp_path, ("fold1", "fold2"), 2)
    assert outcome(plain).best("max") == (0.95, 2)
    short = Asked(
        "pruned", 0.1, 0, "s/pruned", tmp_path, ("fold1", "fold2"), 2, step="zeros", whole=False
    )
    assert outcome(short).best("max") == (0.95, 2)  # it ends before its compression
    (tmp_path / "fold2/zeros/training.json").unlink()
    assert outcome(compressed).kept is None


def test_a_run_with_results_of_other_settings_is_not_over(tmp_path):
    """What is judged otherwise is judged anew; the training is found."""
    trained(tmp_path, FIRST, 2)
    write_json(tmp_path / "stages.json", {"training": {"seconds": 1.0}})
    told = {"evaluation": {"bootstrap": 3, "shifts_seconds": [0.0]}}
    asked = Asked("dense", 0.1, 0, "s/dense", tmp_path, ("",), 2, judging=told)
    assert asked.is_trained
    assert not asked.is_over
    write_text(tmp_path / "parameters.yaml", as_yaml({"limits": {"format": "int8"}, **told}))
    write_json(tmp_path / "results.json", {})
    assert asked.is_over
    other = replace(asked, judging={"evaluation": {"bootstrap": 3, "shifts_seconds": [0.1]}})
    assert not other.is_over
    assert not replace(asked, limits=LimitSettings(format="float32")).is_over
    now = (tmp_path / "results.json").stat().st_mtime
    os.utime(tmp_path / "parameters.yaml", (now + 1, now + 1))  # begun again and not finished
    assert not asked.is_over


def test_a_step_may_diverge(compressed, tmp_path):
    assert not compressed.has_diverged
    write_json(tmp_path / "fold2/zeros/diverged.json", {"epoch": 1, "loss": "nan"})
    assert compressed.has_diverged
    assert compressed.is_over
    compressed.forget()
    assert not compressed.has_diverged
    assert not compressed.is_trained
