"""Mixup: its formula, the distribution of its shares."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from utils.augment import mixup

SEED = tf.constant([31, 32])


def test_apply_vs_numpy(rng: np.random.Generator) -> None:
    batch = rng.standard_normal((9, 50)).astype(np.float32)
    drawn = mixup.draw(SEED, 9, alpha=1.0, probability=0.7)
    share, partner = drawn.share.numpy()[:, None], drawn.partner.numpy()
    assert 2 < (share < 1).sum() < 9
    expected = share * batch + (1 - share) * batch[partner]
    found = mixup.apply(batch, drawn).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    unmixed = share[:, 0] == 1
    np.testing.assert_array_equal(found[unmixed], batch[unmixed])


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 4.0])
def test_shares_follow_the_beta_distribution(alpha: float) -> None:
    shares = mixup.draw_shares(SEED, 3000, alpha=alpha).numpy().astype(float)
    points = np.linspace(0.01, 0.99, 50)  # off the ends, to which float32 rounds
    found = (shares[:, None] < points).mean(axis=0)
    np.testing.assert_allclose(found, stats.beta(alpha, alpha).cdf(points), atol=0.03)
    assert abs(shares.var() * 4 * (2 * alpha + 1) - 1) < 0.1


@pytest.mark.parametrize("alpha", [1e-6, 0.01, 1e6])
def test_extreme_shares_are_numbers(alpha: float) -> None:
    shares = mixup.draw_shares(SEED, 2000, alpha=alpha).numpy()
    assert (shares >= 0).all()
    assert (shares <= 1).all()
    assert abs(shares.mean() - 0.5) < 0.05


def test_same_seed_same_shares_in_tf_data() -> None:
    def drawn(seed: tf.Tensor) -> tuple:
        return mixup.draw(seed, 8, alpha=0.2, probability=0.8)

    seeds = np.array([[1, 2], [1, 3]], np.int32)
    found = list(tf.data.Dataset.from_tensor_slices(seeds).map(drawn))
    for seed, values in zip(seeds, found, strict=True):
        expected = drawn(tf.constant(seed))
        np.testing.assert_array_equal(values.partner, expected.partner)
        np.testing.assert_allclose(values.share, expected.share, rtol=1e-5)
    assert np.abs(found[0].share - found[1].share).max() > 0.01
