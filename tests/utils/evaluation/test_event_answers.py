import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.errors import DataError
from utils.evaluation.event_answers import read_detections, read_tables, threshold_of
from utils.evaluation.event_files import write_operating_points
from utils.events import Events

FILES, CLASSES = ("a.wav", "b.wav", "c.wav"), ("Cat", "Dog")
TRUTH = [("a.wav", 0, 2, "Dog"), ("a.wav", 3, 4, "Cat"), ("b.wav", 1, 5, "Dog")]
HEADER = "event_label\tonset\toffset\tfilename\n"


@pytest.fixture
def asked(tmp_path):
    """Folder of three tables, ground truth and durations of three files, the last without events.

    Keyword arguments of ``read_tables`` and the folder.
    """
    truth, durations, folder = (tmp_path / name for name in ("truth.tsv", "durations.tsv", "said"))
    rows = ["\t".join(map(str, row)) for row in [*TRUTH, ("c.wav", "", "", "")]]
    truth.write_text("\n".join(["filename\tonset\toffset\tevent_label", *rows, ""]))
    seconds = [f"{name}\t10.0" for name in FILES]
    durations.write_text("\n".join(["filename\tduration", *seconds, ""]))
    folder.mkdir()
    for threshold in ("0.2", "0.5", "0.8"):
        path = folder / f"predictions_th_{threshold}.tsv"
        path.write_text(HEADER + "Dog\t0.0\t2.0\ta.wav\nDog\t1.0\t4.5\tb.wav\n")
    return {"folder": folder, "truth": truth, "durations": durations}


def rows_of(events):
    columns = (events.files, events.classes, events.onsets, events.offsets)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def refusal(asked):
    with pytest.raises(DataError) as error:
        read_tables(asked.pop("folder"), **asked)
    return str(error.value)


def table(path, text):
    path.write_bytes(text.encode())
    return rows_of(read_detections(path, files=FILES, classes=CLASSES))


@pytest.mark.parametrize(
    ("name", "threshold"),
    [
        ("predictions_th_0.01.tsv", 0.01),
        ("predictions_th_.5.tsv", 0.5),
        (".5.tsv", 0.5),
        ("th-1e-3.tsv", 0.001),
        ("th-1E-3.CSV", 0.001),
        ("scores_0.5_student.tsv", 0.5),
        ("scores_0.5_student2.tsv", 2.0),
        ("2021_run3_th_0.99.csv", 0.99),
        ("predictions.th.0.25.tsv", 0.25),
        ("v1.2.0.5.tsv", 0.5),
        ("th.5.tsv", 0.5),
        ("th-0.5.tsv", 0.5),
        ("th_-0.5.tsv", -0.5),
        ("2-0.5.tsv", 0.5),
        ("1.tsv", 1.0),
        ("th_1..tsv", 1.0),
        ("0.5e.tsv", 0.5),
        ("5e-05.tsv", 5e-05),
        ("0.3.tsv.tsv", 0.3),
    ],
)
def test_the_threshold_is_the_last_number_of_the_name(name, threshold):
    assert threshold_of(name) == threshold


@given(
    st.floats(min_value=1e-12, max_value=1e12),
    st.sampled_from(["{}", "{:.2f}", "{:g}", "{:.3e}"]),
    st.from_regex(re.compile(r"([A-Za-z0-9.]*[A-Za-z])?[_= -]*", re.ASCII), fullmatch=True),
    st.from_regex(re.compile(r"([_. ][A-DF-Za-df-z]*)?", re.ASCII), fullmatch=True),
)
def test_any_number_is_found_whatever_stands_around_it(value, form, before, after):
    text = form.format(value)
    signed = before.endswith("-") and not re.search(r"[A-Za-z0-9.]-\Z", before)
    found = threshold_of(f"{before}{text}{after}.tsv")
    assert found == (-float(text) if signed else float(text))


@given(st.text(st.characters(blacklist_categories=("Cs",)), max_size=20))
def test_any_name_has_a_threshold_or_none(name):
    try:
        assert np.isfinite(threshold_of(f"{name}.tsv"))
        assert re.search("[0-9]", name)
    except DataError as error:
        assert "predictions_th_0.5.tsv" in str(error)


@pytest.mark.parametrize("name", ["predictions.tsv", "th_²..tsv", "th_1e999.tsv"])
def test_a_name_without_a_threshold_is_refused(name):
    with pytest.raises(DataError, match="no number in its name tells its threshold"):
        threshold_of(name)


@pytest.mark.parametrize(
    "text",
    [
        "event_label\tonset\toffset\tfilename\nDog\t0.5\t1\ta.wav\nCat\t2\t3.25\tb.wav\n",
        "filename\tonset\toffset\tevent_label\na.wav\t0.5\t1\tDog\nb.wav\t2\t3.25\tCat\n",
        "\tevent_label\tonset\toffset\tfilename\n0\tDog\t0.5\t1\ta.wav\n1\tCat\t2\t3.25\tb.wav\n",
        "offset,score,filename,event_label,onset\n1,0.9,a.wav,Dog,.5\n3.25,,b.wav,Cat,2e0\n",
        "\ufeffevent_label\tonset\toffset\tfilename\r\nDog\t0.5\t1\ta.wav\r\n"
        "Cat\t2\t3.25\tb.wav\r\n\r\n",
        '"event_label"\t"onset"\t"offset"\t"filename"\n"Dog"\t"0.5"\t"1"\t"a.wav"\n'
        '"Cat"\t"2"\t"3.25"\t"b.wav"',
        "event_label \t onset\toffset\tfilename\n Dog\t0.5 \t1\ta.wav\nCat\t2\t3.25\t b.wav \n",
        "event_label\tonset\toffset\tfilename\n\t\t\tc.wav\nDog\t0.5\t1\ta.wav\n"
        "Cat\t2\t3.25\tb.wav\n",
        "filename\tonset\toffset\tevent_label\nc.wav\na.wav\t0.5\t1\tDog\nb.wav\t2\t3.25\tCat\n",
    ],
)
def test_columns_come_in_any_order_and_with_others(tmp_path, text):
    assert table(tmp_path / "th_0.5.tsv", text) == [(0, 1, 0.5, 1.0), (1, 0, 2.0, 3.25)]


@pytest.mark.parametrize(
    "text", ["", "\n", "\r\n", '""\n', "\ufeff\n", HEADER, HEADER.rstrip(), f"\ufeff{HEADER}\r\n"]
)
def test_a_table_without_rows_detects_nothing(tmp_path, text):
    assert table(tmp_path / "th_0.5.tsv", text) == []


def test_events_stay_as_they_are(tmp_path):
    text = HEADER + "Dog\t-0.25\t2\ta.wav\nDog\t1\t1\ta.wav\nDog\t1\t30\ta.wav\n"
    assert table(tmp_path / "th_0.5.tsv", text) == [
        (0, 1, -0.25, 2.0), (0, 1, 1.0, 1.0), (0, 1, 1.0, 30.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Dog\t2\t1\ta.wav", "line 3: the offset, 1 s, is before the onset, 2 s"),
        ("Dog\tnan\t1\ta.wav", "line 3: nan s to 1 s are no times"),
        ("Dog\t1\tinf\ta.wav", "line 3: 1 s to inf s are no times"),
        ("Dog\t1,5\t2\ta.wav", "line 3: column 'onset': '1,5' is no number"),
        ("Dog\t1\t\ta.wav", "line 3: column 'offset': there is no value"),
        ("Dgo\t1\t2\ta.wav", "line 3: event 'Dgo' is not in the ground truth. Did you mean 'Dog'?"),
        ("\t1\t2\ta.wav", "line 3: event '' is not in the ground truth. Known are: Cat, Dog."),
        ("Dog\t1\t2\ta.wav.wav", "line 3: file 'a.wav.wav' is not in the files that are scored"),
        ("\t\t\tx", "line 3: file 'x' is not in"),
        ("Dog\t1\t2\ta.wav\t7", "line 3: 5 values for 4 columns"),
    ],
)
def test_a_broken_row_is_told_with_its_line(tmp_path, row, message):
    with pytest.raises(DataError) as error:
        table(tmp_path / "th_0.5.tsv", f"{HEADER}Cat\t1\t2\tb.wav\n{row}\nCat\t1\t0\tb.wav\n")
    assert f"{tmp_path / 'th_0.5.tsv'}: {message}" in str(error.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "event\tonset\toffset\tfilename",
            "no column 'event_label'.*Known are: event|mean 'event'",
        ),
        ("event_label\tonset\toffset", "no column 'filename'"),
        ("event_label\tonset\tonset\toffset\tfilename", "more than one column 'onset'"),
    ],
)
@pytest.mark.parametrize("row", ["", "Dog\t1\t2\ta.wav\n"])
def test_a_wrong_header_is_told_even_without_rows(tmp_path, header, message, row):
    with pytest.raises(DataError, match=message):
        table(tmp_path / "th_0.5.tsv", f"{header}\n{row}")


def test_tables_truth_and_durations_fit_together(asked):
    told = read_tables(asked.pop("folder"), **asked)
    assert list(told.tables) == [0.2, 0.5, 0.8]
    assert (told.files, told.classes) == (FILES, CLASSES)
    assert rows_of(told.tables[0.5]) == [(0, 1, 0.0, 2.0), (1, 1, 1.0, 4.5)]
    assert told.truth.counts.tolist() == [1, 2] and told.truth.durations.tolist() == [10.0] * 3
    assert rows_of(told.truth.events) == [(0, 0, 3.0, 4.0), (0, 1, 0.0, 2.0), (1, 1, 1.0, 5.0)]
    assert told.notes == (
        "number of thresholds: 3; PSDS is the lower the fewer there are, and published ones have "
        "50.",
    )


def test_files_without_events_count_and_are_told(asked):
    with asked["durations"].open("a") as stream:
        stream.write("d.wav\t20.0\n")
    told = read_tables(asked.pop("folder"), **asked)
    assert told.truth.durations.tolist() == [10.0, 10.0, 10.0, 20.0]
    assert any("1 of the 4 files in" in note and "without events" in note for note in told.notes)


def test_overlaps_are_merged_with_a_note(asked):
    with asked["truth"].open("a") as stream:
        stream.write("b.wav\t4\t7\tDog\n")
    with (asked["folder"] / "predictions_th_0.2.tsv").open("a") as stream:
        stream.write("Dog\t1.5\t3.0\ta.wav\nDog\t3.0\t4.0\ta.wav\nDog\t2\t3\tb.wav\n")
    told = read_tables(asked.pop("folder"), **asked)
    assert rows_of(told.truth.events)[-1] == (1, 1, 1.0, 7.0)
    assert (1, 1, 4.0, 7.0) in rows_of(told.truth.given)
    assert len(told.truth.given) == len(told.truth.events) + 1
    assert rows_of(told.tables[0.2].merged()[0]) == [
        (0, 1, 0.0, 3.0), (0, 1, 3.0, 4.0), (1, 1, 1.0, 4.5),
    ]  # fmt: skip
    assert len(told.tables[0.2]) == 5
    assert "overlap" in told.notes[0] and "truth.tsv" in told.notes[0]
    assert told.notes[1] == (
        "overlapping events of one class were merged in 1 of 3 detection tables, up to 2 in one "
        "(predictions_th_0.2.tsv); for the event-based F1 they stay as they are, as sed_eval takes "
        "them."
    )


def test_empty_tables_are_operating_points_and_told(asked):
    (asked["folder"] / "predictions_th_0.9.tsv").write_text(HEADER)
    (asked["folder"] / "predictions_th_0.95.csv").write_text("\n")
    told = read_tables(asked.pop("folder"), **asked)
    assert [len(events) for events in told.tables.values()] == [2, 2, 2, 0, 0]
    assert "detection tables without any event: of threshold 0.9, 0.95." in told.notes


def test_thresholds_that_are_none_are_noted(asked):
    for path in sorted(asked["folder"].iterdir()):
        path.rename(path.with_name(path.name.replace("0.", "")))
    told = read_tables(asked.pop("folder"), **asked)
    assert "thresholds go from 2 to 8, not from 0 to 1" in told.notes[0]


def test_other_files_of_the_folder_are_passed_over(asked):
    for name in ("event_f1.txt", "psd_roc.png", "._predictions_th_0.5.tsv"):
        (asked["folder"] / name).write_bytes(b"\x00\xff")
    (asked["folder"] / "student").mkdir()
    assert list(read_tables(asked.pop("folder"), **asked).tables) == [0.2, 0.5, 0.8]


def test_two_tables_of_one_threshold_are_refused(asked):
    (asked["folder"] / "th_.50.csv").write_text(HEADER)
    message = refusal(asked)
    assert "predictions_th_0.5.tsv and th_.50.csv are both of threshold 0.5" in message


def test_a_table_without_a_threshold_is_refused(asked):
    (asked["folder"] / "predictions.tsv").write_text(HEADER)
    assert "predictions.tsv: no number in its name tells its threshold" in refusal(asked)


@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_a_folder_with_tables_is_needed(asked, tmp_path, kind):
    asked["folder"] = tmp_path / "other"
    if kind == "file":
        asked["folder"].write_text("")
    if kind == "empty":
        asked["folder"].mkdir()
    expected = {
        "missing": "the folder of detection tables is not there",
        "file": "the folder of detection tables is a file",
        "empty": "holds no detection tables (*.tsv, *.csv); sub-folders are not searched",
    }
    assert expected[kind] in refusal(asked)


def test_a_folder_called_as_a_table_is_refused(asked):
    (asked["folder"] / "th_0.6.tsv").mkdir()
    assert "th_0.6.tsv: the table cannot be read" in refusal(asked)


def test_ground_truth_of_a_file_without_duration_is_refused(asked):
    with asked["truth"].open("a") as stream:
        stream.write("bb.wav\t4\t7\tDog\ne.wav\t\t\t\n")
    message = refusal(asked)
    assert "truth.tsv: file 'bb.wav' (and 1 more) is not in" in message
    assert "Did you mean 'b.wav'?" in message


def test_ground_truth_without_events_is_refused(asked):
    asked["truth"].write_text("filename\tonset\toffset\tevent_label\nc.wav\t\t\t\n")
    assert "truth.tsv: there are no events in it" in refusal(asked)


def test_detections_of_an_unknown_file_name_the_durations(asked):
    (asked["folder"] / "predictions_th_0.8.tsv").write_text(HEADER + "Dog\t0\t1\tz.wav\n")
    message = refusal(asked)
    assert "predictions_th_0.8.tsv: line 2: file 'z.wav' is not in" in message
    assert str(asked["durations"]) in message


def test_many_names_are_not_listed(tmp_path):
    path = tmp_path / "th_0.5.tsv"
    path.write_text(HEADER + "Dog\t0\t1\tzzzzzzzzzzzz\n")
    with pytest.raises(DataError, match=r"zzz' is not in the files.*Correct one of the two"):
        read_detections(path, files=[f"{n}.wav" for n in range(1000)], classes=CLASSES)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 100), st.integers(1, 50)),
        max_size=12,
    )
)
def test_what_is_written_is_read_again(tmp_path_factory, rows):
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    events = Events.of(
        *columns[:2], columns[2] / 8, (columns[2] + columns[3]) / 8, file_count=3, class_count=2
    )
    folder = tmp_path_factory.mktemp("said")
    write_operating_points(folder, {0.5: events}, files=FILES, classes=CLASSES)
    again = read_detections(folder / "predictions_th_0.5.tsv", files=FILES, classes=CLASSES)
    assert rows_of(again) == rows_of(events)
