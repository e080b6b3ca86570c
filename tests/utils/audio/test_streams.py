"""Audio in blocks: the same samples as in one piece, errors, what passes and is kept, memory."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from utils.audio import read_channels
from utils.audio.streams import Passing, read_blocks, recut, resample_blocks
from utils.errors import AudioError

RATE = 44_100


def write(path, samples, rate=RATE, **more):
    soundfile.write(path, samples, rate, **more)
    return path


def together(blocks):
    return np.concatenate(list(blocks))


def cut(samples, sizes):
    begin = 0
    while begin < len(samples):
        for size in sizes:
            yield samples[begin : begin + size]
            begin += size


# --- reading ---


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
@pytest.mark.parametrize("rate", [RATE, 8000, 48_000])
def test_blocks_are_the_file_sample_for_sample(tmp_path, rng, suffix, rate):
    path = write(tmp_path / f"x.{suffix}", 0.1 * rng.standard_normal((30_011, 2)))
    expected = read_channels(path, sample_rate=rate, channels=2)
    for block in (1000, 777, 2**16):
        blocks = list(read_blocks(path, sample_rate=rate, channels=2, block=block))
        assert all(len(each) for each in blocks)
        assert all(each.dtype == np.float32 for each in blocks)
        np.testing.assert_array_equal(together(blocks), expected)


def test_blocks_have_the_length_that_is_asked_for(tmp_path, rng):
    path = write(tmp_path / "x.wav", rng.standard_normal(2500))
    blocks = read_blocks(path, sample_rate=RATE, channels=1, block=1000)
    assert [len(block) for block in blocks] == [1000, 1000, 500]


@pytest.mark.parametrize("given", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 2])
def test_channels_are_those_that_are_asked_for(tmp_path, given, channels):
    levels = np.array([0.25, 0.5, -0.75])[:given]
    path = write(tmp_path / "x.wav", np.tile(levels, (100, 1)), subtype="FLOAT")
    found = together(read_blocks(path, sample_rate=RATE, channels=channels, block=30))
    mean, first = [levels.mean()], [*levels, *levels][:2]
    np.testing.assert_allclose(
        found, np.tile(mean if channels == 1 else first, (100, 1)), atol=1e-7
    )


def failure(path, blocks_before=0):
    """The error of a file, after so many blocks of 1,000 samples."""
    blocks = read_blocks(path, sample_rate=RATE, channels=1, block=1000)
    for _ in range(blocks_before):
        next(blocks)
    with pytest.raises(AudioError) as caught:
        next(blocks)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def test_files_that_are_no_audio_are_refused_as_elsewhere(tmp_path):
    path = tmp_path / "x.wav"
    assert "missing" in failure(path)
    path.write_bytes(b"")
    assert "empty" in failure(path)
    path.write_bytes(b"this is no sound at all" * 100)
    assert "no audio file" in failure(path)
    assert "no samples" in failure(write(path, np.zeros(0)))
    (tmp_path / "x.raw").write_bytes(b"\1\2" * 100)
    assert "no audio file" in failure(tmp_path / "x.raw")


def test_a_cut_off_file_is_refused_before_its_first_block(tmp_path, rng):
    for suffix in ("wav", "ogg"):
        path = write(tmp_path / f"x.{suffix}", 0.1 * rng.standard_normal(50_000))
        path.write_bytes(path.read_bytes()[:-100])
        assert "cut off" in failure(path)


def test_a_cut_off_file_whose_size_does_not_tell_is_refused_at_its_end(tmp_path, rng):
    path = write(tmp_path / "x.flac", 0.1 * rng.standard_normal(50_000))
    path.write_bytes(path.read_bytes()[:-30_000])
    found = []
    with pytest.raises(AudioError, match=r"x\.flac: is (cut off|broken)"):
        found.extend(read_blocks(path, sample_rate=RATE, channels=1, block=1000))
    assert 0 < len(together(found)) < 50_000


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_told_with_their_place(tmp_path, value):
    samples = np.zeros((5000, 2), np.float32)
    samples[2205, 1] = value
    path = write(tmp_path / "x.wav", samples, subtype="FLOAT")
    assert "not finite numbers (the first at 0.050 s)" in failure(path, blocks_before=2)


# --- another rate ---


@pytest.mark.parametrize(("rate", "sample_rate"), [(48_000, RATE), (RATE, 8000), (8000, RATE)])
def test_where_blocks_end_changes_no_sample(rng, rate, sample_rate):
    samples = rng.standard_normal((20_003, 2)).astype(np.float32)
    whole = together(resample_blocks([samples], rate=rate, sample_rate=sample_rate))
    assert whole.shape == (round(20_003 * sample_rate / rate), 2)
    for sizes in ([1, 0, 500], [3333], [19_000, 7]):
        found = resample_blocks(cut(samples, sizes), rate=rate, sample_rate=sample_rate)
        np.testing.assert_array_equal(together(found), whole)


def test_there_and_back_is_the_signal(rng):
    time = np.arange(22_050) / RATE
    tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)[:, np.newaxis]
    there = resample_blocks(cut(tone, [1000]), rate=RATE, sample_rate=16_000)
    back = together(resample_blocks(there, rate=16_000, sample_rate=RATE))
    assert len(back) == len(tone)
    inside = slice(1000, -1000)
    assert np.abs(back - tone)[inside].max() < 1e-4


def test_one_rate_is_left_alone():
    blocks = [np.ones((3, 1)), np.zeros((2, 1))]
    assert list(resample_blocks(blocks, rate=RATE, sample_rate=RATE)) == blocks


def test_less_than_a_new_sample_keeps_its_first():
    blocks = [np.full((1, 1), 0.5, np.float32), np.full((2, 1), 0.25, np.float32)]
    found = list(resample_blocks(blocks, rate=192_000, sample_rate=8000))
    assert [each.tolist() for each in found] == [[[0.5]]]
    assert list(resample_blocks([], rate=48_000, sample_rate=8000)) == []


# --- blocks ---


@pytest.mark.parametrize("sizes", [[1], [7], [10], [3, 0, 11], [100]])
@pytest.mark.parametrize("length", [1, 4, 10, 47, 60])
def test_recut_blocks_have_one_length(rng, sizes, length):
    samples = rng.standard_normal((47, 2))
    found = list(recut(cut(samples, sizes), length))
    np.testing.assert_array_equal(together(found), samples)
    assert {len(block) for block in found[:-1]} <= {length}
    assert 1 <= len(found[-1]) <= length


def test_nothing_recut_is_nothing():
    assert list(recut([], 3)) == []
    assert list(recut([np.zeros((0, 2))], 3)) == []


def test_what_passes_is_counted_and_can_be_taken_once_in_order(rng):
    samples = rng.standard_normal((10, 2))
    passing = Passing(cut(samples, [4]))
    stream = iter(passing)
    assert (passing.count, passing.waiting) == (0, 0)
    np.testing.assert_array_equal(next(stream), samples[:4])
    np.testing.assert_array_equal(next(stream), samples[4:8])
    assert (passing.count, passing.waiting) == (8, 8)
    np.testing.assert_array_equal(passing.take(3), samples[:3])
    np.testing.assert_array_equal(passing.take(4), samples[3:7])
    assert (passing.count, passing.waiting) == (8, 1)
    assert len(list(stream)) == 1
    for wrong in (0, 4):
        with pytest.raises(ValueError, match="1 to 3 steps can be taken"):
            passing.take(wrong)
    np.testing.assert_array_equal(passing.take(3), samples[7:])


@pytest.mark.parametrize("rate", [RATE, 16_000])
def test_memory_does_not_grow_with_the_file(tmp_path, rate):
    def most(seconds):
        path = write(tmp_path / f"{seconds}.wav", np.zeros((seconds * RATE, 2)))
        tracemalloc.start()
        total = sum(map(len, read_blocks(path, sample_rate=rate, channels=2, block=4096)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == seconds * rate
        return peak

    most(1)
    assert most(20) < 1.2 * most(2) < 1e6  # 20 s are 7 MB
