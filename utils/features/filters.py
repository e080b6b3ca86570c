"""Filterbanks: which bins of a spectrum make up a band, and how much each counts."""

import warnings
from typing import Literal

import numpy as np


def filterbank(
    *,
    scale: Literal["slaney", "htk", "linear"],
    norm: Literal["slaney", "none"],
    sample_rate: int,
    n_fft: int,
    bands: int,
    f_min: float,
    f_max: float,
) -> np.ndarray:
    """Triangular filters whose edges are equally spaced on a scale, each from centre to centre.

    On a mel scale they are those of ``librosa.filters.mel``; ``linear`` is the same construction
    over hertz.

    Args:
        scale: on which the edges are equally spaced.
        norm: ``slaney`` gives every band unit area over hertz, ``none`` unit height.
        sample_rate: hertz.
        n_fft: FFT length in samples.
        bands: number of filters.
        f_min: lower edge of the lowest band, hertz.
        f_max: upper edge of the highest band, hertz.

    Returns:
        float64 (bands, n_fft // 2 + 1); a band between two bins is all zeros.
    """
    if scale == "linear":
        edges = np.linspace(f_min, f_max, bands + 2)
        return _triangles(edges, np.fft.rfftfreq(n_fft, 1 / sample_rate), unit_area=norm != "none")
    from librosa.filters import mel

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Empty filters", category=UserWarning)
        return mel(
            sr=sample_rate,
            n_fft=n_fft,
            n_mels=bands,
            fmin=f_min,
            fmax=f_max,
            htk=scale == "htk",
            norm="slaney" if norm == "slaney" else None,
            dtype=np.float64,
        )


def _triangles(edges: np.ndarray, bins: np.ndarray, *, unit_area: bool) -> np.ndarray:
    """Triangles over three neighbouring edges each, at the bins' frequencies.

    Args:
        edges: hertz, rising, (bands + 2,).
        bins: hertz, (bins,).
        unit_area: whether a triangle's area, not its height, is 1.

    Returns:
        float64 (bands, bins).
    """
    low, centre, high = (edges[first : len(edges) - 2 + first, np.newaxis] for first in range(3))
    rising = (bins - low) / (centre - low)
    falling = (high - bins) / (high - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    return weights * (2.0 / (high - low)) if unit_area else weights
