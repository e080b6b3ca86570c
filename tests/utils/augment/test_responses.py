"""Impulse responses of devices: files as they are read, drawn ones as they are described."""

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
import tensorflow as tf

from utils.augment.responses import (
    LOUDEST_DB,
    SOFTEST_DB,
    draw_magnitudes,
    draw_responses,
    minimum_phase,
    read_responses,
    responses_key,
)
from utils.errors import AudioError, DataError

RATE, SEED = 16_000, tf.constant([31, 32])
DECAY = (np.exp(-np.arange(60) / 8.0) * np.cos(np.arange(60))).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def decibels(responses: np.ndarray, n_fft: int = 4096) -> np.ndarray:
    return 20 * np.log10(np.abs(np.fft.rfft(responses, n_fft)) + 1e-9)


def test_files_are_read_by_name_and_cut_to_what_sounds(tmp_path):
    silence, hiss = np.zeros(100), np.full(100, 0.0009)  # hiss is 61 dB below the first sample
    write(tmp_path / "b.wav", np.concatenate([silence, DECAY, hiss]))
    write(tmp_path / "deep" / "a.WAV", [0.0, 0.5, -0.25])
    (tmp_path / "licence.txt").write_text("free")
    found = read_responses(tmp_path, sample_rate=RATE)
    kept = np.flatnonzero(np.abs(DECAY) >= 0.001)[-1] + 1
    assert found.shape == (2, kept)
    np.testing.assert_array_equal(found[0], DECAY[:kept])
    np.testing.assert_array_equal(found[1, :2], np.float32([0.5, -0.25]))
    assert not found[1, 2:].any()


def test_other_rates_are_resampled_and_channels_averaged(tmp_path):
    """A response of another rate has the same magnitudes at the frequencies of both."""
    write(tmp_path / "a.wav", np.stack([1.5 * DECAY, 0.5 * DECAY], axis=1), 2 * RATE)
    (found,) = read_responses(tmp_path, sample_rate=RATE)
    expected = np.abs(np.fft.rfft(DECAY, 8192))[:1800]  # to 7 kHz, below the filter's slope
    twice = 2 * np.abs(np.fft.rfft(found, 4096))[:1800]  # half as many samples to a second
    np.testing.assert_allclose(twice, expected, rtol=0.02)


def broken(folder: Path, kind: str) -> None:
    if kind == "no folder":
        return
    folder.mkdir()
    if kind == "silent":
        write(folder / "a.wav", np.zeros(50))
    elif kind == "broken":
        (folder / "a.wav").write_bytes(b"RIFF broken")
    elif kind == "not a number":
        write(folder / "a.wav", [1.0, np.nan])


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("no folder", DataError, "augment: DeviceResponse.folder: .*dirs is no folder"),
        ("empty", DataError, "augment: DeviceResponse.folder: .*dirs holds no wav files"),
        ("silent", AudioError, r"a\.wav: is silent"),
        ("broken", AudioError, r"a\.wav: is broken"),
        ("not a number", AudioError, r"a\.wav: holds 1 samples that are not finite"),
    ],
)
def test_what_is_no_response_is_refused(tmp_path, kind, error, words):
    broken(tmp_path / "dirs", kind)
    with pytest.raises(error, match=words):
        read_responses(tmp_path / "dirs", sample_rate=RATE)


def test_the_key_is_of_names_and_contents_not_of_the_place(tmp_path):
    path = write(tmp_path / "one" / "a.wav", DECAY)
    first = responses_key(tmp_path / "one")
    (tmp_path / "one").rename(tmp_path / "two")
    assert responses_key(tmp_path / "two") == first
    write(tmp_path / "two" / path.name, DECAY[:-1])
    changed = responses_key(tmp_path / "two")
    write(tmp_path / "two" / "b.wav", DECAY)
    assert len({first, changed, responses_key(tmp_path / "two")}) == 3


@pytest.mark.parametrize("rate", [8000, 44_100])
def test_drawn_responses_stay_within_their_limits_and_are_smooth(rate):
    """Of 20 ms, with their end faded, they follow what was drawn within 0.5 dB above 200 Hz."""
    responses = draw_responses(SEED, 40, sample_rate=rate).numpy()
    assert responses.shape == (40, round(0.02 * rate))
    frequencies = np.fft.rfftfreq(4096, 1 / rate)[1:]
    drawn = draw_magnitudes(SEED, 40, frequencies=frequencies).numpy()
    assert SOFTEST_DB <= drawn.min() < drawn.max() <= LOUDEST_DB
    heard = frequencies > 200
    error = np.abs(decibels(responses)[:, 1:] - drawn)[:, heard]
    assert np.median(error) < 0.001
    assert error.max() < 0.5
    spread = drawn[:, np.argmin(np.abs(frequencies - 2000))].std()
    assert 1.0 < spread < 8.0


def test_drawn_responses_differ_by_seed_and_from_each_other_and_repeat():
    first, again, other = (
        draw_responses(tf.constant(seed), 3, sample_rate=RATE).numpy()
        for seed in ([1, 2], [1, 2], [1, 3])
    )
    np.testing.assert_array_equal(first, again)
    found = decibels(np.concatenate([first, other]))[:, 200:3000]
    for number in range(6):
        others = np.delete(found, number, axis=0)
        assert np.abs(others - found[number]).max(axis=1).min() > 1.0


def test_minimum_phase_vs_scipy(rng):
    """A response of minimum phase comes back from its magnitude alone."""
    poles = 0.8 * np.exp(1j * rng.uniform(0.3, 2.8, 3))
    zeros = 0.7 * np.exp(1j * rng.uniform(0.3, 2.8, 3))
    top, below = (np.poly([*roots, *roots.conj()]).real for roots in (zeros, poles))
    impulse = scipy.signal.lfilter(top, below, np.eye(1, 512)[0])
    magnitude = np.abs(np.fft.rfft(impulse)).astype(np.float32)
    np.testing.assert_allclose(minimum_phase(np.log(magnitude)), impulse, atol=1e-5)
    early = np.cumsum(draw_responses(SEED, 20, sample_rate=RATE).numpy() ** 2, axis=1)
    assert (early[:, 32] / early[:, -1]).min() > 0.5  # 2 ms
