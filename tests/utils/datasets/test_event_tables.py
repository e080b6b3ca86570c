"""Tables of events as DESED, Scaper, pandas and people leave them."""

import math
import statistics
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.datasets.base import Event
from utils.datasets.event_tables import (
    indexed,
    read_durations,
    read_names,
    read_strong,
    read_weak,
    write_durations,
    write_names,
    write_strong,
    write_weak,
)
from utils.errors import DataError

HEADER = "filename\tonset\toffset\tevent_label\n"
ROWS = "a.wav\t0.5\t1.25\tDog\nb.wav\t\t\t\na.wav\t0\t10.000\tCat\n"
EVENTS = {"a.wav": (Event("Cat", 0.0, 10.0), Event("Dog", 0.5, 1.25)), "b.wav": ()}


def write(folder, content):
    path = folder / "table.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def strong(folder, rows, **options):
    return read_strong(write(folder, HEADER + rows), **options)


def test_events_of_files_in_the_order_of_their_first_rows(tmp_path):
    table = strong(tmp_path, ROWS)
    assert table.path == tmp_path / "table.tsv"
    assert table.files == ("a.wav", "b.wav")
    assert table.events == EVENTS
    assert table.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + (HEADER + ROWS).replace("\n", "\r\n"),
        "\n" + HEADER + "\n\t\t\t\n" + ROWS + "\n\n",
        (HEADER + ROWS).replace("\t\t\t", ""),
        HEADER + ROWS.replace("\t", " \t "),
        "\tevent_label\tonset\toffset\tfilename\n"
        "0\tDog\t0.5\t1.25\ta.wav\n1\t\t\t\tb.wav\n2\tCat\t0.0\t1e1\ta.wav\n",
        "onset,confidence,filename,offset,event_label\n"
        '.5,0.1,"a.wav",1.25,Dog\n,,b.wav,,\n0,0.9,a.wav,10,"Cat"\n',
    ],
    ids=["BOM, CRLF", "blank lines", "stripped TABs", "blanks", "index of pandas", "commas"],
)
def test_tables_as_programs_leave_them(tmp_path, text):
    table = read_strong(write(tmp_path, text))
    assert (table.files, table.events) == (("a.wav", "b.wav"), EVENTS)


def test_overlaps_of_one_class_are_merged_and_told(tmp_path):
    rows = (
        "a.wav\t0\t1\tDog\na.wav\t1\t2\tDog\n"  # they touch
        "b.wav\t0\t2\tDog\nb.wav\t1\t3\tCat\n"  # two classes
        "c.wav\t4\t5\tDog\nc.wav\t0\t3\tDog\nc.wav\t1\t2\tDog\nc.wav\t2.5\t3.5\tDog\n"
        "d.wav\t0\t1\tDog\nd.wav\t0\t1\tDog\n"
    )
    table = strong(tmp_path, rows)
    assert table.events["a.wav"] == (Event("Dog", 0, 1), Event("Dog", 1, 2))
    assert table.events["b.wav"] == (Event("Cat", 1, 3), Event("Dog", 0, 2))
    assert table.events["c.wav"] == (Event("Dog", 0, 3.5), Event("Dog", 4, 5))
    assert table.events["d.wav"] == (Event("Dog", 0, 1),)
    (note,) = table.notes
    assert note == (
        f"{tmp_path.name}/table.tsv: events of one class that overlap were merged, 3 in all; the"
        " first file is c.wav."
    )


def test_events_of_length_zero_are_left_out_and_told(tmp_path):
    table = strong(tmp_path, "a.wav\t1.0\t1.000\tDog\na.wav\t2\t3\tDog\nb.wav\t0\t0\tCat\n")
    assert table.events == {"a.wav": (Event("Dog", 2.0, 3.0),), "b.wav": ()}
    (note,) = table.notes
    assert note.endswith("events of length zero were left out, 2 in all; the first is in line 2.")


def test_suffixes_of_scaper_are_taken_off_on_demand_before_overlaps_are_merged(tmp_path):
    rows = "a.wav\t0\t2\tFrying_nOn\na.wav\t1\t3\tFrying_nOn_nOff\na.wav\t5\t6\tFrying_nOff\n"
    assert {e.label for e in strong(tmp_path, rows).events["a.wav"]} == {
        "Frying_nOn",
        "Frying_nOn_nOff",
        "Frying_nOff",
    }
    table = strong(tmp_path, rows, scaper=True, classes=["Frying"])
    assert table.events["a.wav"] == (Event("Frying", 0, 3), Event("Frying", 5, 6))
    assert "merged, 1 in all" in table.notes[0]
    kept = strong(tmp_path, "a.wav\t0\t2\tTurn_nOnset\n", scaper=True)
    assert kept.events["a.wav"][0].label == "Turn_nOnset"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav\t2.5\t2\tDog", "the offset, 2 s, is before the onset, 2.5 s"),
        ("a.wav\tx\t2\tDog", "column 'onset' has 'x'; a number of seconds"),
        ("a.wav\t1\tnan\tDog", "column 'offset' has 'nan'"),
        ("a.wav\t1\tinf\tDog", "column 'offset' has 'inf'"),
        ("a.wav\t-0.1\t2\tDog", "column 'onset' has '-0.1'"),
        ("a.wav\t0,5\t2\tDog", "column 'onset' has '0,5'"),
        ("a.wav\t\t\tDog", "column 'onset' has no value; an event needs onset"),
        ("a.wav\t1\t\tDog", "column 'offset' has no value"),
        ("a.wav\t1\t2\t", "column 'event_label' has no value"),
        ("a.wav\t1\t2", "column 'event_label' has no value"),
        ("\t1\t2\tDog", "column 'filename' has no value"),
        ("a.wav\t1\t2\tDgo", "unknown event 'Dgo'. Did you mean 'Dog'?"),
        ("a.wav\t1\t1\tDgo", "unknown event 'Dgo'. Did you mean 'Dog'?"),
        ("a.wav\t1\t2\tDog\tx", "5 values for 4 columns (filename, onset, offset, event_label)"),
    ],
)
def test_a_bad_row_is_one_sentence_with_its_line(tmp_path, row, message):
    with pytest.raises(DataError) as caught:
        strong(tmp_path, "a.wav\t0\t1\tCat\n\n" + row + "\n", classes=["Dog", "Cat"])
    assert str(caught.value).startswith(f"{tmp_path / 'table.tsv'}: line 4: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename\tonset\toffset\tlabel\na.wav\t0\t1\tDog\n", "no column 'event_label'. Did you"),
        ("filename\tonset\tonset\toffset\tevent_label\n", "'onset' occurs more than once"),
        ("", "the table is empty"),
        (HEADER, "has a header but no rows"),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path, text, message):
    with pytest.raises(DataError) as caught:
        read_strong(write(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "table.tsv"))
    assert message in str(caught.value)


def test_weak_labels(tmp_path):
    text = "filename\tevent_labels\na.wav\tSpeech, Dog,Dog,\nb.wav\tCat\nb.wav\tCat\n"
    path = write(tmp_path, text)
    assert read_weak(path) == {"a.wav": ("Dog", "Speech"), "b.wav": ("Cat",)}
    assert list(read_weak(path, classes=["Cat", "Dog", "Speech"])) == ["a.wav", "b.wav"]
    with pytest.raises(DataError, match=r"line 2: unknown event 'Speech'. Known are: Cat, Dog\."):
        read_weak(path, classes=["Cat", "Dog"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("b.wav\t", "'b.wav' has no label; take the row out"),
        ("b.wav\t , ", "'b.wav' has no label"),
        ("b.wav", "'b.wav' has no label"),
        ("\tDog", "column 'filename' has no value"),
        ("a.wav\tCat", "'a.wav' is listed again, with other labels"),
    ],
)
def test_a_bad_weak_row_is_one_sentence(tmp_path, row, message):
    path = write(tmp_path, f"filename\tevent_labels\na.wav\tDog\n{row}\n")
    with pytest.raises(DataError) as caught:
        read_weak(path)
    assert str(caught.value).startswith(f"{path}: line 3: {message}")


def test_names_once_each(tmp_path):
    assert read_names(write(tmp_path, "filename\nb, c.wav\n\na.wav\nb, c.wav\n")) == (
        "b, c.wav",
        "a.wav",
    )
    assert read_names(write(tmp_path, "fold\tfilename\n1\tb.wav\n")) == ("b.wav",)
    with pytest.raises(DataError, match="line 2: column 'filename' has no value"):
        read_names(write(tmp_path, "fold\tfilename\n1\t\n"))


def test_durations(tmp_path):
    text = "filename\tduration\na.wav\t10.0\nb.wav\t2.4\nb.wav\t2.40\n"
    assert read_durations(write(tmp_path, text)) == {"a.wav": 10.0, "b.wav": 2.4}
    for row, message in (
        ("a.wav\t9.9", "'a.wav' is listed again, with another duration"),
        ("c.wav\t", "column 'duration' has ''"),
        ("c.wav\t-1", "column 'duration' has '-1'"),
        ("\t1", "column 'filename' has no value"),
    ):
        with pytest.raises(DataError, match=f"line 5: {message}"):
            read_durations(write(tmp_path, text + row + "\n"))


def test_events_by_index():
    events = indexed(EVENTS, files=["x.wav", "b.wav", "a.wav"], classes=["Dog", "Fox", "Cat"])
    assert events.files.tolist() == [2, 2]
    assert events.classes.tolist() == [0, 2]
    assert events.onsets.tolist() == [0.5, 0.0]
    assert events.offsets.tolist() == [1.25, 10.0]
    assert len(indexed({"a.wav": ()}, files=["a.wav"], classes=[])) == 0


@pytest.mark.parametrize(
    ("files", "classes", "message"),
    [
        (["a.wav", "b.wave"], ["Dog", "Cat"], "file 'b.wav' is not one of the 2 that are known. D"),
        (["a.wav", "1"], ["Dog", "Cat"], "file 'b.wav' is not one of the 2 that are known."),
        (["a.wav", "b.wav"], ["Dog", "Cats"], "unknown event 'Cat' in file 'a.wav'. Did you mean"),
    ],
)
def test_unknown_files_and_events_are_named(files, classes, message):
    with pytest.raises(DataError) as caught:
        indexed(EVENTS, files=files, classes=classes, source=Path("found.tsv"))
    assert str(caught.value).startswith(f"found.tsv: {message}")


def test_many_known_files_are_not_listed():
    known = [f"{number}.flac" for number in range(1000)]
    with pytest.raises(DataError) as caught:
        indexed({"xyz": ()}, files=known, classes=[])
    assert len(str(caught.value)) < 200


def test_what_is_written_is_what_others_read(tmp_path):
    path = tmp_path / "made" / "table.tsv"
    write_strong(path, [("a.wav", Event("Dog", np.float64(0.1) * 3, 9.971)), ("b.wav", None)])
    assert path.read_bytes() == (HEADER + "a.wav\t0.3\t9.971\tDog\nb.wav\t\t\t\n").encode()
    write_weak(path, {"a.wav": ("Dog", "Cat")}.items())
    assert path.read_bytes() == b"filename\tevent_labels\na.wav\tDog,Cat\n"
    write_names(path, ["a.wav"])
    assert path.read_bytes() == b"filename\na.wav\n"
    write_durations(path, [("a.wav", 10)])
    assert path.read_bytes() == b"filename\tduration\na.wav\t10.0\n"
    for labels in ((), ("Dog, large",)):
        with pytest.raises(ValueError, match="labels without commas are needed"):
            write_weak(path, [("a.wav", labels)])


TEXT = (
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=6)
    .map(str.strip)
    .filter(lambda text: text.strip('\t,; "') and text.isprintable())
)
MILLISECONDS = st.integers(0, 20_000)


@given(
    spans=st.dictionaries(
        TEXT,
        st.lists(st.tuples(TEXT, MILLISECONDS, MILLISECONDS.filter(bool)), max_size=4),
        min_size=1,
        max_size=4,
    )
)
def test_strong_tables_are_read_back(tmp_path_factory, spans):
    path = tmp_path_factory.mktemp("table") / "strong.tsv"
    made = {
        file: [Event(label, onset / 1000, (onset + length) / 1000) for label, onset, length in told]
        for file, told in spans.items()
    }
    write_strong(path, [(file, event) for file, told in made.items() for event in told or [None]])
    table = read_strong(path)
    assert list(table.files) == list(made)
    for file, told in made.items():
        read = table.events[file]
        assert list(read) == sorted(read)
        for label in {event.label for event in told}:
            assert sounding(read, label) == sounding(told, label)
        assert set(read) <= set(told) or table.notes


def sounding(events, label):
    """Milliseconds in which a class sounds, told one by one: merging must not change them."""
    spans = [range(round(e.onset * 1000), round(e.offset * 1000)) for e in events]
    return {at for span, e in zip(spans, events, strict=True) if e.label == label for at in span}


@given(
    labels=st.dictionaries(
        TEXT, st.sets(TEXT.filter(lambda text: "," not in text), min_size=1, max_size=3), min_size=1
    )
)
def test_weak_tables_are_read_back(tmp_path_factory, labels):
    path = tmp_path_factory.mktemp("table") / "weak.tsv"
    write_weak(path, [(file, sorted(names)) for file, names in labels.items()])
    assert read_weak(path) == {file: tuple(sorted(names)) for file, names in labels.items()}


@given(
    seconds=st.dictionaries(TEXT, st.floats(0, 1e5, allow_nan=False), min_size=1),
)
def test_durations_and_names_are_read_back(tmp_path_factory, seconds):
    path = tmp_path_factory.mktemp("table") / "durations.tsv"
    write_durations(path, seconds.items())
    read = read_durations(path)
    assert list(read) == list(seconds)
    assert all(math.isclose(read[file], seconds[file], abs_tol=5e-7) for file in seconds)
    write_names(path, seconds)
    assert read_names(path) == tuple(seconds)


@given(content=st.binary(max_size=60))
def test_any_bytes_give_events_or_a_data_error(tmp_path_factory, content):
    path = write(tmp_path_factory.mktemp("table"), HEADER.encode() + content)
    try:
        table = read_strong(path)
    except DataError as error:
        assert str(path) in str(error)
    else:
        events = [event for told in table.events.values() for event in told]
        assert all(0 <= event.onset < event.offset < math.inf for event in events)


@given(
    cells=st.lists(
        st.tuples(*[st.sampled_from(["", "a", "b.wav", "1", "0.5", "nan", "-1", "2 "])] * 4),
        max_size=5,
    )
)
def test_any_cells_give_events_or_a_data_error(tmp_path_factory, cells):
    rows = "".join("\t".join(row) + "\n" for row in cells)
    path = write(tmp_path_factory.mktemp("table"), HEADER + rows)
    try:
        table = read_strong(path)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert all(file and file == file.strip() for file in table.files)
        assert set(table.events) == set(table.files)


def test_the_real_validation_table(real_audio):
    """4,251 rows of the older table: 6 sounds of 4 files are listed three times over."""
    table = read_strong(real_audio / "desed_sample" / "validation.tsv")
    assert len(table.files) == 1168
    assert sum(not events for events in table.events.values()) == 15
    events = [event for told in table.events.values() for event in told]
    assert Counter(event.label for event in events) == {
        "Alarm_bell_ringing": 420,
        "Blender": 94,
        "Cat": 341,
        "Dishes": 559,
        "Dog": 570,
        "Electric_shaver_toothbrush": 65,
        "Frying": 94,
        "Running_water": 237,
        "Speech": 1752,
        "Vacuum_cleaner": 92,
    }
    speech = [event.offset - event.onset for event in events if event.label == "Speech"]
    assert statistics.median(speech) == pytest.approx(1.15, abs=0.01)
    (note,) = table.notes
    assert note.endswith("merged, 12 in all; the first file is Y2DF8mtDke8k_460.000_470.000.wav.")
    made = read_strong(real_audio / "desed_sample" / "generated_from_jams.tsv")
    assert made.events == {"5.wav": (Event("label", 0.008, 1.022),)}
