"""Trainings of other runs that a run may take over: what differs comes after the training."""

import glob
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.files import read_json

STAGES = "stages.json"  # record of a folder's stages


@dataclass(frozen=True)
class Taken:
    """A finished training of another run.

    Attributes:
        folder: of that run, or of the same fold of it.
        entry: in its record.
        files: where it has what the training makes, by the names wanted.
    """

    folder: Path
    entry: dict[str, Any]
    files: dict[str, Path]

    def copy_to(self, folder: Path) -> None:
        """Copy the files.

        Raises:
            FileNotFoundError: when one has vanished.
        """
        for name, path in self.files.items():
            shutil.copyfile(path, folder / name)


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

    def trainings(
        self,
        stage: str,
        *,
        place: Path,
        inputs: str,
        makes: Sequence[str],
        known_as: Mapping[str, Sequence[str]],
    ) -> Iterator[Taken]:
        """Trainings whose files are all there.

        Args:
            stage: that they are recorded as.
            place: folder of the fold within that of the run.
            inputs: identity of the audio that is learnt from.
            makes: names of the files.
            known_as: names that a file may have in the other run, the likeliest first, where it
                is not its own.
        """
        # sets lie in the folder of runs, arms of a study one level below
        for level in ("*", "*/*"):
            for run in sorted(self.runs.glob(f"{level}/{glob.escape(self.prefix)}*")):
                folder = run / place
                entry = _entry(folder, stage)
                if entry.get("identity") != self.identity or entry["inputs"] != inputs:
                    continue
                there = {
                    name: [folder / other for other in known_as.get(name, (name,))]
                    for name in makes
                }
                files = {
                    name: path
                    for name, paths in there.items()
                    if (path := next((path for path in paths if path.exists()), None))
                }
                if len(files) == len(makes):
                    yield Taken(folder, entry, files)


def _entry(folder: Path, stage: str) -> dict[str, Any]:
    """What a folder's record says of a stage; nothing where it is not over."""
    record = folder / STAGES
    found: dict[str, Any] = read_json(record).get(stage, {}) if record.exists() else {}
    return found
