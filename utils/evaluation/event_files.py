"""What was detected, as files: the challenge's tables, JSON, and labels for Audacity."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from utils.events import Events
from utils.files import write_csv, write_json, write_text

COLUMNS = ("event_label", "onset", "offset", "filename")
DECIMALS = 6  # of seconds; more than any frame grid needs


def write_operating_points(
    folder: Path, tables: Mapping[float, Events], *, files: Sequence[str], classes: Sequence[str]
) -> None:
    """Write a detection table for each threshold, ``predictions_th_0.01.tsv`` and so on.

    ``event_answers.read_tables`` reads them, and so does whatever reads those of the challenge's
    baseline.

    Args:
        folder: where they are written; made if needed.
        tables: detections by threshold.
        files: names in the order of the file indices.
        classes: names in the order of the class indices.

    Raises:
        UserError: when a file cannot be written.
        ValueError: for thresholds that are the same in six digits.
    """
    names = {threshold: f"predictions_th_{threshold:.6g}.tsv" for threshold in tables}
    if len(set(names.values())) < len(names):
        raise ValueError(f"thresholds that differ in six digits are needed, received {list(names)}")
    for threshold, events in tables.items():
        write_detections(folder / names[threshold], events, files=files, classes=classes)


def write_detections(
    path: Path, events: Events, *, files: Sequence[str], classes: Sequence[str]
) -> None:
    """Write a table as the challenge asks for: event_label, onset, offset, filename; by tabs.

    Files without events have no row.

    Args:
        path: the file.
        events: what was detected.
        files: names in the order of the file indices.
        classes: names in the order of the class indices.

    Raises:
        UserError: when the file cannot be written.
    """
    rows = (
        (classes[events.classes[at]], onset, offset, files[events.files[at]])
        for at, onset, offset in _in_time(events)
    )
    write_csv(path, COLUMNS, rows, separator="\t")


def write_event_json(
    path: Path,
    events: Events,
    *,
    files: Sequence[str],
    classes: Sequence[str],
    scores: np.ndarray | None = None,
) -> None:
    """Write ``classes`` and ``files``: the events of each file, an empty list where there are none.

    Args:
        path: the file.
        events: what was detected.
        files: names in the order of the file indices.
        classes: names in the order of the class indices.
        scores: of each event (events,); None: not told.

    Raises:
        UserError: when the file cannot be written.
        ValueError: for another number of scores.
    """
    if scores is not None and len(scores) != len(events):
        raise ValueError(f"{len(events)} scores are needed, received {len(scores)}")
    found: dict[str, list[dict[str, object]]] = {file: [] for file in files}
    for at, onset, offset in _in_time(events):
        event = {"event_label": classes[events.classes[at]], "onset": onset, "offset": offset}
        score = {} if scores is None else {"score": float(scores[at])}
        found[files[events.files[at]]].append({**event, **score})
    write_json(path, {"classes": list(classes), "files": found})


def write_label_track(path: Path, events: Events, *, file: int, classes: Sequence[str]) -> None:
    """Write the events of one file as Audacity imports labels: onset, offset and label, by tabs.

    Args:
        path: the file, ``.txt``.
        events: what was detected.
        file: index of the file.
        classes: names in the order of the class indices.

    Raises:
        UserError: when the file cannot be written.
    """
    own = events.taken(events.files == file)
    lines = (
        f"{onset:.{DECIMALS}f}\t{offset:.{DECIMALS}f}\t{classes[own.classes[at]]}\n"
        for at, onset, offset in _in_time(own)
    )
    write_text(path, "".join(lines))


def _in_time(events: Events) -> Iterator[tuple[int, float, float]]:
    """Place, onset and offset of each event, file by file, in the order of time."""
    order = np.lexsort((events.classes, events.offsets, events.onsets, events.files))
    onsets, offsets = events.onsets.round(DECIMALS), events.offsets.round(DECIMALS)
    for at in order.tolist():
        yield at, float(onsets[at]), float(offsets[at])
