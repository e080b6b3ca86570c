"""How well a network of sound events does on validation clips, after each epoch and at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

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


class Predictions(NamedTuple):
    """What a network says of validation clips.

    Attributes:
        strong: scores of steps of clips with events (clips, steps, classes).
        weak: scores of those clips (clips, classes).
        labels: scores of clips with labels alone (clips, classes); None: there are none.
    """

    strong: np.ndarray
    weak: np.ndarray
    labels: np.ndarray | None


@dataclass(frozen=True)
class EventJudge:
    """Scores student and teacher as the baseline of DCASE 2021 does after an epoch, and by PSDS.

    ``weak_f1`` is the macro F1 of the clips' labels above 0.5 on weakly labelled validation clips,
    ``intersection_f1`` the macro F1 of the decided events on strongly labelled ones (half of each
    must be covered), ``objective`` their sum. PSDS is exact; ``psds`` is the sum of both
    scenarios. A score that nothing can be said of is 0, so that it decides nothing.

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

    @cached_property
    def truth(self) -> GroundTruth:
        """Events of the validation clips that have them."""
        return ground_truth(self.strong, self.learning)

    @cached_property
    def seconds(self) -> np.ndarray:
        """Length of those clips."""
        return self.learning.seconds(self.strong)

    @cached_property
    def _labels(self) -> np.ndarray:
        """What is said of the weakly labelled validation clips, bool (clips, classes)."""
        return self.learning.targets(self.weak)["weak"] > HALF

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
        return self.scores(self.predictions(network), self.decisions)

    def predictions(self, network: Any) -> Predictions:
        """What a network says of the validation clips."""
        predictor = MemoryPredictor(network)
        labels = self.learning.predict(predictor, self.weak)[1] if self.weak else None
        return Predictions(*self.learning.predict(predictor, self.strong), labels)

    def scores(self, found: Predictions, decisions: Decisions) -> dict[str, float]:
        """Scores by name of what a network said, where events are decided so."""
        weak_f1 = 0.0 if found.labels is None else clip_f1(self._labels, found.labels > HALF)
        events = decisions.events(found.strong, found.weak, seconds=self.seconds)
        counts = intersection_counts(events, self.truth, dtc=HALF, gtc=HALF).sum(axis=0)
        intersection_f1 = _number(f1_scores(counts)["f1_macro"])
        candidates = decisions.candidates(found.strong, found.weak, seconds=self.seconds)
        psds = psds_exact(candidates, self.truth, SCENARIOS)
        areas = {name: _number(value.value) for name, value in psds.items()}
        return {
            "weak_f1": weak_f1,
            "intersection_f1": intersection_f1,
            "objective": weak_f1 + intersection_f1,
            **areas,
            "psds": sum(areas.values()),
        }


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
