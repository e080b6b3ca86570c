"""What a model says about the user's own audio files."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.errors import AudioError, UserError
from utils.evaluation import Predictions, write_system_output
from utils.inference import FilePredictor, Predictor
from utils.report.tables import Column, Row, Table, show

if TYPE_CHECKING:
    from rich.console import Console


Write = Callable[[Path, Predictions, Sequence[str]], None]
"""Writes predictions of these classes to a file."""


def label_files(
    model: Predictor,
    files: Sequence[Path],
    output: Path,
    console: "Console",
    *,
    likeliest: int | None = None,
    write: Write = write_system_output,
) -> None:
    """Print label and probabilities of each file; write them as a table.

    Args:
        model: of clips.
        files: audio files of any length; one that is named twice is labelled once.
        output: where the table goes.
        console: where to print.
        likeliest: print so many of the likeliest classes, each with its probability; None prints
            the label and the probabilities of all classes.
        write: writes the table.

    Raises:
        UserError: for files that cannot be used, after all others were labelled.
    """
    predictor = FilePredictor.of(model)
    found: dict[str, np.ndarray] = {}
    problems = []
    for file in distinct(files):
        try:
            found[str(file)] = predictor(file)
        except AudioError as error:
            problems.append(str(error))
    if found:
        predictions = Predictions(tuple(found), np.stack(list(found.values())))
        show(
            console,
            _table(predictions, predictor.classes)
            if likeliest is None
            else _likeliest_table(predictions, predictor.classes, likeliest),
        )
        write(output, predictions, predictor.classes)
        console.print(f"written to {output}", markup=False, soft_wrap=True)
    if problems:
        raise UserError("\n".join(problems))


def _table(predictions: Predictions, classes: Sequence[str]) -> Table:
    columns = (Column("file", words=True), Column("label", words=True), *map(Column, classes))
    rows = zip(
        short_names(predictions.names),
        predictions.predicted,
        predictions.probabilities,
        strict=True,
    )
    return Table(
        "Predictions",
        columns,
        tuple(
            Row((name, classes[best], *(f"{value:.3f}" for value in probabilities)))
            for name, best, probabilities in rows
        ),
    )


def _likeliest_table(predictions: Predictions, classes: Sequence[str], number: int) -> Table:
    number = min(number, len(classes))
    columns = (Column("file", words=True), *(Column(str(n + 1), words=True) for n in range(number)))
    order = np.argsort(-predictions.probabilities, axis=1, kind="stable")[:, :number]
    return Table(
        "Likeliest",
        columns,
        tuple(
            Row((name, *(f"{classes[place]} {probabilities[place]:.3f}" for place in places)))
            for name, places, probabilities in zip(
                short_names(predictions.names), order, predictions.probabilities, strict=True
            )
        ),
    )


def distinct(files: Sequence[Path]) -> list[Path]:
    """Each file once, as it is first spelled: ``a.wav``, ``./a.wav`` and ``b/../a.wav`` are one."""
    first: dict[str, Path] = {}
    for file in files:
        first.setdefault(os.path.normpath(file.absolute()), file)
    return list(first.values())


def short_names(files: Sequence[str]) -> list[str]:
    """File names for people: without the folders that all have in common.

    Args:
        files: no two the same (:func:`distinct`).
    """
    paths = [Path(os.path.normpath(Path(name).absolute())) for name in files]
    if len(paths) == 1:
        return [paths[0].name]
    folder = os.path.commonpath(paths)
    return [path.relative_to(folder).as_posix() for path in paths]
