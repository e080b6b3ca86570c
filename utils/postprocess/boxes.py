"""Sound event bounding boxes from changes of the score (cSEBBs).

J. Ebbers, F. Germain, G. Wichern and J. Le Roux, Sound Event Bounding Boxes, Interspeech 2024
(arXiv 2406.04212). A threshold on frame scores decides at once whether there is an event and how
long it lasts: a lower threshold makes every event longer. A box has an extent of its own and one
score, so a threshold on boxes only chooses among them.

Written from a description of the method, without sight of its code, and not compared with it:
a step filter, its extrema as onsets and offsets, merging by an absolute and a relative threshold,
the mean frame score as confidence, all of it class by class. Details that the description leaves
open are decided here; :func:`boxes` marks them with "ours". So figures of the paper need not be
those of these boxes.
"""

import numpy as np
from numpy.typing import ArrayLike

from utils.errors import DataError
from utils.postprocess.frames import checked_scores, clip_ends, of_classes
from utils.postprocess.median import frames_of
from utils.postprocess.scored import ScoredEvents

UNIT = 2.0**40  # scores as integers: sums are exact, so that equal windows give equal changes


def boxes(
    scores: np.ndarray,
    *,
    edges: np.ndarray,
    lengths: ArrayLike,
    absolute: ArrayLike,
    relative: ArrayLike,
    seconds: ArrayLike | None = None,
) -> ScoredEvents:
    """Boxes of every clip and class.

    1. **Change** at each border of frames: the mean score of the ``length / 2`` frames after it
       less that of as many before it. Scores outside of the clip are 0 (ours), so an event may
       begin and end with its clip.
    2. **Candidates**: local maxima of the change that are positive are onsets, local minima that
       are negative are offsets; the border in the middle speaks for equal neighbours (ours). Of
       onsets with no offset between them the one with the largest change is kept, of offsets
       likewise (ours; of equal ones those that make the event longer). Onsets and offsets then
       alternate: event, gap, event ...
    3. **Merging**: two events with a gap between them become one where the mean score of the gap
       is close to that of both events: less than the larger one by ``absolute`` at most, and not
       below the ``relative``-th part of it. Both must hold, against the larger of the two (ours):
       a weak event behind a strong one is not added to it, and weak events far apart in ratio stay
       two. The gap that differs least goes first, the first of equals; means are taken anew after
       each, until no gap is left to merge (ours).
    4. **Confidence**: the mean score of the frames of the box, gaps that it swallowed included.

    There is no threshold: a class that is absent has boxes of low confidence, one whose scores are
    all 0 (less than 1e-12) has none. Boxes of a class are apart by a frame at least.

    Args:
        scores: from 0 to 1 (clips, frames, classes), without a median filter.
        edges: seconds (frames + 1,), see ``frames.frame_edges``.
        lengths: even numbers of frames of the step filter, both sides together (classes,), or one
            for all; see :func:`even_frames`.
        absolute: (classes,) or one for all, 0 or more; infinite leaves it to ``relative``.
        relative: (classes,) or one for all, 1 or more; infinite leaves it to ``absolute``.
        seconds: length of each clip (clips,), or one for all; None: the last edge. Frames that
            begin there or later are as outside of the clip.

    Raises:
        DataError: for a score that is NaN or not from 0 to 1.
        ValueError: for shapes that do not fit, odd lengths, or thresholds below their least value.
    """
    scores = checked_scores(scores)
    _require_probabilities(scores)
    edges, ends = clip_ends(scores.shape, edges=edges, seconds=seconds)
    clips, frames, classes = scores.shape
    widths = of_classes(lengths, classes, name="lengths of step filters", lowest=2)
    if not np.issubdtype(widths.dtype, np.integer) or np.any(widths % 2):
        raise ValueError(f"step filters have even numbers of frames, received {lengths!r}")
    absolute = of_classes(absolute, classes, name="absolute thresholds", lowest=0)
    relative = of_classes(relative, classes, name="relative thresholds", lowest=1)

    sums = np.zeros((clips, classes, frames + 1), dtype=np.int64)
    inside = edges[:-1] < ends[:, np.newaxis]
    kept = np.where(inside[:, :, np.newaxis], scores.astype(np.float64) * UNIT, 0.0)
    np.cumsum(np.moveaxis(np.rint(kept).astype(np.int64), 1, 2), axis=2, out=sums[:, :, 1:])
    changes = np.empty_like(sums)
    for width in np.unique(widths):
        which = np.flatnonzero(widths == width)
        changes[:, which] = _changes(sums[:, which], int(width) // 2)
    rows, first, last = _candidates(changes.reshape(clips * classes, frames + 1))
    rows, first, last = _merged(
        rows,
        first,
        last,
        sums=sums.reshape(clips * classes, frames + 1),
        absolute=np.tile(absolute, clips),
        relative=np.tile(relative, clips),
    )
    files, numbers = np.divmod(rows, max(classes, 1))
    sums = sums.reshape(clips * classes, frames + 1)
    return ScoredEvents(
        files=files,
        classes=numbers,
        onsets=edges[first],
        offsets=np.minimum(edges[last], ends[files]),
        scores=_means(sums, rows, first, last),
    )


def even_frames(seconds: ArrayLike, *, hop_seconds: float) -> np.ndarray:
    """Even numbers of frames nearest to lengths in seconds, at least 2; halfway goes up.

    Args:
        seconds: of any shape, 0 or more.
        hop_seconds: length of a frame.

    Returns:
        int64 of the same shape.

    Raises:
        ValueError: for a hop that is not positive, or a length below 0.
    """
    frames = frames_of(seconds, hop_seconds=hop_seconds)
    return 2 * np.maximum(np.floor(frames / 2 + 0.5), 1).astype(np.int64)


def _require_probabilities(scores: np.ndarray) -> None:
    """Refuse scores that are not from 0 to 1."""
    if scores.size and not (scores.min() >= 0.0 and scores.max() <= 1.0):
        raise DataError(
            f"scores lie between {scores.min():g} and {scores.max():g}; bounding boxes need "
            "probabilities from 0 to 1, so apply the sigmoid first"
        )


def _changes(sums: np.ndarray, half: int) -> np.ndarray:
    """Sum of the ``half`` scores after each border less that of the ``half`` before.

    Args:
        sums: running sums (clips, classes, frames + 1).
        half: frames on each side.

    Returns:
        Of the same shape; a division by ``half`` would make means of it.
    """
    borders = np.arange(sums.shape[2])
    after = np.minimum(borders + half, borders[-1])
    before = np.maximum(borders - half, 0)
    return sums[:, :, after] - 2 * sums + sums[:, :, before]


def _candidates(changes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events between onsets and offsets that alternate.

    Scores are not negative and 0 outside, so what changes first in a row is an onset, and an offset
    what changes last: after thinning there are as many of one as of the other.

    Args:
        changes: (rows, frames + 1).

    Returns:
        Row, border of the onset and border of the offset of each event (events,).
    """
    row, values, starts, stops = _plateaus(changes)
    opens = np.diff(row, prepend=-1) != 0
    closes = np.diff(row, append=-1) != 0
    before, after = np.diff(values, prepend=0), np.diff(values, append=0)
    onset = (values > 0) & (opens | (before > 0)) & (closes | (after < 0))
    offset = (values < 0) & (opens | (before < 0)) & (closes | (after > 0))
    found = np.flatnonzero(onset | offset)
    row, onset, sizes = row[found], onset[found], np.abs(values[found])
    starts, stops = starts[found], stops[found]
    borders = np.where(onset, (starts + stops) // 2, (starts + stops + 1) // 2)
    group = np.cumsum((np.diff(row, prepend=-1) != 0) | (np.diff(onset, prepend=False) != 0))
    order = np.lexsort((np.where(onset, borders, -borders), -sizes, group))
    best = order[np.diff(group[order], prepend=0) != 0]
    onset = onset[best]
    return row[best][onset], borders[best][onset], borders[best][~onset]


def _plateaus(
    changes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Runs of equal values in each row.

    Args:
        changes: (rows, borders).

    Returns:
        Row, value, first and last border of each run (runs,).
    """
    rows, borders = changes.shape
    begins = np.ones(changes.shape, dtype=np.bool_)
    begins[:, 1:] = changes[:, 1:] != changes[:, :-1]
    flat = np.flatnonzero(begins)
    row, starts = np.divmod(flat, borders)
    stops = np.append(flat[1:], rows * borders)[: len(flat)] - 1 - row * borders
    return row, changes.ravel()[flat], starts, stops


def _merged(
    rows: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    *,
    sums: np.ndarray,
    absolute: np.ndarray,
    relative: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events joined over gaps that do not stand out, one gap of each row in a round.

    Args:
        rows: row of each event, ascending (events,).
        first: border of its onset (events,).
        last: border of its offset (events,).
        sums: running sums of the scores (rows, frames + 1).
        absolute: largest difference that is merged (rows,).
        relative: largest ratio that is merged (rows,).

    Returns:
        The three of fewer events.
    """
    done = []
    while len(rows):
        pairs = np.flatnonzero(rows[1:] == rows[:-1])
        of = rows[pairs]
        means = _means(sums, rows, first, last)
        higher = np.maximum(means[pairs], means[pairs + 1])
        gaps = _means(sums, of, last[pairs], first[pairs + 1])
        merge = (higher - gaps <= absolute[of]) & (higher / relative[of] <= gaps)
        pairs, of, depths = pairs[merge], of[merge], (higher - gaps)[merge]
        order = np.lexsort((pairs, depths, of))
        chosen = pairs[order[np.diff(of[order], prepend=-1) != 0]]
        active = np.isin(rows, rows[chosen])
        done.append((rows[~active], first[~active], last[~active]))
        last = last.copy()
        last[chosen] = last[chosen + 1]
        active[chosen + 1] = False
        rows, first, last = rows[active], first[active], last[active]
    if not done:
        return rows, first, last
    rows, first, last = (np.concatenate(each) for each in zip(*done, strict=True))
    order = np.lexsort((first, rows))
    return rows[order], first[order], last[order]


def _means(sums: np.ndarray, rows: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Mean score of the frames between two borders of a row, for each event (events,)."""
    return (sums[rows, last] - sums[rows, first]) / (last - first) / UNIT
