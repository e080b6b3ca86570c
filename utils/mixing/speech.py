"""Utterances of several speakers -> a mixture and its sources: what is drawn, and the sum.

Mixtures as those of WSJ0-2mix (Hershey et al., "Deep clustering", ICASSP 2016, arXiv 1508.04306)
and LibriMix (Cosentino et al. 2020, arXiv 2005.11262), whose terms ``min`` and ``max`` are used
here; levels are RMS values of whole utterances, where WSJ0-2mix has active speech levels and
LibriMix loudness units. Utterances of ``max`` mixtures may also overlap in part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from utils.errors import DataError
from utils.mixing.words import Index

LEVEL = 0.05
"""RMS, full scale is 1, that utterances are brought to before their gains."""

PEAK = 0.9
"""Largest absolute sample of a mixture and of its sources, as LibriMix."""


@dataclass(frozen=True)
class SpeechRecipes:
    """What each clip is mixed of.

    Attributes:
        rows: int64 (clips, number), rows of an array of utterances.
        gains_db: float32 (clips, number), level of each utterance after all have the same RMS.
        starts: int64 (clips, number), first sample of each utterance in the mixture, 0 or more.
    """

    rows: np.ndarray
    gains_db: np.ndarray
    starts: np.ndarray


def draw(
    rng: np.random.Generator,
    count: int,
    *,
    speakers: np.ndarray,
    lengths: np.ndarray,
    number: int,
    level_db: float,
    length: Literal["min", "max"],
    overlap: float,
) -> SpeechRecipes:
    """Draw mixtures of ``number`` speakers.

    The speakers of a clip are drawn uniformly from those that are present, however many utterances
    each has, and all differ; then an utterance of each, uniformly. Rows and gains are the same
    whatever ``length`` and ``overlap`` are.

    All utterances start with the mixture, but for ``max`` with an ``overlap`` below 1: there each
    is placed by the longest one of its clip. The share of it that lies within the longest is
    uniform in ``[overlap, 1]``; the rest is before the longest one's start or behind its end, with
    equal chances.

    Args:
        rng: the result is a function of its state and of the other arguments.
        count: clips.
        speakers: int64 (utterances,), speaker of each utterance, from 0.
        lengths: int64 (utterances,), their lengths in samples.
        number: speakers in a clip.
        level_db: gains are uniform within this to either side, decibels.
        length: whether the mixture ends with its shorter (``min``) or its longer utterance.
        overlap: least share of a shorter utterance that is overlapped; 1 with ``min``.

    Raises:
        DataError: when there are fewer speakers than a clip has.
        ValueError: for a ``length`` or an ``overlap`` that is none.
    """
    if length not in ("min", "max") or not 0.0 <= overlap <= 1.0:
        raise ValueError(f"length {length!r}, overlap {overlap}: none of min and max, or no share")
    if length == "min" and overlap < 1.0:
        raise ValueError(f"overlap {overlap}: mixtures of length min overlap wholly")
    index = Index(speakers)
    if index.present < number:
        raise DataError(
            f"mixtures of {number} speakers cannot be made of {index.present} speakers; add"
            " speakers or mix fewer (dataset.speakers.number)."
        )
    rows = index.pick(rng, _different(rng, count, number, index.present))
    gains_db = rng.uniform(-level_db, level_db, rows.shape).astype(np.float32)
    starts = np.zeros(rows.shape, np.int64)
    if overlap < 1.0:
        starts = _staggered(rng, np.asarray(lengths)[rows], overlap)
    return SpeechRecipes(rows, gains_db, starts)


def mixture_lengths(
    recipes: SpeechRecipes, lengths: np.ndarray, *, length: Literal["min", "max"]
) -> np.ndarray:
    """Samples of each mixture.

    Args:
        recipes: as :func:`draw` gives them for the same lengths.
        lengths: int64 (utterances,), in samples.
        length: as of :func:`draw`.

    Returns:
        int64 (clips,).
    """
    ends = recipes.starts + np.asarray(lengths)[recipes.rows]
    return np.asarray(ends.min(axis=1) if length == "min" else ends.max(axis=1))


def draw_stretches(rng: np.random.Generator, lengths: np.ndarray, *, samples: int) -> np.ndarray:
    """Draw where in each utterance a training segment starts.

    In an utterance that is longer than the segment every start is as likely as any other. A shorter
    one lies anywhere in the segment, with silence around.

    Args:
        rng: the result is a function of its state and of the other arguments.
        lengths: int64 (clips, number) or any shape, samples of the utterances.
        samples: length of the segment.

    Returns:
        int64 of the shape of ``lengths``: the utterance's sample that the segment begins with;
        negative where so many samples of silence come before the utterance.
    """
    spare = np.asarray(lengths, np.int64) - samples
    return rng.integers(np.minimum(spare, 0), np.maximum(spare, 0), endpoint=True)


def mix(
    waveforms: Sequence[np.ndarray],
    gains_db: np.ndarray,
    rms: np.ndarray,
    *,
    starts: Sequence[int] | np.ndarray | None = None,
    samples: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Sum the voices of one clip.

    Every waveform is scaled from its RMS to :data:`LEVEL`, then by its gain. Where a sample of the
    mixture or of a source would exceed :data:`PEAK`, all are scaled down together.

    Args:
        waveforms: float32 (its samples,) each: utterances, or stretches of them.
        gains_db: (number,), decibels.
        rms: (number,), RMS of the whole utterances that the waveforms are of, above 0.
        starts: where in the mixture each waveform begins; what lies before sample 0 is cut off.
            Segments drawn by :func:`draw_stretches` from whole utterances start at the negative of
            what it gives. None: all at 0.
        samples: length of the mixture; None: as long as the waveforms reach.

    Returns:
        Sources float32 (number, samples), and the mixture float32 (samples,), which is their sum:
        exactly the float32 one, added in the order of the sources.

    Raises:
        ValueError: for arguments of different number, no waveforms, or an RMS that is not above 0.
    """
    gains_db, rms = np.asarray(gains_db, np.float64), np.asarray(rms, np.float64)
    places = [0] * len(waveforms) if starts is None else [int(start) for start in starts]
    if not waveforms or {gains_db.shape, rms.shape, (len(places),)} != {(len(waveforms),)}:
        raise ValueError(
            f"{len(waveforms)} waveforms, gains {gains_db.shape}, RMS {rms.shape} and"
            f" {len(places)} starts do not fit"
        )
    if not (np.isfinite(rms) & (rms > 0.0)).all():
        raise ValueError(f"RMS values above 0 are needed, received {rms.tolist()}")
    if samples is None:
        samples = max(0, *(place + len(one) for place, one in zip(places, waveforms, strict=True)))
    factors = (LEVEL / rms * 10.0 ** (gains_db / 20.0)).astype(np.float32)
    sources = np.zeros((len(waveforms), samples), np.float32)
    for source, waveform, factor, start in zip(sources, waveforms, factors, places, strict=True):
        first, last = max(0, start), min(samples, start + len(waveform))
        if first < last:
            np.multiply(waveform[first - start : last - start], factor, out=source[first:last])
    mixture = _sum(sources)
    peak = max(_peak(mixture), _peak(sources))
    if peak > PEAK:
        sources *= np.float32(PEAK / peak)
        mixture = _sum(sources)
    return sources, mixture


def _different(rng: np.random.Generator, count: int, number: int, present: int) -> np.ndarray:
    """Ordered draws without repetition, int64 (count, number) below ``present``.

    The k-th is drawn from as many numbers as are left and moved past those that are taken, in
    ascending order, which leaves each of the others equally likely.
    """
    drawn = np.empty((count, number), np.int64)
    for place in range(number):
        new = rng.integers(present - place, size=count)
        for taken in np.sort(drawn[:, :place], axis=1).T:
            new += new >= taken
        drawn[:, place] = new
    return drawn


def _staggered(rng: np.random.Generator, lengths: np.ndarray, overlap: float) -> np.ndarray:
    """Starts of utterances (clips, number) that overlap the longest of their clip in part."""
    overlapped = np.rint(rng.uniform(overlap, 1.0, lengths.shape) * lengths).astype(np.int64)
    before = rng.random(lengths.shape) < 0.5
    longest = lengths.argmax(axis=1)[:, np.newaxis]
    length = np.take_along_axis(lengths, longest, axis=1)
    starts = np.where(before, overlapped - lengths, length - overlapped)
    np.put_along_axis(starts, longest, 0, axis=1)
    return starts - starts.min(axis=1, keepdims=True)


def _sum(sources: np.ndarray) -> np.ndarray:
    """Sum over the first axis, one source after the other."""
    total = sources[0].copy()
    for source in sources[1:]:
        total += source
    return total


def _peak(samples: np.ndarray) -> float:
    return max(float(samples.max()), -float(samples.min())) if samples.size else 0.0
