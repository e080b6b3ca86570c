"""Building blocks of generated sounds: frequencies, levels, lengths, at any rate."""

import numpy as np
import pytest

from utils.datasets.demo_synthesis import Synthesiser, add, between, convolved, level, timbre

RATES = pytest.mark.parametrize("rate", [8000, 44_100])


def peak_hz(samples, rate):
    spectrum = np.abs(np.fft.rfft(samples))
    return np.argmax(spectrum) * rate / samples.size


@RATES
def test_partials_are_at_multiples_and_none_is_above_half_the_rate(rate):
    made = Synthesiser(rate)
    assert peak_hz(made.steady(rate, 440.0, [1.0]), rate) == pytest.approx(440.0)
    assert peak_hz(made.steady(rate, 440.0, [0.0, 0.0, 1.0]), rate) == pytest.approx(1320.0)
    assert not made.steady(rate, 0.3 * rate, [0.0, 1.0]).any()
    glide = np.linspace(200.0, 0.3 * rate, rate)
    np.testing.assert_allclose(made.harmonics(glide, [1.0, 1.0]), made.harmonics(glide, [1.0]))


@RATES
def test_band_noise_is_in_its_band(rng, rate):
    noise = Synthesiser(rate).band(rng, rate, 1000.0, 1.0)
    assert level(noise) == pytest.approx(1.0)
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.fft.rfftfreq(noise.size, 1.0 / rate)
    inside = (frequencies > 600.0) & (frequencies < 1700.0)
    assert power[inside].sum() > 0.9 * power.sum()


@RATES
def test_gates_falls_and_curves_have_the_length_asked_for(rng, rate):
    made = Synthesiser(rate)
    gate = made.gate(rate, 0.1)
    assert gate[rate // 2] == 1.0
    assert gate[0] < 0.01
    assert gate[round(0.05 * rate)] == pytest.approx(0.5, abs=0.01)
    assert made.fall(rate, 0.5)[rate // 2] == pytest.approx(np.exp(-1.0))
    curve = made.wander(rng, 20 * rate, rate_hz=5.0, deviation=2.0)
    assert curve.size == 20 * rate
    assert 1.0 < curve.std() < 2.5


def test_scattered_strokes_come_at_their_rate(rng):
    track = Synthesiser(8000).scattered(rng, 80_000, 50.0)
    assert 400 < np.count_nonzero(track) < 600
    assert Synthesiser(8000).scattered(rng, 10, 0.0).any()


def test_a_struck_body_falls(rng):
    body = Synthesiser(8000).modes(rng, 4, 500.0, 2000.0, 0.05)
    assert body.size == 2400
    assert level(body[:400]) > 20 * level(body[1600:])


def test_sounds_are_cut_at_the_end_of_the_track():
    track = np.zeros(10)
    add(track, 8, np.ones(5))
    add(track, 12, np.ones(5))
    np.testing.assert_array_equal(track, [0] * 8 + [1, 1])


def test_convolution_keeps_the_length(rng):
    samples, kernel = rng.standard_normal(100), rng.standard_normal(7)
    np.testing.assert_allclose(
        convolved(samples, kernel), np.convolve(samples, kernel)[:100], atol=1e-12
    )


def test_draws_are_within_their_bounds(rng):
    drawn = [between(rng, 10.0, 1000.0) for _ in range(500)]
    assert min(drawn) >= 10.0
    assert max(drawn) <= 1000.0
    assert np.median(drawn) == pytest.approx(100.0, rel=0.3)  # even by octaves
    amplitudes = timbre(rng, 8, fall=1.0)
    assert (amplitudes <= 1.0 / np.arange(1, 9)).all()
