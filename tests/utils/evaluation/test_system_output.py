import csv

import numpy as np
import pytest

from utils.errors import DataError, UserError
from utils.evaluation import Predictions, read_system_output, write_labels, write_system_output

CLASSES = ("bus", "metro", "tram")
HEADER = "filename\tscene_label\tbus\tmetro\ttram\n"


def test_written_as_the_baseline_writes_it(tmp_path):
    path = tmp_path / "new" / "output.csv"
    rows = np.array([[0.25, 0.5, 0.25], [1.0, 0.0, 0.0]], dtype=np.float32)
    predictions = Predictions(("audio/metro-lyon-1-1-a.wav", "audio/bus.wav"), rows)
    write_system_output(path, predictions, CLASSES)
    assert path.read_bytes().decode() == (
        HEADER + "audio/metro-lyon-1-1-a.wav\tmetro\t0.25\t0.5\t0.25\naudio/bus.wav\tbus\t1\t0\t0\n"
    )


def test_read_gives_back_float32_exactly(tmp_path, rng):
    path = tmp_path / "output.csv"
    rows = rng.dirichlet(np.full(3, 0.05), size=300).astype(np.float32)
    predictions = Predictions(tuple(f"{number}.wav" for number in range(300)), rows)
    write_system_output(path, predictions, CLASSES)
    table = read_system_output(path, classes=CLASSES)
    np.testing.assert_array_equal(table.probabilities, rows)
    assert table.probabilities.dtype == np.float32
    assert table.names == predictions.names
    assert table.labels == tuple(CLASSES[number] for number in predictions.predicted)


def test_float64_ties_in_print_do_not_contradict_the_label(tmp_path):
    path = tmp_path / "output.csv"
    rows = np.array([[1 / 3, 1 / 3 + 1e-12, 1 / 3 - 1e-12]])
    write_system_output(path, Predictions(("0.wav",), rows), CLASSES)
    assert read_system_output(path).labels == ("metro",)


def test_bom_crlf_and_blank_end_are_read(tmp_path):
    path = tmp_path / "output.csv"
    text = "\ufeff" + HEADER + "0.wav\tbus\t1\t0\t0\n\n"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    table = read_system_output(path)
    assert table.classes == CLASSES
    assert table.labels == ("bus",)


def test_a_header_without_rows_is_an_empty_table(tmp_path):
    path = tmp_path / "output.csv"
    path.write_text(HEADER)
    assert read_system_output(path).probabilities.shape == (0, 3)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0.wav\tbus\t1\t0", "row 2: 5 fields .* not 4"),
        ("0.wav\tbus\t1\t0\t0\n0.wav\tbus\t1\t0\t0", r"row 3: 0\.wav stands in row 2"),
        ("0.wav\tboat\t1\t0\t0", "row 2: 'boat' is not one of the classes bus, metro, tram"),
        ("0.wav\tbus\t0.4\t0.6\t0", "row 2: the label is bus, but metro has the largest"),
        ("0.wav\tbus\tnan\t0\t0", "row 2: .* finite numbers"),
        ("0.wav\tbus\tinf\t0\t0", "row 2: .* finite numbers"),
        ("0.wav\tbus\tone\t0\t0", "row 2: .* finite numbers"),
        ("0.wav\tbus\t1.5\t-0.5\t0", r"row 2: .* between 0 and 1, not -0\.5 to 1\.5"),
        ("0.wav\tbus\t0.5\t0.25\t0", r"row 2: .* sum to 1, not to 0\.75"),
        ("0.wav\tbus\t100\t0\t0", "row 2: .* between 0 and 1, not 0 to 100"),
    ],
)
def test_first_fault_is_named_with_its_row(tmp_path, rows, message):
    path = tmp_path / "output.csv"
    path.write_text(HEADER + rows + "\n")
    with pytest.raises(DataError, match=r"output\.csv, " + message):
        read_system_output(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"filename,scene_label,bus\n", "header must be filename scene_label bus metro tram"),
        (b"filename\tscene_label\tmetro\tbus\ttram\n", "header must be"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "output.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_system_output(path, classes=CLASSES)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: cannot be read"):
        read_system_output(tmp_path / "none.csv")


def test_labels_are_written_as_the_labelled_subset_lists_them(tmp_path):
    path = tmp_path / "new" / "submission.csv"
    names = ("7.wav", "fold1/0044-3-0-1.wav", "two.parts.flac", "a, b.wav")
    rows = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2]])
    write_labels(path, Predictions(names, rows.astype(np.float32)), CLASSES)
    assert path.read_bytes() == (b'ID,Class\n7,metro\n0044-3-0-1,bus\ntwo.parts,tram\n"a, b",bus\n')
    with path.open(newline="") as stream:
        assert [row["ID"] for row in csv.DictReader(stream)][3] == "a, b"


def test_labels_of_no_clips_are_a_header(tmp_path):
    path = tmp_path / "submission.csv"
    write_labels(path, Predictions((), np.zeros((0, 3), np.float32)), CLASSES)
    assert path.read_text() == "ID,Class\n"


def test_labels_that_cannot_be_written_say_so(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder is needed")
    predictions = Predictions(("0.wav",), np.array([[1.0, 0.0, 0.0]], np.float32))
    with pytest.raises(UserError, match="cannot be written"):
        write_labels(blocked / "submission.csv", predictions, CLASSES)
