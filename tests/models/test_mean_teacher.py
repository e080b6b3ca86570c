"""A student and its teacher: losses and averages against NumPy, gradients, views, resumption."""

import ast
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import mean_teacher
from models.mean_teacher import EventLearner, Teaching
from utils.config.schema import SelectSettings, TrainingSettings
from utils.training import Judge, fit
from utils.training.devices import precision

MELS, FRAMES, CLASSES, CLIPS = 4, 6, 3, 5
TEACHING = Teaching(decay=0.9, weight=2.0, warmup_steps=8)


def network(seed: int = 0, *, norm: bool = False, dropout: float = 0.0, l2: float = 0.0):
    """Strong and weak probabilities of every frame, by one dense layer."""
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((MELS, FRAMES, 1))
    if norm:
        x = keras.layers.BatchNormalization(name="norm", momentum=0.8)(x)
    x = keras.layers.Permute((2, 1, 3))(x)
    x = keras.layers.Reshape((FRAMES, MELS))(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    regularizer = keras.regularizers.L2(l2) if l2 else None
    strong = keras.layers.Dense(CLASSES, "sigmoid", name="strong", kernel_regularizer=regularizer)(
        x
    )
    weak = keras.layers.GlobalMaxPooling1D(name="weak")(strong)
    return keras.Model(inputs, {"strong": strong, "weak": weak}, name="crnn")


def learner(teaching: Teaching | None = TEACHING, **options) -> EventLearner:
    teacher = None if teaching is None else network(1, **options)
    return EventLearner(network(0, **options), teacher, teaching=teaching)


def features(rng, clips: int = CLIPS) -> np.ndarray:
    return rng.standard_normal((clips, MELS, FRAMES, 1)).astype(np.float32)


def targets(rng, kind=(2, 1, 0, 2, 1)) -> dict[str, np.ndarray]:
    strong = rng.integers(0, 2, (len(kind), FRAMES, CLASSES)).astype(np.float32)
    return {"strong": strong, "weak": strong.max(axis=1), "kind": np.array(kind, np.float32)}


def answers(rng, clips: int, *names: str) -> dict[str, np.ndarray]:
    """Random probabilities of outputs, by name."""
    shapes = {"strong": (clips, FRAMES, CLASSES), "weak": (clips, CLASSES)}
    return {
        name: rng.uniform(0.05, 0.95, shapes[name.removeprefix("teacher_")]).astype(np.float32)
        for name in names
    }


def cross_entropy(expected, output) -> np.ndarray:
    """Of each clip, (clips,)."""
    losses = -expected * np.log(output) - (1 - expected) * np.log(1 - output)
    return losses.reshape(len(losses), -1).mean(axis=1)


def weights_of(model) -> list[np.ndarray]:
    return [np.array(variable) for variable in model.variables]


@pytest.mark.parametrize(
    "kind", [(2, 1, 0, 2, 1), (2, 2), (1, 1, 1), (0, 0), (0, 1)], ids=lambda kind: str(kind)
)
def test_labels_count_where_they_are_known(rng, kind):
    kinds, made = np.array(kind), learner(None)
    labels, found = targets(rng, kind), answers(rng, len(kind), "strong", "weak")
    expected = {}
    for name, value in (("strong", 2), ("weak", 1)):
        losses = cross_entropy(labels[name], found[name])[kinds == value]
        expected[name] = losses.mean() if len(losses) else 0.0
    loss = float(made.compute_loss(y=labels, y_pred=found))
    assert loss == pytest.approx(sum(expected.values()), rel=1e-5)
    for name, value in expected.items():
        assert float(made.means[name].result()) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("distance", ["mse", "bce"])
@pytest.mark.parametrize("step", [0, 3, 8, 50])
def test_consistency_is_of_all_clips_by_a_weight_that_rises(rng, distance, step):
    made = learner(Teaching(0.9, 2.0, 8, distance))
    made.taught.assign(step + 1)  # a step counts itself when it begins
    found = answers(rng, 3, "strong", "weak", "teacher_strong", "teacher_weak")
    apart = {}
    for name in ("strong", "weak"):
        one, other = found[f"teacher_{name}"], found[name]
        squares = np.mean((one - other) ** 2)
        apart[name] = squares if distance == "mse" else cross_entropy(one, other).mean()
    weight = 2.0 * np.exp(-5 * (1 - min(step / 8, 1)) ** 2)
    loss = float(made.compute_loss(y=targets(rng, (0, 0, 0)), y_pred=found))
    assert loss == pytest.approx(weight * sum(apart.values()), rel=1e-5)
    for name, value in apart.items():
        assert float(made.means[f"{name}_consistency"].result()) == pytest.approx(value, rel=1e-5)


def test_labels_and_consistency_add_up(rng):
    made = learner(Teaching(0.9, 2.0, 0))
    made.taught.assign(1)  # without a rise the first step has the whole weight
    labels = targets(rng)
    found = answers(rng, CLIPS, "strong", "weak", "teacher_strong", "teacher_weak")
    total = float(made.compute_loss(y=labels, y_pred=found))
    parts = {name: float(mean.result()) for name, mean in made.means.items()}
    assert list(parts) == ["strong", "weak", "strong_consistency", "weak_consistency"]
    consistency = parts["strong_consistency"] + parts["weak_consistency"]
    assert total == pytest.approx(parts["strong"] + parts["weak"] + 2 * consistency, rel=1e-5)


def test_regularisation_of_the_student_belongs_to_the_loss(rng):
    plain, regular = learner(l2=0.0), learner(l2=0.25)
    labels, found = targets(rng), answers(rng, CLIPS, "strong", "weak")
    one, other = (float(made.compute_loss(y=labels, y_pred=found)) for made in (plain, regular))
    kernel = np.asarray(regular.student.get_layer("strong").kernel)
    assert other - one == pytest.approx(0.25 * np.sum(kernel**2), rel=1e-4)


def test_half_precision_has_no_infinite_loss(rng):
    made, labels = learner(), targets(rng, (2, 1))
    found = answers(rng, 2, "strong", "weak", "teacher_strong", "teacher_weak")
    halves = {name: tf.cast(np.round(values), tf.float16) for name, values in found.items()}
    loss = made.compute_loss(y=labels, y_pred=halves)
    assert loss.dtype == tf.float32
    assert np.isfinite(float(loss))


@pytest.mark.parametrize("policy", ["off", "mixed_float16", "mixed_bfloat16"])
def test_the_teacher_is_a_moving_average_of_the_student(rng, policy):
    with precision(policy):
        made = learner()
    student, teacher = made.student, made.teacher
    for one, other in zip(student.get_weights(), teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)  # its own seed, but the student's weights
    expected = [np.zeros(variable.shape) for variable in student.variables]
    for step in range(14):
        student.set_weights([rng.standard_normal(w.shape) for w in student.get_weights()])
        made(features(rng), training=True)
        decay = min(1 - 1 / (step + 1), 0.9)
        expected = [
            decay * slow + (1 - decay) * quick
            for slow, quick in zip(expected, student.get_weights(), strict=True)
        ]
        for value, found in zip(expected, teacher.get_weights(), strict=True):
            np.testing.assert_allclose(found, value, atol=1e-6)
    assert float(made.taught) == 14
    made.taught.assign(4096)  # in half precision 4097 is 4096
    made(features(rng), training=True)
    assert float(made.taught) == 4097


def test_nothing_moves_where_nothing_is_learnt(rng):
    made = learner(norm=True)
    made.student.set_weights([weight + 1 for weight in made.student.get_weights()])
    before = weights_of(made)
    clips = features(rng)
    found = made(clips, training=False)
    assert sorted(found) == ["strong", "weak"]
    expected = made.student(clips, training=False)["strong"]
    np.testing.assert_allclose(np.asarray(found["strong"]), np.asarray(expected), atol=1e-6)
    for one, other in zip(before, weights_of(made), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_teacher_gets_no_gradient(rng):
    made = learner(norm=True)
    assert len(made.trainable_variables) == len(made.student.trainable_variables) == 4
    views = {"student": features(rng), "teacher": features(rng)}
    taught = [variable.value for variable in made.teacher.weights]
    learnt = [variable.value for variable in made.student.trainable_variables]
    made.taught.assign(8)
    with tf.GradientTape() as tape:
        tape.watch(taught)
        outputs = made(views, training=True)
        loss = made.compute_loss(y=targets(rng, (0,) * CLIPS), y_pred=outputs)
    gradients = tape.gradient(loss, taught + learnt)
    assert gradients[: len(taught)] == [None] * len(taught)
    assert all(np.any(gradient.numpy()) for gradient in gradients[len(taught) :])


def test_each_sees_its_own_view_and_both_the_same_without_one(rng):
    made = learner()
    one, other = features(rng), features(rng)
    outputs = made({"student": one, "teacher": other}, training=True)
    shared = made(one, training=True)
    for name in ("strong", "weak"):
        expected = (np.asarray(made.student(view)[name]) for view in (one, other))
        found = (np.asarray(outputs[key]) for key in (name, f"teacher_{name}"))
        for value, given in zip(found, expected, strict=True):
            np.testing.assert_allclose(value, given, atol=1e-6)
        np.testing.assert_allclose(
            np.asarray(shared[name]), np.asarray(shared[f"teacher_{name}"]), atol=1e-6
        )


def test_dropout_of_the_teacher_is_its_own(rng):
    outputs = learner(dropout=0.5)(features(rng), training=True)
    assert (np.asarray(outputs["strong"]) != np.asarray(outputs["teacher_strong"])).any()


def test_batch_statistics_of_the_teacher_are_its_own(rng):
    made = learner(norm=True)
    expected = {"student": np.zeros(1), "teacher": np.zeros(1)}
    for _ in range(4):
        views = {"student": features(rng), "teacher": 3 + features(rng)}
        made(views, training=True)
        for name, view in views.items():
            expected[name] = 0.8 * expected[name] + 0.2 * view.mean()
    for name, value in expected.items():
        found = getattr(made, name).get_layer("norm").moving_mean
        np.testing.assert_allclose(np.asarray(found), value, rtol=1e-5)


@pytest.mark.parametrize(
    ("teacher", "teaching"), [(False, TEACHING), (True, None)], ids=["no teacher", "no teaching"]
)
def test_a_teacher_and_how_it_teaches_belong_together(teacher, teaching):
    with pytest.raises(ValueError, match="belong together"):
        EventLearner(network(0), network(1) if teacher else None, teaching=teaching)


def test_only_keras_is_used():
    tree = ast.parse(inspect.getsource(mean_teacher))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).split(".")[0])
    assert found == {"collections", "dataclasses", "typing", "keras"}


STEPS, EPOCHS = 2, 3


class KilledError(Exception):
    """Stands for the end of the process between two epochs."""


def batches(first_epoch: int) -> tf.data.Dataset:
    """Two batches of each epoch, two views of each clip."""

    def made():
        for number in range(first_epoch * STEPS, EPOCHS * STEPS):
            rng = np.random.default_rng(number)
            yield {"student": features(rng), "teacher": features(rng)}, targets(rng)

    view = tf.TensorSpec((CLIPS, MELS, FRAMES, 1))
    labels = {
        "strong": tf.TensorSpec((CLIPS, FRAMES, CLASSES)),
        "weak": tf.TensorSpec((CLIPS, CLASSES)),
        "kind": tf.TensorSpec((CLIPS,)),
    }
    signature = ({"student": view, "teacher": view}, labels)
    return tf.data.Dataset.from_generator(made, output_signature=signature)


def trained(folder, *, teaching: Teaching | None = TEACHING, dies_in: int | None = None):
    """Train; the scores of an epoch are a weight of each network."""
    seen = []

    def score(made: EventLearner) -> dict[str, float]:
        seen.append(made)
        if len(seen) == dies_in:
            raise KilledError
        networks = [made.student] if made.teacher is None else [made.student, made.teacher]
        kernels = [np.asarray(each.get_layer("strong").kernel) for each in networks]
        return {f"val_{number}": float(kernel.sum()) for number, kernel in enumerate(kernels)}

    folder.mkdir(exist_ok=True)
    settings = TrainingSettings(
        epochs=EPOCHS,
        batch_size=CLIPS,
        optimizer={"Adam": {"learning_rate": 0.05}},
        loss="binary_crossentropy",
        metrics=(),
        select=SelectSettings(metric="val_0", mode="max", after_epoch=0),
    )
    columns = ("val_0",) if teaching is None else ("val_0", "val_1")
    return fit(
        lambda: learner(teaching, norm=True, dropout=0.4),
        batches,
        Judge(columns, score),
        steps=STEPS,
        settings=settings,
        folder=folder,
        seed=7,
        inputs="",
    )


def test_a_training_cut_off_goes_on_with_the_same_curve(tmp_path):
    """Weights of both, both states of dropout, the optimiser, and the steps taught so far."""
    whole = trained(tmp_path / "whole")
    with pytest.raises(KilledError):
        trained(tmp_path / "cut", dies_in=3)
    resumed = trained(tmp_path / "cut")
    assert resumed.history == whole.history
    assert len({row["val_1"] for row in whole.history}) == EPOCHS
    assert resumed.best_epoch == whole.best_epoch
    for one, other in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert float(whole.model.taught) == whole.best_epoch * STEPS


def test_without_a_teacher_labels_alone_are_learnt(tmp_path):
    found = trained(tmp_path / "alone", teaching=None)
    columns = {"epoch", "loss", "strong", "weak", "val_0", "learning_rate"}
    assert all(set(row) == columns for row in found.history)
    for row in found.history:
        assert row["loss"] == pytest.approx(row["strong"] + row["weak"], rel=1e-5)
    assert found.history[-1]["loss"] < found.history[0]["loss"]
