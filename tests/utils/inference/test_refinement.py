"""Shifts in whole frames and temperature, on networks that can be worked out by hand."""

import numpy as np
import pytest

from utils.config.schema import AudioSettings, FeatureSettings
from utils.errors import ConfigError
from utils.features import from_settings
from utils.inference import Refinement
from utils.inference.predictor import Predictor
from utils.metrics.calibration import temper

AUDIO = AudioSettings(sample_rate=1000, seconds=0.1)
KINDS = {
    "log_mel": {"n_mels": 4},
    "log_spectrogram": {"kind": "log_spectrogram"},
    "stack": {"kind": "stack", "n_mels": 4, "parts": [{}, {"power": 2}]},
    "waveform": {"kind": "waveform", "normalise": {"method": "none"}},
}


def representation_of(kind):
    common = {"window_seconds": 0.02, "hop_seconds": 0.01, "n_fft": 20, "frames": None}
    return from_settings(AUDIO, FeatureSettings(**common, mel_scale="linear", **KINDS[kind]))


class FirstStep(Predictor):
    """Probabilities that hang on the first step in time alone."""

    def __init__(self, path, shape, axis):
        super().__init__(path, None, shape)
        self.axis = axis
        self.seen = []

    def _predict(self, features):
        self.seen.append(features)
        first = features.take(0, axis=self.axis).reshape(len(features), -1)[:, 0]
        share = 1 / (1 + np.exp(-first))
        return (np.stack([share, 1 - share], axis=1).astype(np.float32),)


@pytest.mark.parametrize(
    ("kind", "axis", "step"),
    [("log_mel", 2, 1), ("log_spectrogram", 2, 1), ("stack", 2, 1), ("waveform", 1, 10)],
)
def test_features_are_rolled_in_time_and_predictions_averaged(tmp_path, rng, kind, axis, step):
    representation = representation_of(kind)
    refinement = Refinement.of(representation, shifts_seconds=(-0.02, 0.0, 0.01))
    assert refinement.shifts == (-2 * step, 0, step)
    assert refinement.axis == axis
    features = rng.normal(size=(5, *representation.shape)).astype(np.float32)
    predictor = FirstStep(tmp_path, representation.shape, axis)
    found = refinement(predictor, features)
    # rolled by n, the first step is the one that was n from the end
    firsts = [
        features.take(place, axis=axis).reshape(5, -1)[:, 0] for place in (2 * step, 0, -step)
    ]
    share = np.mean([1 / (1 + np.exp(-first)) for first in firsts], axis=0)
    np.testing.assert_allclose(found, np.stack([share, 1 - share], axis=1), rtol=1e-5)
    assert found.dtype == np.float32
    assert len(predictor.seen) == 3


def test_the_mean_is_calibrated_once(tmp_path, rng):
    representation = representation_of("log_mel")
    features = rng.normal(0, 3, (6, *representation.shape)).astype(np.float32)
    shifts = (0.0, 0.03)
    predictor = FirstStep(tmp_path, representation.shape, 2)
    plain = Refinement.of(representation, shifts_seconds=shifts)(predictor, features)
    hot = Refinement.of(representation, shifts_seconds=shifts, temperature=2.5)
    found = hot(predictor, features)
    np.testing.assert_allclose(found, temper(plain, 2.5), atol=1e-6)
    assert found.dtype == np.float32
    assert np.abs(found - plain).max() > 0.05
    # not the mean of calibrated predictions
    each = [temper(predictor(np.roll(features, n, axis=2)), 2.5) for n in (0, 3)]
    assert np.abs(found - np.mean(each, axis=0)).max() > 1e-3


def test_no_shift_and_no_temperature_change_nothing(tmp_path, rng):
    representation = representation_of("log_mel")
    features = rng.normal(size=(3, *representation.shape)).astype(np.float32)
    predictor = FirstStep(tmp_path, representation.shape, 2)
    found = Refinement.of(representation, shifts_seconds=(0.0,))(predictor, features)
    np.testing.assert_array_equal(found, predictor(features))
    assert predictor.seen[0] is features


@pytest.mark.parametrize("kind", ["log_mel", "stack", "waveform"])
def test_seconds_are_near_whole_steps(kind):
    representation = representation_of(kind)
    step = representation.hop_length
    shifts = Refinement.of(representation, shifts_seconds=(0.0300001, -0.0299999)).shifts
    assert shifts == (30 // step, -30 // step)


@pytest.mark.parametrize(
    ("shifts", "words"),
    [
        ((), r"list is empty; \[0\.0\]"),
        ((0.0, 0.014), r"0\.014 s is no whole number of frames of 0\.01 s; take 0\.01\."),
        ((-0.026,), r"-0\.026 s .*; take -0\.03\."),
        ((0.1,), r"0\.1 s is not shorter than a clip of 0\.1 s"),
        ((0.0, -0.2), r"-0\.2 s is not shorter than a clip"),
    ],
)
def test_shifts_that_cannot_be_are_a_sentence(shifts, words):
    with pytest.raises(ConfigError, match=rf"evaluation\.shifts_seconds: .*{words}"):
        Refinement.of(representation_of("log_mel"), shifts_seconds=shifts)


def test_the_longest_shift_is_below_a_clip():
    assert Refinement.of(representation_of("log_mel"), shifts_seconds=(0.09,)).shifts == (9,)
