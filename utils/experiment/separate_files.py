"""The user's own audio files, separated: a file for each stem."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from utils.audio import Facts, read_facts
from utils.audio.streams import Passing, read_blocks, resample_blocks
from utils.console import bar
from utils.errors import AudioError, UserError
from utils.experiment.labels import short_names
from utils.files import writing
from utils.inference import Predictor, Separator
from utils.inference.separator import added_up

if TYPE_CHECKING:
    from rich.console import Console

LONGEST_WAV = 2**32 - 2**20
"""Bytes of samples; longer files are RF64 (EBU Tech 3306), whose sizes have 64 bits."""

_BLOCK = 2**16  # samples of each channel that are converted at a time


class Separated(NamedTuple):
    """What became of a file.

    Attributes:
        seconds: its length.
        peak: largest absolute sample of all stems; above 1 they are written as floats.
    """

    seconds: float
    peak: float


def separate_files(
    model: Predictor, files: Sequence[Path], output: Path, console: "Console"
) -> None:
    """Write the stems of each file as ``<output>/<name of the file>/<stem>.wav``.

    The name is that of :func:`folder_names`; :func:`separate_file` says what the stems are like.

    Args:
        model: one that separates.
        files: audio files of any length and rate.
        output: folder.
        console: where to print lengths, times and the bar.

    Raises:
        UserError: for another model; for files that cannot be used, after all others were
            separated; when a stem cannot be written.
    """
    separator = Separator.of(model)
    _check_names(separator.classes, model.path)
    files = list(dict.fromkeys(files))
    seconds, problems = _lengths(files)
    begun, done = time.perf_counter(), 0.0
    with bar(console, "separating") as show:
        for file, name in zip(files, folder_names(files), strict=True):
            if file not in seconds:
                continue
            start = time.perf_counter()

            def progress(now: float, before: float = done) -> None:
                show(round(1000 * (before + now)), round(1000 * sum(seconds.values())))

            try:
                separated = separate_file(separator, file, output / name, progress=progress)
            except AudioError as error:
                problems.append(str(error))
                del seconds[file]
                continue
            done += separated.seconds
            _tell(console, name, separated, time.perf_counter() - start)
    if done:
        took = time.perf_counter() - begun
        _print(
            console,
            f"{_clock(done)} of sound in {_clock(took)}: {done / took:.1f} times real time, "
            f"reading and writing included; written to {output}",
        )
    if problems:
        raise UserError("\n".join(problems))


def separate_file(
    separator: Separator,
    path: Path,
    folder: Path,
    *,
    progress: Callable[[float], None] | None = None,
) -> Separated:
    """Write the stems of a file, in memory that does not grow with it.

    Stems have the file's rate and exactly its length, whatever those of the network are, and its
    channels as far as the network has as many: those of a mono file are mono. They are wav files of
    24 bits; if a sample of one exceeds full scale, all are of 32-bit floats, so that nothing is
    clipped. A stem is there whole or not at all.

    Args:
        separator: what separates.
        path: any audio file that libsndfile reads.
        folder: of the stems, made if needed.
        progress: called with the seconds of the file that are done.

    Raises:
        AudioError: when the file cannot be used; nothing is written then.
        UserError: when a stem cannot be written.
    """
    facts = read_facts(path)
    parts = [folder / f".{name}.{os.getpid()}.part" for name in separator.classes]
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        blocks = _checked(stems_of(separator, path, facts), path)
        facts = facts._replace(channels=min(facts.channels, separator.channels))
        separated = _write_parts(parts, blocks, facts, progress)
        for name, part in zip(separator.classes, parts, strict=True):
            if separated.peak <= 1:
                _to_24_bits(part)
            with writing(folder / f"{name}.wav"):
                part.replace(folder / f"{name}.wav")
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
        with suppress(OSError):  # there are stems in it
            folder.rmdir()
    return separated


def stems_of(separator: Separator, path: Path, facts: Facts) -> Iterator[np.ndarray]:
    """Separate a file at its own rate, as long as it is and with its channels.

    What lies above the highest frequency of the network is lost, unless the stems are to add up to
    the mixture.

    Args:
        separator: what separates.
        path: the file.
        facts: of it.

    Yields:
        float32 (stems, n, channels).

    Raises:
        AudioError: as :func:`~utils.audio.streams.read_blocks`.
    """
    rate, own, count = separator.sample_rate, facts.sample_rate, len(separator.classes)

    def finished(stems: np.ndarray) -> np.ndarray:
        whole = mixture.take(stems.shape[1])
        stems = added_up(stems, whole) if separator.settings.add_up else stems
        return stems.mean(axis=2, keepdims=True) if facts.channels < stems.shape[2] else stems

    mixture = Passing(read_blocks(path, sample_rate=own, channels=separator.channels))
    separated = separator.stream(resample_blocks(mixture, rate=own, sample_rate=rate))
    flat = (np.moveaxis(stems, 0, 1).reshape(stems.shape[1], -1) for stems in separated)
    for block in resample_blocks(flat, rate=rate, sample_rate=own):
        stems = np.moveaxis(block.reshape(len(block), count, -1), 0, 1)
        if length := min(len(block), mixture.waiting):
            yield finished(stems[:, :length])
    if mixture.waiting:  # less than a sample of the network
        yield finished(np.zeros((count, mixture.waiting, separator.channels), np.float32))


def folder_names(files: Sequence[Path]) -> list[str]:
    """Names of the folders for files, each its own.

    They have no suffix where that leaves them apart; files of several folders keep the folders in
    which they differ.

    Args:
        files: no two alike.
    """
    full = short_names([os.path.normpath(file.absolute()) for file in files])
    short = [str(Path(name).with_suffix("")) for name in full]
    counts = Counter(short)
    mixed = [few if counts[few] == 1 else name for few, name in zip(short, full, strict=True)]
    return mixed if len(set(mixed)) == len(mixed) else full


def _lengths(files: Sequence[Path]) -> tuple[dict[Path, float], list[str]]:
    """Seconds of the files whose headers can be read, and what is wrong with the others."""
    seconds, problems = {}, []
    for file in files:
        try:
            facts = read_facts(file)
            seconds[file] = facts.frames / facts.sample_rate
        except AudioError as error:
            problems.append(str(error))
    return seconds, problems


def _checked(blocks: Iterable[np.ndarray], path: Path) -> Iterator[np.ndarray]:
    """Refuse stems that are no numbers."""
    for block in blocks:
        if not np.isfinite(block).all():
            raise AudioError(f"{path}: gives no finite stems, its samples are too large.")
        yield block


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
    with writing_sound(parts[0].parent), ExitStack() as stack:
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
        with writing_sound(part.parent):
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
def writing_sound(folder: Path) -> Iterator[None]:
    """Turn what libsndfile says of a full disk into a sentence.

    Args:
        folder: of the stems.

    Raises:
        UserError: when the operating system or libsndfile refuses.
    """
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


def _check_names(stems: Sequence[str], path: Path) -> None:
    """Refuse names that are no file names: what a model file says is not believed unseen."""
    for name in stems:
        if not name.strip(". ") or any(letter in name for letter in "/\\\0"):
            raise UserError(f"{path}: its metadata names a stem {name!r}, which names no file.")
    if len({name.casefold() for name in stems}) < len(stems):
        raise UserError(f"{path}: its metadata names two stems alike: {', '.join(stems)}.")


def _tell(console: "Console", name: str, separated: Separated, took: float) -> None:
    """Print a line on a file, and one on floats."""
    _print(
        console,
        f"{name}: {_clock(separated.seconds)} in {_clock(took)}, "
        f"{separated.seconds / took:.1f} times real time",
    )
    if separated.peak > 1:
        _print(
            console,
            f"{name}: stems reach {separated.peak:.2f} of full scale, so they are written as "
            "32-bit floats",
        )


def _print(console: "Console", text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    """Minutes and seconds: ``3:05``; below a minute ``5.2 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"
