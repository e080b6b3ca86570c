"""Between-class learning: levels, the paper's formula, energy, silence."""

import librosa
import numpy as np
import pytest
import tensorflow as tf

from utils.augment import between_class
from utils.augment.partners import MixingParameters

SEED = tf.constant([41, 42])
RATE = 8000
WINDOW = 1024


def clips(rng: np.random.Generator, number: int = 6, samples: int = 4000) -> np.ndarray:
    levels = 10 ** rng.uniform(-2, 0, (number, 1))
    return (levels * rng.standard_normal((number, samples))).astype(np.float32)


def sine(frequency: float, amplitude: float, *, start: int = 0, samples: int = 4000) -> np.ndarray:
    wave = amplitude * np.sin(2 * np.pi * frequency * np.arange(samples) / RATE)
    wave[:start] = 0
    return wave.astype(np.float32)


def level(clip: np.ndarray) -> float:
    """Level in decibels, window by window, weighted by librosa."""
    padded = np.pad(clip.astype(float), (0, WINDOW))
    window = np.hanning(WINDOW + 1)[:-1]
    weights = 10 ** (librosa.A_weighting(np.fft.rfftfreq(WINDOW, 1 / RATE), min_db=None) / 10)
    spectra = [
        np.fft.rfft(window * padded[start : start + WINDOW])
        for start in range(0, len(clip), WINDOW // 2)
    ]
    return 10 * np.log10(max((weights * np.abs(spectrum) ** 2).sum() for spectrum in spectra))


def pairs(*shares: float) -> MixingParameters:
    """The clips in a ring, each with the next."""
    partner = np.roll(np.arange(len(shares), dtype=np.int32), -1)
    return MixingParameters(tf.constant(partner), tf.constant(shares))


def mix(batch: np.ndarray, parameters: MixingParameters) -> np.ndarray:
    return between_class.apply(tf.constant(batch), parameters, sample_rate=RATE).numpy()


@pytest.mark.filterwarnings("ignore:divide by zero")  # librosa's logarithm at 0 Hz
def test_apply_vs_the_formula(rng: np.random.Generator) -> None:
    batch = clips(rng)
    drawn = between_class.draw(SEED, 6, probability=0.8)
    expected = []
    for clip, partner, r in zip(batch, drawn.partner, drawn.share.numpy(), strict=True):
        other = batch[partner]
        p = 1 / (1 + 10 ** ((level(clip) - level(other)) / 20) * (1 - r) / r)
        expected.append((p * clip + (1 - p) * other) / np.sqrt(p**2 + (1 - p) ** 2))
    assert 2 < (drawn.share.numpy() < 1).sum() < 6
    np.testing.assert_allclose(mix(batch, drawn), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_weighting_is_that_of_librosa() -> None:
    frequencies = np.array([20, 100, 1000, 4000, 10_000, 20_000])
    found = 10 * np.log10(between_class.a_weighting(frequencies))
    np.testing.assert_allclose(found, librosa.A_weighting(frequencies), atol=0.01)
    np.testing.assert_allclose(found, [-50.4, -19.1, 0, 1, -2.5, -9.3], atol=0.1)
    assert between_class.a_weighting(np.zeros(1)) == 0


@pytest.mark.parametrize(
    ("rate", "length"), [(8000, 1024), (16_000, 2048), (22_050, 2048), (44_100, 4096), (1, 2)]
)
def test_windows_are_those_of_the_authors(rate: int, length: int) -> None:
    assert between_class.window_length(rate) == length


def test_level_is_that_of_the_loudest_moment() -> None:
    """A tone of a third of the clip, and one that ends it, are as loud as one that fills it."""
    batch = np.stack([sine(1000, 0.5, start=start) for start in (0, 2600, 3300)])
    batch = np.concatenate([batch, 0.1 * batch[:1], [sine(100, 0.5)]])
    power = between_class.loudest_power(tf.constant(batch), sample_rate=RATE).numpy()
    decibels = 10 * np.log10(power / power[0])
    np.testing.assert_allclose(decibels, [0, 0, 0, -20, -19.1], atol=0.5)


def test_unmixed_clips_and_a_batch_of_one_stay(rng: np.random.Generator) -> None:
    batch = clips(rng)
    found = mix(batch, pairs(0.5, 1.0, 0.3, 1.0, 1.0, 0.0))
    np.testing.assert_array_equal(found[[1, 3, 4]], batch[[1, 3, 4]])
    np.testing.assert_allclose(found[5], batch[0], rtol=1e-6)
    alone = between_class.draw(SEED, 1, probability=1.0)
    np.testing.assert_array_equal(mix(batch[:1], alone), batch[:1])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_loudness_has_the_ratio_of_the_shares_and_energy_stays(share: float) -> None:
    """Two tones, one of a tenth of the amplitude: levels follow the shares, not the amplitudes."""
    batch = np.stack([sine(1000, 0.5), sine(1250, 0.05)])
    found = mix(batch, pairs(share, share))[0]
    spectrum = np.abs(np.fft.rfft(found))[[500, 625]] ** 2
    spectrum *= between_class.a_weighting(np.array([1000, 1250]))
    np.testing.assert_allclose(np.sqrt(spectrum[0] / spectrum[1]), share / (1 - share), rtol=0.01)

    equal = np.stack([sine(1000, 0.5), sine(1250, 0.5)])
    energy = (mix(equal, pairs(share, share)) ** 2).sum(axis=1)
    np.testing.assert_allclose(energy / (equal**2).sum(axis=1), 1.0, rtol=0.01)


def test_silent_clips_are_mixed_by_their_shares_alone(rng: np.random.Generator) -> None:
    batch = clips(rng, 3)
    batch[1:] = 0
    found = mix(batch, pairs(0.25, 0.25, 0.25))
    scale = np.sqrt(0.25**2 + 0.75**2)
    np.testing.assert_allclose(found[0], 0.25 * batch[0] / scale, rtol=1e-5)
    np.testing.assert_array_equal(found[1], 0)
    np.testing.assert_allclose(found[2], 0.75 * batch[0] / scale, rtol=1e-5)
    for shares in ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
        assert np.isfinite(mix(batch, pairs(*shares))).all()
    assert np.isfinite(mix(clips(rng, 3) * 1e-4, pairs(0.0, 1e-7, 0.999))).all()


def test_draws_are_uniform_and_of_the_seed() -> None:
    drawn = between_class.draw(SEED, 4000, probability=1.0)
    counts, _ = np.histogram(drawn.share, bins=5, range=(0, 1))
    assert counts.min() > 700
    again = between_class.draw(SEED, 4000, probability=1.0)
    np.testing.assert_array_equal(drawn.share, again.share)
    other = between_class.draw(tf.constant([41, 43]), 4000, probability=1.0)
    assert abs(np.corrcoef(drawn.share, other.share)[0, 1]) < 0.05


def test_eager_and_tf_data_agree_on_short_clips(rng: np.random.Generator) -> None:
    batch = clips(rng, samples=300)
    drawn = between_class.draw(SEED, 6, probability=0.8)
    data = tf.data.Dataset.from_tensors(batch)
    (found,) = data.map(lambda clips: between_class.apply(clips, drawn, sample_rate=RATE))
    np.testing.assert_allclose(found, mix(batch, drawn), rtol=1e-4, atol=1e-6)
