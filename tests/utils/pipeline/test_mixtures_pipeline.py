"""Batches that are mixed afresh: what they hold, that they repeat, the fixed sample."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from utils.augment import chain
from utils.config.schema import AugmentStep, MixingSettings
from utils.errors import DataError
from utils.pipeline import Mixtures, sample, steps, training_batches

STORED, WORDS, SAMPLES, CLASSES = 20, 12, 64, 6
IN_MEMORY, STREAMED = 1.0, 1e-9
SETTINGS = MixingSettings(words=3, train=10, level_db=3.0, shift_seconds=0.5)
Batches = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture
def mixtures(rng: np.random.Generator) -> Mixtures:
    """Twelve of twenty words, each a cosine of its own frequency, two of each class."""
    times = np.arange(SAMPLES) / SAMPLES
    array = np.cos(2 * np.pi * np.arange(1, STORED + 1)[:, None] * times).astype(np.float32)
    rows = rng.permutation(STORED)[:WORDS]
    classes = np.arange(WORDS) % CLASSES
    return Mixtures(array, rows, classes, np.arange(WORDS) // 2, CLASSES, SETTINGS, SAMPLES)


def train(mixtures: Mixtures, **changes: object) -> Batches:
    arguments = {
        "batch_size": 4,
        "seed": 5,
        "first_epoch": 0,
        "epochs": 3,
        "memory_gb": IN_MEMORY,
    }
    return list(training_batches(mixtures, **(arguments | changes)).as_numpy_iterator())


def words_in(mixtures: Mixtures, clip: np.ndarray) -> np.ndarray:
    """Places in ``rows`` of the words that are heard in a clip; a shift keeps their frequencies."""
    level = np.abs(np.fft.rfft(clip))[1 + mixtures.rows]
    return np.flatnonzero(level > 0.05 * level.max())


def assert_same(found: Batches, expected: Batches) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def assert_as_settings_ask(mixtures: Mixtures, clips: np.ndarray, targets: np.ndarray) -> None:
    for clip, shares in zip(clips, targets, strict=True):
        heard = words_in(mixtures, clip)
        assert len(heard) == len(set(mixtures.speakers[heard])) == mixtures.settings.words
        expected = np.bincount(mixtures.classes[heard], minlength=CLASSES) / len(heard)
        np.testing.assert_allclose(shares, expected, rtol=1e-6)


@pytest.mark.parametrize("memory_gb", [IN_MEMORY, STREAMED])
def test_an_epoch_has_its_clips_each_with_its_target(mixtures: Mixtures, memory_gb: float) -> None:
    batches = train(mixtures, memory_gb=memory_gb)
    assert [clips.shape for clips, _ in batches] == [(4, SAMPLES), (4, SAMPLES), (2, SAMPLES)] * 3
    assert (steps(mixtures, 4), steps(mixtures, 5), mixtures.per_epoch) == (3, 2, 10)
    for clips, targets in batches:
        assert clips.dtype == targets.dtype == np.float32
        assert_as_settings_ask(mixtures, clips, targets)


def test_repeated_words_add_up(mixtures: Mixtures) -> None:
    repeating = replace(mixtures, settings=SETTINGS.model_copy(update={"repeat_words": True}))
    targets = np.concatenate([shares for _, shares in train(repeating)])
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    assert (targets.max(axis=1) > 0.5).any()


def test_no_clip_comes_twice(mixtures: Mixtures) -> None:
    batches = train(mixtures) + train(mixtures, seed=6) + train(mixtures, seed=2**70)
    clips = np.concatenate([clips for clips, _ in batches])
    assert len(np.unique(clips, axis=0)) == len(clips) == 90


@pytest.mark.parametrize("memory_gb", [IN_MEMORY, STREAMED])
def test_a_resumed_run_sees_the_same_batches(mixtures: Mixtures, memory_gb: float) -> None:
    stages = {
        "augment": chain(
            [AugmentStep.model_validate(name) for name in ("Noise", "Mixup")], sample_rate=SAMPLES
        ),
        "prepare": lambda batch: 2.0 * batch[..., None],
        "memory_gb": memory_gb,
    }
    whole = train(mixtures, **stages)
    assert whole[0][0].shape == (4, SAMPLES, 1)
    for _, targets in whole:
        np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    assert max(np.count_nonzero(targets, axis=1).max() for _, targets in whole) > SETTINGS.words
    assert_same(train(mixtures, first_epoch=1, **stages), whole[3:])
    assert train(mixtures, first_epoch=3, **stages) == []


def test_streamed_and_held_words_give_equal_batches(mixtures: Mixtures, tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", mixtures.array)
    mapped = replace(mixtures, array=np.load(tmp_path / "words.npy", mmap_mode="r"))
    assert_same(train(mapped, memory_gb=STREAMED), train(mixtures))


def test_the_whole_array_counts_towards_the_memory(mixtures: Mixtures) -> None:
    """Held words are a copy, streamed words are read from the array as it is then."""
    unchanged = train(mixtures, epochs=1)
    for share, held in ((0.99, False), (1.01, True)):
        array = mixtures.array.copy()
        batches = training_batches(
            replace(mixtures, array=array), batch_size=4, seed=5, first_epoch=0, epochs=1,
            memory_gb=share * array.nbytes / 1e9,
        )  # fmt: skip
        array[:] = 0
        found = list(batches.as_numpy_iterator())
        assert any(clips.any() for clips, _ in found) == held
        if held:
            assert_same(found, unchanged)


def test_augmentation_acts_on_the_mixture_and_before_preparation(mixtures: Mixtures) -> None:
    seeds = []

    def augment(
        batch: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        noted = tf.numpy_function(
            lambda value: seeds.append(tuple(value)) or value, [seed], seed.dtype
        )
        with tf.control_dependencies([noted]):
            return batch + 1.0, targets

    changed = train(mixtures, augment=augment, prepare=lambda batch: 10 * batch)
    for (found, targets), (clips, expected) in zip(changed, train(mixtures), strict=True):
        np.testing.assert_allclose(found, 10 * (clips + 1), rtol=1e-6)
        np.testing.assert_array_equal(targets, expected)
    assert len(set(seeds)) == 9


def test_a_sample_is_fixed_and_apart_from_the_training_clips(mixtures: Mixtures) -> None:
    clips, targets = sample(mixtures, 70, seed=5)
    assert (clips.shape, targets.shape) == ((70, SAMPLES), (70, CLASSES))
    assert clips.dtype == targets.dtype == np.float32
    assert_as_settings_ask(mixtures, clips, targets)
    assert_same([sample(mixtures, 70, seed=5)], [(clips, targets)])
    samples = [clips, sample(mixtures, 70, seed=6)[0], sample(mixtures, 4, seed=5)[0]]
    every = np.concatenate([*samples, *(batch for batch, _ in train(mixtures))])
    assert len(np.unique(every, axis=0)) == 70 + 70 + 4 + 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": np.full(WORDS, STORED)}, "rows 20 to 20 of an array of 20 clips"),
        ({"speakers": np.zeros(2, int)}, "2 speakers for 12 rows"),
        ({"classes": np.zeros(2, int)}, "2 classes for 12 rows"),
        ({"class_count": 5}, "classes 0 to 5 of 5"),
        ({"array": np.zeros((STORED, SAMPLES))}, r"words float64 \(20, 64\)"),
        ({"array": np.zeros((STORED, 2, 3), np.float32)}, r"words float32 \(20, 2, 3\)"),
    ],
)
def test_parts_that_do_not_fit(mixtures: Mixtures, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(mixtures, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"speakers": np.zeros(WORDS, int)},
        {"classes": np.arange(WORDS) % 2},
        {name: np.zeros(0, int) for name in ("rows", "classes", "speakers")},
    ],
)
def test_words_of_which_no_clip_can_be_mixed_are_refused_at_once(
    mixtures: Mixtures, changes: dict
) -> None:
    with pytest.raises(DataError):
        replace(mixtures, **changes)
