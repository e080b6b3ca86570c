from dataclasses import replace

import numpy as np
import pytest

from utils.audio import fit_length, read_audio
from utils.config.schema import AudioSettings, FeatureSettings
from utils.features import ClipDecibel, ClipNormaliser, Waveform, from_settings
from utils.features.graph import front_end

DB = 20 / np.log(10)
SECOND = AudioSettings(seconds=1.0)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"power": 2, "log": "decibel", "window": "hann", "mel_scale": "htk"},
        {"log": "decibel", "hop_seconds": 0.023, "n_mels": 64},
        {"power": 2, "window_seconds": 0.033, "n_fft": 1500},
        {"pad": "reflect"},
        {"pad": "reflect", "frames": 1},
        {"window": "hamming_symmetric"},
        {"power": 2, "log_floor": 0.1},
        {"pad": "reflect", "scale": 32768.0, "power": 2, "log": "decibel", "mel_scale": "linear"},
    ],
)
def test_equals_the_representation(noise, fields):
    representation = from_settings(SECOND, FeatureSettings(**{"frames": None, **fields}))
    batch = np.stack([noise, 0.01 * noise[::-1]])
    features = front_end(representation)(batch).numpy()
    assert features.dtype == np.float32
    expected = np.stack([representation(clip) for clip in batch])
    scale = 1.0 if representation.log == "decibel" else DB / representation.power
    assert np.abs(features - expected).max() * scale < 1e-4


@pytest.mark.parametrize("fields", [{}, {"kind": "mfcc"}, {"kind": "stack", "parts": [{}]}])
def test_a_compact_filterbank_gives_the_same(noise, fields):
    representation = from_settings(SECOND, FeatureSettings(frames=None, **fields))
    whole, compact = (front_end(representation, compact=flag)(noise[None]) for flag in (0, 1))
    np.testing.assert_allclose(compact, whole, atol=1e-4)


SPECTRUM = {"kind": "log_spectrogram", "window_seconds": 0.02, "hop_seconds": 0.01}
OTHERS = {
    "mfcc": {"kind": "mfcc", "log": "decibel", "n_mfcc": 13},
    "log_spectrogram": {**SPECTRUM, "n_fft": 882},
    "log_spectrogram_of_16_bit": {**SPECTRUM, "n_fft": 883, "scale": 32768.0},
    "stack": {
        "kind": "stack",
        "parts": [{}, {"n_fft": 4096, "pad": "reflect"}, {"kind": "mfcc", "n_mfcc": 40}],
    },
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_kind_equals_its_representation(noise, name):
    settings = FeatureSettings(**{"frames": None, **OTHERS[name]})
    representation = from_settings(SECOND, settings)
    batch = np.stack([noise, 0.01 * noise[::-1]])
    features = front_end(representation)(batch).numpy()
    assert features.dtype == np.float32
    assert features.shape == (2, *representation.shape)
    expected = np.stack([representation(clip) for clip in batch])
    tolerance = max(2e-4, 2e-6 * np.abs(expected).max())  # the first in dips of single bins
    np.testing.assert_allclose(features, expected, atol=tolerance, rtol=0)


def test_a_stack_normalised_clip_by_clip_inside_a_dataset(noise):
    import tensorflow as tf

    settings = FeatureSettings(frames=50, kind="stack", parts=[{}, {"n_fft": 4096}])
    representation, normaliser = from_settings(SECOND, settings), ClipNormaliser()
    clips = np.stack([noise, noise[::-1], 0.1 * noise])
    data = tf.data.Dataset.from_tensor_slices(clips).batch(2).map(front_end(representation))
    data = data.map(normaliser)
    assert data.element_spec.shape.as_list() == [None, 40, 50, 2]
    expected = normaliser(np.stack([representation(clip) for clip in clips]))
    found = np.concatenate(list(data.as_numpy_iterator()))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("pad", ["zeros", "reflect"])
def test_linear_mel_and_its_decibels_in_a_graph(noise, pad):
    settings = FeatureSettings(
        frames=50, log="none", pad=pad, window="hamming_symmetric", mel_scale="htk", mel_norm="none"
    )
    representation = from_settings(SECOND, settings)
    clips = np.stack([noise, 0.01 * noise[::-1], 0 * noise])
    linear = front_end(representation)(clips).numpy()
    expected = np.stack([representation(clip) for clip in clips])
    np.testing.assert_allclose(linear, expected, rtol=2e-5)
    levels = ClipDecibel()(front_end(representation)(clips)).numpy()
    np.testing.assert_allclose(levels, ClipDecibel()(expected), atol=1e-5)
    assert np.all(levels[2] == -1)


def test_what_has_no_graph_is_refused():
    with pytest.raises(ValueError, match="no graph computes a function"):
        front_end(lambda samples: samples)


def test_kept_frames_are_the_first(noise):
    whole = from_settings(SECOND, FeatureSettings(frames=None))
    first = replace(whole, n_frames=9)
    np.testing.assert_allclose(
        front_end(first)(noise[None])[0], whole(noise)[:, :9], atol=1e-5, rtol=0
    )


def test_works_inside_a_dataset_twice_the_same(rng):
    import tensorflow as tf

    representation = from_settings(SECOND, FeatureSettings(frames=50))
    clips = (0.1 * rng.standard_normal((5, 44_100))).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices(clips).batch(2).map(front_end(representation))
    assert data.element_spec.shape.as_list() == [None, 40, 50]
    once = np.concatenate(list(data.as_numpy_iterator()))
    again = np.concatenate(list(data.as_numpy_iterator()))
    np.testing.assert_array_equal(once, again)
    np.testing.assert_allclose(once, [representation(clip) for clip in clips], atol=1e-5, rtol=0)


def test_waveform_comes_back(noise):
    np.testing.assert_array_equal(front_end(Waveform(44_100, 44_100))(noise[None])[0], noise)


@pytest.mark.real_audio
def test_real_clips(real_audio):
    representation = from_settings(SECOND, FeatureSettings(frames=None))
    paths = sorted(real_audio.glob("tau2022_mini/audio/*.wav"))[::20]
    clips = np.stack(
        [
            fit_length(read_audio(path, sample_rate=44_100), length=44_100, short="zeros")
            for path in paths
        ]
    )
    expected = np.stack([representation(clip) for clip in clips])
    assert np.abs(front_end(representation)(clips) - expected).max() * DB < 0.05
