"""Time mask: its stretches, and what becomes of the labels."""

import numpy as np
import pytest
import tensorflow as tf

from utils.augment import time_mask
from utils.augment.grid import Grid
from utils.augment.time_mask import TimeMaskParameters
from utils.config.event_sections import TimeMaskSettings

SEED = tf.constant([61, 62])


def masks(share: list[float], place: list[float]) -> TimeMaskParameters:
    chosen = tf.fill([len(share)], True)
    return TimeMaskParameters(chosen, tf.constant(share), tf.constant(place))


def test_apply_vs_numpy(sound_events) -> None:
    features, targets = sound_events((2, 1, 0) * 6, frames=42)
    drawn = time_mask.draw(SEED, 18, min_share=0.2, max_share=0.7, probability=0.6)
    expected, strong, weak = features.copy(), targets["strong"].copy(), targets["weak"].copy()
    for clip, (chosen, share, place) in enumerate(zip(*drawn, strict=True)):
        if not chosen:
            continue
        length = round(float(share) * 10)
        start = int(float(place) * (10 - length + 1))
        strong[clip, start : start + length] = 0
        end = 42 if start + length == 10 else 4 * (start + length)
        expected[clip, :, 4 * start : end] = 0
        if targets["kind"][clip] == 2:
            weak[clip] *= strong[clip].max(axis=0) > 0
    assert 5 < drawn.chosen.numpy().sum() < 16
    assert weak.sum() < targets["weak"].sum()
    found, left = time_mask.apply(features, targets, drawn, frames_per_step=4)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(left["strong"], strong)
    np.testing.assert_array_equal(left["weak"], weak)
    np.testing.assert_array_equal(left["kind"], targets["kind"])


def test_no_step_is_half_silent_and_the_frames_left_over_go_with_the_last(sound_events) -> None:
    features, targets = sound_events((2, 2), frames=626)
    found, left = time_mask.apply(
        features, targets, masks([0.1, 0.1], [0.0, 0.99999]), frames_per_step=4
    )
    silent = (found.numpy() == 0).all(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(silent[0]), np.arange(16 * 4))
    np.testing.assert_array_equal(np.flatnonzero(silent[1]), np.arange(140 * 4, 626))
    assert left["strong"].numpy()[0, :16].sum() == left["strong"].numpy()[1, 140:].sum() == 0


def test_weak_labels_follow_where_it_is_known_what_is_left() -> None:
    strong = np.zeros((3, 10, 3), np.float32)
    strong[:, 2:4, 0] = 1  # masked wholly
    strong[:, 3:6, 1] = 0.3  # in part, and a share from mixing
    weak = np.tile(np.array([1, 0.5, 0], np.float32), (3, 1))
    targets = {"strong": strong, "weak": weak, "kind": np.array([2, 1, 0], np.float32)}
    drawn = masks([0.5] * 3, [0.0] * 3)
    _, left = time_mask.apply(np.ones((3, 4, 40), np.float32), targets, drawn, frames_per_step=4)
    np.testing.assert_array_equal(left["weak"], [[0, 0.5, 0], [1, 0.5, 0], [1, 0.5, 0]])
    np.testing.assert_array_equal(
        left["strong"].numpy()[0, :, 1], np.float32([0] * 5 + [0.3] + [0] * 4)
    )


@pytest.mark.parametrize(("share", "silent"), [(0.0, 0.0), (1.0, 1.0)])
def test_nothing_and_everything(sound_events, share: float, silent: float) -> None:
    features, targets = sound_events((2, 2))
    found, left = time_mask.apply(
        features, targets, masks([share] * 2, [0.5] * 2), frames_per_step=4
    )
    assert (found.numpy() == 0).mean() == silent
    expected = (1 - silent) * targets["weak"]
    np.testing.assert_array_equal(left["weak"], expected)


def test_lengths_and_places_cover_their_ranges() -> None:
    drawn = time_mask.draw(SEED, 3000, min_share=0.05, max_share=0.2, probability=1.0)
    masked = time_mask.masked_steps(drawn, 156).numpy()
    lengths = masked.sum(axis=1)
    assert lengths.min() == round(0.05 * 156)
    assert lengths.max() == round(0.2 * 156)
    assert abs(lengths.mean() - 0.125 * 156) < 0.5
    assert (np.abs(np.diff(masked.astype(int), axis=1)).sum(axis=1) <= 2).all(), "one stretch each"
    assert masked[:, 0].any()
    assert masked[:, -1].any()
    first = masked.argmax(axis=1) / (156 - lengths)
    assert abs(first.mean() - 0.5) < 0.03


def test_settings_reach_their_functions(sound_events) -> None:
    features, targets = sound_events((2, 2), frames=40, frames_per_step=5)
    settings = TimeMaskSettings(min_share=0.3, max_share=0.6, probability=0.8)
    draw, apply = time_mask.from_settings(settings, Grid(12, 0.016, 5))
    drawn = time_mask.draw(SEED, 2, min_share=0.3, max_share=0.6, probability=0.8)
    expected, _ = time_mask.apply(features, targets, drawn, frames_per_step=5)
    found, _ = apply(features, targets, draw(SEED, 2))
    np.testing.assert_array_equal(found, expected)
