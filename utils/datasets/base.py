"""What every data set becomes: clips, folds of clips, and the data set itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.config.schema import MixingSettings, SpeakerSettings
from utils.errors import DataError
from utils.files import digest

PARTS = ("train", "validation", "test")
"""Names of the parts that a data set is divided into."""


class Event(NamedTuple):
    """A sound in a clip.

    Attributes:
        label: its class.
        onset: seconds from the start of the clip.
        offset: seconds, later than the onset.
    """

    label: str
    onset: float
    offset: float


@dataclass(frozen=True)
class Clip:
    """One audio file of a data set.

    Attributes:
        name: the file as the data set lists it, such as ``audio/airport-lyon-5-3-a.wav``.
        path: where it lies on this machine.
        labels: its classes; empty where they are unknown (evaluation sets).
        weights: share of each label, summing to 1; empty: a label is there or not.
        group: location, speaker or source recording, never on both sides of a split.
        device: the recording device, where it is known.
        city: the city, where it is known.
        events: what sounds when (*strong* labels), sorted by label and onset, none of a class
            overlapping another; ``()`` where nothing does; None where it is not known.
        seconds: length as the data set states it, for scores by the hour; None: not stated.
        stems: of a mixture, what it is made of: for each class of the data set, in order, the files
            whose sum is its sound; empty where they are not known.
    """

    name: str
    path: Path
    labels: tuple[str, ...] = ()
    group: str | None = None
    device: str | None = None
    city: str | None = None
    weights: tuple[float, ...] = ()
    events: tuple[Event, ...] | None = None
    seconds: float | None = None
    stems: tuple[tuple[Path, ...], ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Its audio file, then those of its stems."""
        return (self.path, *(path for stem in self.stems for path in stem))


@dataclass(frozen=True)
class Fold:
    """One division of a data set into three parts.

    Attributes:
        name: such as ``fold1``.
        train: training clips, without the validation clips.
        validation: clips that choose the epoch and the thresholds.
        test: clips that are only scored.
    """

    name: str
    train: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    test: tuple[Clip, ...]

    @property
    def clips(self) -> tuple[Clip, ...]:
        """All clips: training, validation, test."""
        return self.train + self.validation + self.test


@dataclass(frozen=True)
class DataSet:
    """A labelled data set, ready to be used.

    Attributes:
        name: the loader's name, or ``demo`` on demo data.
        classes: class names in the order of the network's outputs.
        folds: at least one fold.
        notes: what a user should know (leaks, rows left out), one sentence each.
        unseen_devices: devices of test clips that no training clip has, sorted.
        held_out: with cross-validation, test clips outside of all folds; the networks of all folds
            predict them and are averaged. Empty: the folds' test parts are all there is.
        mixing: how the folds' training clips, isolated words then, are mixed afresh in each epoch;
            None: training clips are used as they are.
        speakers: how the folds' training clips, utterances of one speaker (group) each then, are
            mixed afresh in each epoch; None: training clips are used as they are.
        test_is_closed: whether the challenge lets no network learn the test clips, not even the one
            that is handed in.
        have_more: whether mixtures may have something besides their stems, such as noise or stems
            that belong to no class.
        missing: names of clips that the data set lists and that are not there, where it may lack
            some; the notes count them.
    """

    name: str
    classes: tuple[str, ...]
    folds: tuple[Fold, ...]
    notes: tuple[str, ...] = ()
    unseen_devices: tuple[str, ...] = ()
    held_out: tuple[Clip, ...] = ()
    mixing: MixingSettings | None = None
    speakers: SpeakerSettings | None = None
    test_is_closed: bool = False
    have_more: bool = False
    missing: tuple[str, ...] = ()

    @cached_property
    def clips(self) -> tuple[Clip, ...]:
        """Every clip of all folds and of the held-out part once, sorted by name."""
        unique = {clip.name: clip for fold in self.folds for clip in fold.clips}
        unique |= {clip.name: clip for clip in self.held_out}
        return tuple(unique[name] for name in sorted(unique))

    @property
    def test(self) -> tuple[Clip, ...]:
        """The clips that scores are about: those held out of all folds, or the folds' tests."""
        return self.held_out or tuple(clip for fold in self.folds for clip in fold.test)

    @property
    def learnt(self) -> tuple[Clip, ...]:
        """The clips that a network learns from or is chosen by, in any fold."""
        seen = {c.name: c for fold in self.folds for c in fold.train + fold.validation}
        return tuple(seen.values())

    @property
    def to_hand_in(self) -> tuple[Clip, ...]:
        """The clips that a network to be handed in learns from, or is chosen by; sorted by name."""
        if self.test_is_closed:
            return tuple(sorted(self.learnt, key=attrgetter("name")))
        return self.clips

    @property
    def judged(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the clips that weights of an ensemble are fitted to, and of those it is for."""
        apart = [fold.validation if len(self.folds) == 1 else fold.test for fold in self.folds]
        names = tuple(sorted(clip.name for part in apart for clip in part))
        return names, tuple(sorted(clip.name for clip in self.test))

    @cached_property
    def identity(self) -> str:
        """Digest of classes, names, labels, parts and file sizes, independent of the root.

        Whatever else clips tell (events, lengths, groups, devices, cities) belongs to it.

        Raises:
            DataError: when a file has vanished since the data set was loaded.
        """
        told = {
            "classes": self.classes,
            "clips": [_content(clip) for clip in self.clips],
            "held_out": [clip.name for clip in self.held_out],
            "folds": [
                [fold.name] + [[clip.name for clip in part] for part in _parts(fold)]
                for fold in self.folds
            ],
        }
        return digest(told | {"closed": True} if self.test_is_closed else told)


def labels_and_weights(
    shares: np.ndarray, classes: Sequence[str]
) -> list[tuple[tuple[str, ...], tuple[float, ...]]]:
    """Labels and weights of clips: their classes with a share above 0, and these shares.

    Args:
        shares: (clips, classes), 0 and more.
        classes: names of the columns.
    """
    rows, columns = np.nonzero(shares)
    names = [classes[column] for column in columns.tolist()]
    weights = shares[rows, columns].tolist()
    ends = np.cumsum(np.bincount(rows, minlength=len(shares))).tolist()
    return [
        (tuple(names[start:end]), tuple(weights[start:end]))
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


def _parts(fold: Fold) -> tuple[tuple[Clip, ...], ...]:
    return fold.train, fold.validation, fold.test


def _content(clip: Clip) -> tuple[object, ...]:
    """What identifies a clip; data sets that do not tell something are known by what they were."""
    content: tuple[object, ...] = (clip.name, clip.labels, clip.weights, _size(clip.path))
    for told in ((clip.events, clip.seconds), (clip.group, clip.device, clip.city)):
        content += told if any(one is not None for one in told) else ()
    if clip.stems:
        content += (tuple(tuple(map(_size, stem)) for stem in clip.stems),)
    return content


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: the audio file has vanished; restore the data set.") from error
