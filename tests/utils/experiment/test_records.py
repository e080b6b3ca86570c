"""What a training and its predictions leave in a folder, read back."""

import numpy as np
import pytest

from utils.errors import UserError
from utils.experiment.records import load_arrays, read_best_epoch, read_history, save_arrays
from utils.files import write_json


def test_arrays_come_back_by_name_as_they_were(tmp_path, rng):
    arrays = {
        "student_strong": rng.random((3, 5, 2), np.float32),
        "student_weak": rng.random((3, 2), np.float32),
        "names": np.array(["a", "b", "ü"]),
        "empty": np.zeros((0, 5, 2)),
    }
    save_arrays(tmp_path / "predictions.npz", arrays)
    found = load_arrays(tmp_path / "predictions.npz")
    assert list(found) == list(arrays)
    for name, expected in arrays.items():
        np.testing.assert_array_equal(found[name], expected)
        assert found[name].dtype == expected.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.npz"]


def test_objects_are_neither_written_nor_read(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        save_arrays(tmp_path / "predictions.npz", {"x": np.array([{}], dtype=object)})
    assert not list(tmp_path.iterdir())
    np.savez(tmp_path / "others.npz", x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        load_arrays(tmp_path / "others.npz")


def test_history_is_numbers_by_epoch(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss,val_psds\n1,0.5,0.0\n2,0.25,0.125\n")
    assert read_history(tmp_path) == [
        {"epoch": 1.0, "loss": 0.5, "val_psds": 0.0},
        {"epoch": 2.0, "loss": 0.25, "val_psds": 0.125},
    ]


def test_the_best_epoch(tmp_path):
    write_json(tmp_path / "training.json", {"best_epoch": 7})
    assert read_best_epoch(tmp_path) == 7
    (tmp_path / "training.json").write_text("{")
    with pytest.raises(UserError, match=r"training\.json: cannot be read as JSON"):
        read_best_epoch(tmp_path)
