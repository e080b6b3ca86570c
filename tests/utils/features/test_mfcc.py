import pickle

import librosa
import numpy as np
import pytest
from scipy.fft import dct

from utils.config.schema import AudioSettings, FeatureSettings
from utils.features import Mfcc, from_settings

AUDIO = AudioSettings(sample_rate=16_000, seconds=1.0)
SPEECH = {"n_fft": 512, "window_seconds": 0.025, "hop_seconds": 0.01, "frames": None}


@pytest.fixture
def second(noise):
    return noise[:16_000]


def mfcc(**fields) -> Mfcc:
    return from_settings(AUDIO, FeatureSettings(kind="mfcc", **{**SPEECH, **fields}))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"log": "decibel", "power": 2, "window": "hann", "pad": "reflect", "n_mels": 64},
        {"n_mfcc": 40, "mel_scale": "linear"},
        {"n_mfcc": 1},
    ],
)
def test_is_the_cosine_transform_of_the_log_mel(second, fields):
    representation = mfcc(**fields)
    features = representation(second)
    assert features.dtype == np.float32
    assert features.shape == representation.shape == (fields.get("n_mfcc", 20), 101)
    assert representation.input_shape == (*features.shape, 1)
    log_mel = representation.log_mel(second).astype(np.float64)
    expected = dct(log_mel, type=2, norm="ortho", axis=0)[: len(features)]
    np.testing.assert_allclose(features, expected, atol=1e-5 * np.abs(expected).max())
    by_librosa = librosa.feature.mfcc(S=log_mel, n_mfcc=len(features))
    np.testing.assert_allclose(features, by_librosa, atol=1e-5 * np.abs(expected).max())


def test_of_samples_it_is_librosas_while_nothing_is_80_db_below_the_peak(second):
    representation = mfcc(log="decibel", power=2, window="hann", n_mels=64)
    expected = librosa.feature.mfcc(
        y=second.astype(np.float64),
        sr=16_000,
        n_mfcc=20,
        n_fft=512,
        win_length=400,
        hop_length=160,
        n_mels=64,
    )
    np.testing.assert_allclose(representation(second), expected, atol=2e-3)


def test_tables_travel_and_do_not_count_as_parameters(second):
    representation = mfcc()
    features = representation(second)
    copy = pickle.loads(pickle.dumps(representation))  # noqa: S301 - our own bytes
    assert "cosines" in vars(copy)
    assert copy == mfcc()
    assert hash(copy) == hash(mfcc())
    np.testing.assert_array_equal(copy(second), features)
    assert mfcc(n_mfcc=19) != representation


def test_refuses_another_length():
    with pytest.raises(ValueError, match=r"expected samples of shape \(16000,\)"):
        mfcc()(np.zeros(7, np.float32))
