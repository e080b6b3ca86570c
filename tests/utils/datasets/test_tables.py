"""Tables as people and programs leave them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.datasets.tables import nearest, read_lines, read_table
from utils.errors import DataError


def write(folder, content):
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def values(table):
    return [dict(row.values) for row in table.rows]


EXPECTED = [{"filename": "a.wav", "label": "dog"}, {"filename": "b.wav", "label": "cat"}]


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_separators_line_ends_and_byte_order_marks(tmp_path, separator, line_end, mark):
    rows = [["filename", "label"], ["a.wav", "dog"], ["b.wav", "cat"]]
    text = "".join(separator.join(row) + line_end for row in rows)
    table = read_table(write(tmp_path, mark + text.encode()), required=["filename", "label"])
    assert values(table) == EXPECTED


def test_blank_lines_blanks_and_empty_trailing_cells_are_passed_over(tmp_path):
    text = "\nfilename , label\n\n a.wav,dog \n,\n  \nb.wav,cat,,\n\n"
    table = read_table(write(tmp_path, text), required=["filename"])
    assert values(table) == EXPECTED
    assert [row.line for row in table.rows] == [4, 7]


def test_names_of_columns_end_with_the_last_that_is_there(tmp_path):
    table = read_table(write(tmp_path, "filename,label, ,\na.wav,dog,,\nb.wav,cat\n"), required=[])
    assert table.columns == ("filename", "label")
    assert values(table) == EXPECTED


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_line_that_is_no_text_is_found_in_a_large_table(tmp_path, line_end):
    rows = [f"{number}.wav,dog" for number in range(20_000)]
    text = line_end.join(["\ufefffilename,label", *rows]).encode()
    path = write(tmp_path, text.replace(b"12345.wav", b"12345\xe9wav"))
    with pytest.raises(DataError, match="line 12347: it is not UTF-8"):
        read_table(path, required=["filename"])


def test_lines_are_read_one_by_one(tmp_path):
    lines = read_lines(write(tmp_path, 'id;"a;b";c\n 1 ; 2;"3"\n4;5\n6;"7\n'))
    assert (lines.separator, lines.columns) == (";", ("id", "a;b", "c"))
    assert next(lines.rows) == (2, [" 1 ", " 2", "3"])
    assert next(lines.rows) == (3, ["4", "5"])
    with pytest.raises(DataError, match="line 4: unexpected end of data"):
        next(lines.rows)


def test_one_column_keeps_names_with_commas(tmp_path):
    table = read_table(write(tmp_path, "filename\na, b.wav\n"), required=["filename"])
    assert table.rows[0]["filename"] == "a, b.wav"


def test_other_columns_may_be_empty(tmp_path):
    path = write(tmp_path, "filename,label\na.wav,\n")
    assert read_table(path, required=["filename"]).rows[0]["label"] == ""
    read_table(path, required=["filename", "label"], filled=["filename"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("\n\r\n", "empty"),
        (" , ;\n\t\n", "empty"),
        ('""\n', "no column 'filename'"),
        ("filename,label\n", "no rows"),
        ("filename,lable\na.wav,dog\n", "no column 'label'. Did you mean 'lable'?"),
        ("filename,label,label\na,b,c\n", "'label' occurs more than once"),
        ("filename,label\na.wav\n", "line 2: 1 values for 2 columns"),
        ("filename,label\na.wav,dog\nb.wav,cat,3\n", "line 3: 3 values for 2 columns"),
        ("filename,label\na.wav,\n", "line 2: column 'label' has no value"),
        ('filename,label\n"a.wav,dog\n', "line 2: unexpected end of data"),
        (b"filename,label\n\xff\xfe,dog\n", "line 2: it is not UTF-8 text"),
        (b"\xff\xfef\x00", "line 1: it is not UTF-8 text"),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path, content, message):
    with pytest.raises(DataError) as caught:
        read_table(write(tmp_path, content), required=["filename", "label"])
    assert str(caught.value).startswith(str(tmp_path / "table.csv"))
    assert message in str(caught.value)


def test_a_missing_table_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataError, match=r"table\.csv: the table is missing"):
        read_table(tmp_path / "table.csv", required=["filename"])
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path, required=["filename"])


def test_nearest_name_or_all_names():
    assert nearest("bus_", ["tram", "bus"]) == "Did you mean 'bus'?"
    assert nearest("zzz", ["tram", "bus"]) == "Known are: bus, tram."


CELL = (
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")),
        min_size=1,
        max_size=8,
    )
    .map(str.strip)
    .filter(lambda text: text.strip('\t,; "') and text.isprintable())
)


@given(
    rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6), separator=st.sampled_from("\t,;")
)
def test_what_csv_writes_is_read_back(tmp_path_factory, rows, separator):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator)
    writer.writerows([("filename", "label"), *rows])
    path = write(tmp_path_factory.mktemp("table"), stream.getvalue())
    table = read_table(path, required=["filename", "label"])
    assert [(row["filename"], row["label"]) for row in table.rows] == rows


@given(content=st.binary(max_size=60))
def test_any_bytes_give_a_table_or_a_data_error(tmp_path_factory, content):
    path = write(tmp_path_factory.mktemp("table"), b"filename,label\n" + content)
    try:
        table = read_table(path, required=["filename", "label"])
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert all(row["filename"] and row["label"] for row in table.rows)
