"""What a model says about the user's own audio files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.errors import AudioError, UserError
from utils.evaluation import Predictions, write_system_output
from utils.inference import FilePredictor
from utils.report.tables import Column, Row, Table, show

if TYPE_CHECKING:
    from rich.console import Console


def label_files(
    predictor: FilePredictor, files: Sequence[Path], output: Path, console: "Console"
) -> None:
    """Print label and probabilities of each file; write them as a table.

    Args:
        predictor: a model of clips.
        files: audio files of any length.
        output: where the table goes.
        console: where to print.

    Raises:
        UserError: for files that cannot be used, after all others were labelled.
    """
    found: dict[str, np.ndarray] = {}
    problems = []
    for file in files:
        try:
            found[str(file)] = predictor(file)
        except AudioError as error:
            problems.append(str(error))
    if found:
        predictions = Predictions(tuple(found), np.stack(list(found.values())))
        show(console, _table(predictions, predictor.classes))
        write_system_output(output, predictions, predictor.classes)
        console.print(f"written to {output}", markup=False, soft_wrap=True)
    if problems:
        raise UserError("\n".join(problems))


def _table(predictions: Predictions, classes: Sequence[str]) -> Table:
    columns = (Column("file", words=True), Column("label", words=True), *map(Column, classes))
    names = [Path(name).name for name in predictions.names]
    if len(set(names)) < len(names):
        names = list(predictions.names)
    rows = zip(names, predictions.predicted, predictions.probabilities, strict=True)
    return Table(
        "Predictions",
        columns,
        tuple(
            Row((name, classes[best], *(f"{value:.3f}" for value in probabilities)))
            for name, best, probabilities in rows
        ),
    )
