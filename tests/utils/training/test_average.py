"""The moving average of the weights: its values, what it judges, resumption, refusals."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from utils.config.schema import SelectSettings, TrainingSettings
from utils.errors import ConfigError, UserError
from utils.training import Judge, Trained, callbacks, compile_model, fit
from utils.training.average import WeightAverage

CLIPS, STEPS, EPOCHS, MOMENTUM = 10, 3, 3, 0.8  # the last batch of an epoch is smaller
LAST = SelectSettings(metric="epoch", mode="max", after_epoch=0)
NEVER = SelectSettings(metric="val_loss", mode="min", after_epoch=EPOCHS)


class KilledError(Exception):
    """Stands for the end of the process between two epochs."""


def build():
    """Make a network with batch statistics, and dropout, whose state is no weight."""
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def arrays():
    rng = np.random.default_rng(5)
    features = rng.standard_normal((CLIPS, 6)).astype(np.float32)
    return features, np.eye(3, dtype=np.float32)[rng.integers(0, 3, CLIPS)]


def batches(first_epoch: int) -> tf.data.Dataset:
    epoch = tf.data.Dataset.from_tensor_slices(arrays()).batch(4)
    return epoch.repeat(EPOCHS - first_epoch)


def settings(**changes) -> TrainingSettings:
    given = {"epochs": EPOCHS, "batch_size": 4, "select": LAST, "ema": MOMENTUM}
    fast = {"optimizer": {"Adam": {"learning_rate": 0.1}}}
    return TrainingSettings(**given | fast | changes)


def run(folder: Path, *, validation=None, **changes) -> Trained:
    folder.mkdir(exist_ok=True)
    judged = tf.data.Dataset.from_tensor_slices(arrays()).batch(8)
    return fit(
        build, batches, validation or judged, steps=STEPS, settings=settings(**changes),
        folder=folder, seed=7, inputs="",
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("trainings")


@pytest.fixture(scope="module")
def averaged(folder):
    """A training of which no epoch competes, and the network's own weights after every step."""
    steps = []
    plain = callbacks.Average.on_train_batch_end

    def heard(self, batch, logs=None):
        plain(self, batch, logs)
        steps.append(self.model.get_weights())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.Average, "on_train_batch_end", heard)
        return run(folder / "averaged", select=NEVER), steps


@pytest.fixture(scope="module")
def plain(folder) -> Trained:
    return run(folder / "plain", ema=None)


def by_hand(steps: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Average the weights of all steps with shares that fall as powers of the momentum."""
    shares = MOMENTUM ** np.arange(len(steps), dtype=float)[::-1]
    return [
        np.average(np.array(weight, dtype=float), axis=0, weights=shares)
        for weight in zip(*steps, strict=True)
    ]


def assert_same(found, expected, atol=0.0):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def losses(trained: Trained, column: str = "loss") -> list[float]:
    return [row[column] for row in trained.history]


def test_what_is_kept_is_the_average_of_the_steps(averaged):
    """Batch statistics too; also where no epoch competed, so that nothing was kept before."""
    trained, steps = averaged
    found = trained.model.get_weights()
    assert len(steps) == EPOCHS * STEPS
    assert_same(found, by_hand(steps), atol=1e-6)
    for average, own in zip(found, steps[-1], strict=True):
        assert np.abs(average - own).max() > 0.005


def test_the_first_step_is_not_averaged_with_the_start():
    model = build()
    average = WeightAverage(model, momentum=0.999)
    first = [weight + 1 for weight in model.get_weights()]
    second = [weight - 3 for weight in first]
    for weights in (first, second):
        model.set_weights(weights)
        average.update()
        if weights is first:
            assert_same(average.get_weights(), first)
    expected = [one - 3 / 1.999 for one in first]
    assert_same(average.get_weights(), expected, atol=1e-5)
    with average.in_place():
        assert_same(model.get_weights(), average.get_weights())
    assert_same(model.get_weights(), second)


def test_whole_numbers_are_left_as_they_are():
    class Counter(keras.layers.Layer):
        def build(self, shape):
            self.count = self.add_weight(dtype="int32", initializer="zeros", trainable=False)

        def call(self, inputs):
            return inputs

    model = keras.Sequential([keras.Input((2,)), Counter(), keras.layers.Dense(1)])
    average = WeightAverage(model, momentum=0.5)
    for number in (3, 8):
        model.layers[0].count.assign(number)
        average.update()
    place = [weight.dtype for weight in model.weights].index("int32")
    assert average.get_weights()[place] == 8
    assert len(average.variables) == 3  # steps, kernel, bias


def test_epochs_are_judged_by_the_average_and_trained_without_it(averaged, plain):
    trained, _ = averaged
    compile_model(trained.model, settings())
    found = trained.model.evaluate(*arrays(), verbose=0)
    row = trained.history[-1]
    assert found == pytest.approx([row["val_loss"], row["val_categorical_accuracy"]], abs=1e-6)
    assert losses(trained) == losses(plain)
    assert abs(row["val_loss"] - plain.history[-1]["val_loss"]) > 0.01


def test_a_judge_hears_the_average_which_is_kept(tmp_path, averaged, plain):
    heard = []

    def score(model):
        heard.append(model.get_weights())
        return {"val_score": 0.0}

    trained = run(tmp_path, validation=Judge(("val_score",), score))
    assert_same(heard[-1], trained.model.get_weights())
    for epoch, weights in enumerate(heard, start=1):
        assert_same(weights, by_hand(averaged[1][: epoch * STEPS]), atol=1e-6)
    assert losses(trained) == losses(plain)


def test_a_training_cut_off_goes_on_with_the_same_average(tmp_path, monkeypatch, averaged):
    undisturbed, _ = averaged
    write_history = callbacks.write_history

    def cut_off(path, rows):
        if len(rows) == 2:
            raise KilledError
        write_history(path, rows)

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(callbacks, "write_history", cut_off)
        run(tmp_path, select=NEVER)
    resumed = run(tmp_path, select=NEVER)
    again = run(tmp_path, select=NEVER)  # nothing is left to be trained
    for found in (resumed, again):
        assert found.history == undisturbed.history
        assert_same(found.model.get_weights(), undisturbed.model.get_weights())


@pytest.mark.parametrize(("trained", "momentum"), [("averaged", None), ("plain", MOMENTUM)])
def test_a_checkpoint_with_and_one_without_an_average_are_not_mixed_up(
    request, folder, trained, momentum
):
    request.getfixturevalue(trained)
    with pytest.raises(UserError, match="belongs to another network"):
        run(folder / trained, ema=momentum)


def test_the_optimisers_own_average_is_refused():
    own = {"Adam": {"use_ema": True, "ema_momentum": 0.9}}
    with pytest.raises(ConfigError, match=r"training\.optimizer\.Adam\.use_ema: .* training\.ema"):
        compile_model(build(), settings(optimizer=own))
    compile_model(build(), settings(optimizer={"Adam": {"use_ema": False}}))


@pytest.mark.parametrize("momentum", [0.0, 1.0])
def test_momenta_that_average_nothing_or_never_move_are_refused(momentum):
    with pytest.raises(ValueError, match="ema"):
        settings(ema=momentum)
