"""The command that mixes speakers into a set of files."""

import csv
import json
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
import soundfile

from utils.config.schema import AudioSettings, DatasetSettings
from utils.datasets import load
from utils.datasets.speaker_mixer import main

PEOPLE = tuple(f"p{number}" for number in range(9))
SMALL = ["--train=6", "--validation=3", "--test=4", "--sample_rate=1000"]


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Nine speakers, one utterance each, told by the file names."""
    root = tmp_path_factory.mktemp("voices")
    rng = np.random.default_rng(0)
    for number, person in enumerate(PEOPLE):
        samples = rng.normal(0.0, 0.1, 2 * (600 + 40 * number))
        soundfile.write(root / f"{person}-1.wav", samples, 2000)
    return root


@pytest.fixture(scope="module")
def mixed(voices, tmp_path_factory):
    target = tmp_path_factory.mktemp("out") / "set"
    assert main([str(voices), str(target), *SMALL, "--length=max", "--overlap=0.5"]) == 0
    return target


def rows(folder):
    with (folder / "mixtures.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.wav")}


def test_the_layout_is_that_of_svoice(mixed):
    assert sorted(path.name for path in mixed.iterdir()) == ["cv", "mixtures.csv", "tr", "tt"]
    for folder, count in (("tr", 6), ("cv", 3), ("tt", 4)):
        names = sorted(path.name for path in (mixed / folder).iterdir())
        assert names == ["mix", "mix.json", "s1", "s1.json", "s2", "s2.json"]
        for sound in ("mix", "s1", "s2"):
            listed = json.loads((mixed / folder / f"{sound}.json").read_text("utf-8"))
            assert len(listed) == count
            info = soundfile.info(mixed / folder / listed[0][0])
            assert (info.frames, info.samplerate) == (listed[0][1], 1000)


def test_no_speaker_is_in_two_parts(mixed):
    heard = {"train": set(), "validation": set(), "test": set()}
    for row in rows(mixed):
        heard[row["part"]] |= set(row["speakers"].split("|"))
    assert all(not one & other for one, other in combinations(heard.values(), 2))
    assert all(len(people) >= 2 for people in heard.values())


def test_the_loader_reads_what_the_command_writes(mixed, tmp_path):
    data = load(
        DatasetSettings(name="svoice"),
        audio=AudioSettings(sample_rate=1000),
        root=mixed,
        cache=tmp_path,
    )
    (fold,) = data.folds
    assert data.classes == ("speaker1", "speaker2")
    assert data.notes == ()
    assert [len(part) for part in (fold.train, fold.validation, fold.test)] == [6, 3, 4]
    told = {row["id"]: row for row in rows(mixed)}
    for clip in fold.clips:
        assert clip.seconds == int(told[clip.path.stem]["samples"]) / 1000
        mixture, *sources = (
            soundfile.read(path, dtype="int16")[0].astype(int)
            for path in (clip.path, *(path for (path,) in clip.stems))
        )
        np.testing.assert_array_equal(mixture, sum(sources))


def test_the_seed_decides_the_files(voices, mixed, tmp_path):
    options = [*SMALL, "--length=max", "--overlap=0.5"]
    assert main([str(voices), str(tmp_path / "same"), *options]) == 0
    assert content(tmp_path / "same") == content(mixed)
    assert main([str(voices), str(tmp_path / "other"), *options, "--seed=1"]) == 0
    assert content(tmp_path / "other") != content(mixed)


def test_a_table_by_option(voices, tmp_path, capsys):
    table = voices / "list.csv"
    parts = ("train", "validation", "test")
    lines = [f"{who}-1.wav;{who};{parts[number // 3]}" for number, who in enumerate(PEOPLE)]
    table.write_text("\n".join(["path;person;part", *lines]), "utf-8")
    options = ["--table=list.csv", "--columns=path,person,part", "--number=3"]
    try:
        assert main([str(voices), str(tmp_path / "set"), *SMALL, *options]) == 0
    finally:
        table.unlink()
    for row in rows(tmp_path / "set"):
        first = 3 * parts.index(row["part"])
        assert set(row["speakers"].split("|")) == set(PEOPLE[first : first + 3])
    told = capsys.readouterr().out
    assert "divided by its column 'part'" in told
    assert "6 train, 3 validation, 4 test mixtures of 3 speakers; see mixtures.csv" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--number=1"], "--number: input should be greater than or equal to 2, received 1"),
        (["--level_db=-2"], "--level_db: input should be greater than or equal to 0"),
        (["--train=0"], "--train: input should be greater than or equal to 1, received 0"),
        (["--length=longest"], "--length: input should be 'min' or 'max', received longest"),
        (["--overlap=0.5"], "--overlap: mixtures that end with the shorter utterance overlap who"),
        (["--test_amount=1"], "--test_amount: input should be less than 1, received 1"),
        (["--validation_amount=0"], "--validation_amount: input should be greater than 0"),
        (["--sample_rate=10"], "--sample_rate: 1000 hertz or more are needed, received 10"),
        (["--columns=file"], "--columns: expected FILE,SPEAKER or FILE,SPEAKER,SPLIT"),
        (["--number=4"], "9 speakers were found (p0, p1, p2, p3, p4, ...), and mixtures of 4"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence(voices, tmp_path, capsys, options, message):
    assert main([str(voices), str(tmp_path / "set"), *SMALL, *options]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(voices, mixed, capsys):
    before = content(mixed)
    assert main([str(voices), str(mixed), *SMALL]) == 2
    assert "is not empty; name a folder that is not there yet" in capsys.readouterr().err
    assert content(mixed) == before


def test_silent_utterances_can_be_left_out(voices, tmp_path, capsys):
    silent = voices / "p9-1.wav"
    soundfile.write(silent, np.zeros(2000), 2000)
    try:
        assert main([str(voices), str(tmp_path / "set"), *SMALL]) == 2
        assert "--skip_bad of the mixer" in capsys.readouterr().err
        assert main([str(voices), str(tmp_path / "set"), *SMALL, "--skip_bad"]) == 0
    finally:
        silent.unlink()
    assert "1 of 10 utterances cannot be used and were left out" in capsys.readouterr().out


def test_help_shows_an_example():
    done = subprocess.run(
        [sys.executable, "-m", "utils.datasets.speaker_mixer", "-h"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "python -m utils.datasets.speaker_mixer LibriSpeech/train-clean-100" in done.stdout
    assert done.stderr == ""
