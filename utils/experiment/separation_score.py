"""Score separated files of any system against the stems of a data set, without a model."""

from pathlib import Path

import numpy as np

from models.separation_losses import IN_ANY_ORDER
from utils.audio import read_channels
from utils.console import bar
from utils.datasets import Clip
from utils.errors import DataError
from utils.evaluation.separation import SeparationScores, in_order, score_file, summarise
from utils.experiment.job import Job
from utils.experiment.separation_learning import only_fold, read_whole
from utils.features.heard import Heard, heard_by

SLACK_SECONDS = 0.1  # by which a separated file may be longer or shorter than its mixture


def score_folder(job: Job, folder: Path) -> SeparationScores:
    """Score the files that some system separated of the test files.

    Args:
        job: the set and the data; audio is scored at the set's rate and channels.
        folder: for each test file a folder of its name (``test/song`` or ``song``) with a file for
            each thing that is separated (``vocals.wav``), as ``-m predict`` writes them.

    Raises:
        DataError: for files that are missing or of another length.
        AudioError: for files that cannot be used.
    """
    settings, classes = job.settings, job.data.classes
    heard = heard_by(settings.audio, settings.features)
    clips = only_fold(job.data).test
    places = [_place(folder, clip, classes) for clip in clips]
    in_any_order = settings.training.loss in IN_ANY_ORDER
    scored, seconds = [], []
    with bar(job.console, "  files") as progress:
        for number, (clip, place) in enumerate(zip(clips, places, strict=True), start=1):
            mixture, stems = read_whole(clip, heard)
            estimates = np.stack([_read(place / f"{name}.wav", heard, mixture) for name in classes])
            if in_any_order:
                estimates = in_order(estimates, stems)
            rate = heard.sample_rate
            bss = heard.channels > 1
            scored.append(score_file(estimates, stems, mixture, sample_rate=rate, bss=bss))
            seconds.append(len(mixture) / rate)
            progress(number, len(clips))
    return summarise(
        scored,
        names=[clip.name for clip in clips],
        seconds=seconds,
        classes=classes,
        interchangeable=in_any_order,
        bootstrap=settings.evaluation.bootstrap,
        seed=settings.seed,
    )


def _place(folder: Path, clip: Clip, classes: tuple[str, ...]) -> Path:
    """Where a clip's separated files lie."""
    name = Path(clip.name)
    known = [folder / name, folder / name.name, folder / name.stem]
    for place in known:
        missing = [label for label in classes if not (place / f"{label}.wav").is_file()]
        if not missing:
            return place
        if len(missing) < len(classes):
            raise DataError(f"{place}: has no {missing[0]}.wav; each stem needs a file.")
    raise DataError(
        f"{folder}: has no folder {name.name} with {', '.join(f'{label}.wav' for label in classes)}"
        f" for the test file {clip.name}."
    )


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
