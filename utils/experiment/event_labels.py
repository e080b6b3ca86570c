"""What a model hears in the user's own audio files: tables, label tracks and pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.datasets.base import Event
from utils.errors import AudioError, UserError
from utils.evaluation.event_files import write_detections, write_event_json, write_label_track
from utils.events import Events
from utils.experiment.labels import distinct, short_names
from utils.files import write_bytes
from utils.inference import FilePredictor, Predictor
from utils.inference.event_files import EventFilePredictor, FoundEvents
from utils.report.plots_events import event_picture
from utils.report.tables import Column, Row, Table, show

if TYPE_CHECKING:
    from rich.console import Console


def detect_files(model: Predictor, files: Sequence[Path], output: Path, console: "Console") -> None:
    """Print the events of each file; write them as tables, label tracks and pictures.

    Args:
        model: of sound events.
        files: audio files of any length; one that is named twice is searched once.
        output: folder for ``events.tsv`` and ``events.json`` of all files, and of each file a
            label track for Audacity (``.txt``) and a picture (``.png``).
        console: where to print.

    Raises:
        UserError: for files that cannot be used, after all others were searched.
    """
    predictor = FilePredictor.of(model)
    detect, classes = EventFilePredictor.of(predictor), predictor.classes
    found: dict[str, Events] = {}
    problems = []
    files = distinct(files)
    for file, name in zip(files, short_names([str(file) for file in files]), strict=True):
        try:
            heard = detect(file)
        except AudioError as error:
            problems.append(str(error))
            continue
        found[name] = heard.events
        _write_one(output / name, heard, classes)
    if found:
        together, names = _together(list(found.values()), len(classes)), list(found)
        write_detections(output / "events.tsv", together, files=names, classes=classes)
        write_event_json(output / "events.json", together, files=names, classes=classes)
        show(console, _table(found, classes))
        console.print(f"written to {output}", markup=False, soft_wrap=True)
    if problems:
        raise UserError("\n".join(problems))


def _write_one(path: Path, heard: FoundEvents, classes: Sequence[str]) -> None:
    """Label track and picture of a file, named by it."""
    events = heard.events
    write_label_track(path.with_name(f"{path.name}.txt"), events, file=0, classes=classes)
    labelled = [
        Event(classes[k], float(onset), float(offset))
        for k, onset, offset in zip(events.classes, events.onsets, events.offsets, strict=True)
    ]
    picture = event_picture(
        heard.spectrogram, labelled, hop_seconds=heard.hop_seconds, name=path.name
    )
    write_bytes(path.with_name(f"{path.name}.png"), picture.png)


def _together(found: Sequence[Events], classes: int) -> Events:
    """Events of several files, by place of the file."""
    numbers = np.repeat(np.arange(len(found)), [len(events) for events in found])
    columns = [
        np.concatenate([getattr(events, name) for events in found])
        for name in ("classes", "onsets", "offsets")
    ]
    return Events.of(numbers, *columns, file_count=len(found), class_count=classes)


def _table(found: dict[str, Events], classes: Sequence[str]) -> Table:
    columns = (
        Column("File", words=True), Column("Onset s"), Column("Offset s"),
        Column("Event", words=True),
    )  # fmt: skip
    rows = []
    for name, events in found.items():
        order = np.lexsort((events.offsets, events.onsets))
        rows += [
            Row((name, f"{events.onsets[k]:.2f}", f"{events.offsets[k]:.2f}",
                 classes[events.classes[k]]))
            for k in order
        ] or [Row((name, "", "", "nothing"))]  # fmt: skip
    return Table("Events", columns, tuple(rows))
