"""Where sound is in recordings with silence, pauses and quiet noises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.audio import read_audio
from utils.datasets.sound_portions import Trim, active_portions
from utils.errors import DataError

RATE = 8000
NEAR = round(0.02 * RATE)


def portions(samples, **trim):
    return active_portions(np.asarray(samples, np.float32), sample_rate=RATE, trim=Trim(**trim))


def bursts(seconds, *sounding):
    """Noise of a level (decibels) from a second to another, silence elsewhere."""
    track = np.zeros(round(seconds * RATE), np.float32)
    for start, end, level_db in sounding:
        here = slice(round(start * RATE), round(end * RATE))
        noise = np.random.default_rng(0).standard_normal(here.stop - here.start)
        track[here] = 0.1 * 10 ** (level_db / 20) * noise
    return track


def test_silence_around_a_sound_is_cut_off():
    ((start, end),) = portions(bursts(3.0, (1.0, 2.0, 0.0)))
    assert start == pytest.approx(1.0 * RATE, abs=NEAR)
    assert end == pytest.approx(2.0 * RATE, abs=NEAR)
    assert start <= RATE
    assert end >= 2 * RATE - 1  # nothing of the sound is lost


@pytest.mark.parametrize(("pause", "count"), [(0.3, 1), (0.8, 2)])
def test_a_pause_divides_if_it_is_long(pause, count):
    track = bursts(4.0, (0.5, 1.0, 0.0), (1.0 + pause, 1.6 + pause, 0.0))
    assert len(portions(track)) == count
    assert len(portions(track, gap_seconds=0.1)) == 2
    assert len(portions(track, gap_seconds=1.0)) == 1


def test_a_quiet_end_belongs_to_its_sound_but_a_quiet_noise_alone_does_not_count():
    track = bursts(5.0, (0.5, 1.0, 0.0), (1.0, 1.5, -22.0), (3.0, 4.0, -22.0))
    ((start, end),) = portions(track)
    assert (start, end) == pytest.approx((0.5 * RATE, 1.5 * RATE), abs=NEAR)
    ((_, end),) = portions(track, threshold_db=18.0)
    assert end == pytest.approx(1.0 * RATE, abs=NEAR)
    assert len(portions(track, threshold_db=60.0)) == 2


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.zeros(1), np.full(RATE, 1e-5)])
def test_a_silent_recording_has_none(samples):
    assert portions(samples) == ()


def test_a_short_sound_is_widened_at_its_end_then_at_its_start():
    middle, last = (bursts(1.0, (at, at + 0.05, 0.0)) for at in (0.4, 0.95))
    ((start, end),) = portions(middle)
    assert start == pytest.approx(0.4 * RATE, abs=NEAR)
    assert end - start == 0.25 * RATE
    assert portions(last) == ((0.75 * RATE, RATE),)
    assert portions(bursts(0.1, (0.0, 0.1, 0.0))) == ((0, 0.1 * RATE),)
    ((start, end),) = portions(middle, shortest_seconds=0.0)
    assert end - start < 0.1 * RATE


def test_a_recording_that_sounds_throughout_is_one_portion(noise):
    assert active_portions(noise, sample_rate=44_100, trim=Trim()) == ((0, noise.size),)


def test_one_sample_may_be_a_recording():
    assert portions([0.5]) == ((0, 1),)


def test_negative_numbers_are_refused():
    with pytest.raises(DataError, match="gap_seconds: 0 or more is needed, received -1"):
        Trim(gap_seconds=-1.0)


@given(
    places=st.lists(
        st.tuples(st.integers(0, 290), st.integers(1, 60), st.integers(-40, 0)), max_size=6
    ),
    threshold=st.sampled_from([0.0, 10.0, 30.0, 80.0]),
    gap=st.sampled_from([0.0, 0.1, 0.5]),
    shortest=st.sampled_from([0.0, 0.25, 5.0]),
)
def test_portions_lie_apart_inside_and_cover_the_loudest(places, threshold, gap, shortest):
    track = bursts(3.5, *((at / 100, (at + size) / 100, db) for at, size, db in places))
    found = portions(track, threshold_db=threshold, gap_seconds=gap, shortest_seconds=shortest)
    assert bool(found) == bool(np.abs(track).max() > 0.0)
    for (start, end), (following, _) in zip(found, [*found[1:], (10**9, 0)], strict=False):
        assert 0 <= start < end <= track.size
        assert following - end > gap * RATE
        assert end - start >= min(shortest * RATE, track.size)
    if found:
        kept = np.zeros(track.size, bool)
        for start, end in found:
            kept[start:end] = True
        window = np.ones(NEAR) / NEAR
        levels = np.convolve(track**2, window, mode="same")
        assert levels[kept].max() >= (1 - 1e-9) * levels.max()  # one of those that are as loud


def test_recordings_of_esc10_lose_their_padding(real_audio):
    folder = real_audio / "esc10" / "audio"
    path = min(folder.glob("*.ogg"), key=lambda file: file.stat().st_size)  # mostly silence
    samples = read_audio(path, sample_rate=16_000)
    found = active_portions(samples, sample_rate=16_000, trim=Trim())
    kept = np.zeros(samples.size, bool)
    for start, end in found:
        kept[start:end] = True
    assert 0 < kept.mean() < 0.5
    assert np.sum(samples[kept] ** 2) > 0.99 * np.sum(samples**2)
