"""One run, one folder: what was asked, which stages are done, how long they took."""

import fcntl
import importlib.metadata
import platform
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from utils.errors import UserError
from utils.files import digest, read_json, write_json, write_text, writing

if TYPE_CHECKING:
    from rich.console import Console

PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "librosa", "soundfile", "soxr", "numpy",
            "scipy", "sed_eval", "scikit-learn")  # fmt: skip
PARAMETERS = "parameters.yaml"  # in the folder of a run
TRAINING = "training"  # name of the stage
_LOCK_SECONDS = 3.0  # that a folder is waited for: what ran in it may be about to end
_LOOK_SECONDS = 0.1  # between two tries


class AllTrained(BaseException):
    """Ends a run that goes no further than its trainings; no error."""


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
    """

    folder: Path
    console: "Console"
    data: str
    identity: str
    source: "Source"
    tensorboard: bool = False
    _lock: TextIO | None = field(default=None, repr=False)
    trainings: int | None = None
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

    def place(self, name: str = "") -> "Place":
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


@dataclass
class Place:
    """A folder with stages: a stage whose files are there is not done again.

    ``stages.json`` holds what is done, in order. Before a stage makes files anew, its entry and
    those of all later stages are taken out: they rest on what is about to change.
    """

    run: Run
    folder: Path

    @property
    def record(self) -> dict[str, dict[str, Any]]:
        """For each finished stage, in order: seconds, inputs, and the source that made it."""
        path = self.folder / "stages.json"
        return read_json(path) if path.exists() else {}

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each finished stage."""
        return {name: entry["seconds"] for name, entry in self.record.items()}

    @property
    def other_sources(self) -> tuple[str, ...]:
        """A note for each stage that other code, or other versions of packages, made."""
        now = asdict(self.run.source)
        return tuple(
            f"stage {name} was made by commit {entry['source']['commit'] or 'unknown'}, maybe with "
            "other package versions; --overwrite makes it anew."
            for name, entry in self.record.items()
            if entry["source"] != now
        )

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
        record = self.record
        done = record.get(name, {}).get("inputs") == inputs
        needed = not (makes and done and all((self.folder / file).exists() for file in makes))
        heading = name if self.folder == self.run.folder else f"{self.folder.name}: {name}"
        self.run.say(heading if needed else f"{heading} (reused)", style="bold" if needed else None)
        if needed and makes:
            names = list(record)
            kept = names[: names.index(name)] if name in names else names
            record = {earlier: record[earlier] for earlier in kept}
            self._write(record)
        stage = Stage(needed=needed)
        start = time.monotonic()
        yield stage
        if needed:
            seconds = round(time.monotonic() - start + stage.earlier_seconds, 3)
            if not makes:  # found in its cache, the stage took its time at an earlier start
                seconds = max(seconds, record.get(name, {}).get("seconds", 0.0))
            entry = {"seconds": seconds, "inputs": inputs, "source": asdict(self.run.source)}
            self._write({**record, name: entry})
            self.run.log(f"{heading} took {seconds:.1f} s")
        if name == TRAINING:
            self.run.count_training(self.folder)

    def _write(self, record: dict[str, dict[str, Any]]) -> None:
        write_json(self.folder / "stages.json", record)


@dataclass(frozen=True)
class Source:
    """The code and the packages that make a result.

    Attributes:
        commit: of the code, with ``+changes`` where files differ from it; empty without git.
        versions: of Python and of the packages that results depend on.
    """

    commit: str
    versions: dict[str, str]

    @classmethod
    def of(cls, folder: Path) -> "Source":
        """Look at the code in a folder and at the installed packages."""
        return cls(commit(folder), versions())


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
    return Run(folder, console, data, identity, source, tensorboard, lock, trainings)


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


def summed_seconds(records: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Seconds of each stage, summed over folds or runs."""
    seconds: dict[str, float] = {}
    for record in records:
        for stage, value in record.items():
            seconds[stage] = round(seconds.get(stage, 0.0) + value, 3)
    return seconds
