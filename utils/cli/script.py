"""What a task script tells the command line about itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.experiment import Job
from utils.inference import FilePredictor
from utils.report.results import Results
from utils.run import Run

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Script:
    """A task script: its name, which is also its default set, and what its modes do.

    Attributes:
        name: name without ``.py``.
        title: one line for ``--help``.
        folder: where task.yaml and the script lie.
        develop: trains, scores and reports one set.
        evaluate: the same, then trains on all development data and writes the submission.
        predict: tells what a model says about audio files, and writes it to a file.
        score: scores a file of answers without any model.
    """

    name: str
    title: str
    folder: Path
    develop: Callable[[Job, Run], Results]
    evaluate: Callable[[Job, Run], Results]
    predict: Callable[[FilePredictor, Sequence[Path], Path, "Console"], None]
    score: Callable[[Job, Path], None]
