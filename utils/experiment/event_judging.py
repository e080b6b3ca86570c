"""How well a network of sound events does on validation clips, after each epoch and at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.datasets import Clip
from utils.datasets.event_tables import indexed
from utils.experiment.event_learning import EventLearning
from utils.inference import Decisions, MemoryPredictor
from utils.metrics.events import f1_scores
from utils.metrics.intersection import GroundTruth, intersection_counts
from utils.metrics.psds_exact import psds_exact
from utils.metrics.psds_roc import SCENARIOS

if TYPE_CHECKING:
    from models.mean_teacher import EventLearner

SCORES = ("weak_f1", "intersection_f1", "objective", *SCENARIOS, "psds")
HALF = 0.5


@dataclass(frozen=True)
class EventJudge:
    """Scores student and teacher as the baseline of DCASE 2021 does after an epoch, and by PSDS.

    ``weak_f1`` is the macro F1 of the clips' labels above 0.5 on weakly labelled validation clips,
    ``intersection_f1`` the macro F1 of the decided events on strongly labelled ones (half of each
    must be covered), ``objective`` their sum. PSDS is
    exact; ``psds`` is the sum of both scenarios. A score that nothing can be said of is
    0, so that it decides nothing.

    Attributes:
        learning: gives the clips' features and lengths.
        decisions: from scores to events.
    """

    learning: EventLearning
    decisions: Decisions

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of history.csv: the student's, and the teacher's if there is one."""
        names = ("", "teacher_") if self.learning.job.settings.training.teacher else ("",)
        return tuple(f"val_{name}{score}" for name in names for score in SCORES)

    @cached_property
    def strong(self) -> tuple[Clip, ...]:
        """Validation clips with events."""
        clips = self.learning.usable(self.learning.fold.validation)
        return tuple(clip for clip in clips if clip.events is not None)

    @cached_property
    def weak(self) -> tuple[Clip, ...]:
        """Validation clips with labels alone."""
        clips = self.learning.usable(self.learning.fold.validation)
        return tuple(clip for clip in clips if clip.events is None and clip.labels)

    def truth(self, clips: Sequence[Clip]) -> GroundTruth:
        """Events of clips by number, merged."""
        return ground_truth(clips, self.learning)

    def __call__(self, learner: "EventLearner") -> dict[str, float]:
        """Score the networks as they are."""
        found = self.score(learner.student)
        columns = {f"val_{name}": value for name, value in found.items()}
        if learner.teacher is not None:
            taught = self.score(learner.teacher)
            columns |= {f"val_teacher_{name}": value for name, value in taught.items()}
        return columns

    def score(self, network: Any) -> dict[str, float]:
        """Scores of one network by name."""
        predictor = MemoryPredictor(network)
        weak_f1 = 0.0
        if self.weak:
            _, of_clips = self.learning.predict(predictor, self.weak)
            known = self.learning.targets(self.weak)["weak"] > HALF
            weak_f1 = clip_f1(known, of_clips > HALF)
        strong, weak = self.learning.predict(predictor, self.strong)
        truth, seconds = self._strong_truth, self.learning.seconds(self.strong)
        events = self.decisions.events(strong, weak, seconds=seconds)
        counts = intersection_counts(events, truth, dtc=HALF, gtc=HALF).sum(axis=0)
        intersection_f1 = _number(f1_scores(counts)["f1_macro"])
        candidates = self.decisions.candidates(strong, weak, seconds=seconds)
        psds = psds_exact(candidates, truth, SCENARIOS)
        areas = {name: _number(value.value) for name, value in psds.items()}
        return {
            "weak_f1": weak_f1,
            "intersection_f1": intersection_f1,
            "objective": weak_f1 + intersection_f1,
            **areas,
            "psds": sum(areas.values()),
        }

    @cached_property
    def _strong_truth(self) -> GroundTruth:
        return self.truth(self.strong)


def ground_truth(clips: Sequence[Clip], learning: EventLearning) -> GroundTruth:
    """Events of clips by their place in the list, overlaps merged."""
    names, classes = [clip.name for clip in clips], learning.job.data.classes
    events = indexed({clip.name: clip.events or () for clip in clips}, files=names, classes=classes)
    return GroundTruth.of(events, durations=learning.seconds(clips), class_count=len(classes))


def clip_f1(truth: np.ndarray, decided: np.ndarray) -> float:
    """Macro F1 of the labels of clips, bool (clips, classes); 0 where there are none."""
    counts = np.stack([truth & decided, ~truth & decided, truth & ~decided], axis=-1).sum(axis=0)
    return _number(f1_scores(counts)["f1_macro"])


def _number(value: Any) -> float:
    return float(np.nan_to_num(value))
