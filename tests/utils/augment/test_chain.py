"""The chain of waveform augmentations."""

import numpy as np
import tensorflow as tf

from utils.augment import WAVEFORM, chain, noise, shift
from utils.config.schema import AugmentStep, NoiseSettings, PitchShiftSettings, ShiftSettings

ALL = (
    AugmentStep(Noise=NoiseSettings(probability=0.7)),
    AugmentStep(Shift=ShiftSettings(max_seconds=0.05, probability=0.7)),
    AugmentStep(PitchShift=PitchShiftSettings(probability=0.7)),
)


def clips(rng: np.random.Generator, number: int = 6, samples: int = 4000) -> np.ndarray:
    return (0.1 * rng.standard_normal((number, samples))).astype(np.float32)


def test_no_steps_are_no_function() -> None:
    assert chain((), sample_rate=8000) is None


def test_every_step_of_the_schema_is_known() -> None:
    assert set(WAVEFORM) == set(AugmentStep.model_fields)


def test_steps_follow_each_other_with_seeds_of_their_own(rng: np.random.Generator) -> None:
    batch, seed = clips(rng), tf.constant([3, 4])
    augment = chain(ALL[:2], sample_rate=8000)
    expected = batch
    seeds = [tf.random.fold_in(seed, number) for number in range(2)]
    expected = noise.apply(
        expected, noise.draw(seeds[0], 6, min_snr_db=5.0, max_snr_db=40.0, probability=0.7)
    )
    expected = shift.apply(expected, shift.draw(seeds[1], 6, max_samples=400, probability=0.7))
    np.testing.assert_array_equal(augment(batch, seed), expected)


def test_same_seed_same_result_and_another_seed_another(rng: np.random.Generator) -> None:
    batch = clips(rng)
    augment = chain(ALL, sample_rate=8000)
    first = augment(batch, tf.constant([1, 2])).numpy()
    np.testing.assert_array_equal(first, augment(batch, tf.constant([1, 2])))
    assert np.abs(first - augment(batch, tf.constant([1, 3])).numpy()).max() > 0.01


def test_eager_and_tf_data_agree(rng: np.random.Generator) -> None:
    batches = np.stack([clips(rng), clips(rng)])
    seeds = np.array([[1, 2], [3, 4]], np.int32)
    augment = chain(ALL, sample_rate=8000)
    data = tf.data.Dataset.from_tensor_slices((batches, seeds)).map(augment)
    assert data.element_spec.shape == (6, 4000)
    for batch, seed, found in zip(batches, seeds, data, strict=True):
        np.testing.assert_allclose(found, augment(batch, tf.constant(seed)), atol=1e-5)


def test_open_batch_and_length_in_a_graph(rng: np.random.Generator) -> None:
    batch, seed = clips(rng), tf.constant([5, 6])
    augment = chain(ALL, sample_rate=8000)
    spec = [tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([2], tf.int32)]
    traced = tf.function(augment, input_signature=spec)
    np.testing.assert_allclose(traced(batch, seed), augment(batch, seed), atol=1e-5)
