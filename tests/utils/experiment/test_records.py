"""What a training and its predictions leave in a folder, read back."""

import numpy as np
import pytest

from utils.config.schema import SelectSettings, TrainingSettings
from utils.errors import UserError
from utils.experiment.records import (
    load_arrays,
    read_best_epoch,
    read_history,
    save_arrays,
    training_notes,
    write_best_epoch,
)


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
    write_best_epoch(tmp_path, 7)
    assert read_best_epoch(tmp_path) == 7
    (tmp_path / "training.json").write_text("{")
    with pytest.raises(UserError, match=r"training\.json: cannot be read as JSON"):
        read_best_epoch(tmp_path)


def test_a_training_that_is_over_tells_where_it_stopped(tmp_path):
    late = TrainingSettings(epochs=5, patience=2, select=SelectSettings(after_epoch=5))
    (told,) = training_notes(tmp_path, late)
    assert "none of the 5 epochs competes" in told
    (tmp_path / "history.csv").write_text("epoch,loss\n1,0.5\n2,0.25\n")
    assert training_notes(tmp_path, late) == (told,)  # it goes on, or is cut off
    write_best_epoch(tmp_path, 2)
    assert training_notes(tmp_path, late)[0] == told
    assert "training stopped after epoch 2 of 5" in training_notes(tmp_path, late)[1]
    usual = TrainingSettings(epochs=2, select=SelectSettings(after_epoch=0))
    assert training_notes(tmp_path, usual) == ()
