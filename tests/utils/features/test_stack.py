import pickle

import numpy as np
import pytest

from utils.config.schema import AudioSettings, FeatureSettings
from utils.features import LogMel, Mfcc, Stack, from_settings

AUDIO = AudioSettings(sample_rate=16_000, seconds=1.0)
BASE = {"n_fft": 512, "window_seconds": 0.025, "hop_seconds": 0.01, "n_mels": 64, "frames": None}
RESOLUTIONS = [
    {"n_fft": 1024, "window_seconds": 0.0125, "f_min": 60.0},
    {"n_fft": 1024, "window_seconds": 0.025},
    {"n_fft": 2048, "window_seconds": 0.1, "log": "decibel"},
]


@pytest.fixture
def second(noise):
    return noise[:16_000]


def stack(parts, **fields) -> Stack:
    return from_settings(AUDIO, FeatureSettings(kind="stack", parts=parts, **{**BASE, **fields}))


def test_channels_are_the_parts(second):
    representation = stack(RESOLUTIONS)
    features = representation(second)
    assert features.dtype == np.float32
    assert features.shape == representation.shape == representation.input_shape == (64, 101, 3)
    assert (representation.sample_rate, representation.n_samples) == (16_000, 16_000)
    assert representation.hop_length == 160
    for channel, changes in enumerate(RESOLUTIONS):
        alone = from_settings(AUDIO, FeatureSettings(**{**BASE, **changes}))
        assert isinstance(alone, LogMel)
        np.testing.assert_array_equal(features[..., channel], alone(second))


def test_kinds_may_be_mixed_where_shapes_agree(second):
    parts = [
        {"kind": "log_spectrogram", "n_fft": 400},
        {"n_mels": 201, "n_fft": 4096, "mel_scale": "linear", "pad": "reflect"},
        {"kind": "mfcc", "n_mels": 201, "n_fft": 4096, "n_mfcc": 201, "mel_scale": "linear"},
    ]
    representation = stack(parts, frames=90)
    assert [type(part).__name__ for part in representation.parts] == [
        "LogSpectrogram",
        "LogMel",
        "Mfcc",
    ]
    assert isinstance(representation.parts[2], Mfcc)
    assert representation(second).shape == (201, 90, 3)


def test_equal_settings_are_equal_and_tables_travel(second):
    representation = stack(RESOLUTIONS)
    features = representation(second)
    copy = pickle.loads(pickle.dumps(representation))  # noqa: S301 - our own bytes
    assert "mel_weights" in vars(copy.parts[1])
    assert copy == stack(RESOLUTIONS)
    assert hash(copy) == hash(representation)
    assert stack(RESOLUTIONS[::-1]) != representation
    np.testing.assert_array_equal(copy(second), features)


def test_refuses_another_length():
    with pytest.raises(ValueError, match=r"expected samples of shape \(16000,\)"):
        stack(RESOLUTIONS)(np.zeros(7, np.float32))
