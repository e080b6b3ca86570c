"""The command that checks and packs submissions."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.utils.evaluation.systems import CLASSES, edit_meta, meta_path, splits, system
from utils.cli import submission
from utils.evaluation.submission_forms import FORMS

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def command(monkeypatch):
    """The command on sets of five clips and three classes."""
    for year, form in FORMS.items():
        monkeypatch.setitem(FORMS, year, replace(form, clips=5))
    monkeypatch.setattr(submission, "SCENES", CLASSES)
    return lambda *words: submission.main([str(word) for word in words])


def test_splits_are_packed_and_checked(command, tmp_path, capsys):
    target = tmp_path / "package.zip"
    folders = splits(tmp_path)
    assert command("pack", *folders, "--year", 2024, "-o", target) == 0
    capsys.readouterr()
    assert command("check", target, "--year", 2024) == 0
    printed = capsys.readouterr().out
    assert "No fault was found." in printed
    assert "complexity              not checked" in printed


def test_faults_are_told_by_the_status(command, tmp_path, capsys):
    folder = system(tmp_path, year=2022)
    edit_meta(meta_path(folder), "system.complexity.macs", 31_000_000)
    assert command("check", folder, "--year", 2022) == 1
    assert "limit macs" in capsys.readouterr().out
    target = tmp_path / "package.zip"
    assert command("pack", folder, "--year", 2022, "-o", target) == 1
    assert not target.exists()


def test_what_cannot_be_read_is_a_sentence(command, tmp_path, capsys):
    assert command("check", tmp_path / "none.zip", "--year", 2022) == 2
    assert "none.zip: cannot be read as a zip" in capsys.readouterr().err
    assert command("pack", tmp_path / "none", "--year", 2022, "-o", tmp_path / "a.zip") == 2
    assert "none: is no folder" in capsys.readouterr().err
    assert command("pack", tmp_path, "--year", 2022, "-o", tmp_path / "a") == 2
    assert "name a file that ends in .zip" in capsys.readouterr().err


def test_figures_are_compared_with_the_file(command, tmp_path, capsys):
    import numpy as np
    from keras import Input, Model, layers

    from utils.experiment.submission import file_figures
    from utils.export import export_formats
    from utils.inference import Metadata

    inputs = Input((8, 8, 1))
    dense = layers.Dense(3, activation="softmax", bias_initializer="ones")
    outputs = dense(layers.Flatten()(inputs))
    paths = export_formats(
        Model(inputs, outputs),
        calibration=np.random.default_rng(0).standard_normal((4, 8, 8, 1)).astype(np.float32),
        folder=tmp_path,
        formats=("int8",),
        metadata=Metadata("test", CLASSES, {}, {}, None, "demo", shifts_seconds=(0.0, 0.1)),
    )
    figures, types = file_figures(paths["int8"])
    assert figures["total_parameters"] == 64 * 3 + 3
    assert figures["total_model_size"] == 64 * 3 + 3 * 4
    assert figures["macs"] == 2 * 64 * 3  # two passes answer a clip
    assert types == ("int32", "int8")
    folder = system(tmp_path, year=2022, figures=figures)
    arguments = ("check", folder, "--year", 2022, "--model", paths["int8"])
    assert command(*arguments) == 0
    assert "weights                 passed" in capsys.readouterr().out
    edit_meta(meta_path(folder), "system.complexity.total_parameters", 196)
    assert command(*arguments) == 1
    assert "total_parameters is 196, but model_int8.tflite has 195" in capsys.readouterr().out
    mine = tmp_path / "mine.zip"  # of one system, whatever its name
    assert command("pack", folder, "--year", 2022, "-o", mine) == 0
    assert "2 rules were not checked" in capsys.readouterr().out
    arguments = ("check", mine, "--year", 2022, "--model", paths["int8"])
    assert command(*arguments) == 1
    assert "total_parameters is 196, but model_int8.tflite has 195" in capsys.readouterr().out
    assert command(*arguments, "--label", "Other_TAU_task1_1") == 2
    assert "Other_TAU_task1_1, which the model is said to be of" in capsys.readouterr().err
    assert command(*arguments[:-2], "--label", folder.name) == 2
    assert "name the model file too" in capsys.readouterr().err


def test_it_runs_as_a_program():
    words = [sys.executable, "-m", "utils.cli.submission", "check", "none.zip", "--year", "2022"]
    answer = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "none.zip" in answer.stderr
