"""Files at one rate: read where they lie, or copied once."""

from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import soundfile

from utils.audio import at_rate, copies, read_channels, read_facts
from utils.errors import AudioError, UserError


@pytest.fixture
def files(tmp_path):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    stereo = np.stack([tone, -0.5 * tone], axis=1)
    made = {}
    for name, rate in (("right.wav", 8000), ("other.flac", 16000), ("lossy.ogg", 8000)):
        made[name] = tmp_path / name
        soundfile.write(made[name], stereo, rate)
    return made


def test_files_of_the_rate_are_read_where_they_lie_and_others_copied(files, tmp_path):
    seen = []
    found = at_rate(
        [*files.values(), files["right.wav"]],
        sample_rate=8000,
        channels=2,
        folder=tmp_path / "cache",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert found[files["right.wav"]] == files["right.wav"]
    for name in ("other.flac", "lossy.ogg"):
        copy = found[files[name]]
        assert copy.parent == tmp_path / "cache"
        assert read_facts(copy).sample_rate == 8000
        expected = read_channels(files[name], sample_rate=8000, channels=2)
        np.testing.assert_array_equal(soundfile.read(copy, dtype="float32")[0], expected)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_copies_are_made_once_and_again_for_another_file(files, tmp_path):
    options = {"sample_rate": 8000, "channels": 1, "folder": tmp_path / "cache"}
    first = at_rate([files["other.flac"]], **options)[files["other.flac"]]
    state = first.stat().st_mtime_ns
    assert at_rate([files["other.flac"]], **options)[files["other.flac"]] == first
    assert first.stat().st_mtime_ns == state
    soundfile.write(files["other.flac"], np.zeros(500) + 0.1, 16000)
    assert at_rate([files["other.flac"]], **options)[files["other.flac"]] != first


def test_a_file_that_is_cut_off_is_refused_where_it_lies(files, tmp_path):
    """A stretch behind its end would be read as silence."""
    whole = files["right.wav"].read_bytes()
    files["right.wav"].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AudioError, match=r"right\.wav: is cut off"):
        at_rate([files["right.wav"]], sample_rate=8000, channels=1, folder=tmp_path / "cache")


@pytest.mark.parametrize("error", [soundfile.SoundFileError("disk full"), AssertionError()])
def test_a_full_disk_is_a_sentence_and_leaves_nothing(files, tmp_path, monkeypatch, error):
    def fail(path, *_, **__):
        path.write_bytes(b"a part")
        raise error

    monkeypatch.setattr(soundfile, "write", fail)
    with pytest.raises(UserError, match="cannot be written"):
        at_rate([files["other.flac"]], sample_rate=8000, channels=1, folder=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_copies_too_long_for_a_wav_have_long_headers(files, tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "_LARGEST_WAV", 1000)
    options = {"sample_rate": 8000, "channels": 1, "folder": tmp_path / "cache"}
    copy = at_rate([files["other.flac"]], **options)[files["other.flac"]]
    assert copy.read_bytes()[:4] == b"RF64"
    assert read_facts(copy).frames == 8000


def test_as_many_files_at_a_time_as_cores_may_be_used(files, tmp_path, monkeypatch):
    """Those of the machine may be more."""
    asked = []
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    monkeypatch.setattr(
        copies,
        "ThreadPoolExecutor",
        lambda workers: asked.append(workers) or ThreadPoolExecutor(workers),
    )
    at_rate(files.values(), sample_rate=8000, channels=1, folder=tmp_path / "cache")
    assert asked == [3]


def test_a_broken_file_is_told_with_its_path(files, tmp_path):
    files["other.flac"].write_bytes(b"fLaC and nothing else")
    with pytest.raises(AudioError, match=r"^.*other\.flac: "):
        at_rate(files.values(), sample_rate=8000, channels=1, folder=tmp_path / "cache")


@pytest.mark.parametrize(("channels", "expected"), [(1, [[0.25]]), (2, [[0.75, -0.25]])])
def test_two_channels_become_their_mean_or_stay(tmp_path, channels, expected):
    soundfile.write(tmp_path / "a.wav", np.array([[0.75, -0.25]]), 8000, subtype="FLOAT")
    found = read_channels(tmp_path / "a.wav", sample_rate=8000, channels=channels)
    np.testing.assert_array_equal(found, np.float32(expected))


def test_a_single_channel_is_doubled_and_of_three_two_are_taken(tmp_path):
    soundfile.write(tmp_path / "one.wav", np.array([0.5]), 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "three.wav", np.array([[0.1, 0.2, 0.3]]), 8000, subtype="FLOAT")
    one = read_channels(tmp_path / "one.wav", sample_rate=8000, channels=2)
    three = read_channels(tmp_path / "three.wav", sample_rate=8000, channels=2)
    np.testing.assert_array_equal(one, np.float32([[0.5, 0.5]]))
    np.testing.assert_array_equal(three, np.float32([[0.1, 0.2]]))
