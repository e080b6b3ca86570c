"""Whose utterances are whose, which of them can be used, and how speakers are divided."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils.config.schema import (
    AudioSettings,
    ColumnSettings,
    DatasetSettings,
    SpeakerSettings,
    ValidationSettings,
)
from utils.datasets.speaker_files import read_speakers
from utils.errors import DataError

RATE = 1000
AUDIO = AudioSettings(sample_rate=RATE)
PEOPLE = tuple(f"p{number:02d}" for number in range(10))
COLUMNS = ColumnSettings(filename="file", group="who", split="part")


def settings(columns=COLUMNS, *, speakers=None, validation=0.3, **changes):
    return DatasetSettings(
        name="speakers",
        columns=columns,
        speakers=SpeakerSettings(**(speakers or {})),
        validation=ValidationSettings(amount=validation),
        **{"metadata": "people.csv", "test_amount": 0.2} | changes,
    )


def say(path, seed=0, samples=600, rate=RATE, level=0.1):
    path.parent.mkdir(parents=True, exist_ok=True)
    signs = np.random.default_rng(seed).choice([-level, level], samples)
    soundfile.write(path, signs, rate)
    return path


def folders(root, people=PEOPLE, takes=1):
    for number, person in enumerate(people):
        for take in range(takes):
            say(root / person / "book" / f"{take}.flac", 10 * number + take)
    return root


def table(root, rows, header="file,who,part"):
    root.mkdir(parents=True, exist_ok=True)
    (root / "people.csv").write_text("\n".join([header, *rows]), "utf-8")
    return root


def full_table(root, folder="", **changed):
    """Six people, two in each part."""
    parts = ("train", "Valid", "test")
    rows = {f"{who}.wav": [f"{who}.wav", who, parts[k // 2]] for k, who in enumerate(PEOPLE[:6])}
    for number, (file, row) in enumerate(rows.items()):
        say(root / folder / file, number)
        row[:] = changed.get(row[1], row)
    return table(root, [",".join(row) for row in rows.values()])


def read(root, chosen=None, audio=AUDIO):
    return read_speakers(chosen or settings(), audio=audio, root=root, cache=None)


def people(found, *, of=("train", "validation", "test")):
    return [person for part in of for person in found.parts[part].speakers]


def test_the_folder_below_the_root_is_the_speaker(tmp_path):
    root = folders(tmp_path / "set", takes=2)
    (root / "p00" / ".hidden.wav").write_bytes(b"x")
    (root / "p00" / "notes.txt").write_text("x", "utf-8")
    found = read(root)
    assert sorted(people(found)) == list(PEOPLE)
    clips = {clip.name: clip for part in found.parts.values() for clip in part.clips}
    assert len(clips) == 20
    assert clips["p03/book/1.flac"].group == "p03"
    assert clips["p03/book/1.flac"].path == root / "p03" / "book" / "1.flac"
    assert found.notes == (
        "The utterances of a speaker are those of a folder.",
        "The speakers of each part were drawn (seed 0).",
        "Utterances: train 12 by 6 speakers (0.1 min); validation 4 by 2 speakers (0.0 min);"
        " test 4 by 2 speakers (0.0 min).",
    )


LIBRI = ("train-clean-100", "dev-clean", "dev-other", "test-clean", "test-other", "train-other")
IN_LIBRISPEECH = (
    "The speaker of files SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER is SPEAKER, as in LibriSpeech."
)


@pytest.mark.parametrize("form", ["{0}-{1}-000{2}.flac", "{0}_{1}_000{2}_000000.wav"])
@pytest.mark.parametrize("start", ["", "LibriSpeech", "dev-clean"])
def test_subsets_of_librispeech_are_no_speakers(tmp_path, form, start):
    """Six subsets of two readers of two chapters each: six folders would do for speakers."""
    readers = {}
    for number, subset in enumerate(LIBRI):
        for reader in (f"{10 + number}", f"{20 + number}"):
            for chapter in ("7", "8"):
                name = form.format(reader, chapter, 0)
                folder = tmp_path / "set" / start / subset / reader / chapter
                readers[say(folder / name, int(reader + chapter))] = reader
    found = read(tmp_path / "set")
    clips = [clip for part in found.parts.values() for clip in part.clips]
    assert {clip.path: clip.group for clip in clips} == readers
    assert found.notes[0] == IN_LIBRISPEECH
    assert "The utterances of a speaker are those of a folder." not in found.notes


@pytest.mark.parametrize("subset", ["", "train-clean-100"])
def test_readers_and_other_speakers_lie_side_by_side(tmp_path, subset):
    root = folders(tmp_path / "set", PEOPLE[:5])
    say(root / subset / "103" / "1240" / "103-1240-0000.flac", 50)
    say(root / "p00" / "1240" / "103-1240-0001.flac", 51)  # of p00, whatever its name says
    found = read(root)
    assert sorted(people(found)) == sorted(["103", *PEOPLE[:5]])
    assert found.notes[:2] == (
        IN_LIBRISPEECH,
        "The utterances of a speaker are those of a folder.",
    )


@pytest.mark.parametrize(
    "form",
    ["{0}/2016/05/2016-05-0{1}.wav", "{0}/2016/05/2016-05-000{1}.wav", "{0}/d/t/d_t_{1}.wav"],
)
def test_folders_of_dates_and_takes_are_no_readers(tmp_path, form):
    """The form of LibriSpeech by chance: the speakers are those of the outer folders."""
    for number, person in enumerate(PEOPLE):
        for take in range(2):
            say(tmp_path / "set" / form.format(person, take), 2 * number + take)
    found = read(tmp_path / "set")
    assert sorted(people(found)) == sorted(PEOPLE)
    assert found.notes[0] == "The utterances of a speaker are those of a folder."


def test_chapters_of_one_reader_are_no_speakers(tmp_path, monkeypatch):
    for chapter in range(7):
        say(tmp_path / "103" / f"{chapter}" / f"103-{chapter}-0000.flac", chapter)
    monkeypatch.chdir(tmp_path / "103")
    for root in (tmp_path / "103", Path()):
        with pytest.raises(DataError, match=r"1 speakers were found \(103\)"):
            read(root)


@pytest.mark.parametrize("form", ["{}-1240-0000.flac", "{}_a-b.wav", "{}.ogg"])
def test_a_file_name_opens_with_its_speaker(tmp_path, form):
    for number, person in enumerate(PEOPLE):
        say(tmp_path / form.format(person), number, rate=8000, samples=4800)
    found = read(tmp_path)
    assert sorted(people(found)) == list(PEOPLE)
    assert found.notes[0].startswith("The speaker of an utterance is its file's name up to")


def test_files_beside_the_folders_are_left_out_and_counted(tmp_path):
    root = folders(tmp_path)
    say(root / "stray-1.wav")
    found = read(root)
    assert "1 files beside the folders were left out: stray-1.wav." in found.notes
    assert "stray" not in people(found)


def test_links_to_folders_are_followed_once(tmp_path):
    root = folders(tmp_path / "set", PEOPLE[:8])
    folders(tmp_path / "elsewhere", ("far",))
    (root / "q").symlink_to(tmp_path / "elsewhere" / "far")
    (root / "r").symlink_to(tmp_path / "elsewhere" / "far")
    (root / "p00" / "up").symlink_to(root)
    assert sorted(people(read(root))) == [*PEOPLE[:8], "q"]


@pytest.mark.parametrize("folder", ["", "audio"])
def test_a_table_tells_speakers_and_parts(tmp_path, folder):
    found = read(full_table(tmp_path, folder))
    parts = {part: people(found, of=(part,)) for part in found.parts}
    assert parts == {
        "train": ["p00", "p01"],
        "validation": ["p02", "p03"],
        "test": ["p04", "p05"],
    }
    assert found.notes[0] == (
        "The speakers are those of the table people.csv, divided by its column 'part'."
    )
    assert len(found.notes) == 2


def test_a_table_without_parts_has_them_drawn(tmp_path):
    root = full_table(tmp_path)
    found = read(root, settings(ColumnSettings(filename="file", group="who")))
    assert sorted(people(found)) == list(PEOPLE[:6])
    assert "The speakers of each part were drawn (seed 0)." in found.notes


def test_no_speaker_is_in_two_parts_whatever_the_seed(tmp_path):
    root = folders(tmp_path, takes=2)
    drawn = set()
    for seed in range(12):
        found = read(root, settings(speakers={"seed": seed}))
        assert sorted(people(found)) == list(PEOPLE)
        assert [len(part.speakers) for part in found.parts.values()] == [6, 2, 2]
        assert all(
            {str(clip.group) for clip in part.clips} == set(part.speakers)
            for part in found.parts.values()
        )
        drawn.add(tuple(people(found)))
    assert len(drawn) > 8
    again = read(root, settings(speakers={"seed": 11}))
    assert people(again) == people(found)


def test_shares_count_utterances(tmp_path):
    """One speaker has half of all utterances: the test part of a half is that speaker or others."""
    root = folders(tmp_path, PEOPLE[:7])
    for take in range(1, 6):
        say(root / "p00" / "book" / f"{take}.flac", 100 + take)
    found = read(root, settings(speakers={"seed": 4}, test_amount=0.5, validation=0.3))
    assert sum(len(part.clips) for part in found.parts.values()) == 12
    assert 5 <= len(found.parts["test"].clips) <= 8


@pytest.mark.parametrize("amount", [0.01, 0.99])
def test_every_part_keeps_enough_speakers(tmp_path, amount):
    root = folders(tmp_path, PEOPLE[:9])
    chosen = settings(speakers={"number": 3}, test_amount=amount, validation=amount)
    assert [len(part.speakers) for part in read(root, chosen).parts.values()] == [3, 3, 3]


def test_lengths_are_those_at_the_set_rate(tmp_path):
    root = folders(tmp_path)
    say(root / "p00" / "book" / "0.flac", samples=1600, rate=2 * RATE)
    found = read(root)
    lengths = {
        clip.name: length
        for part in found.parts.values()
        for clip, length in zip(part.clips, part.lengths.tolist(), strict=True)
    }
    assert lengths["p00/book/0.flac"] == 800
    assert lengths["p01/book/0.flac"] == 600


def test_short_utterances_are_left_out_and_counted(tmp_path):
    root = folders(tmp_path)
    say(root / "p00" / "x.wav", samples=499)
    say(root / "p00" / "y.wav", samples=500)
    found = read(root)
    assert "1 of 12 utterances are shorter than 0.5 s and were left out: p00/x.wav." in found.notes
    names = {clip.name for part in found.parts.values() for clip in part.clips}
    assert "p00/y.wav" in names
    assert "p00/x.wav" not in names


def test_silent_and_broken_utterances_are_refused_or_left_out(tmp_path):
    root = folders(tmp_path)
    say(root / "p00" / "silent.wav", level=0.0)
    (root / "p01" / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"silent\.wav: is silent .* 2 of 12 utterances cannot"):
        read(root)
    found = read(root, audio=AudioSettings(sample_rate=RATE, on_bad_audio="skip"))
    assert (
        "2 of 12 utterances cannot be used and were left out: p00/silent.wav, p01/broken.wav."
        in found.notes
    )
    assert sum(len(part.clips) for part in found.parts.values()) == 10


def test_too_few_speakers_hear_of_the_ways_to_tell_them(tmp_path):
    root = folders(tmp_path, PEOPLE[:5])
    with pytest.raises(DataError) as caught:
        read(root)
    message = str(caught.value)
    assert "5 speakers were found (p00, p01, p02, p03, p04)" in message
    assert "mixtures of 2 speakers need 6" in message
    ways = (
        "dataset.columns.group in the table",
        "SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER",
        "folder directly below --data",
        "file name up",
    )
    assert all(way in message for way in ways)
    say(root / "p05" / "short.wav", samples=100)
    with pytest.raises(DataError, match="5 speakers have utterances that can be used"):
        read(root)


@pytest.mark.parametrize(
    ("changed", "columns", "message"),
    [
        ({"p01": ["p01.wav", "p01", "dev set"]}, {}, "line 3: unknown part 'dev set'"),
        ({"p01": ["p00.wav", "p01", "train"]}, {}, "line 3: 'p00.wav' is listed twice"),
        ({"p01": ["p01.wav", "", "train"]}, {}, "line 3: column 'who' has no value"),
        ({"p01": ["gone.wav", "p01", "train"]}, {}, "1 of 6 listed audio files are missing: gone"),
        ({"p01": ["../a.wav", "p01", "train"]}, {}, "is not inside the folder"),
        ({"p05": ["p05.wav", "p00", "test"]}, {}, "5 speakers were found"),
        ({}, {"group": None}, "people.csv: dataset.columns.group is not set"),
        ({}, {"group": "speaker"}, "there is no column 'speaker'"),
        ({}, {"split": "fold"}, "dataset.columns.split=null speakers are drawn"),
        ({"p05": ["p05.wav", "p05", "train"]}, {}, "the test part has usable utterances of 1 spea"),
    ],
)
def test_wrong_tables_are_one_sentence(tmp_path, changed, columns, message):
    root = full_table(tmp_path, **changed)
    with pytest.raises(DataError) as caught:
        read(root, settings(COLUMNS.model_copy(update=columns)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_speaker_in_two_parts_is_refused(tmp_path):
    full_table(tmp_path)
    say(tmp_path / "more.wav", 9)
    with (tmp_path / "people.csv").open("a", encoding="utf-8") as stream:
        stream.write("\nmore.wav,p00,test")
    with pytest.raises(
        DataError, match=r"1 speakers are in both the train and the test part \(p00"
    ):
        read(tmp_path)


def test_folders_without_audio_are_refused(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        read(tmp_path / "nowhere")
    (tmp_path / "text.txt").write_text("x", "utf-8")
    with pytest.raises(DataError, match=r"holds no audio \(\.wav, \.flac"):
        read(tmp_path)
