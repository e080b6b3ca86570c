"""Own files: the tables that are printed and written, and what becomes of files without sound."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from utils.errors import AudioError, UserError
from utils.experiment import label_files, labels
from utils.experiment.labels import distinct, short_names

CLASSES = ("bed", "cat", "dog")
SAID = {"a.wav": (0.2, 0.5, 0.3), "b.wav": (0.25, 0.25, 0.5), "c.wav": (0.6, 0.4, 0.0)}


class Stand:
    """A model that knows what it says of some files."""

    classes = CLASSES

    def __call__(self, path):
        if path.name not in SAID:
            raise AudioError(f"{path}: is no audio file.")
        return np.array(SAID[path.name], np.float32)


@pytest.fixture
def label(tmp_path, monkeypatch):
    """Label files; give what is printed and what is written."""
    monkeypatch.setattr(labels, "FilePredictor", SimpleNamespace(of=lambda model: model))
    written = []

    def run(*names, **options):
        text = io.StringIO()
        try:
            label_files(
                Stand(),
                [tmp_path / name for name in names],
                tmp_path / "out.csv",
                Console(file=text, width=300),
                write=lambda *arguments: written.append(arguments),
                **options,
            )
        finally:
            run.printed = text.getvalue()
        return written

    return run


def shown(printed, name):
    return next(line for line in printed.splitlines() if line.split()[:1] == [name]).split()[1:]


def test_the_likeliest_classes_are_printed_best_first_and_all_are_written(label, tmp_path):
    ((path, predictions, classes),) = label("b.wav", "a.wav", likeliest=2)
    assert shown(label.printed, "a.wav") == ["cat", "0.500", "dog", "0.300"]
    assert shown(label.printed, "b.wav") == ["dog", "0.500", "bed", "0.250"]  # first of equals
    assert f"written to {tmp_path / 'out.csv'}" in label.printed
    assert (path, classes) == (tmp_path / "out.csv", CLASSES)
    assert predictions.names == (str(tmp_path / "b.wav"), str(tmp_path / "a.wav"))
    np.testing.assert_allclose(predictions.probabilities, [SAID["b.wav"], SAID["a.wav"]])
    assert predictions.truth is None


def test_more_likeliest_than_classes_are_all_of_them(label):
    label("c.wav", likeliest=4)
    assert shown(label.printed, "c.wav") == ["bed", "0.600", "cat", "0.400", "dog", "0.000"]


def test_without_a_number_the_label_and_every_probability_are_printed(label):
    label("c.wav")
    assert shown(label.printed, "c.wav") == ["bed", "0.600", "0.400", "0.000"]


@pytest.mark.parametrize("likeliest", [None, 1])
def test_files_are_named_without_the_folder_that_all_have_in_common(label, likeliest):
    label("deep/one/a.wav", "deep/two/a.wav", "deep/b.wav", likeliest=likeliest)
    for name, word in (("one/a.wav", "cat"), ("two/a.wav", "cat"), ("b.wav", "dog")):
        assert shown(label.printed, name)[0] == word


def test_a_file_by_several_spellings_is_labelled_once(label, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [Path("a.wav"), Path("./a.wav"), tmp_path / "a.wav", tmp_path / "x" / ".." / "a.wav"]
    assert distinct(files) == [Path("a.wav")]
    assert distinct(files[::-1]) == files[-1:]
    ((_, predictions, _),) = label("a.wav", "x/../a.wav", "b.wav", likeliest=1)
    assert predictions.names == (str(tmp_path / "a.wav"), str(tmp_path / "b.wav"))
    assert shown(label.printed, "a.wav") == ["cat", "0.500"]


def test_files_without_sound_are_told_of_after_the_others_are_labelled(label):
    with pytest.raises(UserError, match=r"(?s)x\.wav: is no audio.*\n.*y\.wav: is no audio"):
        label("x.wav", "a.wav", "y.wav", likeliest=1)
    assert shown(label.printed, "a.wav") == ["cat", "0.500"]
    assert "written to" in label.printed


def test_without_any_sound_nothing_is_written(label):
    with pytest.raises(UserError, match=r"x\.wav"):
        label("x.wav", likeliest=1)
    assert label.printed == ""


def test_names_lead_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert short_names(["../a.wav", "b.wav"]) == ["a.wav", f"{tmp_path.name}/b.wav"]
    assert short_names(["x/../b.wav", "x/c.wav"]) == ["b.wav", "x/c.wav"]
