"""Separation of waveforms segment by segment: levels, signs and order that a network invents."""

import numpy as np
import pytest

from utils.features import Waveforms
from utils.inference.separator_waves import LOUDEST, WaveSeparator, levelled
from utils.metrics.separation import si_sdr

SEGMENT = 1000


def sources(rng, samples=6000):
    """A high and a low sound that come and go; (2, samples)."""
    noise = rng.standard_normal((2, samples))
    spectrum = np.fft.rfft(noise)
    half = spectrum.shape[1] // 2
    spectrum[0, half:] = 0
    spectrum[1, :half] = 0
    slow = 1 + 0.9 * np.sin(np.arange(samples) / 700 + np.array([[0], [2]]))
    return (np.fft.irfft(spectrum, samples) * slow).astype(np.float32)


class Teller:
    """A network that knows the sources, and gives them in an order, level and sign by chance."""

    def __init__(self, truth, *, hop, seed=0, order=True):
        self.truth = np.pad(truth, ((0, 0), (0, SEGMENT)))
        self.hop, self.begin, self.order = hop, 0, order
        self.rng = np.random.default_rng(seed)
        self.swaps = []

    def __call__(self, segments):
        return np.stack([self._segment(segment) for segment in segments])

    def _segment(self, segment):
        found = self.truth[:, self.begin : self.begin + SEGMENT]
        np.testing.assert_allclose(found.sum(axis=0), segment[:, 0], atol=1e-5)
        self.begin += self.hop
        gains = np.exp(2 * self.rng.standard_normal((2, 1))) * self.rng.choice([-1, 1], (2, 1))
        self.swaps.append(self.order and bool(self.rng.integers(2)))
        found = (gains * found).astype(np.float32)
        return found[::-1] if self.swaps[-1] else found


def separated(network, mixture, *, overlap=0.5, batch=1, blocks=None):
    made = WaveSeparator(network, Waveforms(8000, SEGMENT), overlap, batch)
    found = list(made([mixture[:, np.newaxis]] if blocks is None else blocks))
    return np.concatenate(found, axis=1)[:, : len(mixture), 0]


@pytest.mark.parametrize("overlap", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("batch", [1, 3])
def test_order_level_and_sign_stay_those_of_the_first_segment(rng, overlap, batch):
    truth = sources(rng)
    network = Teller(truth, hop=round(SEGMENT * (1 - overlap)))
    found = separated(network, truth.sum(axis=0), overlap=overlap, batch=batch)
    assert 0 < sum(network.swaps) < len(network.swaps)
    truth = truth[::-1] if network.swaps[0] else truth
    assert si_sdr(found, truth).min() > 30
    gains = np.sum(found * truth, axis=1) / np.sum(truth * truth, axis=1)
    np.testing.assert_allclose(gains, 1, atol=0.02)


def test_the_order_without_overlap_is_the_networks(rng):
    truth = sources(rng)
    network = Teller(truth, hop=SEGMENT)
    found = separated(network, truth.sum(axis=0), overlap=0.0)
    for number, swapped in enumerate(network.swaps):
        part = slice(number * SEGMENT, (number + 1) * SEGMENT)
        expected = truth[::-1, part] if swapped else truth[:, part]
        assert si_sdr(found[:, part], expected).min() > 20


def test_a_loud_source_alone_in_the_overlap_decides_the_order():
    """Source 0 rests now and then, source 1 never does."""
    truth = sources(np.random.default_rng(3))
    truth[0, 400:1100] = 0
    network = Teller(truth, hop=500)
    found = separated(network, truth.sum(axis=0))
    truth = truth[::-1] if network.swaps[0] else truth
    assert si_sdr(found, truth).min() > 25


@pytest.mark.parametrize("samples", [1, 999, 1000, 1001, 1499, 1501])
def test_any_length_comes_back(rng, samples):
    truth = sources(rng, 1501)[:, :samples]
    found = separated(Teller(truth, hop=500, order=False), truth.sum(axis=0))
    assert found.shape == (2, samples)
    assert found.dtype == np.float32
    if samples > 1:
        assert si_sdr(found, truth).min() > 25


def test_blocks_do_not_matter(rng):
    truth = sources(rng)
    mixture = truth.sum(axis=0)[:, np.newaxis]
    whole = separated(Teller(truth, hop=500), mixture[:, 0], batch=4)
    parts = (mixture[first : first + 333] for first in range(0, len(mixture), 333))
    found = separated(Teller(truth, hop=500), mixture[:, 0], batch=4, blocks=parts)
    np.testing.assert_array_equal(found, whole)


def test_silence_and_a_network_that_says_nothing(rng):
    still = np.zeros(3000, np.float32)
    noise = rng.standard_normal(3000).astype(np.float32)
    shape = (2, SEGMENT)
    assert not separated(lambda x: np.ones((len(x), *shape), np.float32), still).any()
    assert not separated(lambda x: np.zeros((len(x), *shape), np.float32), noise).any()


def test_no_numbers_stay_no_numbers():
    broken = separated(lambda x: np.full((len(x), 2, SEGMENT), np.nan, np.float32), np.ones(3000))
    assert np.isnan(broken).all()


# --- levels ---


def orthogonal(rng, count=2):
    return np.linalg.qr(rng.standard_normal((500, count)))[0].T.astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_levels_and_signs_are_found(rng, count):
    truth = orthogonal(rng, count) * np.array([[1.0], [0.5], [2.0]], np.float32)[:count]
    gains = np.array([[-3.0], [0.02], [40.0]], np.float32)[:count]
    found = levelled(gains * truth, truth.sum(axis=0))
    assert np.abs(found - truth).max() < 0.02 * np.abs(truth).max()


def test_right_levels_stay(rng):
    truth = rng.standard_normal((2, 500)).astype(np.float32)
    np.testing.assert_allclose(levelled(truth, truth.sum(axis=0)), truth, atol=1e-5)


@pytest.mark.parametrize("gain", [1e-6, 1e6])
def test_levels_do_not_depend_on_those_of_the_network_as_a_whole(rng, gain):
    truth, error = rng.standard_normal((2, 2, 500)).astype(np.float32)
    estimates = truth + 0.3 * error
    expected = levelled(estimates, truth.sum(axis=0))
    found = levelled(gain * estimates, truth.sum(axis=0))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_right_levels_of_a_faint_source_opposed_to_the_mixture_nearly_stay(rng):
    """Its sign is taken for wrong; TRUST says how much that may matter."""
    voice, rest = orthogonal(rng)
    truth = np.stack([voice, 0.1 * rest - 0.05 * voice])
    mixture = truth.sum(axis=0)
    assert truth[1] @ mixture < 0
    change = np.linalg.norm(levelled(truth, mixture) - truth, axis=1)
    assert (change < 0.03 * np.linalg.norm(truth, axis=1)).all()


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_signs_of_nearly_equal_estimates_do_not_matter(rng, signs):
    mixture, noise = rng.standard_normal((2, 500)).astype(np.float32)
    estimates = np.stack([mixture, 0.9 * mixture + 1e-3 * noise])
    expected = levelled(estimates, mixture)
    found = levelled(np.array(signs, np.float32)[:, np.newaxis] * estimates, mixture)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found[0], mixture / 1.9, atol=0.02)
    np.testing.assert_allclose(found.sum(axis=0), mixture, atol=0.02)


@pytest.mark.parametrize("share", [0.0, 1e-6, 1e-3, 0.01, 0.07, 0.3])
def test_estimates_that_cancel_each_other_stay_within_bounds(rng, share):
    """Both are mostly something that the mixture does not hold."""
    mixture, other = orthogonal(rng)
    found = levelled(np.stack([share * mixture + other, share * mixture - other]), mixture)
    assert np.linalg.norm(found, axis=1).max() < 1.001 * LOUDEST


@pytest.mark.parametrize("signs", [(1, 1), (1, -1)])
def test_of_a_silent_mixture_all_sources_are_silent(rng, signs):
    voice, noise = rng.standard_normal((2, 500)).astype(np.float32)
    estimates = np.stack([voice, signs[1] * (0.9 * voice + 1e-3 * noise)])
    assert not levelled(estimates, np.zeros(500, np.float32)).any()


def test_equal_estimates_share_the_mixture(rng):
    mixture = rng.standard_normal(500).astype(np.float32)
    found = levelled(np.stack([mixture, mixture]), mixture)
    np.testing.assert_allclose(found, [mixture / 2, mixture / 2], rtol=1e-4)


def test_nearly_equal_estimates_do_not_explode(rng):
    mixture, first, second = rng.standard_normal((3, 500)).astype(np.float32)
    for difference in (1e-4, 1e-2, 0.1):
        estimates = np.stack([mixture + difference * first, mixture + difference * second])
        assert np.abs(levelled(estimates, mixture)).max() < 2 * np.abs(mixture).max()


def test_a_faint_trace_of_another_source_stays_faint(rng):
    """Who is silent in a segment is not turned up, though the trace resembles the other."""
    voice, rest = orthogonal(rng)
    estimates = np.stack([voice, 0.01 * (voice + 0.3 * rest)])
    found = levelled(estimates, voice)
    assert np.linalg.norm(found[1]) < 0.1 * np.linalg.norm(voice)


def test_silent_sources_stay_silent(rng):
    voice = rng.standard_normal(500).astype(np.float32)
    found = levelled(np.stack([5 * voice, np.zeros_like(voice)]), voice)
    np.testing.assert_allclose(found, [voice, np.zeros_like(voice)], rtol=1e-4)
