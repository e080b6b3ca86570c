"""Command that generates songs: numbers, repeatability, refusals."""

import pytest
import soundfile

from utils.datasets.songs import main

SHORT = ["--seconds", "5", "--jobs", "1"]


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.wav")}


def test_songs_of_numbers_and_lengths_asked_for(tmp_path, capsys):
    assert main([str(tmp_path / "one"), "--train", "2", "--test", "1", *SHORT]) == 0
    assert "2 songs for training, 1 for test, of 5 s." in capsys.readouterr().out
    first = content(tmp_path / "one")
    songs = {name.rpartition("/")[0] for name in first}
    assert songs == {"train/Demo 01", "train/Demo 02", "test/Demo 03"}
    assert len(first) == 15
    assert soundfile.info(tmp_path / "one" / "test/Demo 03/vocals.wav").frames == 5 * 44_100
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_the_seed_decides(tmp_path):
    numbers = ["--train", "2", "--test", "1", *SHORT]
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert main([str(tmp_path / name), *numbers, "--seed", seed]) == 0
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a") != content(tmp_path / "c")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--train", "1"], "--train: 2 or more are needed, received 1."),
        (["--test=-2"], "--test: 1 or more are needed, received -2."),
        (["--seconds", "nan"], "--seconds: 5 or more are needed, received nan."),
        (["--seconds", "inf"], "--seconds: 5 or more are needed, received inf."),
        (["--seed=-1"], "--seed: 0 or more are needed, received -1."),
    ],
)
def test_numbers_that_allow_no_songs(tmp_path, capsys, options, message):
    assert main([str(tmp_path / "songs"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_stays(tmp_path, capsys):
    (tmp_path / "song.wav").write_text("mine")
    assert main([str(tmp_path), *SHORT]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert (tmp_path / "song.wav").read_text() == "mine"
