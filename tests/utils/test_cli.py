"""The parts of the command line that need no network and no training."""

from pathlib import Path

import pytest
from rich.console import Console

from utils import datasets
from utils.cli import fetch
from utils.datasets.checksums import RELEASES
from utils.errors import DataError, UserError


def test_folders_are_searched_for_audio(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.WAV", "a.mp3", "._a.mp3", "notes.txt", "deep/c.flac"):
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path) for path in fetch.audio_files([tmp_path])]
    assert found == [Path("a.mp3"), Path("b.WAV"), Path("deep/c.flac")]
    assert list(fetch.audio_files([tmp_path / "notes.txt"])) == [tmp_path / "notes.txt"]


def test_nothing_to_label_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="holds no audio files"):
        list(fetch.audio_files([tmp_path]))
    with pytest.raises(UserError, match="no such file"):
        list(fetch.audio_files([tmp_path / "x.wav"]))


@pytest.mark.parametrize(
    ("name", "evaluation"),
    [
        ("tau_urban_2020_mobile", "tau_urban_2021_mobile_evaluation"),
        ("tau_urban_2022_mobile", "tau_urban_2022_mobile_evaluation"),
    ],
)
def test_the_evaluation_set_belongs_to_its_development_set(name, evaluation):
    assert datasets.evaluation_release(name) == evaluation
    assert evaluation in RELEASES


def test_own_data_has_no_evaluation_set_to_download():
    with pytest.raises(DataError, match="no evaluation set"):
        datasets.evaluation_release("csv")


@pytest.mark.parametrize("evaluation", [False, True])
def test_a_download_names_what_it_fetches_and_where_it_lies(tmp_path, monkeypatch, evaluation):
    asked = []

    def download(name, folder, *, progress):
        asked.append(name)
        progress("audio.1.zip", 5, 10)
        return folder / "TAU"

    monkeypatch.setattr(datasets, "download", download)
    with (tmp_path / "console.txt").open("w") as stream:
        console = Console(file=stream, width=200)
        fetch.data_set(console, "tau_urban_2020_mobile", tmp_path, evaluation=evaluation)
    printed = (tmp_path / "console.txt").read_text()
    assert asked == [f"tau_urban_202{'1_mobile_evaluation' if evaluation else '0_mobile'}"]
    assert "audio.1.zip" in printed
    assert f"--data {tmp_path}" in printed
