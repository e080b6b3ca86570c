"""Folders of generated audio: whole or not at all, filled in parallel, resumed after a kill."""

import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from utils.files import digest, writing

BATCH = 20


def named(root: Path, kind: str, *, seed: int, size: Any, sources: Sequence[str]) -> Path:
    """Folder of a demo: another one for another seed, size or program.

    Args:
        root: folder of demo data.
        kind: first word of the name.
        seed: of the generation.
        size: dataclass with the numbers of files.
        sources: the modules beside this one that decide the content.
    """
    texts = [(Path(__file__).parent / name).read_text("utf-8") for name in sources]
    return root / f"{kind}-{seed}-{digest([asdict(size), texts])}"


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
    encode: Callable[[str], bytes],
    *,
    jobs: int | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Generate the files that are not there yet, in parallel.

    Args:
        folder: folder to fill.
        paths: files relative to it.
        encode: path -> content of the file (see :func:`wav`); the path alone must decide it.
        jobs: processes; one for every core by default.
        progress: called with the number of files written and the number of all files.
    """
    from joblib import Parallel, cpu_count, delayed

    missing = [path for path in paths if not (folder / path).exists()]
    batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
    done = len(paths) - len(missing)
    workers = Parallel(n_jobs=jobs or cpu_count(), return_as="generator_unordered")
    calls = (delayed(_write_batch)(folder, batch, encode) for batch in batches)
    for written in workers(calls):
        done += written
        if progress is not None:
            progress(done, len(paths))


def wav(samples: np.ndarray, sample_rate: int, subtype: str = "PCM_16") -> bytes:
    """Content of a WAV file.

    Args:
        samples: (samples,) or (samples, channels), full scale ±1.
        sample_rate: in hertz.
        subtype: libsndfile's name of the form of a sample; 16 bit by default.
    """
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, samples, sample_rate, subtype, format="WAV")
    return content.getvalue()


def _write_batch(folder: Path, paths: Sequence[str], encode: Callable[[str], bytes]) -> int:
    """Encode and write files, each whole or not at all; their number."""
    for path in paths:
        content = encode(path)
        beside = (folder / path).with_suffix(f".{os.getpid()}.part")
        beside.write_bytes(content)
        beside.replace(folder / path)
    return len(paths)
