"""Lengths and levels of utterances, measured once."""

from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import soundfile

from utils.datasets import speaker_levels
from utils.datasets.base import Clip
from utils.datasets.speaker_levels import measure
from utils.errors import DataError

RATE = 8000


def clips(folder, **levels):
    made = []
    for name, level in levels.items():
        path = folder / f"{name}.wav"
        samples = np.resize([level, -level], 400 + len(name))
        soundfile.write(path, samples, RATE, "FLOAT")
        made.append(Clip(path.name, path, group=name))
    return made


def test_length_and_rms_of_each_in_the_order_of_names(tmp_path):
    found, wrong = measure(clips(tmp_path, bb=0.5, a=0.02), sample_rate=RATE, cache=None)
    assert [clip.name for clip in found.clips] == ["a.wav", "bb.wav"]
    assert found.lengths.tolist() == [401, 402]
    np.testing.assert_allclose(found.rms, [0.02, 0.5], rtol=1e-6)
    assert found.speakers == ("a", "bb")
    assert wrong == {}
    taken = found.taken({"bb.wav"})
    assert (taken.clips, taken.lengths.tolist()) == (found.clips[1:], [402])


def test_rms_is_that_at_the_rate_of_the_mixtures(tmp_path):
    """A tone above half of the new rate is gone."""
    times = np.arange(8000) / RATE
    low, high = (np.sin(2.0 * np.pi * pitch * times) for pitch in (300.0, 3500.0))
    soundfile.write(tmp_path / "a.wav", 0.2 * low + 0.2 * high, RATE, "FLOAT")
    given = [Clip("a.wav", tmp_path / "a.wav")]
    (whole,) = measure(given, sample_rate=RATE, cache=None)[0].rms
    found = measure(given, sample_rate=4000, cache=None)[0]
    assert found.lengths.tolist() == [4000]
    assert whole == pytest.approx(0.2, rel=1e-4)
    assert found.rms[0] == pytest.approx(0.2 / np.sqrt(2.0), rel=0.01)


def test_what_cannot_be_used_is_told_by_name(tmp_path):
    given = clips(tmp_path, faint=9e-5, fine=1.1e-4, silent=0.0)
    (tmp_path / "x.wav").write_bytes(b"no audio")
    given.append(Clip("x.wav", tmp_path / "x.wav"))
    found, wrong = measure(given, sample_rate=RATE, cache=None)
    assert [clip.name for clip in found.clips] == ["fine.wav"]
    assert sorted(wrong) == ["faint.wav", "silent.wav", "x.wav"]
    assert "is silent (RMS below -80 dB of full scale)" in wrong["silent.wav"]
    assert wrong["x.wav"].startswith(str(tmp_path / "x.wav"))


def test_files_are_read_once_unless_one_changes(tmp_path, monkeypatch):
    given = clips(tmp_path, a=0.1, b=0.2, c=0.0)
    (tmp_path / "d.wav").write_bytes(b"no audio")
    given.append(Clip("d.wav", tmp_path / "d.wav"))
    read, cache = [], tmp_path / "cache"
    straight = speaker_levels.read_audio

    def counted(path, **rest):
        read.append(path.name)
        return straight(path, **rest)

    monkeypatch.setattr(speaker_levels, "read_audio", counted)
    steps = []
    first = measure(given, sample_rate=RATE, cache=cache, progress=lambda *step: steps.append(step))
    assert sorted(read) == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    again = measure(given[::-1], sample_rate=RATE, cache=cache)
    assert len(read) == 4
    assert again[0].clips == first[0].clips
    np.testing.assert_array_equal(again[0].rms, first[0].rms)
    np.testing.assert_array_equal(again[0].lengths, first[0].lengths)
    assert again[1] == first[1]
    measure(given, sample_rate=4000, cache=cache)
    assert len(read) == 8
    clips(tmp_path, a=0.3333)
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes() + b"\0\0")
    measure(given, sample_rate=RATE, cache=cache)
    assert len(read) == 12


def test_a_vanished_file_is_one_sentence(tmp_path):
    given = clips(tmp_path, a=0.1)
    given[0].path.unlink()
    with pytest.raises(DataError, match=r"a\.wav: the recording has vanished"):
        measure(given, sample_rate=RATE, cache=tmp_path)


def test_as_many_files_at_a_time_as_cores_may_be_used(tmp_path, monkeypatch):
    """Those of the machine may be more."""
    asked = []
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    monkeypatch.setattr(
        speaker_levels,
        "ThreadPoolExecutor",
        lambda workers: asked.append(workers) or ThreadPoolExecutor(workers),
    )
    measure(clips(tmp_path, a=0.1), sample_rate=RATE, cache=None)
    assert asked == [3]
