"""Isolated words -> overlapped clips: what is drawn from a seed, the sum, and its target.

A clip is a row of a :class:`Recipes`. Drawing it and mixing it are apart, so that the same recipe
can be written to a file, shown in a table, or mixed anew from words that lie in memory.
"""

from dataclasses import dataclass

import numpy as np

from utils.errors import DataError

PEAK = 30_000 / 32_768
"""Largest absolute sample of every mixture, as in the files of DACON 235616."""

_ROUNDS = 1000  # times that clips without a solution are drawn anew, words included
_TRIES = 8  # recordings tried for one word before its clip counts as one without a solution


@dataclass(frozen=True)
class Recipes:
    """What each clip is mixed of.

    Attributes:
        rows: int64 (clips, words), rows of an array of isolated words.
        gains_db: float32 (clips, words), level of each word after all have the same RMS.
        shifts: float64 (clips, words), circular shift of each word in seconds; positive is later.
    """

    rows: np.ndarray
    gains_db: np.ndarray
    shifts: np.ndarray


def draw(
    rng: np.random.Generator,
    count: int,
    *,
    words: np.ndarray,
    speakers: np.ndarray,
    number: int,
    repeat_words: bool,
    repeat_speakers: bool,
    level_db: float,
    shift_seconds: float,
) -> Recipes:
    """Draw clips of ``number`` words each.

    The words of a clip are drawn uniformly from those that are present, however many recordings
    each has; then, one after the other, a recording of each, uniformly from those that may still
    join the clip. No recording is in a clip twice. A clip for which no recordings are found is
    drawn anew, words included, so words of few speakers are rarer where speakers are scarce.

    Args:
        rng: the result is a function of its state and of the other arguments.
        count: clips.
        words: int64 (recordings,), word of each isolated recording, from 0.
        speakers: int64 (recordings,), speaker of each.
        number: words in a clip.
        repeat_words: whether one word may come twice in a clip.
        repeat_speakers: whether one speaker may say two words of a clip.
        level_db: gains are uniform within this to either side, decibels.
        shift_seconds: shifts are uniform within this to either side.

    Raises:
        DataError: when there are too few words, speakers or recordings for such clips.
    """
    index = Index(words)
    if not index.present or (not repeat_words and index.present < number):
        raise DataError(
            f"clips of {number} different words cannot be mixed of {index.present} words; mix fewer"
            " words or let them repeat."
        )
    barred = np.arange(len(words)) if repeat_speakers else np.asarray(speakers)
    rows = np.empty((count, number), np.int64)
    open_clips = np.arange(count)
    for _ in range(_ROUNDS):
        drawn, solved = _try(rng, open_clips.size, number, index, barred, repeat_words)
        rows[open_clips] = drawn
        open_clips = open_clips[~solved]
        if not open_clips.size:
            break
        _require_enough(barred, number, "recordings" if repeat_speakers else "speakers")
    else:
        raise DataError(
            f"for {open_clips.size} of {count} clips of {number} words no recordings by"
            f" {number} different speakers were found in {_ROUNDS} attempts; the words have too few"
            " speakers in common: add recordings, mix fewer words or let speakers repeat."
        )
    gains = rng.uniform(-level_db, level_db, rows.shape).astype(np.float32)
    shifts = rng.uniform(-shift_seconds, shift_seconds, rows.shape)
    return Recipes(rows, gains, shifts)


def mix(
    samples: np.ndarray, gains_db: np.ndarray, shifts: np.ndarray, *, sample_rate: int
) -> np.ndarray:
    """Sum the words of each clip.

    Every word is brought to the same RMS over its whole length, then changed by its gain, shifted
    circularly and added; the sum is scaled to a peak of :data:`PEAK`. A silent word adds nothing,
    and a clip of silent words is silent.

    Args:
        samples: float32 (clips, words, samples).
        gains_db: (clips, words), decibels.
        shifts: (clips, words), seconds, rounded to samples; positive is later.
        sample_rate: hertz.

    Returns:
        float32 (clips, samples).
    """
    length = samples.shape[-1]
    mixtures = np.zeros((len(samples), length), np.float32)
    scaled = np.empty(length, np.float32)
    levels = 10.0 ** (np.asarray(gains_db, np.float64) / 20.0)
    starts = np.rint(np.asarray(shifts) * sample_rate).astype(np.int64) % length
    # clip by clip, as the words of one clip stay in the processor's cache
    for mixture, words, factors, delays in zip(mixtures, samples, levels, starts, strict=True):
        for word, factor, delay in zip(words, factors, delays.tolist(), strict=True):
            power = float(np.einsum("s,s", word, word)) / length
            if power == 0.0:
                continue
            np.multiply(word, np.float32(factor / np.sqrt(power)), out=scaled)
            mixture[delay:] += scaled[: length - delay]
            mixture[:delay] += scaled[length - delay :]
        peak = max(float(mixture.max()), -float(mixture.min()))
        if peak > 0.0:
            mixture *= np.float32(PEAK / peak)
    return mixtures


def shares(labels: np.ndarray, *, classes: int) -> np.ndarray:
    """Share that each class has in the words of each clip; repeated words add up.

    Args:
        labels: int64 (clips, words), class of each word.
        classes: number of classes.

    Returns:
        float32 (clips, classes), each row summing to 1.

    Raises:
        ValueError: for a label that is no class.
    """
    labels = np.asarray(labels)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels must lie in 0 .. {classes - 1}")
    clips, words = labels.shape
    places = labels + classes * np.arange(clips)[:, np.newaxis]
    counts = np.bincount(places.ravel(), minlength=clips * classes).reshape(clips, classes)
    return (counts / words).astype(np.float32)


class Index:
    """Recordings by word, or by speaker: those of w are ``order[starts[w] :][: sizes[w]]``.

    Numbers of 16 bits are sorted by radix, so that this costs a fraction of a millisecond for all
    of Speech Commands and need not be kept from call to call.
    """

    def __init__(self, words: np.ndarray) -> None:
        words = np.asarray(words)
        sizes = np.bincount(words) if words.size else np.zeros(0, np.int64)
        narrow = words.astype(np.uint16) if sizes.size <= 2**16 else words
        there = np.flatnonzero(sizes)
        self.order = np.argsort(narrow, kind="stable")
        self.starts = (np.cumsum(sizes) - sizes)[there]
        self.sizes = sizes[there]
        self.present = there.size

    def pick(self, rng: np.random.Generator, chosen: np.ndarray) -> np.ndarray:
        """Row of a uniformly drawn recording of each chosen word (a place among the present)."""
        return self.order[self.starts[chosen] + rng.integers(self.sizes[chosen])]


def _try(
    rng: np.random.Generator,
    count: int,
    number: int,
    index: Index,
    barred: np.ndarray,
    repeat_words: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (count, number) of clips, and which of the clips (count,) are as they should be.

    Recordings of equal value in ``barred`` (recordings,) exclude each other in a clip.
    """
    if repeat_words:
        chosen = rng.integers(index.present, size=(count, number))
    else:
        chosen = rng.random((count, index.present)).argsort(axis=1)[:, :number]
    rows = index.pick(rng, chosen)
    solved = np.ones(count, bool)
    for place in range(1, number):
        open_clips = np.flatnonzero(solved)
        taken = barred[rows[:, :place]]
        for _ in range(_TRIES):
            now = barred[rows[open_clips, place]]
            open_clips = open_clips[(taken[open_clips] == now[:, np.newaxis]).any(axis=1)]
            if not open_clips.size:
                break
            rows[open_clips, place] = index.pick(rng, chosen[open_clips, place])
        solved[open_clips] = False
    return rows, solved


def _require_enough(barred: np.ndarray, number: int, kind: str) -> None:
    """Refuse what no number of attempts could solve."""
    there = np.unique(barred).size
    if there < number:
        raise DataError(
            f"clips of {number} words by different {kind} cannot be mixed of {there} {kind}; mix"
            f" fewer words{' or let speakers repeat' if kind == 'speakers' else ''}."
        )
