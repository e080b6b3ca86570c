"""FilterAugment: its bands, its gains, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from utils.augment import filter_augment
from utils.augment.grid import Grid
from utils.config.event_sections import FilterAugmentSettings
from utils.errors import ConfigError

SEED = tf.constant([51, 52])
SETTINGS = {
    "min_db": -6.0, "max_db": 4.0, "min_bands": 2, "max_bands": 5, "min_bandwidth": 4,
    "probability": 1.0,
}  # fmt: skip


def test_bands_are_as_wide_and_as_many_as_configured() -> None:
    drawn = filter_augment.draw(SEED, 3000, mels=32, **SETTINGS)
    borders = drawn.borders.numpy()
    assert borders.shape == drawn.gains_db.shape == (3000, 6)
    assert (borders[:, 0] == 0).all()
    assert (borders[:, -1] == 32).all()
    widths = np.diff(borders, axis=1)
    assert widths[widths > 0].min() == 4
    assert (np.diff((widths == 0).astype(int), axis=1) >= 0).all(), "unused bands are the last"
    counts = np.bincount((widths > 0).sum(axis=1), minlength=6)
    np.testing.assert_array_equal(counts[:2], 0)
    assert stats.chisquare(counts[2:]).pvalue > 1e-3


def test_borders_follow_the_sorted_places() -> None:
    three = SETTINGS | {"min_bands": 3, "max_bands": 3}
    borders = filter_augment.draw(SEED, 6000, mels=20, **three).borders.numpy()
    place = np.random.default_rng(1).integers(0, 20 - 3 * 4 + 1, (200_000, 2))
    expected = np.sort(place, axis=1) + np.array([4, 8])
    for number in (0, 1):
        found = np.bincount(borders[:, number + 1], minlength=20) / 6000
        wanted = np.bincount(expected[:, number], minlength=20) / 200_000
        np.testing.assert_allclose(found, wanted, atol=0.02)


@pytest.mark.parametrize("mels", [1, 7])
def test_one_band_is_one_gain(sound_events, mels: int) -> None:
    one = SETTINGS | {"min_bands": 1, "max_bands": 1, "min_bandwidth": 1}
    drawn = filter_augment.draw(SEED, 4, mels=mels, **one)
    np.testing.assert_array_equal(drawn.borders, np.tile([0, mels], (4, 1)))
    found = filter_augment.gains(drawn, mels, kind="step")
    np.testing.assert_array_equal(found, np.tile(drawn.gains_db[:, :1], (1, mels)))


def test_bands_may_fill_the_mels() -> None:
    full = SETTINGS | {"min_bands": 5}
    borders = filter_augment.draw(SEED, 3, mels=20, **full).borders
    np.testing.assert_array_equal(borders, np.tile(np.arange(0, 21, 4), (3, 1)))


def test_gains_are_uniform_decibels() -> None:
    gains = filter_augment.draw(SEED, 1000, mels=32, **SETTINGS).gains_db.numpy()
    assert stats.kstest(gains.ravel(), stats.uniform(-6, 10).cdf).pvalue > 1e-3


def test_gains_of_the_mels_vs_numpy() -> None:
    drawn = filter_augment.draw(SEED, 20, mels=32, **SETTINGS)
    step = filter_augment.gains(drawn, 32, kind="step").numpy()
    linear = filter_augment.gains(drawn, 32, kind="linear").numpy()
    for clip, (borders, gains) in enumerate(zip(drawn.borders, drawn.gains_db, strict=True)):
        borders, gains = borders.numpy(), gains.numpy()
        bands = int((np.diff(borders) > 0).sum())
        for band in range(bands):
            np.testing.assert_array_equal(
                step[clip, borders[band] : borders[band + 1]], gains[band]
            )
        edges = borders[: bands + 1]
        expected = np.interp(np.arange(32) + 0.5, edges, gains[: bands + 1])
        np.testing.assert_allclose(linear[clip], expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["step", "linear"])
def test_apply_multiplies_the_chosen_clips(sound_events, kind: str) -> None:
    features, targets = sound_events((2, 1, 0) * 4)
    drawn = filter_augment.draw(
        SEED, 12, mels=12, **SETTINGS | {"max_bands": 3, "probability": 0.5}
    )
    gains = filter_augment.gains(drawn, 12, kind=kind).numpy()
    chosen = drawn.chosen.numpy()
    assert 2 < chosen.sum() < 10
    expected = np.where(chosen[:, None, None], features * 10 ** (gains[:, :, None] / 20), features)
    found, same = filter_augment.apply(features, targets, drawn, kind=kind)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_array_equal(found[~chosen], features[~chosen])
    assert same is targets


def test_settings_reach_their_functions(sound_events) -> None:
    features, targets = sound_events((2, 2))
    settings = FilterAugmentSettings(kind="linear", **SETTINGS | {"max_bands": 3})
    draw, apply = filter_augment.from_settings(settings, Grid(12, 0.016, 4))
    drawn = filter_augment.draw(SEED, 2, mels=12, **SETTINGS | {"max_bands": 3})
    expected, _ = filter_augment.apply(features, targets, drawn, kind="linear")
    found, _ = apply(features, targets, draw(SEED, 2))
    np.testing.assert_array_equal(found, expected)


def test_bands_that_do_not_fit_are_told() -> None:
    with pytest.raises(ConfigError, match="need 36 mels, but the features have 32"):
        filter_augment.from_settings(FilterAugmentSettings(), Grid(32, 0.016, 4))
    filter_augment.from_settings(FilterAugmentSettings(), Grid(36, 0.016, 4))
