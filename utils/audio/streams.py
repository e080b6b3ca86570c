"""Audio of any length in blocks, in memory that does not grow with the file."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.audio.reading import as_channels, check_file, no_audio, refuse_cut_off, stated_frames
from utils.errors import AudioError

if TYPE_CHECKING:
    import soundfile

BLOCK = 2**16  # samples of each channel that are read at a time


class Passing:
    """Blocks on their way from one stage to the next: counted, and kept until they are taken.

    Args:
        blocks: arrays (steps, ...).

    Attributes:
        count: steps that have passed so far.
        waiting: those of them that were not taken.
    """

    def __init__(self, blocks: Iterable[np.ndarray]) -> None:
        self.count = 0
        self.waiting = 0
        self._blocks = blocks
        self._kept: deque[np.ndarray] = deque()

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            self.count += len(block)
            self.waiting += len(block)
            self._kept.append(block)
            yield block

    def take(self, steps: int) -> np.ndarray:
        """The next steps of what has passed, in order.

        Args:
            steps: wanted, from 1 to those that are waiting.

        Returns:
            (steps, ...).

        Raises:
            ValueError: for another number.
        """
        if not 1 <= steps <= self.waiting:
            raise ValueError(f"1 to {self.waiting} steps can be taken, received {steps}")
        self.waiting -= steps
        taken = []
        while steps:
            block = self._kept.popleft()
            taken.append(block[:steps])
            if len(block) > steps:
                self._kept.appendleft(block[steps:])
            steps -= len(taken[-1])
        return taken[0] if len(taken) == 1 else np.concatenate(taken)


def read_blocks(
    path: str | os.PathLike[str], *, sample_rate: int, channels: int, block: int = BLOCK
) -> Iterator[np.ndarray]:
    """Read an audio file in blocks, at one rate, as one or two channels.

    All blocks together are what :func:`~utils.audio.reading.read_channels` reads at once, sample
    for sample.

    Args:
        path: the file.
        sample_rate: hertz of the result; other rates are resampled by soxr at its high quality.
        channels: as :func:`~utils.audio.reading.as_channels`.
        block: samples of each channel that are read at a time.

    Yields:
        float32 (n, channels), n above 0 and about ``block * sample_rate / rate``.

    Raises:
        AudioError: as :func:`~utils.audio.reading.read_audio`; before the first block where the
            file's size tells, else once the place is reached.
    """
    import soundfile

    path = Path(path)
    check_file(path)
    try:
        stream = soundfile.SoundFile(path)
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: headerless .raw
        raise no_audio(path, error) from error
    with stream:
        blocks = (as_channels(found, channels) for found in _frames(stream, block, path))
        yield from resample_blocks(blocks, rate=stream.samplerate, sample_rate=sample_rate)


def resample_blocks(
    blocks: Iterable[np.ndarray], *, rate: float, sample_rate: float
) -> Iterator[np.ndarray]:
    """Change the rate of a signal that comes in blocks; where they end does not matter.

    Args:
        blocks: float32 (n, channels).
        rate: hertz.
        sample_rate: hertz wanted.

    Yields:
        float32 (n, channels), n above 0; of so many samples ``samples * sample_rate / rate`` in
        all, rounded, and at least one, as :func:`~utils.audio.reading.read_audio` does.
    """
    import soxr

    if rate == sample_rate:
        yield from blocks
        return
    blocks = iter(blocks)
    first = next(blocks, None)
    if first is None:
        return
    channels, count = first.shape[1], 0
    resampler = soxr.ResampleStream(rate, sample_rate, channels, dtype="float32", quality="HQ")
    for block in chain([first], blocks):
        found = resampler.resample_chunk(np.ascontiguousarray(block, np.float32))
        count += len(found)
        if len(found):
            yield found
    rest = resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True)
    if len(rest):
        yield rest
    elif not count:
        yield first[:1]


def recut(blocks: Iterable[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Blocks of one length, of whatever length they come.

    Args:
        blocks: arrays (steps, ...).
        length: steps of each block.

    Yields:
        (length, ...); the last may be shorter, but has a step.
    """
    held: list[np.ndarray] = []
    count = 0
    for block in blocks:
        begin = 0
        while count + len(block) - begin >= length:
            end = begin + length - count
            held.append(block[begin:end])
            yield held[0] if len(held) == 1 else np.concatenate(held)
            held, count, begin = [], 0, end
        if begin < len(block):
            held.append(block[begin:])
            count += len(block) - begin
    if held:
        yield np.concatenate(held)


def _frames(stream: "soundfile.SoundFile", block: int, path: Path) -> Iterator[np.ndarray]:
    """Blocks (n, channels of the file) as they are read, checked."""
    done, stated = 0, stated_frames(stream, path) or 0
    while len(found := _read(stream, block, path)):
        finite = np.isfinite(found).all(axis=1)
        if not finite.all():
            seconds = (done + int(np.argmin(finite))) / stream.samplerate
            raise AudioError(
                f"{path}: holds samples that are not finite numbers (the first at {seconds:.3f} "
                "s); replace it."
            )
        done += len(found)
        yield found
    if not done:
        raise AudioError(f"{path}: holds no samples; replace it.")
    refuse_cut_off(stream, path, promised=stated, read=done)


def _read(stream: "soundfile.SoundFile", frames: int, path: Path) -> np.ndarray:
    import soundfile

    try:
        return stream.read(frames, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise no_audio(path, error) from error
