"""The stems of a mixture as wav files, a file for each, there whole or not at all."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.audio import Facts
from utils.errors import UserError
from utils.files import writing

LONGEST_WAV = 2**32 - 2**20
"""Bytes of samples; longer files are RF64 (EBU Tech 3306), whose sizes have 64 bits."""

_BLOCK = 2**16  # samples of each channel that are converted at a time


class Separated(NamedTuple):
    """What became of a mixture.

    Attributes:
        seconds: its length.
        peak: largest absolute sample of all stems; above 1 they are written as floats.
    """

    seconds: float
    peak: float


def write_stems(
    folder: Path,
    names: Sequence[str],
    blocks: Iterable[np.ndarray],
    facts: Facts,
    *,
    progress: Callable[[float], None] | None = None,
) -> Separated:
    """Write stems as ``<folder>/<name>.wav`` while they come, in memory that does not grow.

    They are wav files of 24 bits; if a sample of one exceeds full scale, all are of 32-bit floats,
    so that nothing is clipped. A stem is there whole or not at all.

    Args:
        folder: made if needed.
        names: of the stems, which are file names.
        blocks: float32 (stems, n, channels), n above 0.
        facts: rate, length and channels of each stem.
        progress: called with the seconds that are done.

    Raises:
        UserError: when a stem cannot be written.
    """
    parts = [folder / f".{name}.{os.getpid()}.part" for name in names]
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        separated = _write_parts(parts, blocks, facts, progress)
        for part in parts:
            if separated.peak <= 1:
                _to_24_bits(part)
        for name, part in zip(names, parts, strict=True):
            with writing(folder / f"{name}.wav"):
                part.replace(folder / f"{name}.wav")
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
        with suppress(OSError):  # there are stems in it
            folder.rmdir()
    return separated


def _write_parts(
    parts: Sequence[Path],
    blocks: Iterable[np.ndarray],
    facts: Facts,
    progress: Callable[[float], None] | None,
) -> Separated:
    """Write blocks (stems, n, channels) as wav files of floats, one for each stem."""
    import soundfile

    frames, peak = 0, 0.0
    kind = "RF64" if 4 * facts.frames * facts.channels > LONGEST_WAV else "WAV"
    with _writing_sound(parts[0].parent), ExitStack() as stack:
        sinks = [
            stack.enter_context(
                soundfile.SoundFile(
                    part, "w", facts.sample_rate, facts.channels, "FLOAT", format=kind
                )
            )
            for part in parts
        ]
        for block in blocks:
            for sink, stem in zip(sinks, block, strict=True):
                sink.write(stem)
            frames += block.shape[1]
            peak = max(peak, float(np.abs(block).max()))
            if progress is not None:
                progress(frames / facts.sample_rate)
    return Separated(frames / facts.sample_rate, peak)


def _to_24_bits(part: Path) -> None:
    """Replace a wav file of floats by one of 24 bits."""
    import soundfile

    smaller = part.with_suffix(".24.part")
    try:
        with _writing_sound(part.parent):
            with (
                soundfile.SoundFile(part) as given,
                soundfile.SoundFile(
                    smaller, "w", given.samplerate, given.channels, "PCM_24", format=given.format
                ) as sink,
            ):
                while len(block := given.read(_BLOCK, dtype="float32", always_2d=True)):
                    sink.write(block)
            smaller.replace(part)
    finally:
        smaller.unlink(missing_ok=True)


@contextmanager
def _writing_sound(folder: Path) -> Iterator[None]:
    """Turn what the operating system or libsndfile says of a full disk into a sentence."""
    import soundfile

    try:
        with writing(folder):
            yield
    except soundfile.SoundFileError as error:
        reason = str(getattr(error, "error_string", error)).rstrip(". ")
        raise UserError(
            f"{folder}: stems cannot be written ({reason}); free some space or choose another "
            "folder."
        ) from error
