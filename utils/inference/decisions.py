"""From a network's scores of steps to sound events: as a set says, or as chosen for each class."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np

from utils.config.event_sections import PostprocessSettings
from utils.events import Events
from utils.metrics.candidates import Candidates
from utils.metrics.events import event_counts, f1_scores
from utils.metrics.intersection import GroundTruth
from utils.metrics.psds_exact import psds_exact
from utils.metrics.psds_roc import SCENARIOS
from utils.postprocess.boxes import boxes, even_frames
from utils.postprocess.frames import frame_edges
from utils.postprocess.masking import mask_weak
from utils.postprocess.median import median_filter, odd_frames
from utils.postprocess.scored import ScoredEvents
from utils.postprocess.thresholds import events_at
from utils.postprocess.tuning import bounded, choose, filtered

MEDIAN_SECONDS = (0.064, 0.2, 0.32, 0.448, 0.7, 1.0, 1.4, 2.0, 3.0, 4.0)
BOX_SECONDS = (0.256, 0.512, 1.024)
BOX_ABSOLUTE = (0.3, 0.7, 1.0)
BOX_RELATIVE = (1.5, 3.0, 6.0)
TRIED_THRESHOLDS = tuple(number / 20 for number in range(1, 20))
"""What is tried where ``postprocess.tune`` is on."""

Frames = tuple[int, ...]
Numbers = tuple[float, ...]
Chosen = TypeVar("Chosen")


@dataclass(frozen=True)
class Decisions:
    """What becomes of scores between 0 and 1, for each class.

    Attributes:
        method: a median filter and a threshold, or bounding boxes and a threshold.
        step_seconds: length of a step.
        lengths: steps of the median filter (odd) or of the boxes' step filter (even), (classes,).
        thresholds: an event's score is above it (classes,).
        absolute: of the boxes, see ``utils.postprocess.boxes`` (classes,).
        relative: of the boxes (classes,).
        weak_masking: scores of steps are multiplied by those of the clip before.
    """

    method: Literal["median", "boxes"]
    step_seconds: float
    lengths: Frames
    thresholds: Numbers
    absolute: Numbers
    relative: Numbers
    weak_masking: bool

    @classmethod
    def of(cls, settings: PostprocessSettings, *, classes: int, step_seconds: float) -> "Decisions":
        """What the settings say, the same for all classes."""
        of_boxes = settings.method == "boxes"
        length = (
            even_frames(settings.boxes.seconds, hop_seconds=step_seconds)
            if of_boxes
            else odd_frames(settings.median_seconds, hop_seconds=step_seconds)
        )
        return cls(
            method=settings.method,
            step_seconds=step_seconds,
            lengths=(int(length),) * classes,
            thresholds=(settings.threshold,) * classes,
            absolute=(settings.boxes.absolute,) * classes,
            relative=(settings.boxes.relative,) * classes,
            weak_masking=settings.weak_masking,
        )

    def candidates(
        self, strong: np.ndarray, weak: np.ndarray, *, seconds: np.ndarray
    ) -> Candidates:
        """Events of every threshold.

        Args:
            strong: scores (clips, steps, classes).
            weak: scores (clips, classes).
            seconds: length of each clip (clips,).
        """
        scores = self._masked(strong, weak)
        edges = self._edges(scores)
        if self.method == "median":
            smooth = median_filter(scores, self.lengths)
            return Candidates.of_frames(smooth, edges=edges, durations=seconds)
        return _as_candidates(self._boxes(scores, seconds), scores.shape)

    def events(self, strong: np.ndarray, weak: np.ndarray, *, seconds: np.ndarray) -> Events:
        """Events above the thresholds; arguments as :meth:`candidates`."""
        scores = self._masked(strong, weak)
        if self.method == "boxes":
            found = self._boxes(scores, seconds)
            return found.above(self.thresholds, class_count=scores.shape[2])
        smooth = median_filter(scores, self.lengths)
        return events_at(smooth, self.thresholds, edges=self._edges(scores), seconds=seconds)

    def tuned(
        self,
        strong: np.ndarray,
        weak: np.ndarray,
        truth: GroundTruth,
        *,
        seconds: np.ndarray,
    ) -> "Decisions":
        """Choose filter or boxes by PSDS of scenario 1, then the threshold by event-based F1.

        Each class has its own choice. A class without ground truth keeps what it has.

        Args:
            strong: scores of clips with known events (clips, steps, classes).
            weak: scores (clips, classes).
            truth: their events.
            seconds: length of each clip (clips,).
        """
        scores = self._masked(strong, weak)
        choose_shape = self._with_filters if self.method == "median" else self._with_boxes
        chosen = choose_shape(scores, truth, seconds)
        return chosen._with_thresholds(strong, weak, truth, seconds=seconds)

    def _with_filters(
        self, scores: np.ndarray, truth: GroundTruth, seconds: np.ndarray
    ) -> "Decisions":
        """Choose the median filters; of equally good ones the shortest."""
        lengths = [int(n) for n in odd_frames(MEDIAN_SECONDS, hop_seconds=self.step_seconds)]
        edges = self._edges(scores)
        best = choose(
            filtered(scores, lengths),
            lambda smooth: _psds(
                Candidates.of_frames(smooth, edges=edges, durations=seconds), truth
            ),
        )
        return replace(self, lengths=_chosen(best.keys, self.lengths, truth))

    def _with_boxes(
        self, scores: np.ndarray, truth: GroundTruth, seconds: np.ndarray
    ) -> "Decisions":
        """Choose the rules of bounding boxes; of equally good ones the first that was tried."""
        widths = [int(n) for n in even_frames(BOX_SECONDS, hop_seconds=self.step_seconds)]
        best = choose(
            bounded(
                scores, lengths=widths, absolute=BOX_ABSOLUTE, relative=BOX_RELATIVE,
                edges=self._edges(scores), seconds=seconds,
            ),
            lambda found: _psds(_as_candidates(found, scores.shape), truth),
        )  # fmt: skip
        now = tuple(zip(self.lengths, self.absolute, self.relative, strict=True))
        lengths, absolute, relative = zip(*_chosen(best.keys, now, truth), strict=True)
        return replace(self, lengths=lengths, absolute=absolute, relative=relative)

    def _with_thresholds(
        self, strong: np.ndarray, weak: np.ndarray, truth: GroundTruth, *, seconds: np.ndarray
    ) -> "Decisions":
        """Choose the thresholds; of equally good ones that nearest to 0.5."""
        shape = {"file_count": len(strong), "class_count": strong.shape[2]}
        found = self.candidates(strong, weak, seconds=seconds)
        best = choose(
            ((t, found.at(t)) for t in sorted(TRIED_THRESHOLDS, key=lambda t: abs(t - 0.5))),
            lambda events: f1_scores(event_counts(events, truth.events, **shape).sum(axis=0))["f1"],
        )
        return replace(self, thresholds=_chosen(best.keys, self.thresholds, truth))

    def _masked(self, strong: np.ndarray, weak: np.ndarray) -> np.ndarray:
        return mask_weak(strong, weak) if self.weak_masking else strong

    def _edges(self, scores: np.ndarray) -> np.ndarray:
        return frame_edges(scores.shape[1], hop_seconds=self.step_seconds)

    def _boxes(self, scores: np.ndarray, seconds: np.ndarray) -> ScoredEvents:
        return boxes(
            scores,
            edges=self._edges(scores),
            lengths=self.lengths,
            absolute=self.absolute,
            relative=self.relative,
            seconds=seconds,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Decisions":
        """What :meth:`as_dict` gave.

        Raises:
            ValueError: when the content is something else.
        """
        try:
            made = cls(
                method=content["method"],
                step_seconds=float(content["step_seconds"]),
                lengths=tuple(int(n) for n in content["lengths"]),
                weak_masking=bool(content["weak_masking"]),
                **{
                    name: _numbers(content[name]) for name in ("thresholds", "absolute", "relative")
                },
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"decisions on events are incomplete ({error!r})") from error
        if not made._fits():
            raise ValueError("decisions on events do not fit together")
        return made

    def _fits(self) -> bool:
        """Whether the method is known, and each class has values that it can take."""
        same = {len(self.lengths), len(self.thresholds), len(self.absolute), len(self.relative)}
        odd = self.method == "median"
        return (
            self.method in ("median", "boxes")
            and len(same) == 1
            and 0 < self.step_seconds < math.inf
            and all(length > 0 and length % 2 == odd for length in self.lengths)
            and all(0 <= threshold <= 1 for threshold in self.thresholds)
            and all(difference >= 0 for difference in self.absolute)
            and all(ratio >= 1 for ratio in self.relative)
        )


def _numbers(values: Sequence[Any]) -> Numbers:
    return tuple(float(value) for value in values)


def _chosen(
    best: Sequence[Chosen], now: Sequence[Chosen], truth: GroundTruth
) -> tuple[Chosen, ...]:
    """The best of each class; of those without ground truth what they have now."""
    judged = (truth.counts > 0).tolist()
    return tuple(new if known else old for new, old, known in zip(best, now, judged, strict=True))


def _psds(candidates: Candidates, truth: GroundTruth) -> np.ndarray:
    """Area under the curve of each class in scenario 1, (classes,)."""
    scenario = {"psds_scenario1": SCENARIOS["psds_scenario1"]}
    return psds_exact(candidates, truth, scenario)["psds_scenario1"].per_class


def _as_candidates(found: ScoredEvents, shape: tuple[int, ...]) -> Candidates:
    return Candidates.of_events(
        found.files, found.classes, found.onsets, found.offsets, found.scores,
        file_count=shape[0], class_count=shape[2],
    )  # fmt: skip
