"""Frames and seconds: edges of frames, and runs of active frames as events."""

import numpy as np
from numpy.typing import ArrayLike

from utils.errors import DataError
from utils.events import Events

EPSILON = 1e-9  # seconds or frames by which rounding may be off; no frame is that short


def frame_edges(frames: int, *, hop_seconds: float, seconds: float | None = None) -> np.ndarray:
    """Where frames begin and end, as the DCASE 2021 task 4 baseline decodes them.

    Frame k lasts from ``k * hop_seconds`` to ``(k + 1) * hop_seconds``, clipped to the clip.

    Args:
        frames: how many there are.
        hop_seconds: length of a frame of scores (of the 2021 grid 4 * 256 / 16000 = 0.064).
        seconds: length of the clips; None: that of the frames. Frames that begin there or later
            get length 0 and are never active.

    Returns:
        Seconds, float64 (frames + 1,), not descending.

    Raises:
        ValueError: for a negative count, or a hop or length that is not positive.
    """
    if frames < 0 or not hop_seconds > 0 or not (seconds is None or seconds > 0):
        raise ValueError(
            "frames >= 0, a positive hop and a positive length are needed, "
            f"received {frames}, {hop_seconds}, {seconds}"
        )
    edges = np.arange(frames + 1) * float(hop_seconds)
    return edges if seconds is None else np.minimum(edges, seconds)


def to_events(active: np.ndarray, *, edges: np.ndarray, seconds: ArrayLike | None = None) -> Events:
    """Runs of active frames as events.

    Frames that begin at the end of their clip or later are padding and inactive; an event ends no
    later than its clip. Two events of a class are apart by a frame at least.

    Args:
        active: bool (clips, frames, classes).
        edges: seconds (frames + 1,), see :func:`frame_edges`.
        seconds: length of each clip (clips,), or one length for all; None: the last edge.

    Returns:
        Events of all clips; ``files`` are indices of clips.

    Raises:
        ValueError: for shapes or kinds that do not fit.
    """
    active = np.asarray(active)
    if active.dtype != np.bool_:
        raise ValueError(f"active frames are bool, received {active.dtype}")
    edges, ends = clip_ends(active.shape, edges=edges, seconds=seconds)
    clips, frames, classes = active.shape
    # class by class in one row, an inactive frame before each clip and one at the very end
    row = np.zeros(clips * classes * (frames + 1) + 1, dtype=np.bool_)
    inside = edges[:-1] < ends[:, np.newaxis]
    kept = row[:-1].reshape(clips, classes, frames + 1)[:, :, 1:]
    np.logical_and(np.moveaxis(active, 1, 2), inside[:, np.newaxis, :], out=kept)
    changes = np.flatnonzero(row[1:] != row[:-1])  # at which runs begin and end in turn
    lines, first = np.divmod(changes[::2], frames + 1)
    last = changes[1::2] - lines * (frames + 1)
    files, numbers = np.divmod(lines, max(classes, 1))
    return Events(files, numbers, edges[first], np.minimum(edges[last], ends[files]))


def clip_ends(
    shape: tuple[int, ...], *, edges: np.ndarray, seconds: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray]:
    """Edges of frames and the end of each clip, checked against the shape of what they belong to.

    Args:
        shape: (clips, frames, classes).
        edges: seconds (frames + 1,), not descending.
        seconds: length of each clip (clips,), or one length for all; None: the last edge.

    Returns:
        Edges (frames + 1,) and the seconds at which each clip ends, no later than the last edge
        (clips,); float64.

    Raises:
        ValueError: for shapes that do not fit, edges that descend, or lengths that are no numbers.
    """
    edges = np.asarray(edges, dtype=np.float64)
    if len(shape) != 3 or edges.shape != (shape[1] + 1,) or not np.all(np.diff(edges) >= 0):
        raise ValueError(
            "frames of shape (clips, frames, classes) and their edges (frames + 1,), in seconds "
            f"and in order, are needed, received {shape} and {edges.shape}"
        )
    lengths = np.asarray(edges[-1] if seconds is None else seconds, dtype=np.float64)
    if lengths.shape not in ((), shape[:1]) or np.isnan(lengths).any():
        raise ValueError(f"seconds of {shape[0]} clips are needed, received {lengths.shape}")
    return edges, np.minimum(np.broadcast_to(lengths, shape[:1]), edges[-1])


def checked_scores(scores: np.ndarray) -> np.ndarray:
    """Scores as they are in float32 or float64, any other kind as float64.

    Args:
        scores: (clips, frames, classes).

    Raises:
        DataError: for a score that is NaN or infinite.
        ValueError: for another number of axes.
    """
    scores = np.asarray(scores)
    if scores.dtype not in (np.float32, np.float64):
        scores = scores.astype(np.float64)
    if scores.ndim != 3:
        raise ValueError(f"scores (clips, frames, classes) are needed, received {scores.shape}")
    finite = np.isfinite(scores)
    if not finite.all():
        clip, frame, number = np.argwhere(~finite)[0]
        raise DataError(
            f"the score of clip {clip}, frame {frame}, class {number} is "
            f"{scores[clip, frame, number]}; scores must be finite numbers, so predict with a "
            "network whose training has not diverged"
        )
    return scores


def of_classes(values: ArrayLike, classes: int, *, name: str, lowest: float) -> np.ndarray:
    """One value for each class, from one for all or one for each.

    Args:
        values: a number, or (classes,).
        classes: how many there are.
        name: what the values are, for the message.
        lowest: the least value that is allowed.

    Returns:
        (classes,), of the values' own kind.

    Raises:
        ValueError: for another shape, a value below ``lowest``, or one that is NaN.
    """
    each = np.asarray(values)
    if each.shape not in ((), (classes,)) or not np.all(each >= lowest):
        raise ValueError(
            f"{name}: one number of at least {lowest:g}, or one for each of {classes} classes, "
            f"is needed, received {values!r}"
        )
    return np.broadcast_to(each, (classes,))
