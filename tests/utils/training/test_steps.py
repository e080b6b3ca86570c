"""steps.csv: exact losses and norms, a training that does not change, resumption, refusals."""

import csv
import json
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from utils.config.schema import ScheduleSettings, SelectSettings, TrainingSettings
from utils.errors import ConfigError, UserError
from utils.run import DIVERGED
from utils.training import compile_model, fit
from utils.training.steps import (
    Meter,
    Step,
    StepLog,
    metered,
    read_steps,
    require_loggable,
)

CLIPS, BATCH, STEPS, EPOCHS = 22, 4, 6, 4  # the last batch of an epoch is smaller


def arrays():
    rng = np.random.default_rng(5)
    images = rng.standard_normal((CLIPS, 6, 5, 1)).astype(np.float32)
    return images, np.eye(3, dtype=np.float32)[rng.integers(0, 3, CLIPS)]


def build(dropout=0.4):
    """Make a network with all that may be disturbed: batch statistics, dropout, regularisation."""
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((6, 5, 1)),
            keras.layers.Conv2D(4, 3, kernel_regularizer="l2"),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def batches(first_epoch):
    """All epochs from the given one, each in an order that depends on the epoch alone."""
    images, targets = arrays()

    def epoch(number):
        order = np.random.default_rng(number).permutation(CLIPS)
        return tf.data.Dataset.from_tensor_slices((images[order], targets[order])).batch(BATCH)

    whole = epoch(first_epoch)
    for number in range(first_epoch + 1, EPOCHS):
        whole = whole.concatenate(epoch(number))
    return whole


def run(folder, *, network=build, **changes):
    settings = TrainingSettings(
        **{
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "select": SelectSettings(metric="val_loss", mode="min", after_epoch=0),
            "log_steps": 10,
        }
        | changes
    )
    images, targets = arrays()
    validation = tf.data.Dataset.from_tensor_slices((images, targets)).batch(10)
    return fit(
        network,
        batches,
        validation,
        steps=STEPS,
        settings=settings,
        folder=folder,
        seed=7,
        inputs="",
    )


def measured(rows):
    """What is the same every time, without the seconds."""
    return [(row.step, row.epoch, row.loss, row.gradient_norm) for row in rows]


@pytest.mark.parametrize(
    "optimizer",
    [
        {"SGD": {"learning_rate": 0.1}},
        {"SGD": {"learning_rate": 0.1, "global_clipnorm": 0.01}},
        {"Adam": {"learning_rate": 0.01, "clipnorm": 0.01}},
    ],
)
def test_loss_and_norm_of_a_step_are_those_of_its_batch_before_clipping(tmp_path, optimizer):
    plain = partial(build, dropout=0.0)  # what training drops is drawn by other kernels
    run(tmp_path, network=plain, optimizer=optimizer, log_steps=2, epochs=1)
    first = read_steps(tmp_path / "steps.csv")[0]
    model = plain()
    images, targets = next(iter(batches(0)))
    with tf.GradientTape() as tape:
        losses = keras.losses.categorical_crossentropy(targets, model(images, training=True))
        loss = tf.reduce_mean(losses) + tf.add_n(model.losses)
    gradients = tape.gradient(loss, model.trainable_weights)
    norm = np.sqrt(sum(np.square(np.asarray(one)).sum() for one in gradients))
    assert (first.step, first.epoch) == (1, 1)
    assert first.loss == pytest.approx(float(loss), rel=1e-5)
    assert first.gradient_norm == pytest.approx(float(norm), rel=1e-4)
    assert norm > 0.1  # it is clipped indeed


def test_the_mean_of_an_epochs_losses_is_that_of_history(tmp_path):
    trained = run(tmp_path, log_steps=STEPS, epochs=1)
    rows = read_steps(tmp_path / "steps.csv")
    sizes = [BATCH] * 5 + [2]
    mean = np.average([row.loss for row in rows], weights=sizes)
    assert mean == pytest.approx(trained.history[0]["loss"], rel=1e-6)


@pytest.mark.parametrize("precision", ["off", "mixed_float16"])
def test_it_does_not_change_the_training(tmp_path, precision):
    optimizer = {"Adam": {"learning_rate": 0.01, "global_clipnorm": 0.5}}
    common = {"optimizer": optimizer, "mixed_precision": precision}
    without = run(tmp_path / "without", log_steps=0, **common)
    logged = run(tmp_path / "with", **common)
    assert logged.history == without.history
    for one, two in zip(logged.model.weights, without.model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))
    assert not (tmp_path / "without" / "steps.csv").exists()
    assert len(read_steps(tmp_path / "with" / "steps.csv")) == 10


def test_norms_of_a_scaled_loss_are_scaled_back(tmp_path):
    """Scaled by 2^15, float16 gradients overflow at first; such a step changes nothing."""
    still = {"network": partial(build, dropout=0.0), "optimizer": {"SGD": {"learning_rate": 1e-9}}}
    run(tmp_path / "whole", epochs=1, **still)
    run(tmp_path / "half", epochs=1, mixed_precision="mixed_float16", **still)
    whole, half = (read_steps(tmp_path / name / "steps.csv") for name in ("whole", "half"))
    pairs = [
        (one.gradient_norm, two.gradient_norm)
        for one, two in zip(whole, half, strict=True)
        if np.isfinite(two.gradient_norm)
    ]
    assert pairs
    for one, two in pairs:
        assert two == pytest.approx(one, rel=0.02)


def test_arms_of_one_seed_begin_with_the_same_loss_to_the_last_digit(tmp_path):
    optimizers = (
        {"SGD": {"learning_rate": 0.1}},
        {"SGD": {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}},
        {"Adam": {"learning_rate": 0.1, "global_clipnorm": 1.0}},
    )
    found = []
    for number, optimizer in enumerate(optimizers):
        run(tmp_path / str(number), optimizer=optimizer, log_steps=2, epochs=1)
        found.append(read_steps(tmp_path / str(number) / "steps.csv"))
    assert len({rows[0].loss for rows in found}) == 1
    assert len({rows[0].gradient_norm for rows in found}) == 1
    assert len({rows[1].loss for rows in found}) == len(optimizers)  # then they part


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Steps of a training that nothing cut off."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, log_steps=20)
    return read_steps(folder / "steps.csv")


@pytest.mark.parametrize(
    ("when", "checkpoint_epochs"),
    [("between_epochs", 1), ("within_an_epoch", 1), ("within_an_epoch", 2)],
)
def test_a_training_cut_off_goes_on_with_the_same_steps(
    tmp_path, monkeypatch, undisturbed, when, checkpoint_epochs
):
    """Steps after the last checkpoint are done once more; none of them is there twice."""
    from utils.training import callbacks

    common = {"log_steps": 20, "checkpoint_epochs": checkpoint_epochs}
    write_history, log_step = callbacks.write_history, callbacks.LogSteps.on_train_batch_end

    def between_epochs(path, rows):
        if len(rows) == 3:
            raise KilledError
        write_history(path, rows)

    def within_an_epoch(self, batch, logs=None):
        log_step(self, batch, logs)
        if (self.epoch, batch) == (2, 3):
            self.log.write()
            raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        if when == "between_epochs":
            patch.setattr(callbacks, "write_history", between_epochs)
        else:
            patch.setattr(callbacks.LogSteps, "on_train_batch_end", within_an_epoch)
        run(tmp_path / "cut", **common)
    assert len(read_steps(tmp_path / "cut" / "steps.csv")) > 12
    run(tmp_path / "cut", **common)
    cut = read_steps(tmp_path / "cut" / "steps.csv")
    assert [row.step for row in cut] == list(range(1, 21))
    assert measured(cut) == measured(undisturbed)


def test_a_finished_log_is_left_as_it_is(tmp_path):
    run(tmp_path, log_steps=3, epochs=2)
    before = (tmp_path / "steps.csv").read_bytes()
    run(tmp_path, log_steps=3, epochs=4)
    assert (tmp_path / "steps.csv").read_bytes() == before


def test_a_loss_that_is_no_number_is_told_to_programs(tmp_path):
    wild = {"SGD": {"learning_rate": 1e30}}
    with pytest.raises(UserError, match="the loss became"):
        run(tmp_path, optimizer=wild)
    told = json.loads((tmp_path / DIVERGED).read_text())
    assert told["epoch"] == 1
    assert told["loss"] in ("nan", "inf")
    rows = read_steps(tmp_path / "steps.csv")
    assert len(rows) == STEPS
    assert not np.isfinite(rows[-1].loss)
    run(tmp_path, optimizer={"SGD": {"learning_rate": 0.1}})
    assert not (tmp_path / DIVERGED).exists()


def test_a_mean_teacher_is_logged_too():
    from models.mean_teacher import EventLearner, Teaching

    def student():
        inputs = keras.Input((4, 3))
        strong = keras.layers.Dense(2, activation="sigmoid", name="strong")(inputs)
        weak = keras.layers.GlobalAveragePooling1D(name="weak")(strong)
        return keras.Model(inputs, {"strong": strong, "weak": weak})

    learner = EventLearner(
        student(), student(), teaching=Teaching(decay=0.9, weight=1.0, warmup_steps=2)
    )
    settings = TrainingSettings(loss="binary_crossentropy", metrics=())
    compile_model(learner, settings, judged=("val_categorical_accuracy",))
    clips = np.random.default_rng(1).standard_normal((6, 4, 3)).astype(np.float32)
    labels = {"strong": np.ones((6, 4, 2)), "weak": np.ones((6, 2)), "kind": np.full(6, 2.0)}
    meter = Meter()
    with metered(learner, meter):
        history = learner.fit(clips, labels, batch_size=6, epochs=1, verbose=0).history
    loss, norm = meter.values()
    assert loss == pytest.approx(history["loss"][0], rel=1e-6)
    assert norm > 0


def test_a_model_is_keras_own_again_afterwards():
    model = compile_model(build(), TrainingSettings())
    with metered(model, Meter()):
        assert "compute_loss" in vars(model)
    assert "compute_loss" not in vars(model)
    assert "apply" not in vars(model.optimizer)


def test_the_file_is_a_table_with_all_digits(tmp_path):
    log = StepLog(tmp_path / "steps.csv", number=2, done=0)
    row = Step(1, 1, 0.1 + 0.2, float("nan"), 0.5)
    log.add(row)
    log.write()
    with (tmp_path / "steps.csv").open() as stream:
        header, line = csv.reader(stream)
    assert header == ["step", "epoch", "loss", "gradient_norm", "seconds"]
    assert line == ["1", "1", "0.30000000000000004", "nan", "0.5"]
    assert measured(read_steps(tmp_path / "steps.csv"))[0][:3] == (1, 1, 0.1 + 0.2)
    assert read_steps(tmp_path / "none.csv") == ()
    assert (log.wants(2), log.wants(3)) == (True, False)


@pytest.mark.parametrize("text", ["step,loss\n1,2\n", "step,epoch,loss,gradient_norm,seconds\n1\n"])
def test_what_is_no_table_of_steps_is_a_sentence(tmp_path, text):
    (tmp_path / "steps.csv").write_text(text)
    with pytest.raises(UserError, match="is no table of steps"):
        read_steps(tmp_path / "steps.csv")


def test_where_steps_cannot_be_logged_it_is_said(monkeypatch):
    require_loggable(1)
    with pytest.raises(ConfigError, match=r"training\.log_steps: is for one device, and 2"):
        require_loggable(2)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ConfigError, match="for Keras on TensorFlow"):
        require_loggable(1)


def test_a_schedule_counts_its_steps_as_before(tmp_path):
    cosine = ScheduleSettings(kind="cosine", warmup_epochs=1.0)
    without, logged = (
        run(tmp_path / str(number), schedule=cosine, log_steps=number).history for number in (0, 9)
    )
    assert logged == without
