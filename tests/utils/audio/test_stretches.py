"""Stretches of files: the right samples, zeros outside, channels, headers, errors."""

import numpy as np
import pytest
import soundfile

from utils.audio import Facts, as_channels, read_facts, read_stretch
from utils.errors import AudioError

RATE = 22_050


@pytest.fixture
def samples(rng):
    return (0.1 * rng.standard_normal((1000, 2))).astype(np.float32)


@pytest.fixture
def path(tmp_path, samples):
    soundfile.write(tmp_path / "x.wav", samples, RATE, subtype="FLOAT")
    return tmp_path / "x.wav"


@pytest.mark.parametrize("start", [0, 1, 400, 900])
def test_a_stretch_is_that_part_of_the_file(path, samples, start):
    found = read_stretch(path, start=start, frames=100, channels=2)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, samples[start : start + 100])


@pytest.mark.parametrize(
    ("start", "frames"), [(-30, 100), (950, 100), (-10, 1100), (-100, 100), (1000, 5), (5000, 5)]
)
def test_there_are_zeros_where_the_file_has_nothing(path, samples, start, frames):
    padded = np.pad(samples, ((200, 5000), (0, 0)))
    found = read_stretch(path, start=start, frames=frames, channels=2)
    np.testing.assert_array_equal(found, padded[200 + start : 200 + start + frames])


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_stretches_of_other_formats(tmp_path, samples, suffix, subtype):
    path = tmp_path / f"x.{suffix}"
    soundfile.write(path, samples, RATE, subtype=subtype)
    found = read_stretch(path, start=333, frames=100, channels=2)
    assert np.abs(found - samples[333:433]).max() < 2**-15


def test_one_channel_is_the_mean_of_all(path, samples):
    found = read_stretch(path, start=-5, frames=50, channels=1)
    assert found.shape == (50, 1)
    np.testing.assert_allclose(found[5:, 0], samples[:45].mean(axis=1), atol=1e-7)


def test_channels(samples):
    mono, three = samples[:, :1], np.hstack([samples, samples[:, :1] + 1])
    assert as_channels(mono, 1) is mono
    np.testing.assert_array_equal(as_channels(mono, 2), np.hstack([mono, mono]))
    np.testing.assert_array_equal(as_channels(three, 2), samples)
    np.testing.assert_allclose(as_channels(three, 1)[:, 0], three.mean(axis=1))


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_headers_tell_rate_length_and_channels(tmp_path, samples, suffix):
    path = tmp_path / f"x.{suffix}"
    soundfile.write(path, samples, RATE)
    assert read_facts(path) == Facts(RATE, 1000, 2)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "no audio"), (b"no sound" * 9, "no audio"), (None, "missing")]
)
def test_what_is_no_audio_is_refused(tmp_path, content, message):
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=rf"x\.wav: .*{message}"):
        read_facts(path)
    with pytest.raises(AudioError, match=r"x\.wav: "):
        read_stretch(path, start=0, frames=10, channels=1)


def test_a_file_without_samples_is_refused(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.zeros(0), RATE)
    with pytest.raises(AudioError, match=r"x\.wav: holds no samples"):
        read_facts(tmp_path / "x.wav")


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_samples_that_are_no_numbers_are_refused_where_they_are_read(path, samples, value):
    samples[500, 1] = value
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(
        read_stretch(path, start=0, frames=500, channels=2), samples[:500]
    )
    with pytest.raises(AudioError, match="not finite"):
        read_stretch(path, start=450, frames=100, channels=2)
