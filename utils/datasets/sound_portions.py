"""Where in a recording its sound is: what labels of mixtures rest on.

Recordings of isolated sounds are often padded with digital silence, or hold their sound several
times with pauses between. Only the portions with sound are mixed and labelled.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from utils.errors import DataError

HOP_SECONDS = 0.01
WINDOW_SECONDS = 0.02
SILENCE_DB = -70.0
"""Root mean square of a window, full scale is 0 dB, below which nothing counts as sound."""

Portion = tuple[int, int]
"""First sample of a portion and the one after its last."""


@dataclass(frozen=True)
class Trim:
    """What counts as sound.

    Attributes:
        threshold_db: a portion reaches as far as windows are less than this below the loudest of
            the recording; it counts if one of them is less than half of it below.
        gap_seconds: shorter pauses belong to the sound.
        shortest_seconds: shorter portions are widened to this, as the labels of DESED are; within
            the recording, at the end first.
    """

    threshold_db: float = 30.0
    gap_seconds: float = 0.5
    shortest_seconds: float = 0.25

    def __post_init__(self) -> None:
        for name in ("threshold_db", "gap_seconds", "shortest_seconds"):
            if getattr(self, name) < 0.0:
                raise DataError(f"{name}: 0 or more is needed, received {getattr(self, name):g}.")


def active_portions(samples: np.ndarray, *, sample_rate: int, trim: Trim) -> tuple[Portion, ...]:
    """Find the portions of a recording that hold sound.

    Root mean squares of windows of 20 ms, every 10 ms, are compared with the loudest. Two
    thresholds keep the quiet rest of a sound with it, but make no portion of a quiet noise alone.

    Args:
        samples: (samples,), full scale ±1.
        sample_rate: hertz.
        trim: what counts as sound.

    Returns:
        Portions in the order of time, apart from one another; none of a silent recording. Their
        ends are within 20 ms of those of the sound.
    """
    hop, window = round(HOP_SECONDS * sample_rate), round(WINDOW_SECONDS * sample_rate)
    levels = _levels_db(samples, hop=hop, window=window)
    loudest = levels.max()
    if loudest < SILENCE_DB:
        return ()
    active = levels > max(loudest - trim.threshold_db - 1e-9, SILENCE_DB)
    clear = levels > loudest - trim.threshold_db / 2.0 - 1e-9
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]])))
    starts = edges[::2] * hop
    ends = np.minimum((edges[1::2] - 1) * hop + window, samples.size)
    portions = _joined(zip(starts.tolist(), ends.tolist(), strict=True), trim, sample_rate)
    sounding = np.flatnonzero(clear) * hop
    kept = [(start, end) for start, end in portions if _any_in(sounding, start, end)]
    shortest = round(trim.shortest_seconds * sample_rate)
    widened = [_widened(portion, shortest, samples.size) for portion in kept]
    return tuple(_joined(widened, trim, sample_rate))


def _levels_db(samples: np.ndarray, *, hop: int, window: int) -> np.ndarray:
    """Root mean square of each window, decibels of full scale; the last may reach over the end."""
    energy = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    starts = np.arange(max(1, -(-(samples.size - window) // hop) + 1)) * hop
    ends = np.minimum(starts + window, samples.size)
    power = (energy[ends] - energy[starts]) / (ends - starts)
    return 10.0 * np.log10(np.maximum(power, 1e-20))


def _joined(portions: Iterable[Portion], trim: Trim, sample_rate: int) -> list[Portion]:
    """Portions with the short gaps between them closed."""
    gap = trim.gap_seconds * sample_rate
    joined: list[Portion] = []
    for start, end in portions:
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _any_in(places: np.ndarray, start: int, end: int) -> bool:
    """Whether one of the sorted places lies in a portion."""
    return bool(np.searchsorted(places, start) < np.searchsorted(places, end))


def _widened(portion: Portion, shortest: int, length: int) -> Portion:
    """A portion of the shortest length at least, if the recording has it."""
    start, end = portion
    end = min(length, max(end, start + shortest))
    return max(0, min(start, end - shortest)), end
