import librosa
import numpy as np
import pytest

from utils.features.filters import filterbank


def bank(**fields):
    given = {"scale": "linear", "norm": "slaney", "sample_rate": 16_000, "n_fft": 1024}
    return filterbank(**{**given, "bands": 40, "f_min": 0.0, "f_max": 8_000.0, **fields})


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", ["slaney", "none"])
def test_mel_bands_are_librosas(scale, norm):
    expected = librosa.filters.mel(
        sr=16_000,
        n_fft=1024,
        n_mels=40,
        fmin=100.0,
        fmax=7_000.0,
        htk=scale == "htk",
        norm="slaney" if norm == "slaney" else None,
        dtype=np.float64,
    )
    weights = bank(scale=scale, norm=norm, f_min=100.0, f_max=7_000.0)
    np.testing.assert_array_equal(weights, expected)


def test_triangles_are_built_as_librosa_builds_them(monkeypatch):
    """librosa's own construction, its mel frequencies replaced by equally spaced hertz."""
    from librosa import filters

    monkeypatch.setattr(
        filters, "mel_frequencies", lambda n, *, fmin, fmax, htk: np.linspace(fmin, fmax, n)
    )
    for norm in ("slaney", "none"):
        expected = filters.mel(
            sr=16_000,
            n_fft=1024,
            n_mels=30,
            fmin=200.0,
            fmax=7_900.0,
            norm="slaney" if norm == "slaney" else None,
            dtype=np.float64,
        )
        weights = bank(bands=30, f_min=200.0, f_max=7_900.0, norm=norm)
        np.testing.assert_allclose(weights, expected, rtol=1e-12, atol=1e-15)


def test_linear_bands_are_equally_wide_and_of_unit_area():
    weights = bank(n_fft=16_000, bands=15)  # one bin a hertz, edges every 500 Hz
    assert weights.shape == (15, 8_001)
    np.testing.assert_array_equal(weights.argmax(axis=1), 500 * np.arange(1, 16))
    np.testing.assert_array_equal((weights > 0).sum(axis=1), 999)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(bank(n_fft=16_000, bands=15, norm="none").max(axis=1), 1.0)


def test_a_band_between_two_bins_is_empty():
    assert (~bank(bands=2000).any(axis=1)).any()
