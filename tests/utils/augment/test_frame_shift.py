"""Circular shift of features with their labels, against numpy.roll."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from utils.augment import frame_shift
from utils.augment.frame_shift import FrameShiftParameters
from utils.augment.grid import Grid
from utils.config.event_sections import FrameShiftSettings

SEED = tf.constant([71, 72])


def test_apply_vs_numpy(sound_events) -> None:
    features, targets = sound_events((2, 1, 0) * 8, frames=42)
    drawn = frame_shift.draw(SEED, 24, deviation_steps=6.0, probability=0.6)
    expected, strong = features.copy(), targets["strong"].copy()
    for clip, (chosen, steps) in enumerate(zip(*(part.numpy() for part in drawn), strict=True)):
        if chosen:
            expected[clip, :, :40] = np.roll(features[clip, :, :40], 4 * steps, axis=1)
            strong[clip] = np.roll(targets["strong"][clip], steps, axis=0)
    assert 5 < drawn.chosen.numpy().sum() < 22
    assert np.abs(drawn.steps).max() > 10, "more than once around"
    found, shifted = frame_shift.apply(features, targets, drawn, frames_per_step=4)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(shifted["strong"], strong)
    assert shifted["weak"] is targets["weak"]
    assert shifted["kind"] is targets["kind"]


@pytest.mark.parametrize("steps", [-200, -1, 0, 1, 155, 156, 1000])
def test_every_frame_keeps_its_label(steps: int) -> None:
    step_of_frame = np.arange(626) // 4
    features = np.tile(step_of_frame.astype(np.float32), (1, 2, 1))
    strong = np.arange(156, dtype=np.float32)[None, :, None]
    drawn = FrameShiftParameters(tf.constant([True]), tf.constant([steps]))
    found, shifted = frame_shift.apply(features, {"strong": strong}, drawn, frames_per_step=4)
    labels = shifted["strong"].numpy()[0, :, 0]
    assert labels[steps % 156] == 0
    np.testing.assert_array_equal(found.numpy()[0, 1, :624], np.repeat(labels, 4))
    np.testing.assert_array_equal(found.numpy()[0, 1, 624:], [156, 156])


@pytest.mark.parametrize("deviation", [0.8, 22.5])
def test_shifts_are_rounded_and_normally_distributed(deviation: float) -> None:
    drawn = frame_shift.draw(SEED, 4000, deviation_steps=deviation, probability=1.0)
    points = np.round(deviation * np.linspace(-3, 3, 13)) + 0.5  # between two whole steps
    found = (drawn.steps.numpy()[:, None] < points).mean(axis=0)
    np.testing.assert_allclose(found, stats.norm(0, deviation).cdf(points), atol=0.03)


def test_settings_reach_their_functions(sound_events) -> None:
    features, targets = sound_events((2,) * 5)
    settings = FrameShiftSettings(deviation_seconds=0.64, probability=0.8)
    draw, apply = frame_shift.from_settings(settings, Grid(12, 0.016, 4))
    drawn = frame_shift.draw(SEED, 5, deviation_steps=10.0, probability=0.8)
    np.testing.assert_array_equal(draw(SEED, 5).steps, drawn.steps)
    expected, _ = frame_shift.apply(features, targets, drawn, frames_per_step=4)
    found, _ = apply(features, targets, draw(SEED, 5))
    np.testing.assert_array_equal(found, expected)
