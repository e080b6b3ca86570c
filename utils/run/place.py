"""Stages of a run or of one of its folds: each is done once, timed and recorded."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.files import write_bytes, write_json
from utils.run.earlier import STAGES, record_of

if TYPE_CHECKING:
    from utils.run.folder import Run

TRAINING = "training"  # name of the stage
CHECKPOINT = "checkpoint.npz"
"""In the folder of a training that is under way, or was: its state."""
DIVERGED = "diverged.json"
"""In the folder of a training whose loss is no number any more: the epoch, what the loss was."""


@dataclass
class Stage:
    """What a stage's block is told, and what it tells.

    Attributes:
        needed: whether there is work, or files of an earlier run serve.
        earlier_seconds: time that processes before this one spent on the stage, set by the block.
    """

    needed: bool
    earlier_seconds: float = 0.0


@dataclass
class Place:
    """A folder with stages: a stage whose files are there is not done again.

    ``stages.json`` holds what is done, in order. Before a stage makes files anew, its entry and
    those of all later stages are taken out: they rest on what is about to change.
    """

    run: "Run"
    folder: Path

    @property
    def record(self) -> dict[str, dict[str, Any]]:
        """For each finished stage, in order: seconds, inputs, and the source that made it."""
        return record_of(self.folder)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each finished stage."""
        return {name: entry["seconds"] for name, entry in self.record.items()}

    @property
    def origins(self) -> tuple[str, ...]:
        """A note for each stage that another run, other code or other versions of packages made."""
        now, notes = asdict(self.run.source), []
        for name, entry in self.record.items():
            if "from" in entry:
                notes.append(
                    f"stage {name} is that of {entry['from']}, whose settings are the same up to "
                    "there; --overwrite makes it anew."
                )
            if entry["source"] != now:
                commit = entry["source"]["commit"] or "unknown"
                notes.append(
                    f"stage {name} was made by commit {commit}, maybe with other package versions; "
                    "--overwrite makes it anew."
                )
        return tuple(notes)

    @property
    def tensorboard(self) -> Path | None:
        """Folder of TensorBoard logs; None where none are wanted."""
        return self.folder / "tensorboard" if self.run.tensorboard else None

    @contextmanager
    def stage(self, name: str, *, makes: Sequence[str] = (), inputs: str = "") -> Iterator[Stage]:
        """Open a stage: print its heading, time it, record it when it ended well.

        Args:
            name: heading and key of the record.
            makes: names of files that the stage leaves in the folder. With none given the stage
                keeps its own cache and is entered every time.
            inputs: identity of what the files are made from, if it can change while the run folder
                stays the same (the audio behind the features).

        Yields:
            ``Stage(needed=...)``: whether the work has to be done.
        """
        record, needed = self.record, not self._is_done(name, makes, inputs)
        heading = self._heading(name)
        self.run.say(heading if needed else f"{heading} (reused)", style="bold" if needed else None)
        if needed and makes:
            record = self._before(name)
            self._write(record)
        stage = Stage(needed=needed)
        start = time.monotonic()
        yield stage
        if needed:
            seconds = round(time.monotonic() - start + stage.earlier_seconds, 3)
            if not makes:  # found in its cache, the stage took its time at an earlier start
                seconds = max(seconds, record.get(name, {}).get("seconds", 0.0))
            entry: dict[str, Any] = {
                "seconds": seconds,
                "inputs": inputs,
                "source": asdict(self.run.source),
            }
            if name == TRAINING and self.run.earlier is not None:
                entry |= {"identity": self.run.earlier.identity, "makes": list(makes)}
            self._write({**record, name: entry})
            self.run.log(f"{heading} took {seconds:.1f} s")

    @contextmanager
    def training(self, *, makes: Sequence[str], inputs: str) -> Iterator[Stage]:
        """Open the stage ``training``; where another run has trained the same, take that over.

        A training that is under way goes on all the same.

        Args:
            makes: names of files that the stage leaves in the folder; they may be others in another
                run, in the same order.
            inputs: identity of the audio that is learnt from.

        Yields:
            ``Stage(needed=...)``: whether the work has to be done.

        Raises:
            AllTrained: when this was the last training, and the run goes no further.
        """
        of_its_own = self.run.anew or (self.folder / CHECKPOINT).exists()
        if not of_its_own and not self._is_done(TRAINING, makes, inputs):
            self._take_over(makes, inputs)
        with self.stage(TRAINING, makes=makes, inputs=inputs) as stage:
            yield stage
        self.run.count_training(self.folder)

    def _take_over(self, makes: Sequence[str], inputs: str) -> None:
        earlier, own = self.run.earlier, self.run.folder
        if earlier is None:
            return
        place = self.folder.relative_to(own)
        for taken in earlier.trainings(TRAINING, own=own, place=place, inputs=inputs):
            contents = taken.read()
            if contents is None or len(contents) != len(makes):
                continue
            record = self._before(TRAINING)
            self._write(record)
            for name, content in zip(makes, contents, strict=True):
                write_bytes(self.folder / name, content)
            (self.folder / DIVERGED).unlink(missing_ok=True)
            where = taken.folder.relative_to(earlier.runs).as_posix()
            self._write({**record, TRAINING: {"from": where, **taken.entry, "makes": list(makes)}})
            self.run.say(f"{self._heading(TRAINING)} as in {where}")
            return

    def _heading(self, name: str) -> str:
        return name if self.folder == self.run.folder else f"{self.folder.name}: {name}"

    def _is_done(self, name: str, makes: Sequence[str], inputs: str) -> bool:
        """Whether a stage is recorded with these inputs and has left its files."""
        done = self.record.get(name, {}).get("inputs") == inputs
        return bool(makes) and done and all((self.folder / file).exists() for file in makes)

    def _before(self, name: str) -> dict[str, dict[str, Any]]:
        """The record up to a stage."""
        record, names = self.record, list(self.record)
        kept = names[: names.index(name)] if name in names else names
        return {earlier: record[earlier] for earlier in kept}

    def _write(self, record: dict[str, dict[str, Any]]) -> None:
        write_json(self.folder / STAGES, record)


def summed_seconds(records: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Seconds of each stage, summed over folds or runs."""
    seconds: dict[str, float] = {}
    for record in records:
        for stage, value in record.items():
            seconds[stage] = round(seconds.get(stage, 0.0) + value, 3)
    return seconds
