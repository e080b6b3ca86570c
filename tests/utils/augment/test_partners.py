"""Pairs of clips of a batch, their weighted sums, their targets."""

import numpy as np
import pytest
import tensorflow as tf

from utils.augment.partners import (
    MixingParameters,
    draw_mixing,
    draw_partners,
    mix_targets,
    weighted_sum,
)

PARTNERS = tf.constant([2, 0, 1])
SHARES = np.array([0.25, 1.0, 0.0], np.float32)


def uniform(seed: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_uniform([number], seed)


@pytest.mark.parametrize("batch_size", [2, 3, 7])
def test_every_clip_is_a_partner_once_and_none_its_own(batch_size: int) -> None:
    drawn = [draw_partners(tf.constant([1, n]), batch_size).numpy() for n in range(200)]
    for partners in drawn:
        np.testing.assert_array_equal(np.sort(partners), np.arange(batch_size))
        assert (partners != np.arange(batch_size)).all()
    for clip, found in enumerate(np.transpose(drawn)):
        counts = np.bincount(found, minlength=batch_size)
        others = np.delete(counts, clip)
        assert others.min() > 0.5 * 200 / (batch_size - 1)


def test_a_clip_alone_is_its_own_partner_and_is_not_mixed() -> None:
    drawn = draw_mixing(tf.constant([1, 2]), 1, uniform, probability=1.0)
    np.testing.assert_array_equal(drawn.partner, [0])
    np.testing.assert_array_equal(drawn.share, [1.0])


def test_share_of_mixed_clips_is_the_probability() -> None:
    for probability in (0.0, 0.3, 1.0):
        share = draw_mixing(tf.constant([3, 4]), 2000, uniform, probability=probability).share
        assert abs(np.mean(share < 1.0) - probability) < 0.04


def test_who_is_mixed_with_whom_in_which_share_is_drawn_apart() -> None:
    drawn = draw_mixing(tf.constant([5, 6]), 4000, uniform, probability=0.5)
    share, partner = drawn.share.numpy(), drawn.partner.numpy()
    mixed = share < 1
    counts, _ = np.histogram(share[mixed], bins=5, range=(0, 1))
    assert counts.min() > 0.15 * mixed.sum()
    assert abs(np.corrcoef(mixed, mixed[partner])[0, 1]) < 0.06
    assert abs(np.corrcoef(share[mixed], partner[mixed])[0, 1]) < 0.08


def test_weighted_sum_vs_numpy(rng: np.random.Generator) -> None:
    values = rng.standard_normal((3, 4, 5)).astype(np.float32)
    own, other = rng.random((2, 3)).astype(np.float32)
    expected = own[:, None, None] * values + other[:, None, None] * values[PARTNERS.numpy()]
    found = weighted_sum(tf.constant(values), PARTNERS, own, other)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_every_head_is_mixed_in_the_same_shares() -> None:
    weak = np.eye(3, dtype=np.float32)
    strong = np.repeat(weak[:, None], 4, axis=1).astype(np.float64)
    targets = {"weak": tf.constant(weak), "both": [tf.constant(strong), tf.constant(weak[:, 0])]}
    found = mix_targets(targets, MixingParameters(PARTNERS, tf.constant(SHARES)))
    expected = [[0.25, 0, 0.75], [0, 1, 0], [0, 1, 0]]
    np.testing.assert_allclose(found["weak"], expected)
    np.testing.assert_allclose(found["both"][0], np.repeat(np.array(expected)[:, None], 4, axis=1))
    np.testing.assert_allclose(found["both"][1], np.array(expected)[:, 0])
    assert found["both"][0].dtype == tf.float64


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (None, "clips have none"),
        (tf.constant([0, 1, 2]), "targets of type int32 cannot be mixed"),
        ({"a": tf.zeros([3, 2]), "b": tf.constant([True] * 3)}, "type bool cannot be mixed"),
    ],
)
def test_targets_without_shares(targets: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mix_targets(targets, MixingParameters(PARTNERS, tf.constant(SHARES)))
