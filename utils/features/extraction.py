"""Audio files -> features on disk: once, over all cores, resumed after a kill."""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from utils.audio import fit_length, read_audio
from utils.config.schema import AudioSettings
from utils.errors import AudioError, DataError
from utils.features.store import FeatureStore, open_store
from utils.features.unfinished import Outcome, RowFile, Unfinished
from utils.files import digest, writing

if TYPE_CHECKING:
    from utils.datasets.base import Clip

CODE_VERSION = 1
"""Raised whenever audio reading or a representation changes its numbers: old stores then lapse."""

_WORTH_SECONDS = 3.0  # work left from which on worker processes, which start in about 1 s, pay
_CHUNK = 16  # most clips that a worker takes, and a progress step counts, at a time
_KEPT_BYTES = 24 * 2**20  # above any clip's arrays, below glibc's limit of 32 MiB
_WATCH_SECONDS = 0.5  # between a worker's looks at whether its parent lives


class Representation(Protocol):
    """What features are: a frozen dataclass of parameters that is called with a clip's samples."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def n_samples(self) -> int:
        """Length of the clip it takes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what it returns."""

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Compute float32 features of samples (n_samples,)."""


def read_features(
    path: Path, representation: Representation, *, audio: AudioSettings
) -> np.ndarray:
    """Read one audio file and compute its features.

    Returns:
        float32 array of the representation's shape.

    Raises:
        AudioError: when the file cannot be used.
    """
    samples = read_audio(path, sample_rate=audio.sample_rate, seconds=audio.seconds)
    clip = fit_length(samples, length=representation.n_samples, short=audio.short_clips)
    with np.errstate(over="ignore", invalid="ignore"):
        features = representation(clip)
    if not np.isfinite(features).all():
        raise AudioError(
            f"{path}: its samples are too large (up to {np.abs(clip).max():.3g}); replace it."
        )
    return features


def extract(
    clips: Sequence["Clip"],
    representation: Representation,
    *,
    audio: AudioSettings,
    folder: Path,
    jobs: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureStore:
    """Return the features of clips, computing what is not there yet.

    They lie in ``folder`` under a name that is the digest of all that determines them: parameters,
    audio settings, code version, and name, size and modification time of every file. What a killed
    run has done is kept; two processes that want the same features do not disturb each other: the
    second waits and finds them done.

    Args:
        clips: a name may come twice if it is the same file.
        representation: what to compute.
        audio: how files become clips, and what happens to files that cannot be used.
        folder: of all stores; made if needed.
        jobs: processes; None for one a core. Few clips are done in this process.
        progress: called with (clips done, clips in all).

    Raises:
        AudioError: for files that cannot be used, if ``audio.on_bad_audio`` is ``fail`` or no file
            can be used.
        DataError: without clips, and for two files of one name.
        UserError: when the folder cannot be written.
    """
    paths = _paths_by_name(clips)
    key = _key(paths, representation, audio)
    finished = folder / key
    store = open_store(finished)
    if store is None:
        with _only_one(folder, key):
            store = open_store(finished)
            if store is None:
                part = Unfinished(
                    folder / f".{key}.part", clips=len(paths), shape=representation.shape
                )
                _fill(part, list(paths.values()), representation, audio, jobs, progress)
                part.finish(finished, list(paths))
                store = open_store(finished)
    if store is None:
        raise DataError(f"{finished}: was removed while it was in use; start again.")
    _refuse_bad(store, audio)
    return store


def _paths_by_name(clips: Sequence["Clip"]) -> dict[str, Path]:
    """Path of every clip, names sorted."""
    paths: dict[str, Path] = {}
    for clip in sorted(clips, key=lambda clip: clip.name):
        if paths.setdefault(clip.name, clip.path) != clip.path:
            raise DataError(
                f"{clip.name}: names two files, {paths[clip.name]} and {clip.path}; rename one."
            )
    if not paths:
        raise DataError("there are no clips to compute features of; check the data set.")
    return paths


def _key(paths: dict[str, Path], representation: Representation, audio: AudioSettings) -> str:
    """Digest of everything that determines the features."""
    files = []
    for name, path in paths.items():
        status = path.stat() if path.exists() else None
        files.append([name, status and status.st_size, status and status.st_mtime_ns])
    content = {
        "code": CODE_VERSION,
        "kind": type(representation).__name__,
        "representation": asdict(representation),
        "audio": audio.model_dump(exclude={"on_bad_audio"}),
        "files": files,
    }
    return digest(content, length=20)


@contextmanager
def _only_one(folder: Path, key: str) -> Iterator[None]:
    """Let one process at a time make these features; the lock goes with its process."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f".{key}.lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fill(
    part: Unfinished,
    paths: list[Path],
    representation: Representation,
    audio: AudioSettings,
    jobs: int | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Compute every row that is not done."""
    _keep_freed_memory()
    representation(np.zeros(representation.n_samples, np.float32))  # its tables travel to workers
    todo = [row for row in range(len(paths)) if row not in part.done]
    processes = _processes(jobs)
    size = max(1, min(_CHUNK, len(todo) // (4 * processes)))
    chunks = [
        [(row, paths[row]) for row in todo[first : first + size]]
        for first in range(0, len(todo), size)
    ]
    results = _results(chunks, part.file, representation, audio, processes)
    for outcomes in results:
        part.record(outcomes)
        if progress is not None:
            progress(len(part.done), len(paths))


def _processes(jobs: int | None) -> int:
    """Number of processes asked for."""
    from joblib import cpu_count

    return jobs if jobs is not None else cpu_count()


def _results(
    chunks: list[list[tuple[int, Path]]],
    file: RowFile,
    representation: Representation,
    audio: AudioSettings,
    processes: int,
) -> Iterator[list[Outcome]]:
    """Yield the outcomes of chunks as they come: from this process, or from workers if they pay.

    The first chunk warms up, the next ones are timed.
    """
    seconds = 0.0
    for place, chunk in enumerate(chunks):
        if processes > 1 and place > 1 and seconds * (len(chunks) - place) > _WORTH_SECONDS:
            yield from _results_of_workers(chunks[place:], file, representation, audio, processes)
            return
        start = time.perf_counter()
        outcomes = _write_rows(chunk, file, representation, audio)
        seconds = time.perf_counter() - start
        yield outcomes


def _results_of_workers(
    chunks: list[list[tuple[int, Path]]],
    file: RowFile,
    representation: Representation,
    audio: AudioSettings,
    processes: int,
) -> Iterator[list[Outcome]]:
    """Yield the outcomes of chunks in the order in which workers finish them."""
    import joblib
    from joblib.externals.loky import get_reusable_executor

    settings = {
        "inner_max_num_threads": 1,
        "initializer": _start_worker,
        "initargs": (os.getpid(),),
    }
    work = joblib.delayed(_write_rows)
    try:
        with joblib.parallel_config(backend="loky", **settings):
            parallel = joblib.Parallel(
                n_jobs=processes, return_as="generator_unordered", batch_size=1, max_nbytes=None
            )
            yield from parallel(work(chunk, file, representation, audio) for chunk in chunks)
    finally:  # workers would hold memory while training runs
        get_reusable_executor(reuse=True).shutdown(wait=False, kill_workers=True)


def _start_worker(parent: int) -> None:
    """Set a worker up to be quick, and to end soon after its parent was killed.

    By itself an orphan would wait for minutes.
    """
    _keep_freed_memory()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _keep_freed_memory() -> None:
    """Free one large block, never touched, after which glibc keeps what a clip frees for the next.

    Its threshold for handing memory back follows the largest block freed (mallopt(3),
    M_MMAP_THRESHOLD). A process that has freed no large one yet pays page faults for every clip's
    samples anew: 2 ms of 7.
    """
    np.empty(_KEPT_BYTES, np.uint8)


def _write_rows(
    chunk: list[tuple[int, Path]],
    file: RowFile,
    representation: Representation,
    audio: AudioSettings,
) -> list[Outcome]:
    """Compute rows and write them to their places; bad files are outcomes too."""
    outcomes = []
    for row, path in chunk:
        try:
            features = read_features(path, representation, audio=audio)
        except AudioError as error:
            outcomes.append(Outcome(row, bad=str(error)))
        else:
            outcomes.append(Outcome(row, checksum=file.write(row, features)))
    return outcomes


def _refuse_bad(store: FeatureStore, audio: AudioSettings) -> None:
    """Stop at bad files if the settings say so or if nothing else is left."""
    if not store.bad:
        return
    first, more = store.bad[0].reason, len(store.bad) - 1
    if not store.row_of:
        raise AudioError(f"{first} None of the {len(store.bad)} files can be used.")
    if audio.on_bad_audio == "fail":
        others = f" {more} more of {len(store.array)} files cannot be used." if more else ""
        raise AudioError(f"{first}{others} (audio.on_bad_audio: skip leaves such files out.)")
