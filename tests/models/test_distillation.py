"""Distillation: the loss by hand, and students that learn from labels, from teachers, from both."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.distillation import DistillationLoss, Student, softened
from utils.targets import LABELS, TEACHER

CLASSES = 3


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def network():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(
                16, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3)
            ),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.25, seed=3),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )


@pytest.fixture
def clips(rng):
    """Forty clips, their labels, and what a teacher says of them."""
    truth = rng.integers(CLASSES, size=40)
    features = rng.normal(size=(40, 6)) + 3.0 * np.eye(6)[truth]
    teacher = softmax(2.0 * rng.normal(size=(40, CLASSES)))
    return [np.asarray(x, np.float32) for x in (features, np.eye(CLASSES)[truth], teacher)]


def fitted(model, features, targets, labels, *, epochs=3):
    """A network trained on batches of 16, the last one smaller, and its history."""
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss="categorical_crossentropy",
        metrics=["categorical_accuracy"],
        jit_compile=False,
    )
    batches = tf.data.Dataset.from_tensor_slices((features, targets)).batch(16)
    judged = tf.data.Dataset.from_tensor_slices((features, labels)).batch(16)
    history = model.fit(
        batches.repeat(),
        steps_per_epoch=3,
        epochs=epochs,
        validation_data=judged,
        verbose=0,
        shuffle=False,
    )
    return history.history


def test_teachers_are_averaged_by_their_logits(rng):
    logits = rng.normal(size=(2, 5, CLASSES))
    found = softened(softmax(logits), temperature=3.0)
    np.testing.assert_allclose(found, softmax(logits.mean(axis=0) / 3.0), rtol=1e-6)
    one = softmax(logits[:1])
    np.testing.assert_allclose(softened(one, temperature=1.0), one[0], rtol=1e-6)


def test_a_teacher_may_count_more_than_another(rng):
    logits = rng.normal(size=(2, 5, CLASSES))
    found = softened(softmax(logits), temperature=2.0, weights=(3.0, 1.0))
    np.testing.assert_allclose(
        found, softmax((0.75 * logits[0] + 0.25 * logits[1]) / 2.0), rtol=1e-6
    )
    alike = softened(softmax(logits), temperature=2.0, weights=(0.2, 0.2))
    np.testing.assert_allclose(alike, softened(softmax(logits), temperature=2.0), rtol=1e-6)


def test_a_class_that_a_teacher_excludes_leaves_finite_numbers():
    found = softened(np.array([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]]), temperature=1.0)
    np.testing.assert_allclose(found, [[0.5, 0.5, 0.0]], atol=1e-12)


def test_the_loss_is_that_of_the_logits(rng):
    """By hand, from logits that the loss never sees."""
    student, teacher = 3.0 * rng.normal(size=(2, 7, CLASSES))
    labels = np.eye(CLASSES)[rng.integers(CLASSES, size=7)]
    heat, weight = 2.5, 0.3
    soft, said = softmax(teacher / heat), softmax(student / heat)
    divergence = np.sum(soft * (np.log(soft) - np.log(said)), axis=1)
    entropy = -np.log(np.sum(labels * softmax(student), axis=1))
    expected = np.mean((1 - weight) * entropy + weight * heat**2 * divergence)
    loss = DistillationLoss("categorical_crossentropy", temperature=heat, weight=weight)
    targets = np.concatenate([labels, soft], axis=1).astype(np.float32)
    found = float(loss(targets, softmax(student).astype(np.float32)))
    assert found == pytest.approx(expected, rel=1e-5)
    alone = float(loss(labels.astype(np.float32), softmax(student).astype(np.float32)))
    assert alone == pytest.approx(entropy.mean(), rel=1e-5)


def test_the_gradient_is_that_of_the_logits(rng):
    """``w T (student at T - teacher at T)`` per clip: Hinton et al., equation 2, times T^2."""
    start = tf.constant(rng.normal(size=(4, CLASSES)), tf.float32)
    soft = softmax(rng.normal(size=(4, CLASSES))).astype(np.float32)
    loss = DistillationLoss("categorical_crossentropy", temperature=2.0, weight=1.0)
    with tf.GradientTape() as tape:
        tape.watch(start)
        value = loss(np.concatenate([soft, soft], axis=1), tf.nn.softmax(start))
    expected = 2.0 * (softmax(start.numpy() / 2.0) - soft) / 4
    np.testing.assert_allclose(tape.gradient(value, start), expected, atol=1e-6)


def test_without_weight_it_is_the_plain_training_to_the_last_digit(clips):
    features, labels, teacher = clips
    plain, student = network(), Student(network(), temperature=2.0, weight=0.0)
    alone = fitted(plain, features, labels, labels)
    taught = fitted(student, features, {LABELS: labels, TEACHER: teacher}, labels)
    assert {name: taught[name] for name in alone} == alone
    for mine, other in zip(plain.get_weights(), student.network.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_both_parts_are_reported_apart_and_validation_sees_labels_alone(clips):
    features, labels, teacher = clips
    student = Student(network(), temperature=2.0, weight=0.75)
    found = fitted(student, features, {LABELS: labels, TEACHER: teacher}, labels, epochs=1)
    assert set(found) == {
        "loss", "label_loss", "distillation_loss", "categorical_accuracy",
        "val_loss", "val_categorical_accuracy",
    }  # fmt: skip
    ((loss,), (label,), (soft,)) = (found[n] for n in ("loss", "label_loss", "distillation_loss"))
    rest = loss - 0.25 * label - 0.75 * soft  # what the regulariser added, a little each step
    added = float(sum(student.losses))
    assert rest == pytest.approx(added, rel=0.2)
    said = student.network.predict(features, verbose=0)
    entropy = -np.log(np.sum(labels * said, axis=1)).mean()
    assert found["val_loss"][0] == pytest.approx(entropy + added, rel=1e-5)


def test_without_labels_it_learns_what_the_teacher_says(clips):
    features, labels, _ = clips
    other = np.roll(labels, 1, axis=1)  # the teacher gives each class another name
    nothing = np.full_like(labels, 1 / CLASSES)
    targets = {LABELS: nothing, TEACHER: 0.9 * other + 0.1 / CLASSES}
    student = Student(network(), temperature=2.0, weight=1.0)
    fitted(student, features, targets, labels, epochs=40)
    said = student.network.predict(features, verbose=0).argmax(axis=1)
    np.testing.assert_array_equal(said, other.argmax(axis=1))


def test_in_half_precision_the_gradient_is_finite(clips):
    """A class that the student excludes and the teacher does not: 1/p is beyond float16."""
    features, labels, _ = clips
    teacher = np.full_like(labels, 1 / CLASSES)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        student = Student(network(), temperature=2.0, weight=1.0)
        student.compile(optimizer="sgd", loss="categorical_crossentropy", jit_compile=False)
    finally:
        keras.config.set_dtype_policy(before)
    last = student.network.layers[-1]
    last.bias.assign([0.0, 16.0, 0.0])
    assert student.network.layers[0].compute_dtype == "float16"
    with tf.GradientTape() as tape:
        said = student(features, training=False)
        loss = student.compute_loss(features, {LABELS: labels, TEACHER: teacher}, said)
    assert float(np.min(said)) < 1e-5
    for gradient in tape.gradient(loss, student.trainable_variables):
        assert np.isfinite(gradient).all()
