"""Folders of generated audio: whole or not at all, filled in parallel, resumed after a kill."""

import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from utils.files import writing

BATCH = 20


@contextmanager
def whole_folder(complete: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name only once it is complete.

    After a kill the same call gives the same folder, with what was written before.

    Args:
        complete: the name; nothing may stand there yet.

    Yields:
        The hidden folder beside it, made if needed.

    Raises:
        UserError: when the folder cannot be written.
    """
    beside = complete.with_name(f".{complete.name}.part")
    with writing(complete):
        try:
            beside.mkdir(parents=True, exist_ok=True)
            yield beside
            for half_written in beside.rglob("*.part"):
                half_written.unlink(missing_ok=True)
            beside.rename(complete)
        except OSError:
            if not complete.is_dir():  # else another process was faster with the same content
                raise
            shutil.rmtree(beside, ignore_errors=True)


def write_missing(
    folder: Path,
    paths: Sequence[str],
    synthesise: Callable[[str], np.ndarray],
    *,
    sample_rate: int,
    jobs: int | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Generate the files that are not there yet, in parallel.

    Args:
        folder: folder to fill.
        paths: files relative to it.
        synthesise: path -> samples (samples,), full scale ±1; the path alone must decide them.
        sample_rate: of the files.
        jobs: processes; one for every core by default.
        progress: called with the number of files written and the number of all files.
    """
    from joblib import Parallel, delayed

    missing = [path for path in paths if not (folder / path).exists()]
    batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
    done = len(paths) - len(missing)
    workers = Parallel(n_jobs=jobs or os.cpu_count() or 1, return_as="generator_unordered")
    calls = (delayed(_write_batch)(folder, batch, synthesise, sample_rate) for batch in batches)
    for written in workers(calls):
        done += written
        if progress is not None:
            progress(done, len(paths))


def _write_batch(
    folder: Path, paths: Sequence[str], synthesise: Callable[[str], np.ndarray], sample_rate: int
) -> int:
    """Synthesise and write 16-bit files, each whole or not at all; their number."""
    import soundfile

    for path in paths:
        content = io.BytesIO()
        soundfile.write(content, synthesise(path), sample_rate, "PCM_16", format="WAV")
        beside = (folder / path).with_suffix(f".{os.getpid()}.part")
        beside.write_bytes(content.getvalue())
        beside.replace(folder / path)
    return len(paths)
