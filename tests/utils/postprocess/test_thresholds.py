import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from utils.errors import DataError
from utils.evaluation.sed import THRESHOLDS
from utils.metrics.candidates import Candidates
from utils.postprocess.frames import frame_edges
from utils.postprocess.thresholds import decide, events_at

EDGES = frame_edges(7, hop_seconds=0.5)
SCORES = arrays(np.float32, (2, 7, 2), elements=st.integers(0, 100).map(lambda n: n / 100))


def rows_of(events) -> list[tuple]:
    return list(zip(events.files, events.classes, events.onsets, events.offsets, strict=True))


@given(SCORES)
def test_decisions_are_the_operating_points_that_metrics_find(scores):
    durations = np.array([2.2, 9.0])
    candidates = Candidates.of_frames(scores, edges=EDGES, durations=durations)
    for threshold in THRESHOLDS:
        events = events_at(scores, threshold, edges=EDGES, seconds=durations)
        assert rows_of(events) == rows_of(candidates.at(threshold))


def test_a_threshold_for_each_class_and_none_is_reached_by_its_own_value():
    scores = np.array([[[0.5, 0.5], [0.25, 0.75]]])
    assert decide(scores, [0.25, 0.5]).tolist() == [[[True, False], [False, True]]]
    assert decide(scores, 0.5).tolist() == [[[False, False], [False, True]]]


def test_what_does_not_fit_is_refused():
    scores = np.zeros((1, 7, 2))
    with pytest.raises(ValueError, match="each of 2 classes"):
        decide(scores, [0.5, 0.5, 0.5])
    with pytest.raises(ValueError, match="thresholds"):
        decide(scores, float("nan"))
    scores[0, 0, 0] = np.nan
    for refuse in (lambda: decide(scores, 0.5), lambda: events_at(scores, 0.5, edges=EDGES)):
        with pytest.raises(DataError, match="clip 0, frame 0, class 0 is nan"):
            refuse()
