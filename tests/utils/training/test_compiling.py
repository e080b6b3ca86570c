"""What is refused before the audio is read, and what is said of a training's end."""

import numpy as np
import pytest

from utils.config.schema import ScheduleSettings, SelectSettings, TrainingSettings
from utils.errors import ConfigError
from utils.training import check, compile_model, fit, stopping_note
from utils.training.compiling import in_any_order, needed_columns, scheduled_optimizer

CLASSES = 4


def network(outputs: int = CLASSES):
    import keras

    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(outputs, activation="softmax")])


def settings(*metrics: str, **changes) -> TrainingSettings:
    select = SelectSettings(metric="val_loss", mode="min", after_epoch=0)
    given = {"metrics": metrics, "select": select, "loss": "kl_divergence"} | changes
    return TrainingSettings(**given)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("single_label", [[1, 0, 0, 0]]),
        ("multi_label", [[1, 1, 0, 0]]),
        ("distribution", [[0.25, 0.25, 0.25, 0.25]]),
    ],
)
def test_a_network_is_tried_on_targets_of_the_tasks_kind(monkeypatch, kind, expected):
    seen = []
    model = network()
    tried = model.test_on_batch
    monkeypatch.setattr(
        model, "test_on_batch", lambda clip, targets: seen.append(targets) or tried(clip, targets)
    )
    check(model, settings("kl_divergence"), classes=CLASSES, kind=kind)
    np.testing.assert_array_equal(seen[0], expected)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("single_label", "one-hot targets"),
        ("multi_label", "multi-hot targets"),
        ("distribution", "distribution targets"),
    ],
)
def test_a_loss_for_other_targets_is_refused(kind, named):
    with pytest.raises(ConfigError, match=rf"loss: sparse_categorical.* does not fit {named}: "):
        check(
            network(), settings(loss="sparse_categorical_crossentropy"), classes=CLASSES, kind=kind
        )


def test_a_step_is_traced_once(tmp_path):
    """Metrics are made before: a step that makes variables is traced twice, for seconds a time."""
    import keras
    import tensorflow as tf

    traced = []

    class Seen(keras.layers.Layer):
        def call(self, values, training=False):
            traced.append(training)
            return values

    def build():
        seen = keras.Sequential([keras.Input((5,)), Seen(), keras.layers.Dense(CLASSES)])
        traced.clear()
        return seen

    check(build(), settings("kl_divergence"), classes=CLASSES, kind="distribution")
    assert traced == [False]
    clips = np.full((6, 5), 0.5, np.float32), np.full((6, CLASSES), 1 / CLASSES, np.float32)
    batches = tf.data.Dataset.from_tensor_slices(clips).batch(4).repeat(2)
    counted = []

    def build_counted():
        counted.append(list(traced))
        return build()

    fit(
        build_counted, lambda _: batches, batches.take(2), steps=2, folder=tmp_path, seed=0,
        settings=settings("kl_divergence", epochs=2, batch_size=4), inputs="",
    )  # fmt: skip
    assert counted[1] == [True, False]


def test_a_network_of_another_number_of_classes_is_refused():
    with pytest.raises(ConfigError, match=r"shape \(3,\); one output of shape \(4,\)"):
        check(network(3), settings(), classes=CLASSES)


@pytest.mark.parametrize(
    "metrics", [("kl_divergence", "mae"), ("categorical_crossentropy", "KLDivergence"), ()]
)
def test_the_columns_are_those_that_keras_reports(metrics):
    chosen = settings(*metrics)
    model = compile_model(network(), chosen)
    targets = np.full((2, CLASSES), 0.25, np.float32)
    clips = np.zeros((2, 5), np.float32)
    reported = model.fit(clips, targets, validation_data=(clips, targets), verbose=0).history
    assert sorted(needed_columns(chosen)) == sorted(reported)
    for column in needed_columns(chosen):
        compile_model(
            network(), settings(*metrics, select=SelectSettings(metric=column, mode="min"))
        )


def test_a_misspelt_column_has_the_right_one_beside_it():
    wrong = SelectSettings(metric="val_kl_divergance")
    with pytest.raises(ConfigError, match=r"Did you mean 'val_kl_divergence'\?"):
        compile_model(network(), settings("kl_divergence", select=wrong))


def test_a_schedule_needs_a_learning_rate():
    wrapped = {"LossScaleOptimizer": {"inner_optimizer": {"class_name": "Adam", "config": {}}}}
    cosine = ScheduleSettings(kind="cosine")
    with pytest.raises(ConfigError, match=r"schedule: LossScaleOptimizer has no learning rate"):
        scheduled_optimizer(settings(optimizer=wrapped, schedule=cosine), steps=5)


@pytest.mark.parametrize(
    ("epochs", "patience", "expected"),
    [
        (20, 4, None),
        (7, 4, "epoch 7 of 20: val_loss had not become better for 4 epochs."),
        (7, 1, "epoch 7 of 20: val_loss had not become better for 1 epoch."),
    ],
)
def test_a_note_says_where_the_training_stopped(epochs, patience, expected):
    note = stopping_note(settings(epochs=20, patience=patience), epochs=epochs)
    assert note == (None if expected is None else f"training stopped after {expected}")


def test_the_order_of_sources_is_open_to_the_loss_of_speakers_alone():
    assert in_any_order(settings(loss="multi_scale_si_snr"))
    assert not in_any_order(settings(loss="magnitude_l1"))
    assert not in_any_order(settings(loss="mean_absolute_error"))
