"""Sets of soundscapes on disk: the layout of DESED, whole or not at all, whoever writes them."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile

from utils.datasets import soundscape_files
from utils.datasets.base import Event
from utils.datasets.event_tables import read_durations, read_names, read_strong, read_weak
from utils.datasets.sound_portions import Trim
from utils.datasets.soundbank import UNDIVIDED, Pool, Sound, divide
from utils.datasets.soundscape_files import SETTINGS, Sizes, audio_paths, write_set
from utils.datasets.soundscape_maker import PARTS, prepare
from utils.datasets.soundscape_recipes import Style
from utils.errors import DataError, UserError

RATE = 8000
STYLE = Style(seconds=1.0, events=(0, 2), event_seconds=(0.2, 0.4))
SIZES = Sizes(strong=9, weak=4, unlabelled=5, validation=3, test=6)
TOLD = {"source": "bank"}


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    root = tmp_path_factory.mktemp("bank")
    rng = np.random.default_rng(0)
    made = []
    for label in ("cat", "dog"):
        for number in range(4):
            path = root / f"{label}{number}.wav"
            soundfile.write(path, 0.1 * rng.standard_normal(RATE), RATE)
            made.append(Sound(path.name, path, label, path.stem))
    return {UNDIVIDED: Pool(tuple(made))}


def maker_of(bank, *, style=STYLE, seed=0):
    divided = divide(bank, held_out=0.5, strong=1.0, seed=0)
    return prepare(divided, style=style, trim=Trim(), sample_rate=RATE, seed=seed, jobs=1)[0]


@pytest.fixture(scope="module")
def maker(bank):
    return maker_of(bank)


@pytest.fixture(scope="module")
def made(maker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "set"
    write_set(folder, maker, SIZES, told=TOLD, jobs=1)
    return folder


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_tree_is_that_of_desed(made):
    files = {name for name in content(made) if not name.endswith(".wav")}
    assert files == {
        "soundscapes.csv",
        "soundscapes.json",
        "metadata/train/weak.tsv",
        "metadata/train/unlabel_in_domain.tsv",
        "metadata/train/synthetic21_train/soundscapes.tsv",
        "metadata/validation/validation.tsv",
        "metadata/validation/validation_durations.tsv",
        "metadata/validation/synthetic21_validation/soundscapes.tsv",
        "metadata/validation/synthetic21_validation/durations.tsv",
    }
    audio = sorted(name for name in content(made) if name.endswith(".wav"))
    assert audio == sorted(audio_paths(SIZES))
    assert len(audio) == 27
    assert len({name.rsplit("/", 1)[1] for name in audio}) == 27
    folders = {name.rsplit("/", 1)[0] for name in audio}
    assert folders == {
        "audio/train/synthetic21_train/soundscapes",
        "audio/train/weak",
        "audio/train/unlabel_in_domain",
        "audio/validation/synthetic21_validation/soundscapes",
        "audio/validation/validation",
    }
    info = soundfile.info(made / audio[0])
    assert (info.samplerate, info.frames, info.channels) == (RATE, RATE, 1)
    assert (info.format, info.subtype) == ("WAV", "PCM_16")


def test_the_tables_tell_what_each_part_may_know(made, maker):
    strong, weak, unlabelled, validation, test = PARTS
    metadata = made / "metadata"
    for part, table in (
        (strong, "train/synthetic21_train/soundscapes.tsv"),
        (validation, "validation/synthetic21_validation/soundscapes.tsv"),
        (test, "validation/validation.tsv"),
    ):
        told = read_strong(metadata / table, classes=("cat", "dog"))
        assert told.notes == ()
        assert list(told.files) == [
            f"{part.prefix}_{n:05d}.wav" for n in range(getattr(SIZES, part.name))
        ]
        for number, file in enumerate(told.files):
            events = sorted(maker.recipe(part, number).labelled(RATE))
            assert list(told.events[file]) == [
                Event(e.label, pytest.approx(e.onset), pytest.approx(e.offset)) for e in events
            ]
    assert () in read_strong(metadata / "train/synthetic21_train/soundscapes.tsv").events.values()
    labels = read_weak(metadata / "train/weak.tsv")
    assert list(labels.values()) == [maker.recipe(weak, number).labels for number in range(4)]
    names = read_names(metadata / "train/unlabel_in_domain.tsv")
    assert names == tuple(f"{unlabelled.prefix}_{number:05d}.wav" for number in range(5))
    for table, count in (
        ("validation/validation_durations.tsv", 6),
        ("validation/synthetic21_validation/durations.tsv", 3),
    ):
        durations = read_durations(metadata / table)
        assert len(durations) == count
        assert set(durations.values()) == {1.0}


def test_the_recipes_tell_what_was_mixed(made, maker):
    with (made / "soundscapes.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    backgrounds = [row for row in rows if not row["event_label"]]
    assert [f"{row['folder']}/{row['filename']}" for row in backgrounds] == audio_paths(SIZES)
    assert {row["source"] for row in backgrounds} == {"generated"}
    unlabelled = PARTS[2]
    told = [
        (row["event_label"], float(row["onset"]), float(row["offset"]), float(row["snr_db"]))
        for row in rows
        if row["folder"] == unlabelled.audio and row["event_label"]
    ]
    drawn = [
        (*event, placed.snr_db)
        for number in range(5)
        for recipe in [maker.recipe(unlabelled, number)]
        for event, placed in zip(recipe.labelled(RATE), recipe.events, strict=True)
    ]
    assert len(told) == len(drawn) > 0
    for one, other in zip(told, drawn, strict=True):
        assert one[0] == other[0]
        assert one[1:] == pytest.approx(other[1:], abs=1e-3)
    for row in rows:
        if row["event_label"]:
            assert row["source"].startswith(row["event_label"])


def test_the_settings_are_kept(made):
    assert json.loads((made / SETTINGS).read_text("utf-8"))["source"] == "bank"


def test_two_processes_write_the_same_files(made, maker, tmp_path):
    write_set(tmp_path / "set", maker, SIZES, told=TOLD, jobs=2)
    assert content(tmp_path / "set") == content(made)


def test_another_seed_gives_other_files(made, bank, tmp_path):
    write_set(tmp_path / "set", maker_of(bank, seed=1), SIZES, told=TOLD, jobs=1)
    now, before = content(tmp_path / "set"), content(made)
    assert set(now) == set(before)
    assert all(now[name] != before[name] for name in now if name.endswith(".wav"))


def stopped_after(count, monkeypatch):
    """Let the writing stop after so many audio files."""
    whole = soundscape_files.write_missing

    def stop(folder, paths, encode, **options):
        whole(folder, paths[:count], encode, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(soundscape_files, "write_missing", stop)


def test_a_stopped_set_goes_on_where_it_was(made, maker, tmp_path, monkeypatch):
    folder = tmp_path / "set"
    with monkeypatch.context() as patch:
        stopped_after(10, patch)
        with pytest.raises(KeyboardInterrupt):
            write_set(folder, maker, SIZES, told=TOLD, jobs=1)
    assert not folder.exists()
    (beside,) = tmp_path.iterdir()
    (beside / audio_paths(SIZES)[0]).write_bytes(b"kept")
    steps = []
    write_set(folder, maker, SIZES, told=TOLD, jobs=1, progress=lambda *step: steps.append(step))
    assert steps[-1] == (27, 27)
    assert steps[0][0] > 10
    now, before = content(folder), content(made)
    assert now.pop(audio_paths(SIZES)[0]) == b"kept"
    assert now.items() < before.items()


@pytest.mark.parametrize("change", ["seed", "style", "sizes", "told"])
def test_what_other_settings_left_is_thrown_away(made, bank, maker, tmp_path, monkeypatch, change):
    folder = tmp_path / "set"
    other = {
        "seed": (maker_of(bank, seed=1), SIZES, TOLD),
        "style": (
            maker_of(bank, style=Style(seconds=2.0, events=(0, 2), event_seconds=(0.2, 0.4))),
            SIZES,
            TOLD,
        ),
        "sizes": (maker, Sizes(12, 12, 12, 12, 12), TOLD),
        "told": (maker, SIZES, {"source": "elsewhere"}),
    }[change]
    with monkeypatch.context() as patch:
        stopped_after(10, patch)
        with pytest.raises(KeyboardInterrupt):
            write_set(folder, *other[:2], told=other[2], jobs=1)
    write_set(folder, maker, SIZES, told=TOLD, jobs=1)
    assert content(folder) == content(made)


def test_parts_without_clips_are_left_out(maker, tmp_path):
    sizes = Sizes(strong=2, weak=0, unlabelled=0, validation=0, test=0)
    write_set(tmp_path / "set", maker, sizes, told=TOLD, jobs=1)
    assert len(content(tmp_path / "set")) == 2 + 3


def test_a_full_disk_is_one_sentence(maker, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundscape_files, "write_missing", full)
    with pytest.raises(UserError, match=r"set: cannot be written \(No space left on device\)"):
        write_set(tmp_path / "set", maker, SIZES, told=TOLD, jobs=1)
    assert not (tmp_path / "set").exists()


def test_events_without_room_stop_before_any_audio(bank, tmp_path):
    crowded = maker_of(bank, style=Style(seconds=1.0, events=(30, 30), overlap=1))
    with pytest.raises(DataError, match="no room was found for 30 events"):
        write_set(tmp_path / "set", crowded, SIZES, told=TOLD, jobs=1)
    assert not list(tmp_path.rglob("*.wav"))
    shutil.rmtree(tmp_path)
