"""Songs in Spleeter's tables: columns, parts, songs that share files, and what is refused."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils import datasets
from utils.config.schema import AudioSettings, DatasetSettings, MusicSettings, ValidationSettings
from utils.errors import DataError

RATE = 1000
HEADER = "mix_path,vocals_path,drums_path,bass_path,other_path,duration"
TWO = {"vocals": ("vocals",), "accompaniment": ("drums", "bass", "other")}
load = partial(datasets.load, audio=AudioSettings(), cache=Path("cache"))


def settings(*, amount=0.3, test_amount=0.3, **music):
    return DatasetSettings(
        name="spleeter",
        music=MusicSettings(**music),
        test_amount=test_amount,
        validation=ValidationSettings(method="group", amount=amount),
    )


def write(path, frames=500, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full((frames, 2), 0.25), rate)


def row(name, **changes):
    """A row of Spleeter's form, and the song's files."""
    files = {key: f"{name}/{key}.wav" for key in ("mixture", "vocals", "drums", "bass", "other")}
    values = {**files, "duration": "0.5"} | changes
    return ",".join(values.values())


def table(root, name, rows, header=HEADER):
    (root / name).write_text("\n".join([header, *rows]) + "\n", "utf-8")


@pytest.fixture
def root(tmp_path):
    """Files of songs 0 to 9 and a training table of them all."""
    for number in range(10):
        for name in ("mixture", "vocals", "drums", "bass", "other"):
            write(tmp_path / f"songs/{number}" / f"{name}.wav")
    table(tmp_path, "train.csv", [row(f"songs/{number}") for number in range(10)])
    return tmp_path


def groups(clips):
    return {clip.group for clip in clips}


def test_rows_are_songs(root):
    data = load(settings(stems=TWO), root=root)
    assert data.classes == ("vocals", "accompaniment")
    clip = next(clip for clip in data.clips if clip.name == "songs/3/mixture.wav")
    folder = root / "songs" / "3"
    assert (clip.path, clip.seconds, clip.labels) == (folder / "mixture.wav", 0.5, ())
    assert clip.stems == (
        (folder / "vocals.wav",),
        tuple(folder / f"{stem}.wav" for stem in ("drums", "bass", "other")),
    )
    assert clip.group == "songs/3/mixture.wav"


def test_without_a_setting_every_column_is_a_class(root):
    assert load(settings(), root=root).classes == ("vocals", "drums", "bass", "other")
    header = "other_path;duration;mix_path;vocals_path"
    rows = [
        f"songs/{n}/other.wav;0.5;songs/{n}/mixture.wav;songs/{n}/vocals.wav" for n in range(10)
    ]
    table(root, "train.csv", rows, header)
    assert load(settings(), root=root).classes == ("other", "vocals")


def test_parts_without_a_table_are_drawn(root):
    data = load(settings(test_amount=0.2, amount=0.5), root=root)
    (fold,) = data.folds
    assert [len(part) for part in (fold.train, fold.validation, fold.test)] == [4, 4, 2]
    assert data.notes[0].startswith("The test part was drawn: 2 of 10 clips of train.csv")
    assert load(settings(test_amount=0.2, amount=0.5), root=root).folds == data.folds


def test_one_song_at_least_is_in_each_part(root):
    """Songs 0 and 1 share a file, so they are one."""
    rows = [row("songs/0"), row("songs/1", bass="songs/0/bass.wav"), row("songs/2"), row("songs/3")]
    table(root, "train.csv", rows)
    (fold,) = load(settings(test_amount=0.01, amount=0.01), root=root).folds
    assert [len(groups(part)) for part in (fold.train, fold.validation, fold.test)] == [1, 1, 1]
    table(root, "train.csv", rows[:3])
    with pytest.raises(DataError) as caught:
        load(settings(), root=root)
    assert str(caught.value) == (
        f"{root / 'train.csv'}: of 2 training songs some are to be drawn for test and for"
        " validation, which takes 3 or more; add songs."
    )


def test_tables_give_the_parts(root):
    for name, numbers in (("train", range(6)), ("valid", (6, 7)), ("test", (8, 9))):
        table(root, f"{name}.csv", [row(f"songs/{number}") for number in numbers])
    data = load(settings(validation="valid.csv", test="test.csv"), root=root)
    (fold,) = data.folds
    assert [clip.name[6] for clip in fold.train] == list("012345")
    assert [clip.name[6] for clip in fold.validation] == ["6", "7"]
    assert [clip.name[6] for clip in fold.test] == ["8", "9"]
    assert data.notes == ()
    drawn = load(settings(test="test.csv"), root=root).folds[0]
    assert (len(drawn.train), len(drawn.validation), len(drawn.test)) == (4, 2, 2)


def test_a_song_in_two_tables_is_refused(root):
    table(root, "test.csv", [row("songs/3")])
    with pytest.raises(DataError, match=r"in both the .* and the test part \(such as songs/3/mix"):
        load(settings(test="test.csv"), root=root)


def test_songs_that_share_a_stem_stay_together_or_are_noted(root):
    shared = [
        row(f"songs/{number}", vocals=f"songs/{number - number % 2}/vocals.wav")
        for number in range(10)
    ]
    table(root, "train.csv", shared)
    (fold,) = load(settings(test_amount=0.4, amount=0.4), root=root).folds
    assert len(fold.test) == 4
    parts = [groups(part) for part in (fold.train, fold.validation, fold.test)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 5
    assert parts[0] | parts[1] | parts[2] == {f"songs/{n}/mixture.wav" for n in range(0, 10, 2)}
    table(root, "train.csv", shared[:9])
    table(root, "test.csv", shared[9:])
    notes = load(settings(test="test.csv"), root=root).notes
    assert any("1 groups" in note and "test part (1 clips)" in note for note in notes)


def test_a_chain_of_shared_files_is_one_song(root):
    rows = [row(f"songs/{number}") for number in range(3, 10)]
    rows.append(row("songs/2", bass="songs/1/bass.wav"))
    rows.append(row("songs/0"))
    rows.append(row("songs/1", drums="songs/0/drums.wav"))
    table(root, "train.csv", rows)
    data = load(settings(), root=root)
    chained = {clip.name[6]: clip.group for clip in data.clips if clip.name[6] in "012"}
    assert set(chained.values()) == {"songs/0/mixture.wav"}


def test_duration_may_be_left_out(root):
    rows = [row(f"songs/{number}", duration="" if number else "0.5") for number in range(10)]
    table(root, "train.csv", rows)
    data = load(settings(), root=root)
    assert [clip.seconds for clip in data.clips] == [0.5] + [None] * 9
    table(root, "train.csv", [line.rpartition(",")[0] for line in rows], HEADER[:-9])
    assert {clip.seconds for clip in load(settings(), root=root).clips} == {None}


def test_a_duration_that_is_not_the_files_is_noted(root):
    rows = [row(f"songs/{number}", duration="0.7") for number in range(10)]
    table(root, "train.csv", rows)
    assert load(settings(), root=root).notes[0].startswith("The stated length of 10 of 10 songs")


@pytest.mark.parametrize("text", ["half", "0", "-1", "nan", "inf"])
def test_a_duration_that_is_none_is_refused(root, text):
    table(root, "train.csv", [row("songs/0"), row("songs/1", duration=text)])
    with pytest.raises(DataError, match=rf"train\.csv: line 3: duration '{text}' is no length"):
        load(settings(), root=root)


def test_stems_without_a_class_are_noted(root):
    notes = load(settings(stems={"vocals": ("vocals",), "drums": ("drums",)}), root=root).notes
    assert notes[0].startswith("dataset.music.stems leaves out bass, other:")


def test_what_a_table_must_have(root):
    with pytest.raises(DataError, match=r"train\.csv: there is no stem 'voice'"):
        load(settings(stems={"vocals": ("voice",)}), root=root)
    table(root, "test.csv", ["a.wav,b.wav"], "mix_path,vocals_path")
    with pytest.raises(DataError, match=r"test\.csv: there is no column 'drums_path'"):
        load(settings(test="test.csv"), root=root)
    table(root, "train.csv", ["a.wav"], "mix_path")
    with pytest.raises(DataError, match=r"train\.csv: there is no column of a stem"):
        load(settings(), root=root)
    with pytest.raises(DataError, match=r"missing\.csv: the table is missing"):
        load(settings(train="missing.csv"), root=root)
    with pytest.raises(DataError, match=r"nowhere: there is no such folder"):
        load(settings(), root=root / "nowhere")


def test_rows_that_contradict_themselves(root):
    table(root, "train.csv", [row("songs/0"), row("./songs/0")])
    with pytest.raises(DataError, match=r"line 3: 'songs/0/mixture\.wav' is listed twice"):
        load(settings(), root=root)
    table(root, "train.csv", [row("songs/0"), row("songs/1", bass="../bass.wav")])
    with pytest.raises(DataError, match=r"'\.\./bass\.wav' is not inside the folder"):
        load(settings(), root=root)
    table(root, "train.csv", [row("songs/0"), row("songs/1", bass="")])
    with pytest.raises(DataError, match=r"line 3: column 'bass_path' has no value"):
        load(settings(), root=root)


def test_files_are_checked_as_those_of_folders(root):
    (root / "songs/4/other.wav").unlink()
    with pytest.raises(DataError, match=r"4/other\.wav: is missing, a stem of song 'songs/4/mix"):
        load(settings(), root=root)
    write(root / "songs/4/other.wav", frames=1000, rate=2 * RATE)
    with pytest.raises(DataError, match=r"4/other\.wav: has 2000 Hz, mixture\.wav has 1000 Hz"):
        load(settings(), root=root)
    write(root / "songs/4/other.wav", frames=300)
    with pytest.raises(DataError, match=r"4/other\.wav: lasts 0\.300 s, mixture\.wav 0\.500 s"):
        load(settings(), root=root)
