"""Length and level of every utterance at one rate: what mixtures are drawn and made by."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.audio import read_audio
from utils.datasets.base import Clip
from utils.datasets.mixture_folders import DIGITS, file_state
from utils.datasets.mixtures import Progress
from utils.errors import AudioError
from utils.files import digest, read_json, write_json

CODE_VERSION = 1
"""Raised whenever measuring or mixing changes its numbers: what was made before then lapses."""

SILENT_DB = -80.0
"""RMS of an utterance, full scale is 0 dB, below which it is taken for silent."""

_SILENT = 10.0 ** (SILENT_DB / 20.0)


@dataclass(frozen=True)
class Utterances:
    """Utterances that mixtures can be made of.

    Attributes:
        clips: one speaker (group) each, sorted by name.
        lengths: int64 (utterances,), samples at the rate that they were measured at.
        rms: float64 (utterances,), root mean square over the whole length, full scale is 1.
    """

    clips: tuple[Clip, ...]
    lengths: np.ndarray
    rms: np.ndarray

    def taken(self, names: set[str]) -> "Utterances":
        """Those of the given names."""
        places = [place for place, clip in enumerate(self.clips) if clip.name in names]
        clips = tuple(self.clips[place] for place in places)
        return Utterances(clips, self.lengths[places], self.rms[places])

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who speaks, each once, sorted."""
        return tuple(sorted({str(clip.group) for clip in self.clips}))


def measure(
    clips: Sequence[Clip],
    *,
    sample_rate: int,
    cache: Path | None,
    progress: Progress | None = None,
) -> tuple[Utterances, dict[str, str]]:
    """Read every utterance once.

    Args:
        clips: with their speakers.
        sample_rate: hertz; utterances of other rates are resampled first.
        cache: where the result is kept for the next start, which finds it as long as no file has
            another size or time; None reads all again.
        progress: told of the files read.

    Returns:
        The utterances that can be mixed, and what is wrong with the others by clip name: silent,
        broken, no audio.

    Raises:
        DataError: when a file has vanished.
        UserError: when the result cannot be kept.
    """
    clips = sorted(clips, key=lambda clip: clip.name)
    known = None
    if cache is not None:
        states = [(clip.name, *file_state(clip.path)) for clip in clips]
        name = digest([CODE_VERSION, sample_rate, states], length=DIGITS)
        known = cache / "mixtures" / f"levels-{name}.json"
    if known is not None and known.is_file():
        content = read_json(known)
    else:
        content = _measured(clips, sample_rate, progress)
        if known is not None:
            write_json(known, content)
    wrong: dict[str, str] = content["wrong"]
    usable = tuple(clip for clip in clips if clip.name not in wrong)
    lengths = np.array(content["lengths"], np.int64)
    return Utterances(usable, lengths, np.array(content["rms"], np.float64)), wrong


def _measured(
    clips: Sequence[Clip], sample_rate: int, progress: Progress | None
) -> dict[str, object]:
    """Lengths and RMS of the usable clips in order, and what is wrong with the others."""
    from joblib import cpu_count

    lengths: list[int] = []
    levels: list[float] = []
    wrong: dict[str, str] = {}
    # decoding and resampling leave the interpreter free, so threads do
    pool = ThreadPoolExecutor(cpu_count())
    try:
        results = pool.map(lambda clip: _level(clip.path, sample_rate), clips)
        for done, (clip, result) in enumerate(zip(clips, results, strict=True), start=1):
            if isinstance(result, str):
                wrong[clip.name] = result
            else:
                lengths.append(result[0])
                levels.append(result[1])
            if progress is not None:
                progress(done, len(clips))
    finally:
        pool.shutdown(cancel_futures=True)
    return {"lengths": lengths, "rms": levels, "wrong": wrong}


def _level(path: Path, sample_rate: int) -> tuple[int, float] | str:
    """Samples and RMS of a file, or what is wrong with it."""
    try:
        samples = read_audio(path, sample_rate=sample_rate)
    except AudioError as error:
        return str(error)
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    if rms < _SILENT:
        return (
            f"{path}: is silent (RMS below {SILENT_DB:g} dB of full scale); replace or remove it."
        )
    return len(samples), rms
