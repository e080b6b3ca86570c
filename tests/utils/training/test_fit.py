"""Training: best weights, resumption with the same curve, clear errors, several devices."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from utils.config.schema import ScheduleSettings, SelectSettings, TrainingSettings
from utils.errors import ConfigError, UserError
from utils.training import compile_model, fit
from utils.training.compiling import make_optimizer

CLIPS, BATCH, STEPS, EPOCHS = 22, 4, 6, 5  # the last batch of an epoch is smaller


def build():
    """Make a small network with dropout and batch norm, whose state must survive a resumption."""
    import keras

    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def build_shared():
    """Make a network whose batch can be split exactly: shared batch statistics, no dropout."""
    import keras

    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(synchronized=True),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def arrays():
    rng = np.random.default_rng(5)
    features = rng.standard_normal((CLIPS, 6)).astype(np.float32)
    return features, np.eye(3, dtype=np.float32)[rng.integers(0, 3, CLIPS)]


def batches(first_epoch):
    """All epochs from the given one, each in an order that depends on the epoch alone."""
    import tensorflow as tf

    features, targets = arrays()

    def epoch(number):
        order = np.random.default_rng(number).permutation(CLIPS)
        return tf.data.Dataset.from_tensor_slices((features[order], targets[order])).batch(BATCH)

    whole = epoch(first_epoch)
    for number in range(first_epoch + 1, EPOCHS):
        whole = whole.concatenate(epoch(number))
    return whole


def validation():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(arrays()).batch(10)


def settings(*, select=None, **changes):
    """Of a selection that a file may not ask for too: it is not looked at."""
    chosen = TrainingSettings(**{"epochs": EPOCHS, "batch_size": BATCH} | changes)
    best = SelectSettings(metric="val_loss", mode="min", after_epoch=0)
    return chosen.model_copy(update={"select": select or best})


def run(folder: Path, *, network=build, console=None, inputs="", **changes):
    return fit(
        network, batches, validation(), steps=STEPS, settings=settings(**changes), folder=folder,
        seed=7, inputs=inputs, console=console,
    )  # fmt: skip


class KilledError(Exception):
    """Stands for the end of the process between two epochs."""


def test_weights_of_the_best_epoch_are_kept(tmp_path):
    trained = run(tmp_path)
    losses = [row["val_loss"] for row in trained.history]
    assert trained.best_epoch == int(np.argmin(losses)) + 1
    features, targets = arrays()
    compile_model(trained.model, settings())
    assert trained.model.evaluate(features, targets, verbose=0)[0] == pytest.approx(
        min(losses), abs=1e-6
    )


def test_early_epochs_do_not_compete(tmp_path):
    late = SelectSettings.model_construct(metric="val_loss", mode="max", after_epoch=3)
    trained = run(tmp_path, select=late)
    losses = [row["val_loss"] for row in trained.history]
    assert trained.best_epoch == 4 + int(np.argmax(losses[3:]))


def test_the_last_epoch_is_kept_where_that_is_chosen(tmp_path):
    last = SelectSettings(metric="epoch", mode="max", after_epoch=0)
    trained = run(tmp_path, select=last)
    assert trained.best_epoch == len(trained.history) > 3
    features, targets = arrays()
    compile_model(trained.model, settings())
    assert trained.model.evaluate(features, targets, verbose=0)[0] == pytest.approx(
        trained.history[-1]["val_loss"], abs=1e-6
    )


def test_an_epoch_whose_metric_is_no_number_is_never_the_best(tmp_path):
    from utils.training.callbacks import KeepState
    from utils.training.checkpoint import Progress

    select = SelectSettings(metric="val_loss", mode="min", after_epoch=0)
    progress = Progress.new()
    chosen = settings(select=select, epochs=99, checkpoint_epochs=99)
    keep = KeepState(folder=tmp_path, progress=progress, settings=chosen, steps=STEPS)
    keep.set_model(compile_model(build(), chosen))
    for epoch, value in enumerate((float("nan"), 0.5, 0.1)):
        keep.on_epoch_end(epoch, {"loss": 1.0, "val_loss": value})
    assert (progress.best_epoch, progress.best_value) == (3, 0.1)


COSINE = ScheduleSettings(kind="cosine", warmup_epochs=1.5, final=0.1)
STEP = ScheduleSettings(kind="step", step_epochs=2, factor=0.5)
PLATEAU = ScheduleSettings(kind="plateau", factor=0.5, patience=0)
NEVER_LOWER = "utils.training.schedule.THRESHOLD", 0.999  # so that no epoch counts as better


def kill_after(monkeypatch, epoch, train):
    """End a training before the checkpoint of this epoch (from 1) is written."""
    from utils.training import callbacks

    write_history = callbacks.write_history

    def cut_off(path, rows):
        if len(rows) == epoch:
            raise KilledError
        write_history(path, rows)

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(callbacks, "write_history", cut_off)
        train()


@pytest.mark.parametrize("schedule", [ScheduleSettings(), COSINE, PLATEAU])
def test_a_training_cut_off_goes_on_with_the_same_curve(tmp_path, monkeypatch, schedule):
    monkeypatch.setattr(*NEVER_LOWER)
    undisturbed = run(tmp_path / "whole", schedule=schedule)
    kill_after(monkeypatch, 3, lambda: run(tmp_path / "cut", schedule=schedule))
    resumed = run(tmp_path / "cut", schedule=schedule)
    assert resumed.history == undisturbed.history
    for one, two in zip(resumed.model.weights, undisturbed.model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))
    written = [(tmp_path / name / "history.csv").read_bytes() for name in ("whole", "cut")]
    assert written[0] == written[1]


def test_the_learning_rate_follows_the_schedule_step_by_step(tmp_path):
    trained = run(tmp_path, schedule=COSINE)
    steps = np.arange(1, EPOCHS + 1) * STEPS - 1  # the last of each epoch, counted from 0
    cosine = (1 + np.cos(np.pi * (steps - 9) / (EPOCHS * STEPS - 9))) / 2
    expected = 0.001 * np.where(steps < 9, steps / 9, 0.1 + 0.9 * cosine)
    found = [row["learning_rate"] for row in trained.history]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    constant = run(tmp_path / "constant", epochs=1).history
    assert [row["learning_rate"] for row in constant] == pytest.approx([0.001])


def test_the_learning_rate_of_an_epoch_is_that_of_its_own_steps(tmp_path):
    found = [row["learning_rate"] for row in run(tmp_path, schedule=STEP).history]
    np.testing.assert_allclose(found, 0.001 * np.array([1, 1, 0.5, 0.5, 0.25]), rtol=1e-6)


def test_the_learning_rate_falls_from_epoch_to_epoch_on_a_plateau(tmp_path, monkeypatch):
    monkeypatch.setattr(*NEVER_LOWER)
    found = [row["learning_rate"] for row in run(tmp_path, schedule=PLATEAU).history]
    np.testing.assert_allclose(found, 0.001 * np.array([1, 1, 0.5, 0.25, 0.125]), rtol=1e-6)


# Values of val_loss by epoch; the best one is that of epoch 2, of the late ones that of epoch 4.
CURVE = (0.9, 0.5, 0.8, 0.6, 0.7)


@pytest.mark.parametrize(
    ("curve", "patience", "after_epoch", "best", "epochs"),
    [
        (CURVE, None, 0, 2, 5),
        (CURVE, 1, 0, 2, 3),
        (CURVE, 2, 0, 2, 4),
        (CURVE, 3, 0, 2, 5),
        (CURVE, 9, 0, 2, 5),
        (CURVE, 1, 2, 4, 5),  # epochs 1 and 2 do not compete, so nothing is waited for
        (CURVE, 1, 5, 0, 5),
        ((float("nan"),) * 5, 2, 1, 0, 3),
    ],
)
def test_patience_counts_competing_epochs_without_a_better_one(
    tmp_path, curve, patience, after_epoch, best, epochs
):
    from utils.training.callbacks import KeepState
    from utils.training.checkpoint import Progress

    select = SelectSettings(metric="val_loss", mode="min", after_epoch=after_epoch)
    chosen = settings(select=select, patience=patience, checkpoint_epochs=99)
    progress = Progress.new()
    keep = KeepState(folder=tmp_path, progress=progress, settings=chosen, steps=STEPS)
    keep.set_model(compile_model(build(), chosen))
    for epoch, value in enumerate(curve):
        keep.on_epoch_end(epoch, {"loss": 1.0, "val_loss": value})
        if keep.model.stop_training:
            break
    assert (progress.best_epoch, len(progress.history)) == (best, epochs)
    assert (tmp_path / "checkpoint.npz").exists()


def patient(folder, monkeypatch, *, curve=CURVE, **changes):
    """Train along a curve, whatever the network's own validation loss; give up after one epoch."""
    from utils.training import callbacks

    on_epoch_end = callbacks.KeepState.on_epoch_end
    seen = []

    def as_planned(self, epoch, logs=None):
        seen.append(epoch + 1)
        on_epoch_end(self, epoch, logs | {"val_loss": curve[epoch]})

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.KeepState, "on_epoch_end", as_planned)
        return run(folder, **({"patience": 1} | changes)), seen


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (3, 5)])
def test_a_training_that_stopped_early_says_so(tmp_path, monkeypatch, patience, epochs):
    """With patience 3 it is over when nothing was left to be stopped."""
    trained, _ = patient(tmp_path, monkeypatch, patience=patience)
    assert (trained.best_epoch, len(trained.history)) == (2, epochs)
    assert trained.stopped_early == (epochs < EPOCHS)
    assert len((tmp_path / "history.csv").read_text(encoding="utf-8").splitlines()) == 1 + epochs


def test_an_early_stop_before_any_number_keeps_the_epoch_it_stopped_at(tmp_path, monkeypatch):
    curve = (float("nan"),) * EPOCHS
    trained, _ = patient(tmp_path, monkeypatch, curve=curve, patience=2)
    assert (trained.best_epoch, len(trained.history), trained.stopped_early) == (2, 2, True)


@pytest.mark.parametrize("every", [1, 4])
def test_a_training_that_stopped_stays_stopped(tmp_path, monkeypatch, every):
    first, _ = patient(tmp_path, monkeypatch, checkpoint_epochs=every)
    again, seen = patient(tmp_path, monkeypatch, checkpoint_epochs=every)
    assert seen == []
    assert (again.history, again.best_epoch, again.stopped_early) == (first.history, 2, True)
    for one, two in zip(again.model.weights, first.model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


def test_the_bar_ends_where_the_training_stopped(tmp_path, monkeypatch):
    import io

    from rich.console import Console

    from utils.training import callbacks

    shown = []
    close = callbacks.ShowProgress.close
    monkeypatch.setattr(
        callbacks.ShowProgress, "close", lambda self: shown.append(self) or close(self)
    )
    patient(tmp_path, monkeypatch, console=Console(file=io.StringIO()))
    (task,) = shown[0].bar.tasks
    assert (task.completed, task.total, task.finished) == (3, 3, True)


def test_a_finished_training_is_not_repeated(tmp_path):
    first = run(tmp_path)
    again = run(tmp_path)
    assert again.history == first.history
    assert again.seconds == again.earlier_seconds == first.seconds > first.earlier_seconds == 0


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    import keras

    run(tmp_path)

    def other():
        return keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="softmax")])

    with pytest.raises(UserError, match="belongs to another network"):
        run(tmp_path, network=other)


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(UserError, match=r"checkpoint\.npz: not a usable checkpoint"):
        run(tmp_path)


def test_a_loss_that_is_no_number_stops_the_training(tmp_path):
    wild = {"SGD": {"learning_rate": 1e30}}
    with pytest.raises(UserError, match="the loss became"):
        run(tmp_path, optimizer=wild, loss="mean_squared_error")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": {"Adm": {}}}, "unknown optimiser 'Adm'. Did you mean 'Adam'"),
        ({"optimizer": {"Adam": {"learning_rat": 0.1}}}, "Did you mean 'learning_rate'"),
        ({"loss": "categorical_crossentropi"}, "Did you mean 'categorical_crossentropy'"),
        (
            {"loss": "kl_divergance"},
            "training.loss: unknown name 'kl_divergance'. Did you mean 'kl_",
        ),
        ({"metrics": ("accuracyy",)}, "training.metrics: unknown name 'accuracyy'"),
        ({"metrics": ("kl_divergance",)}, "unknown name 'kl_divergance'. Did you mean 'kl_diver"),
        ({"metrics": ("MeanIoU",)}, "training.metrics: 'MeanIoU' needs arguments"),
        ({"optimizer": {"SGD": {"learning_rate": "fast"}}}, "training.optimizer.SGD: Argument"),
        ({"select": SelectSettings(metric="val_acc")}, "no epoch reports 'val_acc'"),
        (
            {"schedule": ScheduleSettings(kind="plateau", metric="vel_loss")},
            "training.schedule.metric: no epoch reports 'vel_loss'",
        ),
    ],
)
def test_misspelt_training_settings(changes, message):
    with pytest.raises(ConfigError) as caught:
        compile_model(build(), settings(**changes))
    assert message in str(caught.value)


def test_optimizer_arguments_take_effect():
    optimizer = make_optimizer({"SGD": {"learning_rate": 0.25, "momentum": 0.5, "nesterov": True}})
    config = optimizer.get_config()
    assert (config["learning_rate"], config["momentum"], config["nesterov"]) == (0.25, 0.5, True)


MIRRORED = """
import json, sys
from pathlib import Path
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path[:0] = sys.argv[2:]
import test_fit
from utils.config.schema import TrainingSettings
curves = {}
for name, strategy in (("build_shared", "single"), ("build_shared", "mirrored"),
                        ("build", "mirrored")):
    folder = Path(sys.argv[1]) / name / strategy
    trained = test_fit.run(folder, network=getattr(test_fit, name), strategy=strategy, ema=0.8)
    for column in ("loss", "val_loss"):  # val_loss is of the averaged weights
        curves[f"{name} {strategy} {column}"] = [row[column] for row in trained.history]
print("CURVES " + json.dumps(curves))
"""


def test_mirrored_over_two_logical_cpus_trains_alike(tmp_path):
    """A batch split over two devices gives the same sums, so the same curve within 1e-4.

    Dropout and plain batch norm see each device's half alone: such a network trains to its end,
    on a curve of its own.
    """
    here = Path(__file__).resolve()
    answer = subprocess.run(
        [sys.executable, "-c", MIRRORED, str(tmp_path), str(here.parent), str(here.parents[3])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    curves = json.loads(answer.stdout.split("CURVES ")[1])
    for column in ("loss", "val_loss"):
        single, mirrored = (
            curves[f"build_shared {strategy} {column}"] for strategy in ("single", "mirrored")
        )
        np.testing.assert_allclose(mirrored, single, rtol=1e-4)
    assert len(curves["build mirrored loss"]) == EPOCHS
    assert np.isfinite(curves["build mirrored loss"]).all()
