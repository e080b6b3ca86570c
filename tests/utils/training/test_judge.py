"""Scores that no Keras metric gives: columns, choice of the epoch, resumption."""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from utils.config.schema import SelectSettings, TrainingSettings
from utils.errors import ConfigError
from utils.training import Judge, Trained, compile_model, fit

EPOCHS, STEPS = 4, 2
CURVE = (0.2, 0.7, float("nan"), 0.4)


class KilledError(Exception):
    """Stands for the end of the process between two epochs."""


def build():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.3), keras.layers.Dense(2, "softmax")]
    )


def batches(first_epoch: int) -> tf.data.Dataset:
    def made():
        for number in range(first_epoch * STEPS, EPOCHS * STEPS):
            rng = np.random.default_rng(number)
            yield rng.standard_normal((4, 3)), np.eye(2)[rng.integers(0, 2, 4)]

    shapes = (tf.TensorSpec((4, 3)), tf.TensorSpec((4, 2)))
    return tf.data.Dataset.from_generator(made, output_signature=shapes)


class Scores:
    """A curve that is known before, and the network's weights as they are scored."""

    def __init__(self, curve=CURVE, *, first: int = 0, dies_in: int | None = None) -> None:
        self.curve, self.number, self.dies_in = curve, first, dies_in
        self.kernels: list[np.ndarray] = []

    def __call__(self, model) -> dict[str, float]:
        self.number += 1
        if self.number == self.dies_in:
            raise KilledError
        self.kernels.append(np.array(model.layers[-1].kernel))
        return {
            "val_psds": self.curve[self.number - 1],
            "val_weight": float(self.kernels[-1][0, 0]),
        }


def settings(metric: str = "val_psds", mode: str = "max", **changes) -> TrainingSettings:
    select = SelectSettings.model_construct(metric=metric, mode=mode, after_epoch=0)
    given = {"epochs": EPOCHS, "batch_size": 4, "metrics": ()}
    return TrainingSettings(**given | changes).model_copy(update={"select": select})


def run(folder: Path, scores: Scores, **changes) -> Trained:
    folder.mkdir(exist_ok=True)
    return fit(
        build, batches, Judge(("val_psds", "val_weight"), scores),
        steps=STEPS, settings=settings(**changes), folder=folder, seed=7, inputs="",
    )  # fmt: skip


def written(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_scores_of_an_epoch_are_columns_of_the_history(tmp_path):
    scores = Scores()
    trained = run(tmp_path, scores)
    rows = written(tmp_path)
    assert list(rows[0]) == ["epoch", "loss", "val_psds", "val_weight", "learning_rate"]
    np.testing.assert_equal([float(row["val_psds"]) for row in rows], CURVE)
    weights = [float(kernel[0, 0]) for kernel in scores.kernels]
    assert [float(row["val_weight"]) for row in rows] == weights
    assert [row["val_weight"] for row in trained.history] == weights
    assert len(set(weights)) == EPOCHS  # each epoch was scored by the weights that it ended with


@pytest.mark.parametrize(("mode", "best"), [("max", 2), ("min", 1)])
def test_the_best_epoch_is_that_of_the_judged_column(tmp_path, mode, best):
    scores = Scores()
    trained = run(tmp_path, scores, mode=mode)
    assert trained.best_epoch == best
    kept = np.asarray(trained.model.layers[-1].kernel)
    np.testing.assert_array_equal(kept, scores.kernels[best - 1])


def test_patience_waits_for_the_judged_column(tmp_path):
    trained = run(tmp_path, Scores((0.5, 0.4, 0.3, 0.9)), patience=2)
    assert (trained.best_epoch, len(trained.history), trained.stopped_early) == (1, 3, True)


def test_the_loss_and_the_last_epoch_may_still_be_chosen(tmp_path):
    assert run(tmp_path / "last", Scores(), metric="epoch").best_epoch == EPOCHS
    trained = run(tmp_path / "loss", Scores(), metric="loss", mode="min")
    losses = [row["loss"] for row in trained.history]
    assert trained.best_epoch == 1 + int(np.argmin(losses))


@pytest.mark.parametrize("metric", ["val_loss", "val_pdss"])
def test_a_column_that_the_judge_does_not_give_is_refused(tmp_path, metric):
    scores = Scores()
    with pytest.raises(ConfigError) as caught:
        run(tmp_path, scores, metric=metric)
    assert str(caught.value) == (
        f"training.select.metric: no epoch reports '{metric}'; known: loss, val_psds, val_weight, "
        "epoch. Did you mean 'val_psds'?"
    )
    assert not scores.kernels


def test_without_a_judge_its_columns_are_refused():
    with pytest.raises(ConfigError, match="no epoch reports 'val_psds'; known: loss, val_loss"):
        compile_model(build(), settings())


def test_a_training_cut_off_is_judged_on(tmp_path):
    whole = run(tmp_path / "whole", Scores())
    with pytest.raises(KilledError):
        run(tmp_path / "cut", Scores(dies_in=3))
    assert len(written(tmp_path / "cut")) == 2
    later = Scores(first=2)
    resumed = run(tmp_path / "cut", later)
    assert len(later.kernels) == EPOCHS - 2
    np.testing.assert_equal(resumed.history, whole.history)
    assert resumed.best_epoch == whole.best_epoch == 2
    for one, other in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    files = [(tmp_path / name / "history.csv").read_bytes() for name in ("whole", "cut")]
    assert files[0] == files[1]
