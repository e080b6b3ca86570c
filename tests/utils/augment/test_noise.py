"""White noise: its level, its spectrum, its independence."""

import numpy as np
import pytest
import tensorflow as tf

from utils.augment import noise

SEED = tf.constant([11, 12])
RANGE = {"min_snr_db": 5.0, "max_snr_db": 40.0}


def test_level_is_the_drawn_ratio(rng: np.random.Generator) -> None:
    batch = (rng.uniform(0.01, 1, (8, 1)) * rng.standard_normal((8, 20_000))).astype(np.float32)
    parameters = noise.draw(SEED, 8, **RANGE, probability=1.0)
    added = noise.apply(batch, parameters).numpy() - batch
    found = 10 * np.log10((batch**2).mean(axis=1) / (added**2).mean(axis=1))
    np.testing.assert_allclose(found, parameters.snr_db, atol=0.15)


def test_ratios_fill_the_range_uniformly() -> None:
    ratios = noise.draw(SEED, 4000, **RANGE, probability=1.0).snr_db.numpy()
    assert ratios.min() >= 5.0
    assert ratios.max() < 40.0
    counts, _ = np.histogram(ratios, bins=5, range=(5.0, 40.0))
    assert counts.min() > 700


def test_noise_is_white_gaussian_and_differs_between_clips() -> None:
    batch = np.ones((2, 50_000), np.float32)
    parameters = noise.draw(SEED, 2, min_snr_db=0.0, max_snr_db=0.0, probability=1.0)
    added = noise.apply(batch, parameters).numpy() - batch
    assert abs(np.corrcoef(added)[0, 1]) < 0.02
    spectrum = np.abs(np.fft.rfft(added, axis=1)) ** 2
    bands = spectrum[:, 1:].reshape(2, 10, -1).mean(axis=2)
    np.testing.assert_allclose(bands / bands.mean(), 1.0, atol=0.1)
    kurtosis = (added**4).mean(axis=1) / (added**2).mean(axis=1) ** 2
    np.testing.assert_allclose(kurtosis, 3.0, atol=0.1)


def test_unchosen_and_silent_clips_stay(rng: np.random.Generator) -> None:
    batch = rng.standard_normal((40, 100)).astype(np.float32)
    batch[::2] = 0
    parameters = noise.draw(SEED, 40, **RANGE, probability=0.5)
    same = (noise.apply(batch, parameters).numpy() == batch).all(axis=1)
    silent = np.arange(40) % 2 == 0
    np.testing.assert_array_equal(same, silent | ~parameters.chosen.numpy())


@pytest.mark.parametrize("batch_size", [1, 5])
def test_eager_and_tf_data_agree(rng: np.random.Generator, batch_size: int) -> None:
    batch = rng.standard_normal((batch_size, 300)).astype(np.float32)

    def augment(clips: tf.Tensor) -> tf.Tensor:
        drawn = noise.draw(SEED, tf.shape(clips)[0], **RANGE, probability=0.5)
        return noise.apply(clips, drawn)

    (found,) = tf.data.Dataset.from_tensors(batch).map(augment)
    np.testing.assert_allclose(found, augment(tf.constant(batch)), rtol=1e-5, atol=1e-6)
