"""The chain of augmentations of features, and two views of the same clips."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from utils.augment import filter_augment, frame_shift
from utils.augment.feature_chain import MODULES, feature_chain, views
from utils.config.event_sections import FeatureAugmentStep
from utils.errors import ConfigError

KINDS = (2, 1, 0, 2, 1, 2, 0, 2)
SEED = tf.constant([3, 4])
GRID = {"mels": 40, "hop_seconds": 0.016, "frames_per_step": 4}
FILTER = {"min_bands": 2, "max_bands": 4, "probability": 0.8}


def step(name: str, **settings: object) -> FeatureAugmentStep:
    return FeatureAugmentStep.model_validate({name: settings})


ALL = (
    step("FrameShift", deviation_seconds=0.3),
    step("GroupMixup", alpha=1.0, probability=1.0),
    step("TimeMask", min_share=0.1, max_share=0.5),
    step("FilterAugment", kind="linear", **FILTER),
)


@pytest.fixture
def batch(sound_events: Callable) -> tuple:
    features, targets = sound_events(KINDS, mels=40, frames=42)
    return tf.constant(features), {name: tf.constant(value) for name, value in targets.items()}


def assert_same(found: object, expected: object) -> None:
    tf.nest.map_structure(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6),
        found,
        expected,
    )


def test_no_steps_are_no_function() -> None:
    assert feature_chain((), **GRID) is None
    assert views((), **GRID) is None


def test_every_step_of_the_schema_is_known() -> None:
    assert set(MODULES) == set(FeatureAugmentStep.model_fields)


def test_steps_follow_each_other_with_seeds_of_their_own(batch: tuple) -> None:
    features, targets = batch
    first = step("FrameShift", deviation_seconds=0.64)
    second = step("FilterAugment", **FILTER)
    seeds = [tf.random.fold_in(SEED, number) for number in range(2)]
    moved = frame_shift.draw(seeds[0], 8, deviation_steps=10.0, probability=1.0)
    values = second.FilterAugment.model_dump(exclude={"kind"})
    filtered = filter_augment.draw(seeds[1], 8, mels=40, **values)
    expected = frame_shift.apply(features, targets, moved, frames_per_step=4)
    expected = filter_augment.apply(*expected, filtered, kind="step")
    found = feature_chain((first, second), **GRID)(features, targets, SEED)
    tf.nest.map_structure(np.testing.assert_array_equal, found, expected)


def test_same_seed_same_result_and_another_seed_another(batch: tuple) -> None:
    augment = feature_chain(ALL, **GRID)
    first, again, other = (augment(*batch, tf.constant(seed)) for seed in ([1, 2], [1, 2], [1, 3]))
    tf.nest.map_structure(np.testing.assert_array_equal, first, again)
    assert np.abs(first[0] - other[0]).max() > 0.1
    assert np.abs(first[1]["strong"] - other[1]["strong"]).max() > 0.1


def test_eager_and_tf_data_agree(batch: tuple) -> None:
    seeds = np.array([[1, 2], [3, 4]], np.int32)
    augment = feature_chain(ALL, **GRID)
    data = tf.data.Dataset.from_tensor_slices(seeds).map(lambda seed: augment(*batch, seed))
    features, targets = data.element_spec
    assert features.shape == (8, 40, 42)
    assert targets["strong"].shape == (8, 10, 3)
    assert targets["weak"].shape == (8, 3)
    for seed, found in zip(seeds, data, strict=True):
        assert_same(found, augment(*batch, tf.constant(seed)))


def test_open_sizes_in_a_graph(batch: tuple) -> None:
    augment = feature_chain(ALL, **GRID)
    spec = [
        tf.TensorSpec([None, None, None], tf.float32),
        {
            "strong": tf.TensorSpec([None, None, None], tf.float32),
            "weak": tf.TensorSpec([None, None], tf.float32),
            "kind": tf.TensorSpec([None], tf.float32),
        },
        tf.TensorSpec([2], tf.int32),
    ]
    traced = tf.function(augment, input_signature=spec)
    assert_same(traced(*batch, SEED), augment(*batch, SEED))
    features, targets = batch
    two = features[:2], {name: values[:2] for name, values in targets.items()}
    assert_same(traced(*two, SEED), augment(*two, SEED))


def test_targets_of_another_grid_are_a_bug(batch: tuple) -> None:
    with pytest.raises(ValueError, match="42 frames are 8 steps of 5, but the strong targets have"):
        feature_chain(ALL, **GRID | {"frames_per_step": 5})(*batch, SEED)


def test_views_draw_the_same_steps_twice(batch: tuple) -> None:
    features, targets = batch
    steps = (ALL[3], step("FilterAugment", **FILTER))
    view = views(steps, **GRID)
    found, same = view(features, targets, SEED)
    assert same is targets
    assert np.abs(found["student"] - found["teacher"]).max() > 0.1
    augment = feature_chain(steps, **GRID)
    for name, seed in zip(("student", "teacher"), tf.random.split(SEED, 2), strict=True):
        np.testing.assert_array_equal(found[name], augment(features, targets, seed)[0])
    assert view(features, None, SEED)[1] is None


def test_views_in_tf_data(batch: tuple) -> None:
    view = views((ALL[3],), **GRID)
    (found,) = tf.data.Dataset.from_tensors(batch).map(lambda *item: view(*item, SEED))
    assert_same(found, view(*batch, SEED))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_views_refuse_what_changes_targets(number: int) -> None:
    name = next(iter(ALL[number].model_fields_set))
    with pytest.raises(ConfigError, match=rf"view_augment\[1\]\.{name}: changes the targets"):
        views((ALL[3], ALL[number]), **GRID)


@pytest.mark.parametrize("make", [feature_chain, views])
def test_bands_that_do_not_fit_are_told_before_anything_runs(make: Callable) -> None:
    with pytest.raises(ConfigError, match="need 24 mels, but the features have 20"):
        make((ALL[3],), **GRID | {"mels": 20})
