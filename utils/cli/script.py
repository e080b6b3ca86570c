"""What a task script tells the command line about itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.experiment import Job
from utils.inference import FilePredictor
from utils.report.results import Results


@dataclass(frozen=True)
class Script:
    """A task script: its name, which is also its default set, and what its modes do.

    Attributes:
        name: name without ``.py``.
        title: one line for ``--help``.
        folder: where task.yaml and the script lie.
        develop: trains, scores and reports one set.
        evaluate: trains on all development data and writes the challenge's submission; the path
            is that of ``-o``.
        predict: tells what a model says about audio files, and writes it to the path of ``-o``.
        score: scores a file of answers without any model.
    """

    name: str
    title: str
    folder: Path
    develop: Callable[[Job], Results]
    evaluate: Callable[[Job, Path | None], None]
    predict: Callable[[FilePredictor, Sequence[Path], Path | None], None]
    score: Callable[[Job, Path], None]
