"""The user's own audio files, separated: a file for each stem."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.audio import Facts, read_facts
from utils.audio.streams import Passing, read_blocks, resample_blocks
from utils.console import bar
from utils.datasets.music import MIXTURE
from utils.errors import AudioError, UserError
from utils.experiment.labels import distinct, short_names
from utils.experiment.stem_files import Separated, write_stems
from utils.inference import Predictor, Separator
from utils.inference.separator import added_up

if TYPE_CHECKING:
    from rich.console import Console


def separate_files(
    model: Predictor, files: Sequence[Path], output: Path, console: "Console"
) -> None:
    """Write the stems of each file as ``<output>/<name of the file>/<stem>.wav``.

    The name is that of :func:`folder_names`; :func:`separate_file` says what the stems are like. A
    note tells of files with frequencies that the stems do not have.

    Args:
        model: one that separates.
        files: audio files of any length and rate.
        output: folder.
        console: where to print lengths, times, notes and the bar.

    Raises:
        UserError: for another model; where stems would lie beside the file that they are of; for
            files that cannot be used, after all others were separated; when a stem cannot be
            written.
    """
    separator = Separator.of(model)
    _check_names(separator.classes, model.path)
    files = distinct(files)
    names = folder_names(files)
    _check_places([output / name for name in names], files)
    known, problems = _facts_of(files)
    _tell_what_is_lost(console, separator, known)
    seconds = {file: facts.frames / facts.sample_rate for file, facts in known.items()}
    begun, done = time.perf_counter(), 0.0
    with bar(console, "separating") as show:
        for file, name in zip(files, names, strict=True):
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
    channels as far as the network has as many: those of a mono file are mono. They are written as
    :func:`~utils.experiment.stem_files.write_stems` says.

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
    return write_stems(
        folder,
        separator.classes,
        _checked(stems_of(separator, path, facts), path),
        facts._replace(channels=min(facts.channels, separator.channels)),
        progress=progress,
    )


def stems_of(separator: Separator, path: Path, facts: Facts) -> Iterator[np.ndarray]:
    """Separate a file at its own rate, as long as it is and with its channels.

    What lies above the highest frequency that is separated is in no stem; if the stems are to add
    up to the mixture, each has an equal share of it.

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
    which they differ. A file called ``mixture``, as in MUSDB, has the name of its folder.

    Args:
        files: no two the same (:func:`~utils.experiment.labels.distinct`).
    """
    paths = [os.path.normpath(file.absolute()) for file in files]
    songs = [_song(Path(path)) for path in paths]
    full = short_names(songs if len(set(songs)) == len(songs) else paths)
    short = [str(Path(name).with_suffix("")) for name in full]
    counts = Counter(short)
    mixed = [few if counts[few] == 1 else name for few, name in zip(short, full, strict=True)]
    return mixed if len(set(mixed)) == len(mixed) else full


def _song(path: Path) -> str:
    """A path by which its song is told from others: ``A/mixture.wav`` is ``A.wav``."""
    folder = path.parent
    if path.stem != MIXTURE or not folder.name:
        return str(path)
    return str(folder.with_name(folder.name + path.suffix))


def _check_places(places: Sequence[Path], files: Sequence[Path]) -> None:
    """Refuse to write into the folder of a song, where files may be called like stems."""
    for place, file in zip(places, files, strict=True):
        if place.resolve() == file.parent.resolve() or any(place.glob(f"{MIXTURE}.*")):
            raise UserError(
                f"{file}: its stems would be written into {place}, where a song and its own stems "
                "may lie; name another folder with -o."
            )


def _facts_of(files: Sequence[Path]) -> tuple[dict[Path, Facts], list[str]]:
    """Facts of the files whose headers can be read, and what is wrong with the others."""
    known, problems = {}, []
    for file in files:
        try:
            known[file] = read_facts(file)
        except AudioError as error:
            problems.append(str(error))
    return known, problems


def _checked(blocks: Iterable[np.ndarray], path: Path) -> Iterator[np.ndarray]:
    """Refuse stems that are no numbers."""
    for block in blocks:
        if not np.isfinite(block).all():
            raise AudioError(f"{path}: gives no finite stems, its samples are too large.")
        yield block


def _check_names(stems: Sequence[str], path: Path) -> None:
    """Refuse names that are no file names: what a model file says is not believed unseen."""
    for name in stems:
        if not name.strip(". ") or any(letter in name for letter in "/\\\0"):
            raise UserError(f"{path}: its metadata names a stem {name!r}, which names no file.")
    if len({name.casefold() for name in stems}) < len(stems):
        raise UserError(f"{path}: its metadata names two stems alike: {', '.join(stems)}.")


def _tell_what_is_lost(
    console: "Console", separator: Separator, known: Mapping[Path, Facts]
) -> None:
    """Print a note on files with frequencies that are not separated."""
    highest = separator.highest_hertz
    beyond = [file for file, facts in known.items() if facts.sample_rate > 2 * highest]
    if not beyond:
        return
    which = beyond[0].name if len(known) == 1 else f"{len(beyond)} of {len(known)} files"
    becomes = (
        "is not separated: each stem has an equal share of it (separation.add_up)"
        if separator.settings.add_up
        else "is in no stem; with separation.add_up each would have an equal share of it"
    )
    _print(console, f"note: what lies above {highest / 1000:g} kHz in {which} {becomes}", "yellow")


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


def _print(console: "Console", text: str, style: str | None = None) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True, style=style)


def _clock(seconds: float) -> str:
    """Minutes and seconds: ``3:05``; below a minute ``5.2 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"
