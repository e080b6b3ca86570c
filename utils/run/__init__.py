"""One run, one folder: what was asked, which stages are done, how long they took."""

from utils.run.earlier import STAGES, Earlier, record_of
from utils.run.folder import PARAMETERS, AllTrained, Run, as_yaml, open_run, run_folder
from utils.run.place import CHECKPOINT, DIVERGED, TRAINING, Place, Stage, summed_seconds
from utils.run.source import Source, commit, versions

__all__ = [
    "CHECKPOINT", "DIVERGED", "PARAMETERS", "STAGES", "TRAINING", "AllTrained", "Earlier", "Place",
    "Run", "Source", "Stage", "as_yaml", "commit", "open_run", "record_of", "run_folder",
    "summed_seconds", "versions",
]  # fmt: skip
