"""Mixup within groups: partners, formula, batches of any composition."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from utils.augment import group_mixup
from utils.augment.grid import Grid
from utils.config.event_sections import GroupMixupSettings

SEED = tf.constant([41, 42])
GRID = Grid(mels=12, hop_seconds=0.016, frames_per_step=4)
KINDS = (2, 1, 0, 2, 1, 1, 0, 2, 2, 2, 1, 0)
SEEDS = np.stack([np.arange(400), np.full(400, 7)], axis=1).astype(np.int32)


def drawn_of_many_seeds(batch_size: int, **settings: float) -> group_mixup.GroupMixupParameters:
    data = tf.data.Dataset.from_tensor_slices(SEEDS).map(
        lambda seed: group_mixup.draw(seed, batch_size, **settings)
    )
    return data.batch(len(SEEDS)).get_single_element()


@pytest.mark.parametrize("labels", ["soft", "hard"])
def test_apply_vs_numpy(sound_events, labels: str) -> None:
    features, targets = sound_events(KINDS)
    drawn = group_mixup.draw(SEED, len(KINDS), alpha=1.0, probability=1.0)
    partner = group_mixup.partners(drawn.order, targets["kind"]).numpy()
    shares = dict(zip((2, 1), drawn.shares.numpy(), strict=True))
    assert abs(shares[1] - shares[2]) > 0.01
    expected = {"features": features.copy()} | {name: targets[name].copy() for name in targets}
    for clip, kind in enumerate(KINDS):
        other = partner[clip]
        if kind == 0 or other == clip:
            continue
        c = shares[kind]
        expected["features"][clip] = c * features[clip] + (1 - c) * features[other]
        for name in ("strong", "weak"):
            own, added = targets[name][clip], targets[name][other]
            mixed = c * own + (1 - c) * added if labels == "soft" else np.clip(own + added, 0, 1)
            expected[name][clip] = mixed
    found, mixed = group_mixup.apply(features, targets, drawn, labels=labels)
    np.testing.assert_allclose(found, expected["features"], rtol=1e-5)
    assert set(mixed) == set(targets)
    for name in targets:
        np.testing.assert_allclose(mixed[name], expected[name], atol=1e-6)
    changed = (np.abs(found - features) > 1e-4).any(axis=(1, 2))
    assert changed[np.array(KINDS) == 2].any()
    assert changed[np.array(KINDS) == 1].any()
    np.testing.assert_array_equal(found[np.array(KINDS) == 0], features[np.array(KINDS) == 0])


def test_partners_are_random_permutations_within_each_kind() -> None:
    kind = np.array(KINDS, np.float32)
    orders = drawn_of_many_seeds(len(KINDS), alpha=1.0, probability=1.0).order
    found = np.stack([group_mixup.partners(order, kind).numpy() for order in orders])
    np.testing.assert_array_equal(kind[found], np.tile(kind, (len(SEEDS), 1)))
    np.testing.assert_array_equal(np.sort(found, axis=1), np.tile(np.arange(12), (len(SEEDS), 1)))
    for clip, partners in enumerate(found.T):
        group = np.flatnonzero(kind == kind[clip]) if kind[clip] else np.array([clip])
        counts = np.bincount(partners, minlength=12)[group]
        assert stats.chisquare(counts).pvalue > 1e-4 if len(group) > 1 else counts == len(SEEDS)


@pytest.mark.parametrize("kinds", [(0, 0, 0), (2,), (1, 2), (0, 1, 2), (1,)])
def test_groups_of_none_or_one_pass(sound_events, kinds: tuple) -> None:
    features, targets = sound_events(kinds)
    drawn = group_mixup.draw(SEED, len(kinds), alpha=1.0, probability=1.0)
    for labels in ("soft", "hard"):
        found, mixed = group_mixup.apply(features, targets, drawn, labels=labels)
        np.testing.assert_array_equal(found, features)
        for name, values in targets.items():
            np.testing.assert_array_equal(mixed[name], values)


def test_a_batch_that_is_not_mixed_passes(sound_events) -> None:
    features, targets = sound_events(KINDS)
    drawn = group_mixup.draw(SEED, len(KINDS), alpha=1.0, probability=0.0)
    found, mixed = group_mixup.apply(features, targets, drawn, labels="hard")
    np.testing.assert_array_equal(found, features)
    np.testing.assert_array_equal(mixed["strong"], targets["strong"])


def test_whole_batches_are_mixed_with_one_share_for_each_group() -> None:
    drawn = drawn_of_many_seeds(4, alpha=0.2, probability=0.5)
    assert drawn.mixed.shape == (len(SEEDS),)
    assert abs(drawn.mixed.numpy().mean() - 0.5) < 0.08
    shares = drawn.shares.numpy()
    assert stats.kstest(shares.ravel(), stats.beta(0.2, 0.2).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(shares.T)[0, 1]) < 0.15
    assert abs(np.corrcoef(drawn.mixed, shares[:, 0])[0, 1]) < 0.15


def test_settings_reach_their_functions(sound_events) -> None:
    features, targets = sound_events((2, 2, 2, 2))
    settings = GroupMixupSettings(alpha=1.0, probability=1.0, labels="hard")
    draw, apply = group_mixup.from_settings(settings, GRID)
    expected = group_mixup.draw(SEED, 4, alpha=1.0, probability=1.0)
    for one, other in zip(draw(SEED, 4), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    _, mixed = apply(features, targets, expected)
    assert set(np.unique(mixed["strong"])) == {0.0, 1.0}
    assert mixed["strong"].numpy().sum() > targets["strong"].sum()
