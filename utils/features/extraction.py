"""Audio files -> features on disk: once, over all cores, resumed after a kill."""

import fcntl
import os
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.audio import fit_length, read_audio
from utils.config.schema import AudioSettings
from utils.errors import AudioError, DataError
from utils.features.representation import Representation
from utils.features.store import (
    FeatureStore,
    FileState,
    older_stores,
    open_store,
    remove_stores,
)
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
_BLOCK_BYTES = 2**20  # of a file read at a time
_DIGITS = 16  # of each digest in a folder's name
_WAY_OUT = "(audio.on_bad_audio: skip leaves such files out.)"


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
    audio settings, code version, and name, size and modification time of every file. What a stopped
    run has done is kept, and when some files have changed, only they are read again; features that
    were taken over so are then removed. Two processes that want the same features do not disturb
    each other: the second waits and finds them done.

    Args:
        clips: a name may come twice if it is the same file.
        representation: what to compute.
        audio: how files become clips, and what happens to files that cannot be used.
        folder: of all stores; made if needed.
        jobs: processes; None for one a core. Few clips are done in this process.
        progress: called with (clips done, clips in all).

    Raises:
        AudioError: for a file that cannot be used, soon after it is read, if ``audio.on_bad_audio``
            is ``fail``; if no file can be used; for a file that the operating system does not let
            read or that changes meanwhile, which may be different the next time.
        DataError: without clips, and for two files of one name.
        UserError: when the folder cannot be written.
    """
    paths = _paths_by_name(clips)
    key = _key(paths, representation, audio)
    files = _states(paths)
    finished = folder / f"{key}-{digest(files, length=_DIGITS)}"
    store = open_store(finished)
    if store is None:
        with _only_one(folder, key):
            store = open_store(finished)
            if store is None:
                part = Unfinished(folder / f".{key}.part", files=files, shape=representation.shape)
                older = older_stores(folder, key, files)
                for old in older:
                    part.take_over(old)
                _fill(part, list(paths.values()), representation, audio, jobs, progress)
                _refuse_changed(paths, files)
                part.finish(finished, list(paths))
                remove_stores(folder, key, older)
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
    """Digest of everything that determines the features except what is in the files."""
    content = {
        "code": CODE_VERSION,
        "representation": _described(representation),
        "audio": audio.model_dump(exclude={"on_bad_audio"}),
        "names": list(paths),
    }
    return digest(content, length=_DIGITS)


def _described(value: Any) -> Any:
    """Plain data that tells a representation, and those inside it, by kind and parameters."""
    if is_dataclass(value):
        content = {field.name: _described(getattr(value, field.name)) for field in fields(value)}
        return {"kind": type(value).__name__, **content}
    return [_described(item) for item in value] if isinstance(value, tuple) else value


def _states(paths: dict[str, Path]) -> list[FileState | None]:
    """State of every file; None for a missing one."""
    states: list[FileState | None] = []
    for path in paths.values():
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            states.append(None)
        except OSError as error:
            raise _refusal(path, error) from error
        else:
            states.append(FileState(status.st_size, status.st_mtime_ns))
    return states


def _refusal(path: Path, error: OSError) -> AudioError:
    """What to say when the operating system does not let a file be read."""
    return AudioError(
        f"{path}: cannot be read ({error.strerror or error}); mend that and start again, what is "
        "done is kept."
    )


def _refuse_changed(paths: dict[str, Path], files: Sequence[FileState | None]) -> None:
    """Stop when a file has changed since extraction began; its row may be of either file."""
    for path, before, now in zip(paths.values(), files, _states(paths), strict=True):
        if before != now:
            raise AudioError(f"{path}: changed while features were extracted; start again.")


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
    with closing(_results(chunks, part.file, representation, audio, processes)) as results:
        for outcomes in results:
            part.record(outcomes)
            if progress is not None:
                progress(len(part.done), len(paths))
            reasons = [outcome.bad for outcome in outcomes if outcome.bad]
            if reasons and audio.on_bad_audio == "fail":
                raise AudioError(f"{reasons[0]} {_WAY_OUT}")


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
) -> Generator[list[Outcome], None, None]:
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
            results = parallel(work(chunk, file, representation, audio) for chunk in chunks)
            with _closing_quietly(results):
                for outcomes in results:  # noqa: UP028 - yield from would close them first
                    yield outcomes
    finally:  # workers would hold memory while training runs
        get_reusable_executor(reuse=True).shutdown(wait=False, kill_workers=True)


@contextmanager
def _closing_quietly(results: Generator[list[Outcome], None, None]) -> Iterator[None]:
    """Close joblib's results without its warning about work that is given up: that is the aim."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*tasks ", UserWarning)
            results.close()


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
            _refuse_unreadable(path, error)
            outcomes.append(Outcome(row, bad=str(error)))
        else:
            outcomes.append(Outcome(row, checksum=file.write(row, features)))
    return outcomes


def _refuse_unreadable(path: Path, error: AudioError) -> None:
    """Stop where not the file but the operating system is the reason, which may pass."""
    reason = error.__cause__
    if isinstance(reason, OSError) and not isinstance(reason, FileNotFoundError):
        raise _refusal(path, reason) from error
    try:  # libsndfile takes bytes that cannot be read for the end of the file
        with path.open("rb") as stream:
            while stream.read(_BLOCK_BYTES):
                pass
    except FileNotFoundError:
        return
    except OSError as refused:
        raise _refusal(path, refused) from refused


def _refuse_bad(store: FeatureStore, audio: AudioSettings) -> None:
    """Stop at bad files if the settings say so or if nothing else is left."""
    if not store.bad:
        return
    first, more = store.bad[0].reason, len(store.bad) - 1
    if not store.row_of:
        raise AudioError(f"{first} None of the {len(store.bad)} files can be used.")
    if audio.on_bad_audio == "fail":
        others = f" {more} more of {len(store.array)} files cannot be used." if more else ""
        raise AudioError(f"{first}{others} {_WAY_OUT}")
