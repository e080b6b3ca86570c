"""Predictions: what a model says about clips, beside what is known of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from utils.datasets.base import Clip
from utils.errors import DataError
from utils.targets import TargetKind, encode


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says about clips, and what is known of them.

    Attributes:
        names: clip names as the data set lists them.
        probabilities: (clips, classes) float32 or float64, one distribution a row.
        truth: class indices (clips,) of single labels, shares (clips, classes) of distributions, or
            None where the labels are unknown.
        groups: location or source recording of each clip, None for a clip on its own; or ().
        devices: recording device of each clip, None where unknown; or ().
    """

    names: tuple[str, ...]
    probabilities: np.ndarray
    truth: np.ndarray | None = None
    groups: tuple[str | None, ...] = ()
    devices: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        """Refuse parts of unequal length.

        Raises:
            ValueError: when a part does not have one entry for each clip.
        """
        clips = len(self.names)
        if self.probabilities.ndim != 2 or len(self.probabilities) != clips:
            raise ValueError(
                f"probabilities ({clips}, classes) are needed for {clips} names, "
                f"received {self.probabilities.shape}"
            )
        for name, part in (("groups", self.groups), ("devices", self.devices)):
            if part and len(part) != clips:
                raise ValueError(f"{clips} {name} or none are needed, received {len(part)}")
        shapes = ((clips,), self.probabilities.shape)
        if self.truth is not None and self.truth.shape not in shapes:
            raise ValueError(
                f"truth {' or '.join(map(str, shapes))} is needed, received {self.truth.shape}"
            )

    @classmethod
    def of_clips(
        cls,
        clips: Sequence[Clip],
        probabilities: np.ndarray,
        *,
        classes: Sequence[str],
        kind: TargetKind = "single_label",
    ) -> "Predictions":
        """Join the output of a model with what the data set knows of the clips.

        Args:
            clips: the clips in the order of the rows.
            probabilities: (clips, classes).
            classes: class names in the order of the columns.
            kind: what the labels of a clip mean.

        Returns:
            Predictions with truth, unless a clip has no label.

        Raises:
            DataError: when a clip carries several labels, or one that is not a class.
        """
        return cls(
            names=tuple(clip.name for clip in clips),
            probabilities=probabilities,
            truth=_truth(clips, classes, kind) if all(clip.labels for clip in clips) else None,
            groups=tuple(clip.group for clip in clips),
            devices=tuple(clip.device for clip in clips),
        )

    @property
    def predicted(self) -> np.ndarray:
        """Class index of the largest probability of each clip, the first of equals (clips,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def known_truth(self) -> np.ndarray:
        """The truth of predictions that are to be scored, as :attr:`truth`.

        Raises:
            DataError: when there are no clips, or their labels are unknown.
        """
        if not self.names or self.truth is None:
            raise DataError("Scores need clips with known labels, and there are none to be scored.")
        return self.truth

    @property
    def targets(self) -> np.ndarray:
        """The truth as a share of each class, float32 (clips, classes); of a single label 1.

        Raises:
            DataError: as :attr:`known_truth`.
        """
        truth = self.known_truth
        if truth.ndim == 2:
            return truth
        return np.eye(self.probabilities.shape[1], dtype=np.float32)[truth]

    @property
    def units(self) -> np.ndarray:
        """Number of each clip's group, a clip without one counting for itself (clips,) int64."""
        numbers: dict[str | int, int] = {}
        groups = self.groups or (None,) * len(self.names)
        keys = (row if group is None else group for row, group in enumerate(groups))
        return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)

    def on_devices(self, devices: Sequence[str]) -> "Predictions":
        """Keep the clips of some devices, in their order."""
        return self._rows([row for row, device in enumerate(self.devices) if device in devices])

    def of(self, names: Iterable[str]) -> "Predictions":
        """Keep those of some clips that are predicted here, in their order."""
        wanted = set(names)
        return self._rows([row for row, name in enumerate(self.names) if name in wanted])

    def _rows(self, rows: list[int]) -> "Predictions":
        return Predictions(
            names=tuple(self.names[row] for row in rows),
            probabilities=self.probabilities[rows],
            truth=None if self.truth is None else self.truth[rows],
            groups=tuple(self.groups[row] for row in rows) if self.groups else (),
            devices=tuple(self.devices[row] for row in rows) if self.devices else (),
        )


def pool(parts: Sequence[Predictions]) -> Predictions:
    """Put the predictions of several folds into one, to be scored as a whole.

    Args:
        parts: at least one; truth, groups and devices are kept where every part has them.

    Raises:
        ValueError: for no parts, or parts of different classes.
    """
    truths = [part.truth for part in parts if part.truth is not None]
    with_groups = all(part.groups for part in parts)
    with_devices = all(part.devices for part in parts)
    return Predictions(
        names=tuple(name for part in parts for name in part.names),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        truth=np.concatenate(truths) if len(truths) == len(parts) else None,
        groups=tuple(group for part in parts for group in part.groups) if with_groups else (),
        devices=tuple(device for part in parts for device in part.devices) if with_devices else (),
    )


def average(parts: Sequence[Predictions], weights: Sequence[float] | None = None) -> Predictions:
    """Average what several models say about the same clips.

    Args:
        parts: at least one, of the same clips in the same order.
        weights: share of each model, summing to 1; None: equal shares.

    Raises:
        ValueError: for no parts, or parts of different clips.
    """
    if len({part.names for part in parts}) != 1:
        raise ValueError("predictions of the same clips are needed to be averaged")
    stacked = np.stack([part.probabilities for part in parts]).astype(np.float64)
    mean = np.average(stacked, axis=0, weights=weights).astype(np.float32)
    return replace(parts[0], probabilities=mean)


def sum_tolerance(class_count: int) -> float:
    """How far a row of probabilities may be from a sum of 1.

    An int8 softmax counts in steps of 1/256, so each class may be off by 1/512; 0.01 on top allows
    for tables that were written with few digits. Logits and percentages are far outside.
    """
    return 0.01 + class_count / 512


def require_distributions(predictions: Predictions, *, class_count: int) -> None:
    """Refuse rows that are no probabilities: a score of them would mean nothing.

    Args:
        predictions: what is to be scored or handed in.
        class_count: number of classes that there should be.

    Raises:
        DataError: when a row is not a distribution; the message names the first such clip.
        ValueError: when the columns are not as many as the classes.
    """
    rows = predictions.probabilities
    if rows.shape[1] != class_count:
        raise ValueError(f"{class_count} classes are named, predictions have {rows.shape[1]}")
    wrong = ~np.all((rows >= 0) & (rows <= 1), axis=1)
    off = np.abs(rows.sum(axis=1, dtype=np.float64) - 1.0)
    wrong |= ~(off <= sum_tolerance(class_count))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{predictions.names[first]}: its predictions {np.round(rows[first], 3).tolist()} are "
            f"not probabilities that sum to 1 (so for {int(wrong.sum())} of {len(wrong)} clips); "
            "end the network with a softmax, or lower the learning rate if they are NaN."
        )


def _truth(clips: Sequence[Clip], classes: Sequence[str], kind: TargetKind) -> np.ndarray:
    """Class indices (clips,) int64 of single labels, else float32 (clips, classes)."""
    encoded = encode(clips, classes=classes, kind=kind)
    return encoded.argmax(axis=1) if kind == "single_label" else encoded
