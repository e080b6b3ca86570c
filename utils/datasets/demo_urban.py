"""Demo city: generated sounds of ten classes, in the layout of UrbanSound8K, of three folds.

The same loader reads both. Several slices come from one generated recording, all of them in one
fold, as published; rates, bit depths and channels are mixed, as they are there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from utils.datasets.demo_folder import named, wav, whole_folder, write_missing
from utils.datasets.demo_sounds import SAMPLE_RATE, decibels
from utils.datasets.demo_urban_sounds import record, scene
from utils.datasets.urban import CLASSES, PRESETS
from utils.files import write_csv

SOURCES = (
    *("demo_folder.py", "demo_sounds.py", "demo_synthesis.py", "demo_urban.py"),
    *("demo_urban_sounds.py", "soundscape_mixing.py"),
)
PUBLISHED = PRESETS["urbansound8k"]
HEADER = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
SLICES_MORE_OR_LESS = (0, 1, -1, 0)
SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 4.0
WHOLE = 0.6  # share of slices of full length
STEREO_DELAY_SECONDS = 5e-4


@dataclass(frozen=True)
class UrbanSize:
    """Number of slices: of each class, in each fold.

    Attributes:
        folds: folds, ten at most.
        sources: recordings of a class in a fold.
        slices: of one recording, in the mean.
    """

    folds: int = 3
    sources: int = 4
    slices: int = 3


@dataclass(frozen=True)
class _Source:
    """One recording of Freesound: its number, with the seed, decides how it sounds."""

    number: int
    label: str
    fold: int
    salience: int
    sample_rate: int
    subtype: str
    channels: int


@dataclass(frozen=True)
class _Slice:
    """One file: a part of a recording, ``start`` and ``seconds`` in seconds."""

    source: _Source
    number: int
    start: float
    seconds: float

    @property
    def file(self) -> str:
        occurrence, part = divmod(self.number, 2)
        return f"{self.source.number}-{CLASSES.index(self.source.label)}-{occurrence}-{part}.wav"

    @property
    def path(self) -> str:
        """The file, relative to the folder that :func:`make` gives."""
        return f"{PUBLISHED.published}/{PUBLISHED.audio_folder}/fold{self.source.fold}/{self.file}"

    @property
    def row(self) -> tuple[str, ...]:
        """Its line of the table, by ``HEADER``."""
        source, end = self.source, self.start + self.seconds
        return (
            self.file,
            str(source.number),
            f"{self.start:.6f}",
            f"{end:.6f}",
            str(source.salience),
            str(source.fold),
            str(CLASSES.index(source.label)),
            source.label,
        )


def make(
    root: Path,
    *,
    seed: int,
    size: UrbanSize | None = None,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Generate the demo city, or find what was generated before.

    A generation that was killed goes on where it was; the folder has its name only once it is
    complete.

    Args:
        root: folder of demo data, made if needed.
        seed: the same seed gives the same files.
        size: number of slices; 360 files, about 140 MB by default.
        jobs: processes; one for every core by default.
        progress: called with the number of files written and the number of all files.

    Returns:
        A folder for ``--data``: it holds a set under its published name.

    Raises:
        UserError: when the folder cannot be written.
    """
    size = size or UrbanSize()
    complete = named(root, "urban", seed=seed, size=size, sources=SOURCES)
    if complete.is_dir():
        return complete
    slices = _slices(seed, size)
    with whole_folder(complete) as folder:
        for part in slices:
            (folder / part.path).parent.mkdir(parents=True, exist_ok=True)
        table = folder / PUBLISHED.published / PUBLISHED.tables[0]
        write_csv(table, HEADER, [part.row for part in slices])
        files = {part.path: part for part in slices}
        encode = partial(_encode, files, seed)
        write_missing(folder, list(files), encode, jobs=jobs, progress=progress)
    return complete


def _slices(seed: int, size: UrbanSize) -> list[_Slice]:
    """All slices, sorted by file name as in the published table."""
    rng = np.random.default_rng(seed)
    count = len(CLASSES) * size.folds * size.sources
    numbers = iter(rng.choice(np.arange(1_000, 250_000), count, replace=False).tolist())
    slices = []
    for label in CLASSES:
        for fold in range(1, size.folds + 1):
            for place in range(size.sources):
                source = _source(next(numbers), label, fold, rng)
                more = SLICES_MORE_OR_LESS[place % len(SLICES_MORE_OR_LESS)]
                slices += _slices_of(source, max(1, size.slices + more), rng)
    return sorted(slices, key=lambda part: part.file)


def _source(number: int, label: str, fold: int, rng: np.random.Generator) -> _Source:
    return _Source(
        number=number,
        label=label,
        fold=fold,
        salience=1 if rng.random() < 0.7 else 2,
        sample_rate=int(rng.choice([22_050, 44_100, 48_000], p=[0.3, 0.5, 0.2])),
        subtype="PCM_24" if rng.random() < 0.3 else "PCM_16",
        channels=2 if rng.random() < 0.3 else 1,
    )


def _slices_of(source: _Source, count: int, rng: np.random.Generator) -> list[_Slice]:
    """Slices one after the other, most of full length."""
    slices = []
    end = rng.uniform(0.0, 5.0)
    for number in range(count):
        whole = rng.random() < WHOLE
        seconds = LONGEST_SECONDS if whole else rng.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
        slices.append(_Slice(source, number, start=float(end), seconds=float(seconds)))
        end += seconds + rng.uniform(0.0, 3.0)
    return slices


def _encode(slices: dict[str, _Slice], seed: int, path: str) -> bytes:
    """Synthesise a slice; the content of its file, in the form of its recording."""
    source = slices[path].source
    return wav(_record(slices[path], seed), source.sample_rate, source.subtype)


def _record(part: _Slice, seed: int) -> np.ndarray:
    """A slice as its file holds it: (samples, channels), at the recording's rate."""
    import soxr

    source = part.source
    where = scene(
        np.random.default_rng([seed, source.number, 0]), in_foreground=source.salience == 1
    )
    traits = np.random.default_rng([seed, source.number, 1])
    rng = np.random.default_rng([seed, source.number, 2, part.number])
    samples = record(source.label, where, seconds=part.seconds, traits=traits, rng=rng)
    channels = samples[:, None]
    if source.channels == 2:
        delay = round(traits.uniform(0.0, STEREO_DELAY_SECONDS) * SAMPLE_RATE)
        other = np.pad(samples, (delay, 0))[: samples.size] * decibels(traits.uniform(-4.0, 0.0))
        channels = np.stack([samples, other], axis=1)
    if source.sample_rate != SAMPLE_RATE:
        channels = soxr.resample(channels, SAMPLE_RATE, source.sample_rate)
    return np.clip(channels, -1.0, 1.0)
