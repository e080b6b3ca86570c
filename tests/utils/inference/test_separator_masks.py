"""Separation by masks: the formula, masks of windows against those of the whole signal, ends."""

from dataclasses import replace

import numpy as np
import pytest

from utils.config.separation_sections import SeparationSettings
from utils.features import Magnitudes, Stft
from utils.inference.separator_masks import MaskSeparator, ratio_masks

HEARD = Magnitudes(sample_rate=8000, channels=2, n_fft=64, hop_length=16, frames=12, bins=20)
WEIGHTS = np.random.default_rng(5).uniform(0.1, 1.0, (3, HEARD.bins, 1)).astype(np.float32)


def by_bin(windows):
    """A network that hears a bin alone: stems are the mixture times a number for each bin."""
    return windows[:, np.newaxis] * WEIGHTS[:, np.newaxis]


def separator(network=by_bin, *, heard=HEARD, stems=3, batch=2, **settings):
    return MaskSeparator(network, heard, stems, SeparationSettings(**settings), batch)


def separated(samples, blocks=None, **settings):
    """Stems as long as the mixture."""
    made = separator(**settings)
    found = np.concatenate(list(made([samples] if blocks is None else blocks)), axis=1)
    return found[:, made.lead : made.lead + len(samples)]


def noise(rng, samples=1000, channels=2):
    return rng.standard_normal((samples, channels)).astype(np.float32)


# --- masks ---


def test_masks_are_spleeters():
    magnitudes = np.array([[3.0, 0.0, 0.0], [4.0, 2.0, 0.0]], np.float32)
    expected = [[9 / 25, 0.5e-10 / 4, 0.5], [16 / 25, 1.0, 0.5]]
    np.testing.assert_allclose(ratio_masks(magnitudes, exponent=2), expected, rtol=1e-6)
    halves = [[3 / 7, 0.5e-10 / 2, 0.5], [4 / 7, 1.0, 0.5]]
    np.testing.assert_allclose(ratio_masks(magnitudes, exponent=1.0), halves, rtol=1e-6)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0, 3.7])
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e4])
def test_masks_are_shares(rng, exponent, scale):
    magnitudes = (scale * rng.gamma(0.5, size=(4, 9, 7, 2))).astype(np.float32)
    masks = ratio_masks(magnitudes, exponent=exponent)
    assert masks.dtype == np.float32
    assert masks.min() >= 0
    np.testing.assert_allclose(masks.sum(axis=0), 1, rtol=1e-5)
    np.testing.assert_array_equal(ratio_masks(-magnitudes, exponent=exponent), masks)


def test_magnitudes_stay_as_they_are(rng):
    magnitudes = rng.gamma(0.5, size=(2, 5)).astype(np.float32)
    before = magnitudes.copy()
    ratio_masks(magnitudes, exponent=2)
    np.testing.assert_array_equal(magnitudes, before)


# --- stems ---


def expected_of(samples, *, exponent=2.0, extension="average"):
    """Whole signal at once, in double precision, by the transform's definition."""
    n_fft, hop = 64, 16
    padded = np.pad(samples.astype(np.float64), ((n_fft, 2 * n_fft), (0, 0)))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    mask = WEIGHTS[..., 0] ** exponent / np.sum(WEIGHTS[..., 0] ** exponent, axis=0)
    above = mask.mean(axis=1) if extension == "average" else np.zeros(3)
    mask = np.hstack([mask, np.tile(above[:, np.newaxis], 33 - HEARD.bins)])
    total, weight = np.zeros((3, *padded.shape)), np.zeros(len(padded))
    for first in range(0, len(padded) - n_fft + 1, hop):
        part = slice(first, first + n_fft)
        spectrum = np.fft.rfft(padded[part] * window[:, None], axis=0)
        pieces = np.fft.irfft(mask[..., None] * spectrum, n_fft, axis=1)
        total[:, part] += pieces * window[:, None]
        weight[part] += window**2
    inside = slice(n_fft, n_fft + len(samples))
    return total[:, inside] / weight[inside, None]


@pytest.mark.parametrize("extension", ["average", "zeros"])
@pytest.mark.parametrize("exponent", [1.0, 2.0])
@pytest.mark.parametrize("samples", [1, 15, 16, 200, 240, 241, 1000])
def test_stems_are_those_of_the_whole_signal_from_the_first_sample_to_the_last(
    rng, samples, extension, exponent
):
    mixture = noise(rng, samples)
    found = separated(mixture, extension=extension, exponent=exponent)
    assert found.shape == (3, samples, 2)
    assert found.dtype == np.float32
    expected = expected_of(mixture, exponent=exponent, extension=extension)
    np.testing.assert_allclose(found, expected, atol=5e-6)


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.9])
def test_stems_of_a_network_that_hears_each_frame_alone_are_the_same_at_any_overlap(rng, overlap):
    mixture = noise(rng)
    np.testing.assert_allclose(separated(mixture, overlap=overlap), separated(mixture), atol=2e-6)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_windows_come_in_batches(rng, batch):
    seen = []

    def network(windows):
        seen.append(windows.shape)
        return by_bin(windows)

    mixture = noise(rng)
    np.testing.assert_allclose(
        separated(mixture, network=network, batch=batch), separated(mixture), atol=1e-6
    )
    frames = -(-(1000 + 48) // 16)  # with those that its ends share with zeros
    windows = 1 + -(-(frames - 12) // 4)  # half of 12 is not a multiple of 4
    assert sum(shape[0] for shape in seen) == windows
    assert {shape[0] for shape in seen[:-1]} <= {batch}
    assert {shape[1:] for shape in seen} == {HEARD.input_shape}


def test_the_network_hears_magnitudes_of_the_mixture(rng):
    seen = []

    def network(windows):
        seen.extend(windows)
        return by_bin(windows)

    heard = replace(HEARD, frames=8)
    mixture = noise(rng, heard.n_samples)
    separated(mixture, network=network, heard=heard, overlap=0.0)
    padded = np.pad(mixture, ((48, 200), (0, 0)))
    for number, window in enumerate(seen):
        begin = number * 8 * 16
        expected = heard(padded[np.newaxis, begin : begin + heard.n_samples])[0]
        np.testing.assert_allclose(window, expected, atol=1e-5)


def test_a_tone_above_the_bins_is_lost_or_shared(rng):
    """Beside it a breath of noise: where bins are quite silent, masks are all alike."""
    tone = np.sin(2 * np.pi * 0.4 * np.arange(2000))[:, np.newaxis].astype(np.float32)
    tone = tone + 1e-3 * noise(rng, 2000)
    assert np.abs(separated(tone, extension="zeros")[:, 100:-100]).max() < 0.01
    shared = separated(tone, extension="average")
    np.testing.assert_allclose(shared.sum(axis=0), tone, atol=2e-6)
    shares = (WEIGHTS**2 / np.sum(WEIGHTS**2, axis=0)).mean(axis=(1, 2))
    inside = slice(100, -100)  # its begin and end are heard in all bins
    found = np.sqrt(np.square(shared[:, inside]).mean(axis=(1, 2)) / np.square(tone[inside]).mean())
    np.testing.assert_allclose(found, shares, rtol=1e-3)


def test_channels_have_masks_of_their_own():
    """Stem 0 takes the left channel, stem 1 the right one."""

    def network(windows):
        left = windows * np.array([1, 0], np.float32)
        return np.stack([left, windows - left], axis=1)

    mixture = noise(np.random.default_rng(0))
    found = separated(mixture, network=network, stems=2)
    for stem in range(2):
        np.testing.assert_allclose(found[stem, :, stem], mixture[:, stem], atol=2e-6)
        assert np.abs(found[stem, :, 1 - stem]).max() < 1e-6


def test_mono_and_a_hop_that_does_not_divide_the_window(rng):
    mixture = noise(rng, 777, 1)
    found = separated(mixture, heard=replace(HEARD, channels=1, hop_length=24))
    assert found.shape == (3, 777, 1)
    np.testing.assert_allclose(found.sum(axis=0), mixture, atol=3e-6)


def test_silence_is_separated_into_silence():
    assert not separated(np.zeros((500, 2), np.float32)).any()


def test_samples_beyond_all_bounds_give_no_numbers_and_no_warning():
    found = separated(np.full((500, 2), 3e38, np.float32))
    assert not np.isfinite(found).all()


def test_nothing_is_separated_into_nothing():
    assert list(separator()([])) == []
    assert list(separator()([np.zeros((0, 2), np.float32)])) == []


def test_no_more_is_read_than_windows_need():
    """A window of 12 frames needs 12 hops; blocks are as long as a window's hop."""
    given = []

    def blocks():
        for number in range(1000):
            given.append(number)
            yield np.ones((16, 2), np.float32)

    stems = separator(batch=1)(blocks())
    for number in range(1, 20):
        next(stems)
        assert len(given) <= 12 + 4 * number


def test_the_transform_is_that_of_what_is_heard():
    assert separator().lead == 64 - 16
    assert separator().heard.stft == Stft(64, 16)
