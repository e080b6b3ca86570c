import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.datasets.base import Clip
from utils.errors import DataError
from utils.evaluation import Predictions, answers
from utils.evaluation.answers import Answers

WORDS = ("bed", "bird", "no", "on")
IDS = ("0", "1", "2", "3")
GOOD = "id,bed,bird,no,on\n0,1,0,0,0\n1,0.5,0.5,0,0\n2,0,0,0.25,0.75\n3,0,0,0,1\n"


@pytest.fixture
def written(tmp_path):
    """Write a table; give its problems without the folder, which each begins with."""

    def write(text: str | bytes) -> list[str]:
        path = tmp_path / "submission.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        found = answers.problems(path, ids=IDS, classes=WORDS)
        assert all(problem.startswith(str(path)) for problem in found)
        return [problem.removeprefix(f"{tmp_path}/") for problem in found]

    return write


def test_the_table_is_that_of_the_template(tmp_path):
    path = tmp_path / "new" / "submission.csv"
    rows = np.array([[0.25, 0.75, 0, 0], [1, 0, 0, 0]], np.float32)
    answers.write(path, ids=("0", "a,b"), classes=WORDS, probabilities=rows)
    assert path.read_text() == 'id,bed,bird,no,on\n0,0.25,0.75,0,0\n"a,b",1,0,0,0\n'


def test_rows_sum_to_one_however_coarse_the_probabilities_are(tmp_path, rng):
    path = tmp_path / "submission.csv"
    names, ids = [f"w{number}" for number in range(30)], [str(number) for number in range(50)]
    rows = np.round(rng.dirichlet(np.ones(30), size=50) * 256) / 256
    assert np.abs(rows.sum(axis=1) - 1).max() > 1e-3
    answers.write(path, ids=ids, classes=names, probabilities=rows)
    assert answers.problems(path, ids=ids, classes=names) == []
    assert np.abs(answers.read(path).probabilities.sum(axis=1) - 1).max() < 1e-6


@given(
    rows=st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), max_size=5).map(
        lambda rows: [row for row in rows if sum(row) > 1e-3]
    ),
    names=st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), unique=True),
)
def test_what_is_written_is_read_to_the_digits(rows, names):
    count = min(len(rows), len(names))
    if not count:
        return
    values = np.array(rows[:count]).reshape(count, 4)
    values /= values.sum(axis=1, keepdims=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.csv"
        answers.write(path, ids=names[:count], classes=WORDS, probabilities=values)
        back = answers.read(path, classes=WORDS)
    assert back.ids == tuple(names[:count])
    assert back.classes == WORDS
    np.testing.assert_allclose(back.probabilities, values, rtol=1e-8, atol=1e-300)


def test_float32_is_kept_to_its_last_digit_but_for_the_sum(tmp_path, rng):
    path = tmp_path / "answers.csv"
    rows = rng.dirichlet(np.full(4, 0.3), size=100).astype(np.float32)
    answers.write(path, ids=[str(i) for i in range(100)], classes=WORDS, probabilities=rows)
    np.testing.assert_allclose(answers.read(path).probabilities, rows, rtol=2e-7)


def test_rows_that_are_no_distribution_are_not_written(tmp_path):
    path = tmp_path / "answers.csv"
    with pytest.raises(DataError, match=r"7: its predictions .* not probabilities"):
        answers.write(path, ids=("7",), classes=WORDS, probabilities=np.full((1, 4), np.nan))
    assert not path.exists()


@pytest.mark.parametrize(("ids", "classes"), [(("0", "0"), WORDS), (("0", "1"), ("a",) * 4)])
def test_an_id_or_class_twice_is_not_written(tmp_path, ids, classes):
    with pytest.raises(ValueError, match="once each"):
        answers.write(tmp_path / "x", ids=ids, classes=classes, probabilities=np.eye(4)[:2])


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\ufeff" + GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\n\n"),
        GOOD.replace(",", " , "),
        GOOD.replace("\n", ",,\n"),
        GOOD.rstrip("\n"),
    ],
)
def test_a_good_table_has_no_problems(written, text):
    assert written(text) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("2,0,0,0.25,0.75\n", ""), "submission.csv: 1 of 4 ids have no row: '2'."),
        (("3,0,", "9,0,"), "submission.csv: line 5: id '9' is not in the template."),
        (("2,0,", "1,0,"), "submission.csv: line 4: id '1' stands in line 3 already; remove "
         "one of the rows."),
        (("bird", "birb"), "submission.csv: column 'birb' is no class. Did you mean 'bird'?"),
        (("bird", "birb"), "submission.csv: there are no columns 'bird'."),
        (("no,on", "on,no"), "submission.csv: the columns are out of order: 'on' stands where "
         "'no' belongs; the order is id,bed,bird,no,on."),
        (("no,on", "no,no"), "submission.csv: column 'no' occurs more than once in the header."),
        (("id,", "file,"), "submission.csv: the first column is 'file'; it must be 'id'."),
        (("0.5,0.5", "0.5,0.498"), "submission.csv: line 3: id '1' has shares that sum to "
         "0.998, not 1; correct them."),
        (("0.25,", "nan,"), "submission.csv: line 4: id '2' has 'nan' in column "
         "'no'; a share is a finite number of 0 or more."),
        (("0.25,", "x,"), "submission.csv: line 4: id '2' has 'x' in column "
         "'no'; a share is a finite number of 0 or more."),
        (("0.25,", ","), "submission.csv: line 4: id '2' has '' in column "
         "'no'; a share is a finite number of 0 or more."),
        (("0.25,0.75", "-0.25,1.25"), "submission.csv: line 4: id '2' has '-0.25' in column "
         "'no'; a share is a finite number of 0 or more."),
        (("0.25,0.75", "1"), "submission.csv: line 4: id '2' has 4 values for 5 columns."),
    ],
)  # fmt: skip
def test_each_fault_is_told_with_its_place(written, change, sentence):
    assert sentence in written(GOOD.replace(*change))


def test_rows_in_another_order_are_told_once_each(written):
    lines = GOOD.splitlines()
    lines[1], lines[2] = lines[2], lines[1]
    assert written("\n".join(lines)) == [
        "submission.csv: line 2: id '1' stands where the template has '0'.",
        "submission.csv: line 3: id '0' stands where the template has '1'.",
    ]


def test_the_order_is_judged_without_the_rows_that_are_missing(written):
    assert written(GOOD.replace("1,0.5,0.5,0,0\n", "")) == [
        "submission.csv: 1 of 4 ids have no row: '1'."
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the table is empty; it needs a header and rows"),
        (b"\r\n\r\n", "the table is empty"),
        (b"id,bed,bird,no,on\n", "the table has a header but no rows"),
        (b"\xff\xfe1\x002\x00", "line 1: it is not UTF-8 text"),
        (GOOD.partition("\n")[2].encode(), "has no header; its first line must be id,bed,bird,no"),
        (GOOD.replace(",", ";").encode(), "must be separated by commas"),
        (b'id,"' + b"x" * 200_000 + b'"\n', "line 1: field larger than field limit"),
    ],
)
def test_files_that_are_no_table_are_told(written, content, sentence):
    first, *others = written(content)
    assert first.startswith("submission.csv") and sentence in first
    assert all("ids have no row" in problem for problem in others)


def test_many_faults_of_a_kind_are_counted(written):
    text = "id,bed,bird,no,on\n" + "".join(f"{i},2,0,0,0\n" for i in range(100))
    found = written(text)
    assert len(found) == 6 + 6
    assert found[5] == "submission.csv: 95 more faults like the last."
    assert found[6] == "submission.csv: line 6: id '4' is not in the template."
    assert written("id,bed,bird,no,on\n9,1,0,0,0\n")[-1] == (
        "submission.csv: 4 of 4 ids have no row: '0', '1', '2', '3'."
    )


def test_a_missing_file_is_told(tmp_path):
    assert (
        "the table is missing" in answers.problems(tmp_path / "no.csv", ids=IDS, classes=WORDS)[0]
    )


def test_reading_stops_at_the_first_problem(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text(GOOD.replace("0.75", "x").replace("0.5", "0.4").replace("3,0,", "0,0,"))
    with pytest.raises(DataError, match=r"line 5: id '0' stands in line 2 already; [a-z ]+\.$"):
        answers.read(path)


def test_without_classes_the_header_says_them(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text(GOOD)
    table = answers.read(path)
    assert (table.ids, table.classes) == (IDS, WORDS)
    assert table.probabilities[2].tolist() == [0, 0, 0.25, 0.75]
    path.write_text("id\n0\n")
    with pytest.raises(DataError, match="no columns of classes"):
        answers.read(path)


@given(
    content=st.one_of(st.binary(), st.text(alphabet='id,bednor"\n\r019.-;\t\0e ').map(str.encode))
)
def test_any_bytes_are_read_or_told(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.csv"
        path.write_bytes(content)
        found = answers.problems(path, ids=IDS, classes=WORDS)
        assert all(problem.startswith(str(path)) for problem in found)
        try:
            table = answers.read(path)
        except DataError:
            return
        assert np.abs(table.probabilities.sum(axis=1) - 1).max() <= 1e-3


@given(place=st.integers(0, len(GOOD) - 1), text=st.text(alphabet='id,x"\n\r019.-e \0', max_size=6))
def test_any_damage_to_a_good_table_is_read_or_told(place, text):
    damaged = GOOD[:place] + text + GOOD[place + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.csv"
        path.write_bytes(damaged.encode())
        if answers.problems(path, ids=IDS, classes=WORDS) == []:
            table = answers.read(path, classes=WORDS)
            assert table.ids == IDS


def test_answers_are_put_beside_the_truth_by_name():
    truth = Answers(("0", "1"), ("a", "b"), np.array([[1.0, 0.0], [0.25, 0.75]]))
    said = Answers(("1", "0"), ("a", "b"), np.array([[0.3, 0.7], [0.9, 0.1]]))
    joined = answers.against(said, truth)
    assert joined.names == ("0", "1")
    np.testing.assert_array_equal(joined.probabilities, [[0.9, 0.1], [0.3, 0.7]])
    np.testing.assert_array_equal(joined.truth, truth.probabilities)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (Answers(("0",), ("a", "b"), np.eye(2)[:1]), "truth: 1 ids have no answer, such as '1'.$"),
        (
            Answers(("0", "1", "7"), ("a", "b"), np.eye(2)[[0, 0, 1]]),
            "truth: 1 ids of the answers are unknown, such as '7'",
        ),
    ],
)
def test_answers_to_other_clips_are_refused(said, message):
    truth = Answers(("0", "1"), ("a", "b"), np.eye(2))
    with pytest.raises(DataError, match=message):
        answers.against(said, truth)


def test_answers_of_other_classes_are_a_mistake_of_the_caller():
    truth = Answers(("0", "1"), ("a", "b"), np.eye(2))
    with pytest.raises(ValueError, match="same classes"):
        answers.against(Answers(("0", "1"), ("b", "a"), np.eye(2)), truth)


@pytest.mark.parametrize(
    ("said", "known"),
    [
        (("7", "10"), ("test_00010", "test_00007")),
        (("train_00007", "train_00010"), ("10", "007")),
        (("test/test_00007.wav", "test_00010.wav"), ("00010", "7")),
        (("clip b", "clip a"), ("clip a", "clip b.wav")),
    ],
)
def test_ids_are_joined_by_what_they_have_in_common(said, known):
    truth = Answers(known, ("a", "b"), np.eye(2))
    joined = answers.against(Answers(said, ("a", "b"), np.eye(2)), truth)
    assert joined.names == known
    np.testing.assert_array_equal(joined.probabilities, np.eye(2)[::-1])


@pytest.mark.parametrize(
    ("said", "known", "message"),
    [
        (
            ("train_1", "train_2"),
            ("test_1", "test_2"),
            "2 ids have no answer, such as 'test_1'; 2 ids .* unknown, such as 'train_1'",
        ),
        (("1", "01"), ("1", "2"), "1 ids have no answer, such as '2'; 1 .* '01'"),
        (("test_1", "test_2"), ("1", "3"), "1 ids have no answer, such as '3'; 1 .* 'test_2'"),
        (
            ("test_1", "test_3", "test_2"),
            ("1", "2"),
            "truth: 1 ids of the answers are unknown, such as 'test_3'",
        ),
    ],
)
def test_other_ids_are_not_joined(said, known, message):
    truth = Answers(known, ("a", "b"), np.eye(2)[[0] * len(known)])
    with pytest.raises(DataError, match=message):
        answers.against(Answers(said, ("a", "b"), np.eye(2)[[0] * len(said)]), truth)


def test_ids_that_differ_in_text_alone_are_told_apart():
    ids = ("1", "01", "test_1")
    truth = Answers(ids, ("a", "b", "c"), np.eye(3))
    said = Answers(ids[::-1], ("a", "b", "c"), np.eye(3)[::-1])
    np.testing.assert_array_equal(answers.against(said, truth).probabilities, np.eye(3))


def test_an_extra_column_of_text_is_told_once(written):
    text = "\n".join(f"{line},note" for line in GOOD.splitlines())
    (problem,) = written(text)
    assert problem == "submission.csv: column 'note' is no class. Remove it."


def test_long_text_is_cut_in_messages(written):
    first = written(GOOD.replace("bird", "x" * 1000))[0]
    assert first == f"submission.csv: column '{'x' * 39}…' is no class. Missing are: 'bird'."


def test_clips_without_an_answer_get_equal_shares():
    known = Predictions(("b", "a"), np.eye(4, dtype=np.float32)[:2])
    whole, missing = answers.complete(known, ("a", "x", "b"))
    assert (whole.names, missing) == (("a", "x", "b"), ("x",))
    np.testing.assert_array_equal(whole.probabilities, [np.eye(4)[1], [0.25] * 4, np.eye(4)[0]])


def clips(*names: str) -> list[Clip]:
    return [Clip(name, Path(name), ("bird", "no"), weights=(0.25, 0.75)) for name in names]


def test_answers_are_put_beside_clips_by_their_ids():
    said = Answers(("b", "a"), WORDS, np.eye(4)[:2])
    joined = answers.of_clips(said, clips("test/a.wav", "test/b.wav"))
    assert joined.names == ("test/a.wav", "test/b.wav")
    np.testing.assert_array_equal(joined.probabilities, np.eye(4)[[1, 0]])
    np.testing.assert_array_equal(joined.truth, [[0, 0.25, 0.75, 0]] * 2)
    with pytest.raises(DataError, match=r"1 ids have no answer, such as 'c'; 1 ids"):
        answers.of_clips(said, clips("test/a.wav", "test/c.wav"))
    numbered = Answers(("1", "0"), WORDS, np.eye(4)[:2])
    joined = answers.of_clips(numbered, clips("test/test_00000.wav", "test/test_00001.wav"))
    np.testing.assert_array_equal(joined.probabilities, np.eye(4)[[1, 0]])


def test_an_id_is_the_file_name_where_that_is_enough():
    assert answers.ids_of(["train/one.wav", "train/two.b.wav"]) == ("one", "two.b")
    assert answers.ids_of(["one/1.wav", "two/1.wav"]) == ("one/1.wav", "two/1.wav")
