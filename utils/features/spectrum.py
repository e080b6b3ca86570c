"""Magnitude spectra of frames, in blocks of float32 that stay in the cache."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

Window = Literal["hamming", "hamming_symmetric", "hann"]
"""A window by name: periodic, for an FFT, unless its name says that it is symmetric."""

_SYMMETRIC = "_symmetric"
_BLOCK_SAMPLES = 3 * 2**16  # of FFT buffers that are transformed at a time


def window_values(name: Window, length: int) -> np.ndarray:
    """``scipy.signal.get_window`` with ``fftbins`` as the name has it, float64 (length,).

    A periodic window is the start of the symmetric one of a sample more: its last value is not
    its first.

    Args:
        name: of the window.
        length: samples.
    """
    from scipy.signal import get_window

    return get_window(name.removesuffix(_SYMMETRIC), length, fftbins=not name.endswith(_SYMMETRIC))


def framed(samples: np.ndarray, *, window_length: int, hop_length: int) -> np.ndarray:
    """View of samples as (frames, window_length); samples behind the last whole frame are unused.

    Args:
        samples: (samples,), at least ``window_length``.
        window_length: samples.
        hop_length: samples from frame to frame.
    """
    return np.lib.stride_tricks.sliding_window_view(samples, window_length)[::hop_length]


def magnitudes(
    frames: np.ndarray, *, window: np.ndarray, n_fft: int, without_mean: bool = False
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the magnitude spectra of frames, some frames at a time.

    Why it is fast: float32 throughout; blocks of frames that stay in the cache, each one
    ``scipy.fft`` call that transforms several frames by one vector instruction; the window is laid
    at the start of the FFT buffer (its place changes phases only), so the zeros behind it are
    written once.

    Args:
        frames: float32 (frames, window_length).
        window: float32 (window_length,).
        n_fft: FFT length in samples, at least that of the window.
        without_mean: subtract its mean from each frame first.

    Yields:
        Which frames, and their spectra, float32 (frames of the block, n_fft // 2 + 1), which the
        receiver may change.
    """
    from scipy.fft import rfft

    step = max(8, _BLOCK_SAMPLES // n_fft)
    buffer = np.zeros((min(step, len(frames)), n_fft), np.float32)
    for first in range(0, len(frames), step):
        block = frames[first : first + step]
        if without_mean:
            block = block - block.mean(axis=1, keepdims=True)
        filled = buffer[: len(block)]
        np.multiply(block, window, out=filled[:, : len(window)])
        yield slice(first, first + len(block)), np.abs(rfft(filled))
