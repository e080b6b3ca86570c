"""Batches: order, memory, augmentation, preparation, several replicas."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from utils.augment import chain
from utils.config.schema import AugmentStep
from utils.pipeline import Source, evaluation_batches, steps, training_batches

CLIPS, ROWS = 12, 10
IN_MEMORY, STREAMED = 1.0, 1e-9


@pytest.fixture
def source(rng: np.random.Generator) -> Source:
    """Ten of twelve clips; the target of a row is its clip's number."""
    array = rng.standard_normal((CLIPS, 2, 3)).astype(np.float32)
    rows = rng.permutation(CLIPS)[:ROWS]
    return Source(array, rows, rows.astype(np.float32))


def train(source: Source, **changes: object) -> list[tuple[np.ndarray, np.ndarray]]:
    arguments = {
        "batch_size": 4,
        "seed": 5,
        "first_epoch": 0,
        "epochs": 3,
        "memory_gb": IN_MEMORY,
    }
    return list(training_batches(source, **(arguments | changes)).as_numpy_iterator())


def assert_same(found: list, expected: list) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True):
            np.testing.assert_array_equal(one, other)


def add_noise(batch: tf.Tensor, targets: object, seed: tf.Tensor) -> tuple[tf.Tensor, object]:
    return batch + tf.random.stateless_normal(tf.shape(batch), seed), targets


def add_axis(batch: tf.Tensor) -> tf.Tensor:
    return 2.0 * batch[..., None]


@pytest.mark.parametrize("memory_gb", [IN_MEMORY, STREAMED])
def test_every_epoch_has_every_clip_once_with_its_target(source: Source, memory_gb: float) -> None:
    batches = train(source, memory_gb=memory_gb)
    assert [len(features) for features, _ in batches] == [4, 4, 2] * 3
    assert steps(source, 4) == 3
    orders = []
    for epoch in range(3):
        features, targets = zip(*batches[3 * epoch : 3 * epoch + 3], strict=True)
        order = np.concatenate(targets)
        np.testing.assert_array_equal(np.concatenate(features), source.array[order.astype(int)])
        np.testing.assert_array_equal(np.sort(order), np.sort(source.rows))
        orders.append(tuple(order))
    assert len({*orders, tuple(source.rows)}) == 4


def test_order_depends_on_the_seed(source: Source) -> None:
    assert_same(train(source), train(source))
    other = np.concatenate([targets for _, targets in train(source, seed=6)])
    assert (other != np.concatenate([targets for _, targets in train(source)])).any()
    train(source, seed=2**70, epochs=1)


@pytest.mark.parametrize("memory_gb", [IN_MEMORY, STREAMED])
def test_a_resumed_run_sees_the_same_batches(source: Source, memory_gb: float) -> None:
    both = {"augment": add_noise, "prepare": add_axis, "memory_gb": memory_gb}
    assert_same(train(source, first_epoch=1, **both), train(source, **both)[3:])
    assert train(source, first_epoch=3, **both) == []


@pytest.mark.parametrize("augment", [None, add_noise])
@pytest.mark.parametrize("prepare", [None, add_axis])
def test_streamed_and_held_batches_are_equal(
    source: Source, tmp_path: Path, augment: Callable | None, prepare: Callable | None
) -> None:
    np.save(tmp_path / "clips.npy", source.array)
    mapped = Source(np.load(tmp_path / "clips.npy", mmap_mode="r"), source.rows, source.targets)
    chosen = {"augment": augment, "prepare": prepare}
    held = train(source, **chosen)
    assert held[0][0].shape == ((4, 2, 3) if prepare is None else (4, 2, 3, 1))
    assert_same(train(mapped, memory_gb=STREAMED, **chosen), held)


def test_augmentation_is_fresh_in_each_epoch_and_step(source: Source) -> None:
    noise = [
        features[0] - source.array[int(targets[0])]
        for features, targets in train(source, augment=add_noise)
    ]
    assert len({float(values[0, 0]) for values in noise}) == 9


def test_augmentation_comes_before_preparation(source: Source) -> None:
    def augment(
        batch: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        del seed
        return batch + 1.0, targets + 100

    (features, targets), *_ = train(source, augment=augment, prepare=lambda batch: 10 * batch)
    np.testing.assert_allclose(features, 10 * (source.array[targets.astype(int) - 100] + 1.0))


@pytest.mark.parametrize("memory_gb", [IN_MEMORY, STREAMED])
@pytest.mark.parametrize("step", [{"Mixup": {"alpha": 1.0}}, "BetweenClass"])
def test_mixed_clips_repeat_with_their_targets(step: object, memory_gb: float) -> None:
    """Each clip sounds in a tenth of a second of its own; the last of an epoch is alone."""
    array = np.eye(9, dtype=np.float32).repeat(800, axis=1)
    targets = {"weak": np.eye(9, dtype=np.float32), "strong": np.eye(9, dtype="f4")[:, None]}
    waves = Source(array, np.arange(9), targets)
    augment = chain([AugmentStep.model_validate(step)], sample_rate=8000)
    arguments = {"augment": augment, "prepare": add_axis, "memory_gb": memory_gb}
    whole = train(waves, **arguments)
    assert [len(clips) for clips, _ in whole] == [4, 4, 1] * 3
    for clips, found in whole:
        heard = clips[..., 0].reshape(len(clips), 9, 800).mean(axis=2)
        np.testing.assert_array_equal(found["strong"][:, 0], found["weak"])
        np.testing.assert_allclose(found["weak"].sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_array_equal(heard > 0, found["weak"] > 0)
        assert (np.count_nonzero(heard, axis=1) == min(2, len(clips))).all()
    assert_same(train(waves, first_epoch=1, **arguments), whole[3:])
    others = [found["weak"] for _, found in train(waves, seed=6, **arguments)]
    assert all((one[1]["weak"] != other).any() for one, other in zip(whole, others, strict=True))


def test_clips_without_targets_are_not_mixed(source: Source) -> None:
    waves = Source(source.array[:, 0], source.rows)
    with pytest.raises(ValueError, match="clips have none"):
        train(waves, augment=chain([AugmentStep.model_validate("Mixup")], sample_rate=8000))
    shifts = chain([AugmentStep.model_validate("Shift")], sample_rate=8000)
    assert train(waves, augment=shifts)[0].shape == (4, 3)


@pytest.mark.parametrize(
    ("memory_gb", "augment", "runs"),
    [(IN_MEMORY, None, 3), (STREAMED, None, 9), (IN_MEMORY, add_noise, 9)],
)
def test_preparation_runs_once_where_nothing_before_it_changes(
    source: Source, memory_gb: float, augment: Callable | None, runs: int
) -> None:
    counter = tf.Variable(0)

    def prepare(batch: tf.Tensor) -> tf.Tensor:
        counter.assign_add(1)
        return batch

    train(source, prepare=prepare, augment=augment, memory_gb=memory_gb)
    assert counter.numpy() == runs


def test_the_whole_array_counts_towards_the_memory(source: Source) -> None:
    """Held rows are a copy, streamed rows are read from the array as it is then."""
    for share, fresh in ((0.99, True), (1.01, False)):
        array = source.array.copy()
        batches = evaluation_batches(
            Source(array, source.rows), batch_size=4, memory_gb=share * array.nbytes / 1e9
        )
        array += 1
        (first, *_) = batches.as_numpy_iterator()
        np.testing.assert_array_equal(first == array[source.rows[:4]], fresh)


@pytest.mark.parametrize("memory_gb", [IN_MEMORY, STREAMED])
def test_evaluation_keeps_the_order_and_can_be_repeated(source: Source, memory_gb: float) -> None:
    batches = evaluation_batches(source, batch_size=4, prepare=add_axis, memory_gb=memory_gb)
    assert batches.cardinality() == 3
    assert batches.element_spec[0].shape.as_list() == [None, 2, 3, 1]
    for _ in range(2):
        features, targets = zip(*batches.as_numpy_iterator(), strict=True)
        np.testing.assert_array_equal(
            np.concatenate(features), 2 * source.array[source.rows][..., None]
        )
        np.testing.assert_array_equal(np.concatenate(targets), source.targets)


def test_sources_without_targets_and_without_rows(source: Source) -> None:
    unlabelled = Source(source.array, source.rows)
    (first, *_) = evaluation_batches(unlabelled, batch_size=4, memory_gb=IN_MEMORY)
    np.testing.assert_array_equal(first, source.array[source.rows[:4]])
    assert train(unlabelled, epochs=1)[0].shape == (4, 2, 3)
    empty = Source(source.array, source.rows[:0], source.targets[:0])
    assert list(evaluation_batches(empty, batch_size=4, memory_gb=IN_MEMORY)) == []


def test_targets_of_several_heads(source: Source) -> None:
    targets = {"strong": np.stack([source.targets] * 5, axis=1), "weak": source.targets}
    for _, found in train(Source(source.array, source.rows, targets)):
        np.testing.assert_array_equal(found["strong"], np.stack([found["weak"]] * 5, axis=1))


@pytest.mark.parametrize(
    ("rows", "targets", "message"),
    [
        ([0, 12], None, "rows 0 to 12 of an array of 12 clips"),
        ([-1, 3], None, "rows -1 to 3 of an array of 12 clips"),
        ([0, 1], np.zeros(3), "3 targets for 2 rows"),
        ([0, 1], {"weak": np.zeros(1)}, "1 weak for 2 rows"),
    ],
)
def test_rows_and_targets_that_do_not_fit(
    source: Source, rows: list[int], targets: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Source(source.array, np.array(rows), targets)


def test_fit_goes_through_all_epochs_without_starting_anew(source: Source) -> None:
    import keras

    seen = []
    network = keras.Sequential([keras.Input((2, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    network.compile("sgd", "mse")

    def record(
        batch: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        del seed
        noted = tf.numpy_function(lambda values: seen.append(values) or values, [batch], tf.float32)
        return tf.ensure_shape(noted, batch.shape), targets

    batches = training_batches(
        source,
        batch_size=4,
        seed=5,
        first_epoch=0,
        epochs=3,
        augment=record,
        memory_gb=IN_MEMORY,
    )
    history = network.fit(
        batches, epochs=3, steps_per_epoch=steps(source, 4), shuffle=False, verbose=0
    )
    assert len(history.history["loss"]) == 3
    assert len(seen) == 9


MIRRORED = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf
from utils.pipeline import Source, steps, training_batches

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(1)
array = rng.standard_normal((22, 5)).astype(np.float32)
source = Source(array, np.arange(22), array.sum(axis=1, keepdims=True))

def losses(strategy, memory_gb):
    keras.utils.set_random_seed(3)
    with strategy.scope():
        network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
        network.compile(keras.optimizers.SGD(0.05), "mse", jit_compile=False)
    batches = training_batches(
        source, batch_size=8, seed=2, first_epoch=0, epochs=4, memory_gb=memory_gb,
        prepare=lambda batch: 0.5 * batch,
        augment=lambda batch, targets, seed: (
            batch + tf.random.stateless_normal(tf.shape(batch), seed), targets
        ),
    )
    count = steps(source, 8)
    fitted = network.fit(batches, epochs=4, steps_per_epoch=count, shuffle=False, verbose=0)
    return fitted.history["loss"]

single = losses(tf.distribute.get_strategy(), 1.0)
for memory_gb in (1.0, 1e-9):
    mirrored = losses(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), memory_gb)
    np.testing.assert_allclose(mirrored, single, rtol=1e-4)
print("equal", len(single))
"""


def test_importing_the_stages_does_not_import_tensorflow() -> None:
    code = "import sys, utils.augment, utils.pipeline; print('tensorflow' in sys.modules)"
    project = Path(__file__).resolve().parents[3]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"


def test_mirrored_replicas_share_the_batches() -> None:
    project = Path(__file__).resolve().parents[3]
    run = subprocess.run(
        [sys.executable, "-c", MIRRORED], cwd=project, capture_output=True, text=True, check=False
    )
    assert run.stdout.split() == ["equal", "4"], run.stderr[-3000:]
