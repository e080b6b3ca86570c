"""Batches of several groups: what is in each, how long an epoch is, order, resumption."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from utils.pipeline import Source, evaluation_batches, steps, training_batches

STORED = 24
GROUPS = ((6, 2), (5, 1), (9, 3))
BATCH, STEPS, EPOCHS = 6, 3, 4
IN_MEMORY, STREAMED = 1.0, 1e-9


@pytest.fixture
def source(rng: np.random.Generator) -> Source:
    """Twenty of 24 clips in three groups; the target of a row is its place and its group."""
    array = rng.standard_normal((STORED, 2, 3)).astype(np.float32)
    rows = rng.permutation(STORED)[:20]
    group = np.repeat(np.arange(3), [count for count, _ in GROUPS])
    targets = {"place": np.arange(20), "kind": group.astype(np.float32)}
    return Source(array, rows, targets, groups=GROUPS)


def train(source: Source, **changes: object) -> list:
    arguments = {
        "batch_size": BATCH,
        "seed": 5,
        "first_epoch": 0,
        "epochs": EPOCHS,
        "memory_gb": IN_MEMORY,
    }
    return list(training_batches(source, **(arguments | changes)).as_numpy_iterator())


def places(batches: list) -> np.ndarray:
    """Places of clips, (batches, clips)."""
    return np.stack([targets["place"] for _, targets in batches])


def assert_same(found: list, expected: list) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("memory_gb", [IN_MEMORY, STREAMED])
def test_each_batch_has_its_clips_of_each_group_with_their_targets(
    source: Source, memory_gb: float
) -> None:
    batches = train(source, memory_gb=memory_gb)
    assert len(batches) == EPOCHS * STEPS
    for features, targets in batches:
        np.testing.assert_array_equal(targets["kind"], [0, 0, 1, 2, 2, 2])
        edges = np.cumsum([0, *(count for count, _ in GROUPS)])
        group = np.searchsorted(edges, targets["place"], side="right") - 1
        np.testing.assert_array_equal(group, targets["kind"])
        np.testing.assert_array_equal(features, source.array[source.rows[targets["place"]]])


def test_an_epoch_ends_with_the_group_that_is_used_up_first(source: Source) -> None:
    assert steps(source, BATCH) == STEPS
    assert steps(replace(source, groups=((6, 2), (5, 4), (9, 1))), 7) == 1
    assert steps(replace(source, groups=((20, 6),)), 6) == 3
    for epoch in np.split(places(train(source)), EPOCHS):
        taken = np.sort(epoch.ravel())
        assert len(set(taken)) == len(taken)  # no clip twice
        np.testing.assert_array_equal(taken[:6], np.arange(6))
        np.testing.assert_array_equal(taken[-9:], np.arange(11, 20))


def test_all_clips_of_a_longer_group_have_their_turn(source: Source) -> None:
    found = np.split(places(train(source, epochs=12)), 12)
    chosen = [tuple(sorted(epoch[:, 2])) for epoch in found]
    assert len(set(chosen)) > 2
    assert set(np.concatenate(chosen)) == set(range(6, 11))


def test_order_is_a_function_of_seed_and_epoch(source: Source) -> None:
    assert_same(train(source), train(source))
    epochs = np.split(places(train(source)), EPOCHS)
    others = np.split(places(train(source, seed=6)), EPOCHS)
    orders = {epoch.tobytes() for epoch in (*epochs, *others)}
    assert len(orders) == 2 * EPOCHS
    train(source, seed=2**70, epochs=1)


def test_groups_of_one_size_have_orders_of_their_own(source: Source) -> None:
    alike = replace(source, groups=((10, 5), (10, 5)))
    found = places(train(alike, batch_size=10))
    first, second = found[:, :5], found[:, 5:] - 10
    assert first.min() == second.min() == 0
    assert (first != second).any()


@pytest.mark.parametrize("memory_gb", [IN_MEMORY, STREAMED])
def test_a_resumed_run_sees_the_same_batches(source: Source, memory_gb: float) -> None:
    def augment(batch: tf.Tensor, targets: dict, seed: tf.Tensor) -> tuple[tf.Tensor, dict]:
        return batch + tf.random.stateless_normal(tf.shape(batch), seed), targets

    both = {"augment": augment, "prepare": lambda batch: 2 * batch, "memory_gb": memory_gb}
    whole = train(source, **both)
    for first in (1, 3):
        assert_same(train(source, first_epoch=first, **both), whole[first * STEPS :])
    assert train(source, first_epoch=EPOCHS, **both) == []


def test_every_clip_is_evaluated_whatever_its_group(source: Source) -> None:
    batches = evaluation_batches(source, batch_size=BATCH, memory_gb=IN_MEMORY)
    found = np.concatenate([targets["place"] for _, targets in batches.as_numpy_iterator()])
    np.testing.assert_array_equal(found, np.arange(20))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (((6, 2), (5, 1)), r"groups .* for 20 rows"),
        (((6, 2), (15, 1)), r"groups .* for 20 rows"),
        (((4, 5), (16, 1)), "fewer rows than clips in a batch, or none"),
        (((10, 2), (10, 0)), "fewer rows than clips in a batch, or none"),
        (((20, 2), (0, 0)), "fewer rows than clips in a batch, or none"),
    ],
)
def test_groups_that_do_not_fit(source: Source, groups: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(source, groups=groups)


@pytest.mark.parametrize("batch_size", [5, 7])
def test_another_batch_size_is_refused(source: Source, batch_size: int) -> None:
    with pytest.raises(ValueError, match=rf"batches of {batch_size} clips of groups"):
        train(source, batch_size=batch_size)


@pytest.mark.parametrize("memory_gb", [IN_MEMORY, STREAMED])
def test_arrays_beside_the_clips_join_the_targets(source: Source, memory_gb: float) -> None:
    beside = np.arange(STORED * 4, dtype=np.float32).reshape(STORED, 2, 2)
    for _, targets in train(replace(source, beside={"more": beside}), memory_gb=memory_gb):
        np.testing.assert_array_equal(targets["more"], beside[source.rows[targets["place"]]])


def test_arrays_beside_the_clips_that_do_not_fit(source: Source) -> None:
    with pytest.raises(ValueError, match="23 rows of more for 24 clips"):
        replace(source, beside={"more": np.zeros((STORED - 1, 2))})
    with pytest.raises(ValueError, match="join a dict of targets"):
        replace(source, targets=np.zeros(20), groups=(), beside={"more": np.zeros((STORED, 2))})
