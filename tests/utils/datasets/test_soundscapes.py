"""The command that makes soundscapes: what it reads, what it refuses, what it says."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils import datasets
from utils.config.schema import AudioSettings, DatasetSettings, ValidationSettings
from utils.datasets.soundscapes import main

RATE = 16_000
SMALL = [
    "--strong=5", "--weak=4", "--unlabelled=3", "--validation=4", "--test=5", "--seconds=2",
    "--events=1,2", "--event_seconds=0.2,0.6", "--jobs=1",
]  # fmt: skip


def noise(path, seconds=1.0, seed=0, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    soundfile.write(path, samples, rate)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """Two classes of four sounds each and three backgrounds, in the layout of DESED's soundbank."""
    root = tmp_path_factory.mktemp("bank")
    for number in range(4):
        noise(root / "foreground" / "Cat" / f"{number}_0.wav", 0.4, number)
        noise(root / "foreground" / "Frying_nOn_nOff" / f"{10 + number}_0.wav", 2.0, number, 44_100)
    for number in range(3):
        noise(root / "background" / "home" / f"{number}.wav", 1.5, number)
    return root


@pytest.fixture(scope="module")
def made(bank, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "set"
    assert main([str(bank), str(out), *SMALL]) == 0
    return out


def recipes(folder):
    with (folder / "soundscapes.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def load(folder):
    validation = ValidationSettings(method="random", amount=0.25)
    settings = DatasetSettings(name="desed", validation=validation)
    return datasets.load(settings, audio=AudioSettings(), root=folder, cache=Path("cache"))


def test_the_loader_of_desed_reads_it(made):
    data = load(made)
    assert data.classes == ("Cat", "Frying")
    (fold,) = data.folds
    assert len(fold.test) == 5
    assert len(fold.train) + len(fold.validation) == 5 + 4 + 3 + 4
    assert len(fold.train) > 10
    assert all(clip.path.is_file() for clip in data.clips)
    assert all(clip.seconds == 2.0 for clip in fold.test)


def test_options_are_heeded_and_kept(made):
    rows = recipes(made)
    assert len([row for row in rows if not row["event_label"]]) == 21
    kept = json.loads((made / "soundscapes.json").read_text("utf-8"))
    assert kept["classes"] == ["Cat", "Frying"]
    assert kept["options"]["event_seconds"] == [0.2, 0.6]
    assert kept["options"]["strong"] == 5
    fried = [row for row in rows if row["event_label"] == "Frying"]
    assert fried
    assert {(row["onset"], row["offset"]) for row in fried} == {("0.000000", "2.000000")}
    assert {row["source"].split("/")[0] for row in rows} == {"foreground", "background"}


def test_sounds_and_backgrounds_are_in_one_part_only(made):
    used = {"train": set(), "validation": set()}
    for row in recipes(made):
        used[row["folder"].split("/")[1]].add(row["source"])
    assert not used["train"] & used["validation"]
    assert {name.split("/")[0] for name in used["validation"]} == {"foreground", "background"}


def test_the_same_command_gives_the_same_files(made, bank, tmp_path):
    assert main([str(bank), str(tmp_path / "set"), *SMALL]) == 0
    assert content(tmp_path / "set") == content(made)


def test_sizes_and_classes_are_told(bank, tmp_path, capsys):
    assert main([str(bank), str(tmp_path / "set"), *SMALL]) == 0
    said = capsys.readouterr().out
    assert "Validation and test clips are mixed of the same sounds, drawn apart." in said
    assert "5 strong, 4 weak, 3 unlabelled, 4 validation, 5 test clips of 2 classes." in said


def test_generated_and_other_backgrounds(bank, tmp_path):
    for number in range(2):
        noise(tmp_path / "rain" / f"{number}.wav", 0.2, number)
    for given, sources in (("generated", {"generated"}), (str(tmp_path / "rain"), {"0", "1"})):
        out = tmp_path / f"set{len(sources)}"
        assert main([str(bank), str(out), *SMALL, f"--backgrounds={given}"]) == 0
        behind = {row["source"] for row in recipes(out) if not row["event_label"]}
        assert {name.removesuffix(".wav") for name in behind} == sources


def test_a_table_is_a_soundbank_too(tmp_path):
    rows = ["file,what,part"]
    for number in range(6):
        for label in ("cat", "dog"):
            noise(tmp_path / "clips" / f"{label}{number}.wav", 0.5, number)
            rows.append(f"{label}{number}.wav,{label},{number % 3 + 1}")
    (tmp_path / "mine.csv").write_text("\n".join(rows), "utf-8")
    arguments = [
        str(tmp_path), str(tmp_path / "set"), *SMALL, "--set=csv", "--table=mine.csv",
        "--audio_folder=clips", "--columns=file,what,part", "--train_folds=1",
        "--validation_folds=2", "--test_folds=3", "--classes=dog,cat",
    ]  # fmt: skip
    assert main(arguments) == 0
    for row in recipes(tmp_path / "set"):
        if row["event_label"]:
            part = "train" if "train" in row["folder"] else row["filename"].split("_")[0]
            wanted = {"train": 0, "validation": 1, "test": 2}[part]
            assert int(row["source"][3]) % 3 == wanted
            assert row["source"].startswith(row["event_label"])
    kept = json.loads((tmp_path / "set" / "soundscapes.json").read_text("utf-8"))
    assert kept["classes"] == ["dog", "cat"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--events=3,1"], "error: --events: 3 is larger than 1"),
        (["--events=0.5,1"], "error: --events: whole numbers are needed, received 0.5,1."),
        (["--snr_db=nan,3"], "error: --snr_db: a number is needed"),
        (["--seconds=inf"], "error: --seconds: a number is needed"),
        (["--strong=-1"], "error: --strong: 0 clips or more are needed, received -1."),
        (["--held_out=1"], "error: --held_out: a share between 0 and 1"),
        (["--strong_sources=0"], "error: --strong_sources: a share above 0 up to 1"),
        (["--sample_rate=100"], "error: --sample_rate: 1000 hertz or more"),
        (["--gap_seconds=-1"], "error: --gap_seconds: 0 or more is needed"),
        (["--events=90,90", "--overlap=1"], "error: in 200 attempts no room was found for 90"),
        (["--classes=Cta"], "error: --classes: unknown class 'Cta'. Did you mean 'Cat'?"),
        (["--train_folds=1"], "error: --train_folds: a soundbank has no folds"),
        (["--backgrounds=nowhere"], "error: nowhere: there is no such folder of backgrounds"),
        (["--set=csv", "--columns=file"], "error: --columns: expected FILE,LABEL"),
        (["--set=csv"], "meta.csv: the table is missing"),
        (["--set=esc10"], "this is not ESC-10"),
        (
            [f"--{part}=0" for part in ("strong", "weak", "unlabelled", "validation", "test")],
            "error: --strong: no part has any clips",
        ),
    ],
)
def test_bad_options_are_one_sentence(bank, tmp_path, capsys, arguments, problem):
    assert main([str(bank), str(tmp_path / "set"), *SMALL, *arguments]) == 2
    said = capsys.readouterr()
    assert problem in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("argument", ["--events=1", "--snr_db=a,b", "--train_folds=x", "--seed=x"])
def test_what_is_no_number_is_told(bank, tmp_path, capsys, argument):
    with pytest.raises(SystemExit) as stopped:
        main([str(bank), str(tmp_path / "set"), argument])
    assert stopped.value.code == 2
    assert argument.split("=")[0] in capsys.readouterr().err


def test_a_folder_that_is_not_there_or_not_empty_is_told(bank, tmp_path, capsys):
    assert main([str(tmp_path / "none"), str(tmp_path / "set")]) == 2
    assert "none: there is no such folder" in capsys.readouterr().err
    assert main([str(bank), str(bank)]) == 2
    assert "is not empty; name a folder that is not there yet" in capsys.readouterr().err


def test_bad_sounds_are_told_or_left_out(bank, tmp_path, capsys):
    silent = bank / "foreground" / "Cat" / "99_0.wav"
    soundfile.write(silent, np.zeros(RATE), RATE)
    try:
        assert main([str(bank), str(tmp_path / "set"), *SMALL]) == 2
        assert "99_0.wav: is silent; replace or remove it." in capsys.readouterr().err
        assert main([str(bank), str(tmp_path / "set"), *SMALL, "--skip_bad"]) == 0
    finally:
        silent.unlink()
    assert "1 of 12 recordings cannot be used and were left out" in capsys.readouterr().out


def test_help_shows_the_options_with_their_defaults():
    done = subprocess.run(
        [sys.executable, "-m", "utils.datasets.soundscapes", "-h"],
        capture_output=True,
        text=True,
        check=True,
    )
    said = " ".join(done.stdout.split())
    assert "--snr_db LOW,HIGH bounds of an event's level" in said
    assert "(default: 6,30)" in said
    assert "python -m utils.datasets.soundscapes ESC-50-master" in said
    assert done.stderr == ""


def test_esc10_becomes_soundscapes(real_audio, tmp_path):
    arguments = [
        str(real_audio / "esc10"), str(tmp_path / "set"), "--set=esc10", "--strong=6", "--weak=4",
        "--unlabelled=2", "--validation=3", "--test=4", "--validation_folds=5",
        "--classes=dog,rain", "--events=1,2", "--jobs=1",
    ]  # fmt: skip
    assert main(arguments) == 0
    for row in recipes(tmp_path / "set"):
        if row["event_label"]:
            assert (row["source"][0] == "5") == (row["folder"].split("/")[1] == "validation")
    data = load(tmp_path / "set")
    assert len(data.test) == 4
    samples, rate = soundfile.read(data.test[0].path, dtype="int16")
    assert (samples.shape, rate) == ((160_000,), 16_000)
    assert np.abs(samples).max() == 30_000


def test_the_soundbank_sample_of_desed_becomes_soundscapes(real_audio, tmp_path, capsys):
    sample = real_audio / "desed_sample" / "soundbank"
    for part in ("train", "validation"):
        place = tmp_path / "desed" / "audio" / part
        place.mkdir(parents=True)
        (place / "soundbank").symlink_to(sample)
    arguments = [
        str(tmp_path / "desed"), str(tmp_path / "set"), "--strong=8", "--weak=4",
        "--unlabelled=2", "--validation=2", "--test=3", "--events=2,3", "--jobs=1",
    ]  # fmt: skip
    assert main(arguments) == 0
    assert "2 source recordings are in the train and the validation" in capsys.readouterr().out
    rows = recipes(tmp_path / "set")
    assert {row["event_label"] for row in rows} == {"", "label", "label_long"}
    for row in rows:
        if "_nOn/" in row["source"]:
            assert float(row["onset"]) == 0.0
        if "_nOff/" in row["source"] and "_nOn_" not in row["source"]:
            assert float(row["offset"]) == 10.0
    assert load(tmp_path / "set").classes == ("label", "label_long")
