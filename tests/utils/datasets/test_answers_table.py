"""Tables of class shares, whole and broken."""

import csv
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils.datasets.answers_table import id_key, read_answers, read_cells, read_template
from utils.errors import DataError

GOOD = "id,no,yes\n0,0.5,0.5\n7,1,0\n"


def written(folder, text):
    path = folder / "answers.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "\ufeff" + GOOD,
        '"id","no","yes"\n"0","0.5",".5"\n"7","1.0","0.0"',
        GOOD + "\n\n  \n,,\n",
        "\n" + GOOD.replace(",", ";"),
        GOOD.replace("0.5\n", "0.5,,\n"),
        GOOD.replace("\n", ",,\n"),
        GOOD.replace(",", "\t"),
        "id, no ,yes\n 0, 0.5 ,5e-1\n7 ,1,0\n",
    ],
)
def test_tables_as_programs_leave_them(tmp_path, text):
    table = read_answers(written(tmp_path, text))
    assert table.ids == ("0", "7")
    assert table.classes == ("no", "yes")
    np.testing.assert_array_equal(table.shares, [[0.5, 0.5], [1.0, 0.0]])
    template = read_template(table.path)
    assert (template.ids, template.classes) == (table.ids, table.classes)


def test_ids_are_kept_as_text_and_lines_are_those_of_the_file(tmp_path):
    table = read_template(written(tmp_path, "id,no\n007,\n\n a b ,x\n"))
    assert table.ids == ("007", "a b")
    assert list(table.lines) == [2, 4]
    assert str(table.error(1, "is odd.")).endswith("answers.csv: line 4: id 'a b' is odd.")


def test_what_is_no_number_is_kept_as_far_as_it_is_told(tmp_path):
    rows = "".join(f"{row},x,0.5,nan\n" for row in range(8))
    table = read_cells(written(tmp_path, f"id,no,off,yes\n{rows}8,1,0\n"))
    np.testing.assert_array_equal(table.shares, [[np.nan, 0.5, np.nan]] * 8)
    assert table.odd == {(row, n): text for row in range(5) for n, text in ((0, "x"), (2, "nan"))}
    assert table.lengths == [(10, "8", 3)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table is empty"),
        ("\n \n", "the table is empty"),
        ("id,no,yes\n", "the table has a header but no rows"),
        ("0,1,0\n1,1,0\n", "has no header; its first line must be id,CLASS,..."),
        ("name,no\n0,1\n", "the first column is 'name'; it must be 'id'"),
        (",no\n0,1\n", "the first column is ''; it must be 'id'"),
        ("id\n0\n", "there are no columns of classes after 'id'"),
        ("id,no,no\n0,1,0\n", "column 'no' occurs more than once"),
        ("id,no,,yes\n0,1,0,0\n", "column 3 has no name"),
        ("id,no,yes\n0,1\n", "line 2: id '0' has 2 values for 3 columns"),
        ("id,no,yes\n0,1,0,4\n", "line 2: id '0' has 4 values for 3 columns"),
        ("id,no,yes\n\n,1,0\n", "line 3: column 'id' has no value"),
        ('id,no,yes\n"0,1,0\n', "line 2: unexpected end of data"),
        (b"id,no\n\xff,1\n", "line 2: it is not UTF-8 text"),
        ("id,no,yes\n0,1,0\n1,1,0\n0,1,0\n", "line 4: id '0' stands in line 2 already"),
        ("id,no,yes\n0,1,\n", "line 2: id '0' has '' in column 'yes'; a share is a fini"),
        ("id,no,yes\n0,1,0\n1,half,0\n", "line 3: id '1' has 'half' in column 'no'"),
        ("id,no,yes\n0,nan,1\n", "line 2: id '0' has 'nan' in column 'no'"),
        ("id,no,yes\n0,1,inf\n", "line 2: id '0' has 'inf' in column 'yes'"),
        ("id,no,yes\n0,1.5,-0.5\n", "line 2: id '0' has '-0.5' in column 'yes'"),
        ("id,no,yes\n0,1,0\n1,.25,.5\n", "line 3: id '1' has shares that sum to 0.75, not 1;"),
        ("id,no,yes\n0,1,1\n1,0,0\n", "sum to 2, not 1"),
        ("id,no,yes\n0,1,0.0011\n", "sum to 1.0011"),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path, text, message):
    with pytest.raises(DataError) as caught:
        read_answers(written(tmp_path, text))
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "answers.csv"))


def test_sums_may_be_rounded(tmp_path):
    table = read_answers(written(tmp_path, "id,a,b,c\n0,.3333,.3333,.3333\n"))
    assert table.shares.sum() == pytest.approx(0.9999)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv: the table is missing"):
        read_template(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_template(tmp_path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("no,house,yes", None),
        ("no,hause,yes", "train.csv differ in column 3: 'hause' in the first and 'house' in the"),
        ("no,yes,house", "column 3 is 'yes' where train.csv has 'house'; put the columns"),
        ("no,house", "answers.csv: there is no column 'yes', which train.csv has"),
        ("no,house,yes,zero", "train.csv: there is no column 'zero', which answers.csv has"),
        ("house,yes", "train.csv differ in column 2: 'house' in the first and 'no' in the second"),
    ],
)
def test_columns_are_compared(tmp_path, columns, message):
    (tmp_path / "train.csv").write_text("id,no,house,yes\n0,0,0,0\n")
    other = read_template(tmp_path / "train.csv")
    table = read_template(written(tmp_path, f"id,{columns}\n0{',0' * (columns.count(',') + 1)}\n"))
    if message is None:
        table.check_classes(other)
        return
    with pytest.raises(DataError) as caught:
        table.check_classes(other)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text", ["7", "007", " 7 ", "train_7", "train_00007", "train_00007.wav", "train/7.WAV"]
)
def test_a_number_is_one_id_however_it_is_written(text):
    assert id_key(text, "train") == "7"


def test_other_ids_stay_as_they_are():
    assert id_key("0000", "train") == "0"
    assert id_key("test_00007", "train") == "test_00007"
    assert id_key("clip 7.wav", "train") == "clip 7"
    assert id_key("7.5", "train") == "7.5"
    assert id_key("٣", "train") == "٣"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='id,"\n\r;\t0.5-e_nax', max_size=60))
def test_anything_is_read_or_refused_in_one_sentence(tmp_path, content):
    path = written(tmp_path, content)
    try:
        table = read_answers(path)
    except DataError:
        return
    assert table.shares.shape == (len(table.ids), len(table.classes))
    np.testing.assert_allclose(table.shares.sum(axis=1), 1.0, atol=1e-3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(st.text("abc 01_,;'\"", min_size=1).filter(str.strip), st.integers(0, 4)),
        min_size=1,
        max_size=8,
        unique_by=lambda row: row[0].strip(),
    )
)
def test_what_was_written_is_read(tmp_path, rows):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "no", "yes"])
    writer.writerows([name, count / 4, 1 - count / 4] for name, count in rows)
    table = read_answers(written(tmp_path, text.getvalue()))
    assert table.ids == tuple(name.strip() for name, _ in rows)
    np.testing.assert_array_equal(table.shares[:, 0], [count / 4 for _, count in rows])
