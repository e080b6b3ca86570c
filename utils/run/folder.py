"""One run, one folder: what was asked, what it prints, and one process at a time."""

import fcntl
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from utils.errors import UserError
from utils.files import digest, write_text, writing
from utils.run.earlier import Earlier
from utils.run.place import Place
from utils.run.source import Source

if TYPE_CHECKING:
    from rich.console import Console

PARAMETERS = "parameters.yaml"  # in the folder of a run
_LOCK_SECONDS = 3.0  # that a folder is waited for: what ran in it may be about to end
_LOOK_SECONDS = 0.1  # between two tries


class AllTrained(BaseException):
    """Ends a run that goes no further than its trainings; no error."""


@dataclass
class Run:
    """A run folder and the record of its stages.

    Attributes:
        folder: where this run's files lie.
        console: where headings and tables are printed.
        data: name of the data set; ``demo`` on generated data.
        identity: identity of the data set, independent of where it lies.
        source: commit of the code and versions that it runs with.
        tensorboard: whether training writes TensorBoard logs.
        trainings: number of them after which the run ends; None: it goes on to its report.
        earlier: trainings of other runs that would come out the same.
        anew: whether it trains all the same.
    """

    folder: Path
    console: "Console"
    data: str
    identity: str
    source: Source
    tensorboard: bool = False
    _lock: TextIO | None = field(default=None, repr=False)
    trainings: int | None = None
    earlier: Earlier | None = None
    anew: bool = False
    _trained: set[Path] = field(default_factory=set, repr=False)

    @property
    def is_demo(self) -> bool:
        """Whether the audio was generated rather than recorded."""
        return self.data == "demo"

    @property
    def parameters_yaml(self) -> str:
        """The set as resolved, as ``parameters.yaml`` holds it."""
        return (self.folder / PARAMETERS).read_text(encoding="utf-8")

    def say(self, text: str, style: str | None = None) -> None:
        """Print a line as it is and keep it, with the time, in the run's log."""
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        self.log(text)

    def log(self, text: str) -> None:
        """Keep a line, with the time, in the run's log alone."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        path = self.folder / "log.txt"
        with writing(path), path.open("a", encoding="utf-8") as stream:
            stream.write(f"{stamp} {text}\n")

    def place(self, name: str = "") -> Place:
        """Folder and record of stages: the run's own, or a sub-folder's."""
        return Place(run=self, folder=self.folder / name)

    def withdraw(self, name: str) -> None:
        """Remove what an earlier ``-m eval`` wrote: the scores beside it would not be its own."""
        path = self.folder / name
        if path.exists():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            self.say(f"removed: {path}, of an earlier -m eval; run it again to have it.")

    def make_latest(self) -> None:
        """Let the link ``latest`` beside the folder point to this run, if it goes to its report."""
        if self.trainings is not None:
            return
        beside = self.folder.with_name(f".latest.{self.folder.name}")
        link = self.folder.with_name("latest")
        with writing(link):
            beside.unlink(missing_ok=True)
            beside.symlink_to(self.folder.name)
            beside.replace(link)

    def count_training(self, folder: Path) -> None:
        """Take note that the training of a folder is over.

        Raises:
            AllTrained: when it was the last one, and the run goes no further.
        """
        self._trained.add(folder)
        if self.trainings is not None and len(self._trained) >= self.trainings:
            raise AllTrained

    def __enter__(self) -> "Run":
        """Use the run in a ``with`` block."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Let another process use the folder."""
        if self._lock is not None:
            self._lock.close()


def run_folder(
    runs: Path,
    set_id: str,
    *,
    determining: dict[str, Any],
    data: str,
    identity: str,
    seed: int,
) -> Path:
    """Folder of a run, made or not: ``<runs>/<set_id>/<data>-<seed>-<hash>``.

    Args:
        runs: folder of all runs.
        set_id: the parameter set.
        determining: those of its parameters that determine the model; with ``identity`` they make
            the hash, so that other parameters or other audio never share a folder.
        data: name of the data set, ``demo`` for generated audio.
        identity: identity of the data set.
        seed: the run's seed.
    """
    return runs / set_id / f"{data}-{seed}-{digest([determining, identity])}"


def open_run(
    folder: Path,
    *,
    parameters: dict[str, Any],
    data: str,
    identity: str,
    source: Source,
    console: "Console",
    overwrite: bool = False,
    tensorboard: bool = False,
    trainings: int | None = None,
    earlier: Earlier | None = None,
    busy: str = "runs in this folder",
) -> Run:
    """Open the folder of a run, or make it.

    Args:
        folder: of :func:`run_folder`, or of a study.
        parameters: the set as resolved, written to ``parameters.yaml``.
        data: name of the data set, ``demo`` for generated audio.
        identity: identity of the data set.
        source: commit and versions of what runs.
        console: where to print.
        overwrite: delete what an earlier run left here.
        tensorboard: whether training writes TensorBoard logs.
        trainings: number of them after which the run ends; None: it goes on to its report.
        earlier: trainings of other runs that would come out the same; they are taken over, unless
            ``overwrite`` or ``tensorboard`` asks for one of its own.
        busy: what another process does that has the folder, for the message.

    Raises:
        UserError: when the folder cannot be written or another process has it.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a+", encoding="utf-8")
    try:
        _take(lock)
    except OSError as error:
        lock.close()
        raise UserError(
            f"{folder}: cannot be locked ({error.strerror}): another process {busy}; wait for it "
            "to end, or stop it."
        ) from error
    if overwrite:
        _empty(folder)
    write_text(folder / PARAMETERS, as_yaml(parameters))
    return Run(
        folder, console, data, identity, source, tensorboard, lock, trainings, earlier,
        anew=overwrite or tensorboard,
    )  # fmt: skip


def _take(lock: TextIO) -> None:
    """Lock a file for this process alone, after some seconds at most.

    Raises:
        OSError: when another process has it still.
    """
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(_LOOK_SECONDS)
        else:
            return


def as_yaml(content: Any) -> str:
    """Plain data as YAML, keys in the given order."""
    import yaml

    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100))


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != ".lock":
            entry.unlink()
