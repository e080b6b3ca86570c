"""The chain of augmentations, over clips and their targets."""

import numpy as np
import pytest
import tensorflow as tf

from utils.augment import MODULES, between_class, chain, mixup, noise, shift
from utils.augment.partners import mix_targets
from utils.config.schema import (
    AugmentStep,
    BetweenClassSettings,
    DeviceResponseSettings,
    MixupSettings,
    NoiseSettings,
    PitchShiftSettings,
    ShiftSettings,
)

TARGETS = np.eye(6, dtype=np.float32)
CLIPWISE = (
    AugmentStep(Noise=NoiseSettings(probability=0.7)),
    AugmentStep(Shift=ShiftSettings(max_seconds=0.05, probability=0.7)),
    AugmentStep(PitchShift=PitchShiftSettings(probability=0.7)),
    AugmentStep(DeviceResponse=DeviceResponseSettings(probability=0.7)),
)
MIXING = (
    AugmentStep(Mixup=MixupSettings(alpha=1.0, probability=0.7)),
    AugmentStep(BetweenClass=BetweenClassSettings(probability=0.7)),
)
ALL = CLIPWISE + MIXING


def clips(rng: np.random.Generator, number: int = 6, samples: int = 4000) -> np.ndarray:
    return (0.1 * rng.standard_normal((number, samples))).astype(np.float32)


def test_no_steps_are_no_function() -> None:
    assert chain((), sample_rate=8000) is None


def test_every_step_of_the_schema_is_known() -> None:
    assert set(MODULES) == set(AugmentStep.model_fields)


def test_steps_follow_each_other_with_seeds_of_their_own(rng: np.random.Generator) -> None:
    batch, seed = clips(rng), tf.constant([3, 4])
    augment = chain(CLIPWISE[:2], sample_rate=8000)
    expected = batch
    seeds = [tf.random.fold_in(seed, number) for number in range(2)]
    expected = noise.apply(
        expected, noise.draw(seeds[0], 6, min_snr_db=5.0, max_snr_db=40.0, probability=0.7)
    )
    expected = shift.apply(expected, shift.draw(seeds[1], 6, max_samples=400, probability=0.7))
    found, targets = augment(batch, TARGETS, seed)
    np.testing.assert_array_equal(found, expected)
    assert targets is TARGETS


def test_clips_are_mixed_with_their_targets_at_their_place(rng: np.random.Generator) -> None:
    batch, seed = clips(rng), tf.constant([3, 4])
    seeds = [tf.random.fold_in(seed, number) for number in range(3)]
    moved = shift.draw(seeds[0], 6, max_samples=400, probability=0.7)
    first = mixup.draw(seeds[1], 6, alpha=1.0, probability=0.7)
    second = between_class.draw(seeds[2], 6, probability=0.7)
    mixed = mixup.apply(shift.apply(batch, moved), first)
    expected = between_class.apply(mixed, second, sample_rate=8000)
    augment = chain((CLIPWISE[1], *MIXING), sample_rate=8000)
    found, targets = augment(batch, tf.constant(TARGETS), seed)
    np.testing.assert_array_equal(found, expected)
    shares = mix_targets(mix_targets(tf.constant(TARGETS), first), second)
    np.testing.assert_array_equal(targets, shares)
    np.testing.assert_allclose(targets.numpy().sum(axis=1), 1.0, rtol=1e-6)
    assert (np.count_nonzero(targets, axis=1) > 2).any()


@pytest.mark.parametrize("step", MIXING)
def test_clips_without_targets_pass_unless_they_are_mixed(
    rng: np.random.Generator, step: AugmentStep
) -> None:
    batch, seed = clips(rng), tf.constant([3, 4])
    assert chain(CLIPWISE, sample_rate=8000)(batch, None, seed)[1] is None
    with pytest.raises(ValueError, match="clips have none"):
        chain([step], sample_rate=8000)(batch, None, seed)


def test_same_seed_same_result_and_another_seed_another(rng: np.random.Generator) -> None:
    batch = clips(rng)
    augment = chain(ALL, sample_rate=8000)
    first, again, other = (
        augment(batch, tf.constant(TARGETS), tf.constant(seed)) for seed in ([1, 2], [1, 2], [1, 3])
    )
    for one, same, another in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert np.abs(one - another).max() > 0.01


def test_eager_and_tf_data_agree(rng: np.random.Generator) -> None:
    batches = np.stack([clips(rng), clips(rng)])
    seeds = np.array([[1, 2], [3, 4]], np.int32)
    augment = chain(ALL, sample_rate=8000)
    data = tf.data.Dataset.from_tensor_slices((batches, [TARGETS] * 2, seeds)).map(augment)
    assert [spec.shape for spec in data.element_spec] == [(6, 4000), (6, 6)]
    for batch, seed, found in zip(batches, seeds, data, strict=True):
        expected = augment(batch, tf.constant(TARGETS), tf.constant(seed))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_open_batch_and_length_in_a_graph(rng: np.random.Generator) -> None:
    batch, seed = clips(rng), tf.constant([5, 6])
    augment = chain(ALL, sample_rate=8000)
    spec = [tf.TensorSpec([None, None], tf.float32)] * 2 + [tf.TensorSpec([2], tf.int32)]
    traced = tf.function(augment, input_signature=spec)
    expected = augment(batch, tf.constant(TARGETS), seed)
    for found, wanted in zip(traced(batch, TARGETS, seed), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
