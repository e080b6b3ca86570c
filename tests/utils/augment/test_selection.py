"""Clips chosen for augmentation."""

import numpy as np
import tensorflow as tf

from utils.augment.selection import apply_to_chosen, choose


def test_share_of_chosen_clips_is_the_probability() -> None:
    seed = tf.constant([7, 8])
    assert not choose(seed, 1000, probability=0.0).numpy().any()
    assert choose(seed, 1000, probability=1.0).numpy().all()
    share = choose(seed, 4000, probability=0.3).numpy().mean()
    assert abs(share - 0.3) < 0.03


def test_only_chosen_clips_are_touched(rng: np.random.Generator) -> None:
    batch = rng.standard_normal((3, 5)).astype(np.float32)
    factor = tf.constant([2.0, 3.0, 4.0])
    chosen = tf.constant([True, False, True])
    found = apply_to_chosen(lambda clip, by: clip * by, batch_of(batch), chosen, (factor,))
    np.testing.assert_array_equal(found, batch * np.array([[2], [1], [4]], np.float32))


def test_clips_that_are_not_chosen_are_not_computed(rng: np.random.Generator) -> None:
    def crash(clip: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.debugging.Assert(False, ["computed"])]):
            return tf.identity(clip)

    batch = rng.standard_normal((2, 5)).astype(np.float32)
    never = tf.constant([False, False])
    traced = tf.function(lambda clips: apply_to_chosen(crash, clips, never, ()))
    np.testing.assert_array_equal(traced(batch_of(batch)), batch)


def batch_of(values: np.ndarray) -> tf.Tensor:
    return tf.constant(values)
