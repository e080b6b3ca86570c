import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import spectrogram

from utils.audio import fit_length, read_audio
from utils.config.schema import AudioSettings, FeatureSettings
from utils.features import LogSpectrogram, from_settings
from utils.features.log_spectrogram import definition

RATE = 22_050
SECOND = AudioSettings(sample_rate=RATE, seconds=1.0)
WORDS = {"window": "hann", "window_seconds": 0.02, "hop_seconds": 0.01003, "n_fft": 441}


@pytest.fixture
def second(noise):
    return noise[:RATE]


def spectrum(**fields) -> LogSpectrogram:
    settings = FeatureSettings(kind="log_spectrogram", **{"frames": None, **WORDS, **fields})
    return from_settings(SECOND, settings)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"n_fft": 512},
        {"n_fft": 4096, "window": "hamming", "window_seconds": 0.1},
        {"scale": 32768.0},
        {"hop_seconds": 0.03},
        {"frames": 11},
        {"window": "hamming_symmetric"},
    ],
)
def test_equals_plain_scipy_on_noise(second, fields):
    representation = spectrum(**fields)
    features = representation(second)
    assert features.dtype == np.float32
    assert features.shape == representation.shape
    off = np.abs(features - definition(representation, second))
    assert np.median(off) < 1e-6
    assert off.max() < (1e-4 if representation.scale == 1 else 0.1)  # a dip shows all rounding


def test_definition_is_scipys_of_a_named_window(second):
    representation = spectrum()
    assert representation.shape == (221, 98)
    assert representation.input_shape == (221, 98, 1)
    _, times, density = spectrogram(
        second.astype(np.float64), fs=RATE, window="hann", nperseg=441, noverlap=220
    )
    expected = np.log(density + 1e-10)
    assert len(times) == 98
    np.testing.assert_allclose(definition(representation, second), expected, atol=1e-9)
    np.testing.assert_allclose(representation(second), expected, atol=1e-4)


def test_silence_and_a_constant_are_at_the_floor():
    for value in (0.0, 0.25):
        features = spectrum()(np.full(RATE, value, np.float32))
        np.testing.assert_allclose(features, np.log(1e-10), rtol=1e-6)


def test_loudness_is_a_density():
    """White noise of variance v has the one-sided density 2 v / rate."""
    samples = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    features = spectrum()(samples.astype(np.float32))
    level = np.exp(features[5:-5].astype(np.float64)).mean()
    np.testing.assert_allclose(level, 2 * 0.01 / RATE, rtol=0.05)


def test_tables_travel_and_do_not_count_as_parameters(second):
    representation = spectrum()
    features = representation(second)
    copy = pickle.loads(pickle.dumps(representation))  # noqa: S301 - our own bytes
    assert "densities" in vars(copy)
    assert copy == spectrum()
    np.testing.assert_array_equal(copy(second), features)
    first = replace(representation, n_frames=3)
    np.testing.assert_allclose(first(second), features[:, :3], atol=1e-5)


def test_refuses_another_length():
    with pytest.raises(ValueError, match=r"expected samples of shape \(22050,\), received \(7,\)"):
        spectrum()(np.zeros(7, np.float32))


@pytest.mark.real_audio
def test_parity_on_real_clips(real_audio):
    representation = spectrum()
    worst = []
    for path in sorted(real_audio.glob("arabic_words/**/*.wav"))[::40]:
        samples = read_audio(path, sample_rate=RATE, seconds=1.0)
        clip = fit_length(samples, length=RATE, short="zeros")
        worst.append(np.abs(representation(clip) - definition(representation, clip)).max())
    assert len(worst) >= 20
    assert np.median(worst) < 1e-4
    assert max(worst) < 1e-3
