"""Tables of class shares, whole and broken."""

import csv
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils.datasets.answers_table import read_answers, read_template
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
        "id, no ,yes\n0, 0.5 ,5e-1\n7,1,0\n",
    ],
)
def test_tables_as_programs_leave_them(tmp_path, text):
    table, shares = read_answers(written(tmp_path, text))
    assert table.ids == ("0", "7")
    assert table.classes == ("no", "yes")
    np.testing.assert_array_equal(shares, [[0.5, 0.5], [1.0, 0.0]])
    assert read_template(table.path) == table


def test_ids_are_kept_as_text_and_lines_are_those_of_the_file(tmp_path):
    table = read_template(written(tmp_path, "id,no\n007,\n\n a b ,x\n"))
    assert table.ids == ("007", " a b ")
    assert table.lines == (2, 4)
    assert str(table.error(1, "is odd.")).endswith("answers.csv: line 4: id ' a b ' is odd.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table is empty"),
        ("\n \n", "the table is empty"),
        ("id,no,yes\n", "the table is without rows"),
        ("name,no\n0,1\n", "the first column is 'name'; it must be 'id'"),
        (",no\n0,1\n", "the first column is ''; it must be 'id'"),
        ("id\n0\n", "there are no columns of classes after 'id'"),
        ("id,no,no\n0,1,0\n", "column 'no' occurs more than once"),
        ("id,no,,yes\n0,1,0,0\n", "column 3 has no name"),
        ("id,no,yes\n0,1\n", "line 2: 2 values for 3 columns"),
        ("id,no,yes\n0,1,0,4\n", "line 2: 4 values for 3 columns"),
        ("id,no,yes\n\n,1,0\n", "line 3: column 'id' has no value"),
        ('id,no,yes\n"0,1,0\n', "line 3: unexpected end of data"),
        (b"id,no\n\xff,1\n", "not UTF-8 text (byte 6)"),
        ("id,no,yes\n0,1,\n", "line 2: id '0' has '' in column 'yes'; a share is a number"),
        ("id,no,yes\n0,1,0\n1,half,0\n", "line 3: id '1' has 'half' in column 'no'"),
        ("id,no,yes\n0,nan,1\n", "line 2: id '0' has 'nan' in column 'no'"),
        ("id,no,yes\n0,1,inf\n", "line 2: id '0' has 'inf' in column 'yes'"),
        ("id,no,yes\n0,1.5,-0.5\n", "line 2: id '0' has '-0.5' in column 'yes'"),
        ("id,no,yes\n0,1,0\n1,.25,.5\n", "line 3: id '1' has shares that sum to 0.75, not 1;"),
        ("id,no,yes\n0,1,1\n1,0,0\n", "sum to 2, not 1 (1 other rows are wrong too)"),
        ("id,no,yes\n0,1,0.0011\n", "sum to 1.0011"),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path, text, message):
    with pytest.raises(DataError) as caught:
        read_answers(written(tmp_path, text))
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "answers.csv"))


def test_sums_may_be_rounded(tmp_path):
    _, shares = read_answers(written(tmp_path, "id,a,b,c\n0,.3333,.3333,.3333\n"))
    assert shares.sum() == pytest.approx(0.9999)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv: the table is missing"):
        read_template(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_template(tmp_path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("no,house,yes", None),
        ("no,hause,yes", "column 3, 'hause', is not in train.csv. Did you mean 'house'?"),
        ("no,yes,house", "column 3 is 'yes' where train.csv has 'house'; put the columns"),
        ("no,house", "there is no column 'yes', which train.csv has"),
        ("no,house,yes,zero", "column 5, 'zero', is not in train.csv"),
        ("house,yes", "column 2 is 'house' where train.csv has 'no'"),
    ],
)
def test_columns_are_compared(tmp_path, columns, message):
    table = read_template(written(tmp_path, f"id,{columns}\n0{',0' * (columns.count(',') + 1)}\n"))
    if message is None:
        table.check_classes(("no", "house", "yes"), "train.csv")
        return
    with pytest.raises(DataError) as caught:
        table.check_classes(("no", "house", "yes"), "train.csv")
    assert message in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='id,"\n\r;\t0.5-e_nax', max_size=60))
def test_anything_is_read_or_refused_in_one_sentence(tmp_path, content):
    path = written(tmp_path, content)
    try:
        table, shares = read_answers(path)
    except DataError:
        return
    assert shares.shape == (len(table.ids), len(table.classes))
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(st.text("abc 01_,;'\"", min_size=1).filter(str.strip), st.integers(0, 4)),
        min_size=1,
        max_size=8,
    )
)
def test_what_was_written_is_read(tmp_path, rows):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "no", "yes"])
    writer.writerows([name, count / 4, 1 - count / 4] for name, count in rows)
    table, shares = read_answers(written(tmp_path, text.getvalue()))
    assert table.ids == tuple(name for name, _ in rows)
    np.testing.assert_array_equal(shares[:, 0], [count / 4 for _, count in rows])
