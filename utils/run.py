"""One run, one folder: what was asked, which stages are done, how long they took."""

import fcntl
import importlib.metadata
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from utils.errors import UserError
from utils.files import digest, read_json, write_json, write_text, writing

if TYPE_CHECKING:
    from rich.console import Console

PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "librosa", "soundfile", "soxr", "numpy",
            "scipy", "sed_eval", "scikit-learn")  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """What a stage's block is told: whether there is work, or files of an earlier run serve."""

    needed: bool


@dataclass
class Run:
    """A run folder and the record of its stages.

    Attributes:
        folder: where this run's files lie.
        console: where headings and tables are printed.
        data: name of the data set; ``demo`` on generated data.
        identity: identity of the data set, independent of where it lies.
        seed: seed of weights, order and augmentation.
        tensorboard: whether training writes TensorBoard logs.
    """

    folder: Path
    console: "Console"
    data: str
    identity: str
    seed: int
    tensorboard: bool = False
    _lock: TextIO | None = field(default=None, repr=False)

    @property
    def is_demo(self) -> bool:
        """Whether the audio was generated rather than recorded."""
        return self.data == "demo"

    def say(self, text: str) -> None:
        """Print a line and keep it, with the time, in the run's log."""
        self.console.print(text, highlight=False, soft_wrap=True)
        self.log(text)

    def log(self, text: str) -> None:
        """Keep a line, with the time, in the run's log alone."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        path = self.folder / "log.txt"
        with writing(path), path.open("a", encoding="utf-8") as stream:
            stream.write(f"{stamp} {text}\n")

    def place(self, name: str, *, alone: bool) -> "Place":
        """Folder and record of one fold: the run's own folder if alone, else a sub-folder."""
        return Place(run=self, folder=self.folder if alone else self.folder / name)

    def __enter__(self) -> "Run":
        """Use the run in a ``with`` block."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Let another process use the folder."""
        if self._lock is not None:
            self._lock.close()


@dataclass
class Place:
    """A folder with stages: a stage whose files are there is not done again.

    Once a stage of a place had work to do, all later stages have too, since their input changed.
    """

    run: Run
    folder: Path
    _changed: bool = field(default=False, repr=False)

    @property
    def record(self) -> dict[str, float]:
        """Seconds of each finished stage, in order."""
        path = self.folder / "stages.json"
        return read_json(path) if path.exists() else {}

    @contextmanager
    def stage(self, name: str, *, makes: Sequence[str] = ()) -> Iterator[Stage]:
        """Open a stage: print its heading, time it, record it when it ended well.

        Args:
            name: heading and key of the record.
            makes: names of files that the stage leaves in the folder. With none given the stage
                keeps its own cache and is entered every time.

        Yields:
            ``Stage(needed=...)``: whether the work has to be done.
        """
        made = all((self.folder / file).exists() for file in makes)
        needed = self._changed or not makes or name not in self.record or not made
        heading = name if self.folder == self.run.folder else f"{self.folder.name}: {name}"
        if needed:
            self.run.say(f"[bold]{heading}[/bold]")
        start = time.monotonic()
        yield Stage(needed=needed)
        if not needed:
            self.run.say(f"[bold]{heading}[/bold] [dim]reused[/dim]")
            return
        self._changed = self._changed or bool(makes)
        seconds = round(time.monotonic() - start, 3)
        write_json(self.folder / "stages.json", {**self.record, name: seconds})
        self.run.log(f"{heading} took {seconds:.1f} s")


def open_run(
    *,
    runs: Path,
    set_id: str,
    parameters: dict[str, Any],
    data: str,
    identity: str,
    seed: int,
    console: "Console",
    overwrite: bool = False,
    tensorboard: bool = False,
) -> Run:
    """Open the folder of a run, or make it: ``<runs>/<set_id>/<data>-<seed>-<hash>``.

    Args:
        runs: folder of all runs.
        set_id: the parameter set.
        parameters: the set as resolved, written to ``parameters.yaml``; with ``identity`` it
            determines the hash, so that other parameters or other audio never share a folder.
        data: name of the data set, ``demo`` for generated audio.
        identity: identity of the data set.
        seed: the run's seed.
        console: where to print.
        overwrite: delete what an earlier run left here.
        tensorboard: whether training writes TensorBoard logs.

    Raises:
        UserError: when the folder cannot be written or another process runs in it.
    """
    import yaml

    folder = runs / set_id / f"{data}-{seed}-{digest([parameters, identity])}"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise UserError(
            f"{folder}: another process runs in this folder; wait for it to end, or stop it."
        ) from error
    if overwrite:
        _empty(folder)
    write_text(
        folder / "parameters.yaml",
        yaml.safe_dump(parameters, sort_keys=False, allow_unicode=True, width=100),
    )
    _link_latest(folder)
    return Run(folder, console, data, identity, seed, tensorboard, lock)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != ".lock":
            entry.unlink()


def _link_latest(folder: Path) -> None:
    beside = folder.with_name(f".latest.{folder.name}")
    with writing(folder.parent / "latest"):
        beside.unlink(missing_ok=True)
        beside.symlink_to(folder.name)
        beside.replace(folder.parent / "latest")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit(folder: Path) -> str:
    """Commit of the code in ``folder``, with ``+changes`` where files differ; empty without git."""
    try:
        head = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{head}+changes" if changed else head


def _git(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()
