"""A training goes on from a checkpoint of what it learns from, and from no other."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from tests.utils.training.test_fit import EPOCHS, run


def weights(trained):
    return np.concatenate([values.ravel() for values in trained.model.get_weights()])


@pytest.mark.parametrize("epochs", [2, EPOCHS])
def test_what_changed_is_learnt_anew(tmp_path, epochs):
    """A training that was over, or cut off, is no part of one with other inputs."""
    before = run(tmp_path, epochs=epochs, inputs="old")
    console = Console(file=io.StringIO(), width=80)
    again = run(tmp_path, inputs="new", console=console)
    assert "training starts anew" in console.file.getvalue()
    assert again.earlier_seconds == 0 < before.seconds
    assert (tmp_path / "history.csv").read_text().count("\n") == 1 + EPOCHS
    whole = run(tmp_path / "whole", inputs="new")
    assert again.history == whole.history
    assert np.array_equal(weights(again), weights(whole))


def test_a_checkpoint_that_does_not_know_its_inputs_is_none(tmp_path):
    """As those were that an earlier version wrote."""
    run(tmp_path, epochs=2)
    path = tmp_path / "checkpoint.npz"
    with np.load(path) as file:
        arrays = dict(file)
    record = json.loads(arrays["record"].tobytes())
    del record["inputs"]
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    np.savez(path, **arrays)
    assert run(tmp_path, inputs="new").earlier_seconds == 0


def test_the_same_is_gone_on_with(tmp_path):
    run(tmp_path, epochs=2, inputs="new")
    console = Console(file=io.StringIO(), width=80)
    again = run(tmp_path, inputs="new", console=console)
    assert "anew" not in console.file.getvalue()
    assert again.earlier_seconds > 0
