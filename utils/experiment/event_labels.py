"""What a model hears in the user's own audio files: tables, label tracks and pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.datasets.base import Event
from utils.errors import AudioError, UserError
from utils.evaluation.event_files import write_detections, write_event_json, write_label_track
from utils.events import Events
from utils.experiment.labels import short_names
from utils.files import write_bytes
from utils.inference import FilePredictor
from utils.inference.event_files import EventFilePredictor, FoundEvents
from utils.report.plots_events import event_picture
from utils.report.tables import Column, Row, Table, show

if TYPE_CHECKING:
    from rich.console import Console


def detect_files(
    predictor: FilePredictor, files: Sequence[Path], output: Path, console: "Console"
) -> None:
    """Print the events of each file; write them as tables, label tracks and pictures.

    Args:
        predictor: a model of sound events.
        files: audio files of any length.
        output: folder for ``events.tsv`` and ``events.json`` of all files, and of each file a
            label track for Audacity (``.txt``) and a picture (``.png``).
        console: where to print.

    Raises:
        UserError: for files that cannot be used, after all others were searched.
    """
    detect = EventFilePredictor.of(predictor)
    found: dict[Path, FoundEvents] = {}
    problems = []
    for file in files:
        try:
            found[file] = detect(file)
        except AudioError as error:
            problems.append(str(error))
    if found:
        _write(found, predictor.classes, output)
        show(console, _table(found, predictor.classes))
        console.print(f"written to {output}", markup=False, soft_wrap=True)
    if problems:
        raise UserError("\n".join(problems))


def _write(found: dict[Path, FoundEvents], classes: Sequence[str], output: Path) -> None:
    """All tables, tracks and pictures."""
    names = short_names([str(file) for file in found])
    events = _together(list(found.values()), len(classes))
    write_detections(output / "events.tsv", events, files=names, classes=classes)
    write_event_json(output / "events.json", events, files=names, classes=classes)
    for number, (name, one) in enumerate(zip(names, found.values(), strict=True)):
        track = output / f"{name}.txt"
        write_label_track(track, events, file=number, classes=classes)
        labelled = [
            Event(classes[k], float(onset), float(offset))
            for k, onset, offset in zip(
                one.events.classes, one.events.onsets, one.events.offsets, strict=True
            )
        ]
        picture = event_picture(one.spectrogram, labelled, hop_seconds=one.hop_seconds, name=name)
        write_bytes(output / f"{name}.png", picture.png)


def _together(found: Sequence[FoundEvents], classes: int) -> Events:
    """Events of several files, by place of the file."""
    numbers = np.repeat(np.arange(len(found)), [len(one.events) for one in found])
    columns = [
        np.concatenate([getattr(one.events, name) for one in found])
        for name in ("classes", "onsets", "offsets")
    ]
    return Events.of(numbers, *columns, file_count=len(found), class_count=classes)


def _table(found: dict[Path, FoundEvents], classes: Sequence[str]) -> Table:
    columns = (
        Column("File", words=True), Column("Onset s"), Column("Offset s"),
        Column("Event", words=True),
    )  # fmt: skip
    rows = []
    for name, one in zip(short_names([str(file) for file in found]), found.values(), strict=True):
        events = one.events
        order = np.lexsort((events.offsets, events.onsets))
        rows += [
            Row((name, f"{events.onsets[k]:.2f}", f"{events.offsets[k]:.2f}",
                 classes[events.classes[k]]))
            for k in order
        ] or [Row((name, "", "", "nothing"))]  # fmt: skip
    return Table("Events", columns, tuple(rows))
