"""The sum: levels, fades, peak; generated backgrounds: colour, movement, repeatability."""

import numpy as np
import pytest

from utils.datasets.soundscape_mixing import KNOTS_HZ, mix, moving_noise, shaped_noise
from utils.mixing import PEAK

RATE = 16_000


def rms(samples):
    return np.sqrt(np.mean(np.square(samples, dtype=np.float64)))


def tone(seconds, frequency_hz=500.0):
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE)


def put(background, excerpts, onsets, snr_db):
    return mix(background, excerpts, onsets=onsets, snr_db=snr_db, sample_rate=RATE)


@pytest.mark.parametrize("snr", [-5.0, 0.0, 12.0, 30.0])
def test_an_event_has_its_level_over_the_background(rng, snr):
    background = 0.01 * rng.standard_normal(2 * RATE)
    with_event = put(background, [0.3 * tone(1.0)], [RATE], [snr])
    scale = rms(with_event[: RATE // 2]) / rms(background[: RATE // 2])
    event = with_event / scale - background
    assert 20 * np.log10(rms(event[RATE:]) / rms(background)) == pytest.approx(snr, abs=0.01)
    assert np.abs(event[:RATE]).max() < 1e-5
    assert with_event.dtype == np.float32
    assert np.abs(with_event).max() == pytest.approx(PEAK)


def test_two_events_overlap_by_their_sum(rng):
    background = 0.01 * rng.standard_normal(RATE)
    first, second = tone(0.5), tone(0.5, 900.0)
    both = put(background, [first, second], [0, 4000], [10.0, 20.0])
    alone = [
        put(background, [one], [at], [snr])
        for one, at, snr in ((first, 0, 10.0), (second, 4000, 20.0))
    ]
    unscaled = [track * (background[-1] / track[-1]) for track in (both, *alone)]
    np.testing.assert_allclose(
        unscaled[0] - background, unscaled[1] + unscaled[2] - 2 * background, atol=1e-4
    )


def test_events_fade_in_and_out(rng):
    background = 1e-4 * rng.standard_normal(RATE)
    mixed = put(background, [np.ones(8000)], [4000], [60.0])
    level = mixed[8000]
    assert np.abs(mixed[4000]) < 0.01 * level
    assert mixed[4000 + 80] == pytest.approx(0.5 * level, rel=0.05)
    assert mixed[4000 + 160] == pytest.approx(level, rel=0.01)
    assert np.abs(mixed[11_999]) < 0.01 * level
    assert put(background, [np.ones(1)], [15_999], [20.0])[-1] > 0.0  # shorter than its fades


def test_silence_stays_silent_and_a_silent_background_does_not_silence_events():
    assert not put(np.zeros(100), [], [], []).any()
    assert not put(np.zeros(100), [np.zeros(50)], [10], [20.0]).any()
    mixed = put(np.zeros(RATE), [tone(0.5), 5.0 * tone(0.5)], [0, 8000], [10.0, 20.0])
    assert np.abs(mixed).max() == pytest.approx(PEAK)
    assert 20 * np.log10(rms(mixed[8000:]) / rms(mixed[:8000])) == pytest.approx(10.0)


def test_inputs_stay_as_they_are(rng):
    background, event = rng.standard_normal(100), rng.standard_normal(50)
    before = background.copy(), event.copy()
    put(background, [event], [0], [10.0])
    np.testing.assert_array_equal(background, before[0])
    np.testing.assert_array_equal(event, before[1])


@pytest.mark.parametrize("length", [1, 39_999, 40_000, 40_001, 160_000])
def test_noise_of_any_length_comes_from_the_seed(length):
    first, again, other = (
        moving_noise(np.random.default_rng(seed), length, sample_rate=RATE) for seed in (0, 0, 1)
    )
    assert first.shape == (length,)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def octave_levels(samples):
    """Decibels in the octaves from 125 to 4000 Hz."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequencies = np.fft.rfftfreq(samples.size, 1.0 / RATE)
    edges = 125.0 * 2.0 ** np.arange(6)
    bands = [(frequencies >= low) & (frequencies < 2 * low) for low in edges]
    return np.array([10 * np.log10(power[band].mean()) for band in bands])


def test_generated_backgrounds_lie_between_pink_and_brown_and_move(rng):
    tracks = [moving_noise(rng, 10 * RATE, sample_rate=RATE) for _ in range(24)]
    slopes = [np.polyfit(np.arange(6), octave_levels(track), 1)[0] for track in tracks]
    assert -6.5 < min(slopes) < -4.7  # brown noise falls by 6 dB in an octave
    assert -4.2 < max(slopes) < -2.5  # pink noise by 3
    assert all(0.05 < rms(track) < 0.2 for track in tracks)
    halves = [np.diff([octave_levels(h) for h in np.split(t, 2)], axis=0) for t in tracks]
    assert 0.5 < np.std(halves) < 4.0
    steady = shaped_noise(rng, 10 * RATE, KNOTS_HZ, np.zeros(10), sample_rate=RATE)
    assert np.std(np.diff([octave_levels(h) for h in np.split(steady, 2)], axis=0)) < 0.4


def test_no_moment_of_a_background_is_silent(rng):
    for _ in range(10):
        track = moving_noise(rng, 6 * RATE, sample_rate=RATE)
        levels = [rms(piece) for piece in np.split(track, 60)]
        assert max(levels) < 8 * min(levels)


def test_shaped_noise_has_the_spectrum_asked_for(rng):
    white = shaped_noise(rng, 5 * RATE, (100.0, 1000.0), (0.0, 0.0), sample_rate=RATE)
    assert rms(white) == pytest.approx(1.0, rel=0.02)
    shaped = shaped_noise(
        rng, 5 * RATE, (125.0, 250.0, 500.0, 4000.0), (0.0, 0.0, -20.0, -20.0), sample_rate=RATE
    )
    levels = octave_levels(shaped)
    assert levels[0] - levels[2:].mean() == pytest.approx(20.0, abs=1.0)
