"""What an epoch scores on validation clips: right, silent and half-right networks."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.utils.experiment.event_stand_ins import CLASSES, STEP, STEPS, Network, features_of
from utils.datasets.base import Event
from utils.experiment.event_judging import SCORES, EventJudge, clip_f1, ground_truth
from utils.inference import Decisions

ALL = ("weak_f1", "intersection_f1", "objective", "psds_scenario1", "psds_scenario2", "psds")


@pytest.fixture
def judge(event_learning):
    """Make a judge that decides by a threshold of 0.5 alone."""

    def make(learning=None, **changes) -> EventJudge:
        learning = learning or event_learning(postprocess={"median_seconds": STEP}, **changes)
        settings = learning.job.settings.postprocess
        decisions = Decisions.of(settings, classes=len(CLASSES), step_seconds=STEP)
        return EventJudge(learning, decisions)

    return make


class Oracle:
    """Knows clips by their features, and what sounds in each of them."""

    def __init__(self, learning, change=lambda strong, weak: (strong, weak)):
        clips = learning.usable(learning.fold.validation)
        targets = learning.targets(clips)
        self.known = features_of(learning.job, clips)
        self.strong, self.weak = change(targets["strong"].copy(), targets["weak"].copy())

    def outputs(self, features):
        rows = [
            int(np.abs(self.known - clip[..., 0]).sum(axis=(1, 2)).argmin()) for clip in features
        ]
        return self.strong[rows], self.weak[rows]


def test_columns_are_of_the_student_and_of_the_teacher(judge):
    assert SCORES == ALL
    alone = tuple(f"val_{name}" for name in ALL)
    assert judge(training={"teacher": None}).columns == alone
    assert judge().columns == (*alone, *(f"val_teacher_{name}" for name in ALL))


def test_clips_to_choose_by_are_those_with_events_and_those_with_labels(judge):
    found = judge()
    assert [clip.name for clip in found.strong] == [f"part/valid{n}.wav" for n in range(3)]
    assert [clip.name for clip in found.weak] == [f"part/valid_weak{n}.wav" for n in range(2)]


def test_a_network_that_knows_all_has_full_marks(judge):
    found = judge()
    assert found.score(Network(Oracle(found.learning))) == pytest.approx(
        dict(zip(ALL, (1, 1, 2, 1, 1, 2), strict=True))
    )


def test_a_silent_network_has_none(judge):
    found = judge()
    silent = Oracle(found.learning, lambda strong, weak: (0 * strong, 0 * weak))
    assert found.score(Network(silent)) == dict.fromkeys(ALL, 0.0)


def test_labels_of_clips_count_for_one_part_and_events_for_the_other(judge):
    found = judge()
    no_labels = Oracle(found.learning, lambda strong, weak: (strong, 0 * weak))
    scores = found.score(Network(no_labels))
    assert (scores["weak_f1"], scores["intersection_f1"], scores["objective"]) == (0.0, 1.0, 1.0)

    def only_dogs(strong, weak):
        strong[:, :, 0] = 0.0  # dogs are found, cats are not
        weak[:, 2] = 0.0  # hums are not told
        return strong, weak

    scores = found.score(Network(Oracle(found.learning, only_dogs)))
    assert scores["intersection_f1"] == pytest.approx(1 / 2)  # of two classes with events
    assert scores["weak_f1"] == pytest.approx(2 / 3)
    assert scores["objective"] == pytest.approx(1 / 2 + 2 / 3)


def test_decisions_come_before_the_score(judge):
    found = judge()

    def quiet(strong, weak):
        return 0.4 * strong, weak

    network = Network(Oracle(found.learning, quiet))
    assert found.score(network)["intersection_f1"] == 0.0
    assert found.score(network)["psds_scenario1"] == pytest.approx(1.0)  # of any threshold
    lower = replace(found, decisions=replace(found.decisions, thresholds=(0.3,) * 3))
    assert lower.score(network)["intersection_f1"] == pytest.approx(1.0)


def test_without_weak_clips_events_alone_decide(judge, event_learning, event_job, event_data):
    (fold,) = event_data.folds
    data = replace(event_data, folds=(replace(fold, validation=fold.validation[:3]),))
    found = judge(event_learning(event_job(data, postprocess={"median_seconds": STEP})))
    scores = found.score(Network(Oracle(found.learning)))
    assert (scores["weak_f1"], scores["objective"]) == (0.0, 1.0)


def test_student_and_teacher_are_scored_each(judge):
    found = judge()
    silent = Network(Oracle(found.learning, lambda strong, weak: (0 * strong, weak)))
    learner = SimpleNamespace(student=silent, teacher=Network(Oracle(found.learning)))
    columns = found(learner)
    assert tuple(columns) == found.columns
    assert (columns["val_objective"], columns["val_teacher_objective"]) == (1.0, 2.0)
    learner.teacher = None
    assert tuple(found(learner)) == found.columns[: len(ALL)]


def test_ground_truth_is_by_place_with_overlaps_merged(event_learning):
    learning = event_learning()
    first, _, empty = learning.fold.validation[:3]
    overlapping = replace(first, events=(*first.events, Event("dog", 0.3, 0.39)))
    truth = ground_truth((empty, *learning.fold.test[:1], overlapping), learning)
    events = truth.events
    assert events.files.tolist() == [1, 2, 2, 2]
    assert [CLASSES[number] for number in events.classes] == ["cat", "cat", "cat", "dog"]
    np.testing.assert_allclose(events.onsets, [0.1, 0.05, 0.3, 0.2])
    np.testing.assert_allclose(events.offsets, [0.2, 0.15, 0.4, 0.39])
    np.testing.assert_allclose(truth.durations, [0.4, 0.39, 0.4])
    assert truth.counts.tolist() == [3, 1, 0]


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        ([[1, 0], [1, 0], [0, 1]], 1.0),
        ([[0, 0], [0, 0], [0, 0]], 0.0),
        ([[1, 1], [1, 1], [1, 1]], (2 * 2 / 5 + 2 * 1 / 4) / 2),
        ([[1, 0], [0, 0], [0, 0]], (2 / 3 + 0) / 2),
    ],
)
def test_f1_of_labels_is_the_mean_over_classes(decided, expected):
    truth = np.array([[1, 0], [1, 0], [0, 1]], bool)
    assert clip_f1(truth, np.array(decided, bool)) == pytest.approx(expected)


def test_f1_of_no_labels_is_none():
    assert clip_f1(np.zeros((2, 3), bool), np.ones((2, 3), bool)) == 0.0
    assert STEPS == 10
