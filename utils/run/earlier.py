"""Trainings of other runs that a run may take over: what differs comes after the training."""

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.files import read_json

STAGES = "stages.json"  # record of a folder's stages


@dataclass(frozen=True)
class Taken:
    """A finished training of another run.

    Attributes:
        folder: of that run, or of the same fold of it.
        entry: in its record; ``makes`` are its files, in the order in which every run names them.
    """

    folder: Path
    entry: dict[str, Any]

    def read(self) -> list[bytes] | None:
        """Contents of its files; None where one is gone or cannot be read."""
        try:
            return [(self.folder / name).read_bytes() for name in self.entry["makes"]]
        except OSError:
            return None


@dataclass(frozen=True)
class Earlier:
    """Where to look for trainings that would come out the same.

    Attributes:
        runs: folder of all runs.
        prefix: of the names of run folders: data and seed.
        identity: of all that decides the training.
    """

    runs: Path
    prefix: str
    identity: str

    def trainings(self, stage: str, *, own: Path, place: Path, inputs: str) -> Iterator[Taken]:
        """Trainings of other runs that are over.

        Args:
            stage: that they are recorded as.
            own: folder of the run that looks for them.
            place: folder of the fold within that of a run.
            inputs: identity of the audio that is learnt from.
        """
        # sets lie in the folder of runs, arms of a study one level below
        for level in ("*", "*/*"):
            for run in sorted(self.runs.glob(f"{level}/{glob.escape(self.prefix)}*")):
                entry = _entry(run / place, stage)
                alike = entry.get("identity") == self.identity and entry["inputs"] == inputs
                if alike and run != own:
                    yield Taken(run / place, entry)


def record_of(folder: Path) -> dict[str, dict[str, Any]]:
    """What a folder's record says of each finished stage, in order; nothing where there is none.

    Raises:
        UserError: for a record that is no JSON.
    """
    path = folder / STAGES
    return read_json(path) if path.exists() else {}


def _entry(folder: Path, stage: str) -> dict[str, Any]:
    """What the record of another run says of a stage; nothing where that is not over."""
    try:
        return record_of(folder).get(stage, {})
    except UserError:  # that run will tell of its record itself
        return {}
