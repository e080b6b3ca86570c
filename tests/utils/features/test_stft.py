"""Spectra and back: known answers, exact inversion, Spleeter's scale, the graph."""

import numpy as np
import pytest
import tensorflow as tf

from utils.features import Stft

SIZES = [(64, 16), (64, 24), (64, 32), (63, 20), (256, 64), (8, 1)]


def test_a_tone_in_the_middle_of_a_bin_has_a_quarter_of_the_window_and_half_of_that_beside():
    """The mean of a Hann window is 1/2, and a cosine is half at its own frequency."""
    stft, amplitude, place = Stft(256, 64), 0.5, 20
    tone = amplitude * np.cos(2 * np.pi * place * np.arange(1024) / 256)
    found = np.abs(stft.forward(tone.astype(np.float32)))
    assert found.shape == (13, 129)
    expected = np.zeros(129)
    expected[place - 1 : place + 2] = amplitude * 256 / 4 * np.array([0.5, 1, 0.5])
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=1e-4)


def test_frames_lie_where_they_are_said_to(rng):
    stft = Stft(12, 5)
    samples = rng.standard_normal((2, 3, 40)).astype(np.float32)
    found = stft.forward(samples)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(12) / 12)
    assert found.dtype == np.complex64
    assert found.shape == (2, 3, stft.frames_of(40), stft.bins) == (2, 3, 6, 7)
    for frame in range(6):
        piece = samples[..., 5 * frame : 5 * frame + 12] * window
        np.testing.assert_allclose(found[..., frame, :], np.fft.rfft(piece), atol=1e-5)


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
def test_the_inverse_is_exact_wherever_windows_cover(rng, n_fft, hop):
    stft = Stft(n_fft, hop)
    samples = rng.standard_normal((2, 40 * hop + n_fft)).astype(np.float32)
    back = stft.inverse(stft.forward(samples))
    assert back.dtype == np.float32
    assert back.shape == samples.shape
    inside = slice(n_fft - hop, -(n_fft - hop))
    np.testing.assert_allclose(back[:, inside], samples[:, inside], atol=2e-6)
    # at the ends, where a window alone covers: right where it is not nearly 0
    covered = stft.coverage(41) > 1e-3
    np.testing.assert_allclose(back[:, covered], samples[:, covered], atol=1e-4)
    assert back[0, 0] == 0  # the window is 0 there: nothing is known of it


def test_what_no_signal_has_becomes_the_nearest_signal(rng):
    """Least squares: a signal's spectrum beside which nothing changes to first order."""
    stft = Stft(32, 8)
    spectrum = (rng.standard_normal((20, 17)) + 1j * rng.standard_normal((20, 17))).astype("c8")
    spectrum[:, [0, -1]] = spectrum[:, [0, -1]].real
    found = stft.inverse(spectrum)

    def distance(samples):
        weights = np.full(17, 2.0)
        weights[[0, -1]] = 1  # the other bins stand for two
        return np.sum(weights * np.abs(stft.forward(samples) - spectrum) ** 2)

    least = distance(found)
    for _ in range(5):
        other = rng.standard_normal(len(found)).astype(np.float32)
        assert distance(found + 0.1 * other) > least
        assert distance(found - 0.1 * other) > least


def test_spleeters_two_thirds_are_the_exact_inverse_in_the_middle(rng):
    """TF2-Spleeter multiplies the windowed, added frames by 2/3 (frame 4096, hop 1024)."""
    stft = Stft(4096, 1024)
    np.testing.assert_allclose(stft.steady_coverage, 1.5, rtol=1e-6)
    samples = rng.standard_normal(30 * 1024).astype(np.float32)
    spectrum = stft.forward(samples)
    theirs = 2 / 3 * tf.signal.inverse_stft(spectrum, 4096, 1024).numpy()
    inside = slice(3072, -3072)
    np.testing.assert_allclose(theirs[inside], stft.inverse(spectrum)[inside], atol=2e-6)
    np.testing.assert_allclose(theirs[inside], samples[: len(theirs)][inside], atol=2e-6)
    np.testing.assert_allclose(2 / 3 * stft.overlap_added(spectrum), theirs, atol=2e-6)


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
def test_coverage_is_steady_away_from_the_ends(n_fft, hop):
    stft = Stft(n_fft, hop)
    frames = 3 * n_fft // hop
    coverage = stft.coverage(frames)
    assert coverage.shape == (stft.samples_of(frames),)
    by_hand = np.zeros(len(coverage))
    for frame in range(frames):
        by_hand[frame * hop : frame * hop + n_fft] += np.square(stft.window)
    np.testing.assert_allclose(coverage, by_hand, rtol=1e-5, atol=1e-7)
    place = np.arange(n_fft, len(coverage) - n_fft)
    np.testing.assert_allclose(coverage[place], stft.steady_coverage[place % hop], rtol=1e-5)


@pytest.mark.parametrize(("n_fft", "hop"), [(64, 16), (63, 20), (256, 64)])
def test_the_graph_has_the_same_magnitudes(rng, n_fft, hop):
    stft = Stft(n_fft, hop)
    samples = rng.standard_normal((3, 2, 1000)).astype(np.float32)
    expected = np.abs(stft.forward(samples))
    in_data = next(iter(tf.data.Dataset.from_tensors(samples).map(stft.magnitudes)))
    for found in (stft.magnitudes(samples), in_data):
        assert found.shape == expected.shape
        assert found.dtype == tf.float32
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.std())


def test_a_long_signal_is_transformed_in_parts_as_at_once(rng):
    stft = Stft(8192, 8192)  # 32 frames to a part
    samples = rng.standard_normal(8192 * 70).astype(np.float32)
    expected = np.fft.rfft(samples.reshape(70, 8192) * stft.window)
    np.testing.assert_allclose(stft.forward(samples), expected, atol=1e-3)
    np.testing.assert_allclose(
        stft.overlap_added(expected.astype(np.complex64)),
        (samples.reshape(70, 8192) * np.square(stft.window)).reshape(-1),
        atol=1e-5,
    )


@pytest.mark.parametrize("length", [0, 1, 63])
def test_less_than_a_window_has_no_frame(length):
    stft = Stft(64, 16)
    assert stft.frames_of(length) == 0
    spectrum = stft.forward(np.zeros((2, length), np.float32))
    assert spectrum.shape == (2, 0, 33)
    assert stft.inverse(spectrum).shape == (2, 0)


def test_frames_and_samples_belong_together():
    stft = Stft(64, 16)
    for frames in (1, 2, 17):
        assert stft.frames_of(stft.samples_of(frames)) == frames
        assert stft.frames_of(stft.samples_of(frames) + 15) == frames
        assert stft.frames_of(stft.samples_of(frames) + 16) == frames + 1


@pytest.mark.parametrize(("n_fft", "hop"), [(1, 1), (0, 1), (64, 0), (64, 65)])
def test_windows_and_hops_that_make_no_sense_are_refused(n_fft, hop):
    with pytest.raises(ValueError, match=f"received {n_fft} and {hop}"):
        Stft(n_fft, hop)
