"""The command that writes a set of mixtures, and the files that it writes."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils.config.schema import AudioSettings, MixingSettings
from utils.datasets import mixer, mixtures
from utils.datasets.base import Clip
from utils.datasets.mixer import main
from utils.datasets.mixtures import draw_part, write_new
from utils.errors import UserError

AUDIO = AudioSettings(sample_rate=8000, seconds=0.05)
WORDS = ("go", "no", "off", "yes")
SPEAKERS = ("ann", "bob", "cy", "dee", "eve", "flo", "gus", "hal", "ida")
SMALL = ["--train=7", "--validation=3", "--test=4", "--words=3"]


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Four words by nine speakers, no lists, no table."""
    root = tmp_path_factory.mktemp("words")
    rng = np.random.default_rng(0)
    for word in WORDS:
        (root / word).mkdir()
        for speaker in SPEAKERS:
            path = root / word / f"{speaker}_nohash_0.wav"
            soundfile.write(path, rng.normal(0.0, 0.1, 8000), 16_000)
    return root


@pytest.fixture(scope="module")
def mixed(words, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "set"
    assert main([str(words), str(out), *SMALL]) == 0
    return out


def rows(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_layout_is_that_of_the_competition(mixed):
    training = [f"train_{number:05d}" for number in range(10)]
    test = [f"test_{number:05d}" for number in range(4)]
    assert sorted(path.name for path in mixed.iterdir()) == [
        "mixtures.csv",
        "submission.csv",
        "test",
        "test_answer.csv",
        "train",
        "train_answer.csv",
    ]
    for folder, ids in (("train", training), ("test", test)):
        assert sorted(path.stem for path in (mixed / folder).iterdir()) == ids
        answers = rows(mixed / f"{folder}_answer.csv")
        assert [row["id"] for row in answers] == ids
        assert list(answers[0]) == ["id", *WORDS]
        for row in answers:
            assert sum(float(row[word]) for word in WORDS) == pytest.approx(1.0, abs=1e-6)
            assert sum(float(row[word]) > 0 for word in WORDS) == 3
    template = rows(mixed / "submission.csv")
    assert [row["id"] for row in template] == test
    assert {row[word] for row in template for word in WORDS} == {"0.25"}
    info = soundfile.info(mixed / "test" / "test_00000.wav")
    assert (info.samplerate, info.frames, info.channels) == (16_000, 16_000, 1)
    assert (info.format, info.subtype) == ("WAV", "PCM_16")


def test_the_recipes_tell_parts_words_and_speakers(mixed):
    recipes = rows(mixed / "mixtures.csv")
    assert [row["part"] for row in recipes] == ["train"] * 7 + ["validation"] * 3 + ["test"] * 4
    answers = {row["id"]: row for row in rows(mixed / "train_answer.csv")}
    answers |= {row["id"]: row for row in rows(mixed / "test_answer.csv")}
    heard = {"train": set(), "validation": set(), "test": set()}
    for row in recipes:
        said = row["words"].split("|")
        assert set(said) == {word for word in WORDS if float(answers[row["id"]][word]) > 0}
        people = row["speakers"].split("|")
        assert len(set(people)) == 3
        heard[row["part"]] |= set(people)
        assert row["files"].split("|") == [
            f"{word}/{who}_nohash_0.wav" for word, who in zip(said, people, strict=True)
        ]
        assert all(abs(float(gain)) <= 3.0 for gain in row["gains_db"].split("|"))
        assert all(abs(float(shift)) <= 0.1 for shift in row["shift_seconds"].split("|"))
    assert not heard["train"] & heard["validation"]
    assert not (heard["train"] | heard["validation"]) & heard["test"]


def test_a_mixture_can_be_made_again_from_its_recipe(mixed, words):
    row = rows(mixed / "mixtures.csv")[2]
    total = np.zeros(16_000)
    for file, gain, shift in zip(
        *(row[name].split("|") for name in ("files", "gains_db", "shift_seconds")), strict=True
    ):
        samples = np.zeros(16_000)
        samples[:8000] = soundfile.read(words / file)[0]
        samples *= 10 ** (float(gain) / 20) / np.sqrt(np.mean(samples**2))
        total += np.roll(samples, round(float(shift) * 16_000))
    total *= 30_000 / np.abs(total).max()
    written = soundfile.read(mixed / "train" / f"{row['id']}.wav", dtype="int16")[0]
    np.testing.assert_allclose(written, total, atol=5.0)


def test_the_same_seed_gives_the_same_files(mixed, words, tmp_path):
    def content(folder):
        return {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    assert main([str(words), str(tmp_path / "again"), *SMALL]) == 0
    assert content(tmp_path / "again") == content(mixed)
    assert main([str(words), str(tmp_path / "other"), *SMALL, "--seed=-1"]) == 0
    assert content(tmp_path / "other") != content(mixed)


def test_blocks_and_forgotten_recordings_change_nothing(mixed, words, tmp_path, monkeypatch):
    monkeypatch.setattr(mixtures, "_BLOCK_BYTES", 1)
    monkeypatch.setattr(mixtures, "_HELD_BYTES", 1)
    assert main([str(words), str(tmp_path / "again"), *SMALL]) == 0
    for path in sorted(mixed.rglob("*.wav")):
        assert (tmp_path / "again" / path.relative_to(mixed)).read_bytes() == path.read_bytes()


def test_words_and_classes_by_option(words, tmp_path):
    options = ["--repeat_words", "--repeat_speakers", "--classes=yes, go ", "--words=2"]
    sizes = ["--train=20", "--validation=1", "--test=1"]
    assert main([str(words), str(tmp_path / "set"), *options, *sizes]) == 0
    answers = rows(tmp_path / "set" / "train_answer.csv")
    assert list(answers[0]) == ["id", "yes", "go"]
    assert {row["go"] for row in answers} == {"0", "0.5", "1"}


def test_a_table_by_option(words, tmp_path):
    lines = ["path;said;who"]
    lines += [f"{word}/{who}_nohash_0.wav;{word};{who}" for word in WORDS for who in SPEAKERS]
    table = words / "list.csv"
    table.write_text("\n".join(lines), "utf-8")
    options = ["--table=list.csv", "--columns=path,said,who"]
    assert main([str(words), str(tmp_path / "set"), *SMALL, *options]) == 0
    table.unlink()
    assert len(rows(tmp_path / "set" / "mixtures.csv")) == 14


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--words=0"], "--words: input should be greater than or equal to 1, received 0"),
        (["--level_db=-2"], "--level_db: input should be greater than or equal to 0"),
        (["--words=4"], "5 speakers cannot be divided into two parts of 4"),
        (["--words=5", "--repeat_speakers"], "5 different words cannot be mixed of 4 words"),
        (["--columns=file,word"], "--columns: expected FILE,WORD,SPEAKER"),
        (["--classes=go,up"], "has no recording of up"),
        (["--classes=go,no, go"], "--classes of the mixer): 'go' is listed more than once"),
        (["--classes=go,,no"], "--classes of the mixer): word 2 of 3 is empty; remove it"),
        (["--classes="], "word 1 of 1 is empty"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence(words, tmp_path, capsys, options, message):
    assert main([str(words), str(tmp_path / "set"), *SMALL, *options]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(words, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("x", "utf-8")
    for place in (tmp_path, tmp_path / "mine.txt"):
        assert main([str(words), str(place), *SMALL]) == 2
        assert "is not empty; name a folder that is not there yet" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert main([str(words), str(tmp_path / "empty"), *SMALL]) == 0


def test_the_current_folder_and_disks_are_refused_before_anything_is_read(
    words, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mixer, "read_words", None)
    (tmp_path / "disk").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    monkeypatch.setattr(Path, "is_mount", lambda self: self.name == "disk")
    for place in (".", str(tmp_path), "link", "disk"):
        assert main([str(words), place, *SMALL]) == 2
        error = capsys.readouterr().err
        assert error.startswith(
            f"error: {place}: is the current folder, a link or a disk of its own"
        )
        assert error.count("\n") == 1


def test_names_are_shown_as_they_are(words, tmp_path, capsys):
    (words / "list.csv").write_text("root:x:0\n1\n", "utf-8")
    try:
        assert main([str(words), str(tmp_path / "set"), "--table=list.csv"]) == 2
    finally:
        (words / "list.csv").unlink()
    assert "root:x:0" in capsys.readouterr().err


def test_silent_recordings_can_be_left_out(words, tmp_path, capsys):
    silent = words / "go" / "zoe_nohash_0.wav"
    soundfile.write(silent, np.zeros(8000), 16_000)
    try:
        assert main([str(words), str(tmp_path / "set"), *SMALL]) == 2
        assert "zoe_nohash_0.wav: is silent" in capsys.readouterr().err
        assert main([str(words), str(tmp_path / "set"), *SMALL, "--skip_bad"]) == 0
    finally:
        silent.unlink()
    assert "1 of 37 recordings cannot be used and were left out" in capsys.readouterr().out


def small_part(folder):
    clips = []
    for number, word in enumerate(WORDS):
        path = folder / f"{word}.wav"
        soundfile.write(path, np.random.default_rng(number).normal(0.0, 0.1, 400), 8000)
        clips.append(Clip(path.name, path, (word,), f"speaker{number}"))
    mixing = MixingSettings(words=2)
    return draw_part("test", clips, 3, classes=WORDS, mixing=mixing)


def test_a_stopped_write_leaves_nothing(tmp_path, monkeypatch):
    part = small_part(tmp_path)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(mixtures, "_write_pcm16", stop)
    with pytest.raises(KeyboardInterrupt):
        write_new(tmp_path / "set", [part], classes=WORDS, audio=AUDIO)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".wav"] * 4


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    part = small_part(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mixtures, "_write_pcm16", full)
    with pytest.raises(UserError, match="set: cannot be written \\(No space left on device\\)"):
        write_new(tmp_path / "set", [part], classes=WORDS, audio=AUDIO)
    assert not (tmp_path / "set").exists()


def test_progress_counts_every_file(tmp_path):
    steps = []
    write_new(
        tmp_path / "set",
        [small_part(tmp_path)],
        classes=WORDS,
        audio=AUDIO,
        progress=lambda *step: steps.append(step),
    )
    assert steps[-1] == (3, 3)


def test_help_shows_an_example():
    done = subprocess.run(
        [sys.executable, "-m", "utils.datasets.mixer", "-h"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "python -m utils.datasets.mixer speech_commands_v0.01 overlapped" in done.stdout
    assert done.stderr == ""
