"""Circular shift against numpy.roll."""

import numpy as np
import tensorflow as tf

from utils.augment import shift

SEED = tf.constant([21, 22])


def test_apply_vs_numpy(rng: np.random.Generator) -> None:
    batch = rng.standard_normal((30, 50)).astype(np.float32)
    parameters = shift.draw(SEED, 30, max_samples=70, probability=0.6)
    expected = [
        np.roll(clip, samples) if chosen else clip
        for clip, chosen, samples in zip(
            batch, parameters.chosen.numpy(), parameters.samples.numpy(), strict=True
        )
    ]
    assert 5 < parameters.chosen.numpy().sum() < 28
    np.testing.assert_array_equal(shift.apply(batch, parameters), expected)


def test_shifts_cover_both_directions_and_both_ends() -> None:
    samples = shift.draw(SEED, 2000, max_samples=3, probability=1.0).samples.numpy()
    values, counts = np.unique(samples, return_counts=True)
    np.testing.assert_array_equal(values, np.arange(-3, 4))
    assert counts.min() > 220


def test_eager_and_tf_data_agree(rng: np.random.Generator) -> None:
    batch = rng.standard_normal((5, 60)).astype(np.float32)

    def augment(clips: tf.Tensor) -> tf.Tensor:
        drawn = shift.draw(SEED, tf.shape(clips)[0], max_samples=20, probability=0.5)
        return shift.apply(clips, drawn)

    (found,) = tf.data.Dataset.from_tensors(batch).map(augment)
    np.testing.assert_array_equal(found, augment(tf.constant(batch)))
