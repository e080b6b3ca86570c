from dataclasses import replace

import numpy as np
import pytest

from utils.audio import fit_length, read_audio
from utils.config.schema import AudioSettings, FeatureSettings
from utils.features import Waveform, from_settings
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
    ],
)
def test_equals_the_representation(noise, fields):
    representation = from_settings(SECOND, FeatureSettings(frames=None, **fields))
    batch = np.stack([noise, 0.01 * noise[::-1]])
    features = front_end(representation)(batch).numpy()
    assert features.dtype == np.float32
    expected = np.stack([representation(clip) for clip in batch])
    scale = 1.0 if representation.log == "decibel" else DB / representation.power
    assert np.abs(features - expected).max() * scale < 1e-4


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
