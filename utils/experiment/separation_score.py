"""Score separated files, of a model or of any system, against the stems of a data set."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.audio import read_channels
from utils.console import bar
from utils.datasets import Clip
from utils.datasets.music import MIXTURE
from utils.errors import DataError
from utils.evaluation.separation import SeparationScores, in_order, score_file, summarise
from utils.experiment.job import Job
from utils.experiment.separation_learning import only_fold, read_whole
from utils.features.heard import Heard, heard_by
from utils.files import or_none
from utils.training.compiling import in_any_order

SLACK_SECONDS = 0.1  # by which a separated file may be longer or shorter than its mixture


def score_clips(
    job: Job,
    clips: Sequence[Clip],
    separate: Callable[[Clip, np.ndarray], np.ndarray],
    *,
    bss: bool,
    keep: Callable[[int, Clip, np.ndarray], None] | None = None,
) -> dict[str, Any]:
    """Score what is separated of files, one after the other, with a bar on the console.

    Args:
        job: the set and the data; audio is scored at the set's rate and channels.
        clips: files with their stems.
        separate: gives stems (stems, samples, channels) of a file and its mixture (samples,
            channels).
        bss: whether BSS Eval is computed too.
        keep: takes the number of each file, counted from 0, the file, and what was separated of it,
            in the order of its stems.

    Returns:
        Plain data: ``scores`` by name of each file, a value a stem, None of silent ones; and its
        ``seconds``.

    Raises:
        AudioError: for files that cannot be used.
    """
    heard = heard_by(job.settings.audio, job.settings.features)
    scores, seconds = [], []
    with bar(job.console, "  files") as progress:
        for number, clip in enumerate(clips):
            mixture, stems = read_whole(clip, heard)
            estimates = separate(clip, mixture)
            if in_any_order(job.settings.training):
                estimates = in_order(estimates, stems)
            found = score_file(estimates, stems, mixture, sample_rate=heard.sample_rate, bss=bss)
            scores.append({name: list(map(or_none, values)) for name, values in found.items()})
            seconds.append(len(mixture) / heard.sample_rate)
            if keep is not None:
                keep(number, clip, estimates)
            progress(number + 1, len(clips))
    return {"scores": scores, "seconds": seconds}


def summary_of(
    job: Job, clips: Sequence[Clip], found: Mapping[str, Any], *, bootstrap: int
) -> SeparationScores:
    """Join the scores of files.

    Args:
        job: the set and the data.
        clips: the files.
        found: of them, by :func:`score_clips`.
        bootstrap: resamples; 0 gives no intervals.
    """
    return summarise(
        [
            {name: np.array(values, np.float64) for name, values in one.items()}
            for one in found["scores"]
        ],
        names=[clip.name for clip in clips],
        seconds=found["seconds"],
        classes=job.data.classes,
        interchangeable=in_any_order(job.settings.training),
        bootstrap=bootstrap,
        seed=job.settings.seed,
    )


def score_folder(job: Job, folder: Path) -> SeparationScores:
    """Score the files that some system separated of the test files.

    Args:
        job: the set and the data; audio is scored at the set's rate and channels.
        folder: for each test file a folder of its name (``test/song`` or ``song``) with a file for
            each thing that is separated (``vocals.wav``), as ``-m predict`` writes them. Of
            ``song/mixture.wav`` they may also lie in ``song/mixture``.

    Raises:
        DataError: for files that are missing or of another length, and for a folder that two test
            files have in common.
        AudioError: for files that cannot be used.
    """
    settings, classes = job.settings, job.data.classes
    heard = heard_by(settings.audio, settings.features)
    clips = only_fold(job.data).test
    places = _places(folder, clips, classes)

    def read(clip: Clip, mixture: np.ndarray) -> np.ndarray:
        place = places[clip.name]
        return np.stack([_read(place / f"{name}.wav", heard, mixture) for name in classes])

    found = score_clips(job, clips, read, bss=has_named_stems(job))
    return summary_of(job, clips, found, bootstrap=settings.evaluation.bootstrap)


def has_named_stems(job: Job) -> bool:
    """Whether each output is of one stem, of which BSS Eval is told; speakers come in any order."""
    return not in_any_order(job.settings.training)


def _places(folder: Path, clips: Sequence[Clip], classes: tuple[str, ...]) -> dict[str, Path]:
    """Where separated files lie, by name of the clip; no two in the same folder."""
    places = {clip.name: _place(folder, clip, classes) for clip in clips}
    owners: dict[Path, str] = {}
    for name, place in places.items():
        other = owners.setdefault(place, name)
        if other != name:
            raise DataError(
                f"{place}: may be of {other} or of {name}; name the folders in {folder} by the "
                "whole names of the test files."
            )
    return places


def _place(folder: Path, clip: Clip, classes: tuple[str, ...]) -> Path:
    """Where a clip's separated files lie."""
    name = Path(clip.name)
    song = name.with_suffix("") if name.suffix == clip.path.suffix else name
    if song.name == MIXTURE and song.parent.name:
        song = song.parent
    known = [folder / each for each in (*_ends(name), *_ends(song))]
    known += [place / MIXTURE for place in known]
    for place in known:
        missing = [label for label in classes if not (place / f"{label}.wav").is_file()]
        if not missing:
            return place
        if len(missing) < len(classes):
            raise DataError(f"{place}: has no {missing[0]}.wav; each stem needs a file.")
    raise DataError(
        f"{folder}: has no folder {song.name} with {', '.join(f'{label}.wav' for label in classes)}"
        f" for the test file {clip.name}."
    )


def _ends(path: Path) -> list[Path]:
    """A path, then the same without its first folder, without its first two, and so on."""
    return [Path(*path.parts[first:]) for first in range(len(path.parts))]


def _read(path: Path, heard: Heard, mixture: np.ndarray) -> np.ndarray:
    """A separated file with as many samples as the mixture."""
    found = read_channels(path, sample_rate=heard.sample_rate, channels=heard.channels)
    difference = abs(len(found) - len(mixture)) / heard.sample_rate
    if difference > SLACK_SECONDS:
        raise DataError(
            f"{path}: is {difference:.2f} s longer or shorter than its mixture; separate the whole "
            "file."
        )
    fitted = np.zeros_like(mixture)
    fitted[: len(found)] = found[: len(mixture)]
    return fitted
