"""Recordings divided by speaker: parts that a table tells, speakers that are drawn."""

from pathlib import Path

import pytest

from utils.config.schema import ColumnSettings, DatasetSettings, ValidationSettings
from utils.datasets.base import Clip
from utils.datasets.speaker_parts import (
    draw_parts,
    refuse_shared,
    rows_with_parts,
    table_note,
    take_speakers,
    unusable_note,
)
from utils.errors import DataError

COLUMNS = ColumnSettings(filename="file", group="who", split="part")


def recordings(count, speakers):
    """Recordings of the speakers in turns."""
    return [Clip(f"{n}", Path(), ("go",), f"p{n % speakers:02d}") for n in range(count)]


def test_speakers_are_taken_by_their_share_of_the_recordings(rng):
    clips = [Clip(f"{n}", Path(), ("go",), str(n % 50)) for n in range(500)]
    assert len(take_speakers(clips, 0.3, at_least=4, left=4, rng=rng)) == 15
    assert len(take_speakers(clips, 0.01, at_least=4, left=4, rng=rng)) == 4
    assert len(take_speakers(clips, 0.99, at_least=4, left=4, rng=rng)) == 46
    with pytest.raises(DataError, match="50 speakers cannot be divided into two parts of 26"):
        take_speakers(clips, 0.5, at_least=26, left=26, rng=rng)


def test_more_speakers_may_be_left_than_are_taken(rng):
    assert len(take_speakers(recordings(100, 10), 0.99, at_least=2, left=4, rng=rng)) == 6
    with pytest.raises(DataError, match="10 speakers cannot be divided"):
        take_speakers(recordings(100, 10), 0.5, at_least=2, left=9, rng=rng)


def drawn(clips, *, seed=0, left=(4, 2), test=0.2, validation=0.25):
    settings = DatasetSettings(test_amount=test, validation=ValidationSettings(amount=validation))
    part_of = draw_parts(clips, settings, seed=seed, at_least=2, left=left)
    return {
        part: {clip.group for clip in clips if part_of[clip.name] == part}
        for part in ("train", "validation", "test")
    }


def test_parts_are_of_whole_speakers_by_their_shares():
    parts = drawn(recordings(200, 20))
    assert [len(people) for people in parts.values()] == [12, 4, 4]
    assert len(set().union(*parts.values())) == 20
    assert drawn(recordings(200, 20)) == parts
    assert drawn(recordings(200, 20), seed=1) != parts


@pytest.mark.parametrize("amount", [0.01, 0.99])
def test_every_part_has_speakers_whatever_its_share(amount):
    parts = drawn(recordings(60, 6), test=amount, validation=amount)
    assert [len(people) for people in parts.values()] == [2, 2, 2]


def test_the_draw_stays_what_it_was():
    """What sets and mixtures were made by must be found again."""
    parts = drawn(recordings(24, 12))
    assert sorted(parts["test"]) == ["p00", "p08"]
    assert sorted(parts["validation"]) == ["p03", "p04"]


def table(folder, *rows, header="file,who,part"):
    path = folder / "people.csv"
    path.write_text("\n".join([header, *rows]), "utf-8")
    return path


def read(path, columns=COLUMNS):
    found = rows_with_parts(path, columns, ["file", "who"])
    return [(row["file"], part) for row, part in found]


def test_a_table_tells_parts_in_several_spellings(tmp_path):
    path = table(tmp_path, "a,x,Train", "b,y,val", "c,z,testing")
    assert read(path) == [("a", "train"), ("b", "validation"), ("c", "test")]
    without = COLUMNS.model_copy(update={"split": None})
    assert read(path, without) == [("a", "train"), ("b", "train"), ("c", "train")]
    assert table_note("words", path, without) == "The words are those of the table people.csv."
    assert table_note("words", path, COLUMNS) == (
        "The words are those of the table people.csv, divided by its column 'part'."
    )


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["a,x,train", "a,y,test"], "file,who,part", "line 3: 'a' is listed twice"),
        (["a,x,tests"], "file,who,part", "line 2: unknown part 'tests'. Did you mean 'test'"),
        (["a,,train"], "file,who,part", "line 2: column 'who' has no value"),
        (["a,x,"], "file,who,part", "line 2: column 'part' has no value"),
        (["a,x"], "file,who", "dataset.columns.split=null speakers are drawn for the parts"),
    ],
)
def test_rows_that_cannot_be_divided_are_told(tmp_path, rows, header, message):
    with pytest.raises(DataError) as caught:
        read(table(tmp_path, *rows, header=header))
    assert message in str(caught.value)


def test_a_speaker_in_two_parts_is_told(tmp_path):
    refuse_shared({"train": ("a", "b"), "validation": ("c",), "test": ()}, root=tmp_path)
    with pytest.raises(DataError, match=r"1 speakers are in both the train and the test part \(b"):
        refuse_shared({"train": ("a", "b"), "validation": (), "test": ("b",)}, root=tmp_path)


def test_what_cannot_be_used_is_refused_or_left_out():
    bad = {"b": "b is silent.", "a": "a is broken."}
    with pytest.raises(DataError) as caught:
        unusable_note(bad, 9, what="words", skip=False)
    assert str(caught.value) == (
        "a is broken. 2 of 9 words cannot be used; audio.on_bad_audio: skip (--skip_bad of the"
        " mixer) leaves such files out."
    )
    assert unusable_note(bad, 9, what="words", skip=True) == (
        "2 of 9 words cannot be used and were left out: a, b."
    )
