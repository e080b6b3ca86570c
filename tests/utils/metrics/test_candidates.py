import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from utils.errors import DataError
from utils.events import Events
from utils.metrics.candidates import Candidates

LEVELS = st.integers(0, 5).map(lambda level: level / 5)


def runs_above(scores, threshold, *, edges, durations) -> list[tuple]:
    """Events as a decision frame by frame gives them."""
    found = []
    for file, of_file in enumerate(scores):
        for number, values in enumerate(of_file.T):
            start = None
            for frame in range(len(values) + 1):
                inside = frame < len(values) and edges[frame] < durations[file]
                above = inside and values[frame] > threshold
                if above and start is None:
                    start = frame
                elif not above and start is not None:
                    end = min(edges[frame], durations[file])
                    found.append((file, number, edges[start], end))
                    start = None
    return sorted(found)


def rows_of(events: Events) -> list[tuple]:
    return list(zip(events.files, events.classes, events.onsets, events.offsets, strict=True))


@given(arrays(np.float64, (2, 9, 2), elements=LEVELS), st.sampled_from([0.9, 0.5, 0.45]))
def test_at_each_threshold_the_runs_above_it(scores, length):
    edges, durations = np.arange(10) * 0.1, np.array([length, 5.0])
    candidates = Candidates.of_frames(scores, edges=edges, durations=durations)
    for threshold in (-1.0, 0.0, 0.1, 0.2, 0.5, 0.8, 0.9, 1.0):
        events = candidates.at(threshold)
        expected = runs_above(scores, threshold, edges=edges, durations=durations)
        assert rows_of(events) == expected
    assert np.all(candidates.lows < candidates.highs)


@given(arrays(np.float64, (1, 40, 1), elements=st.floats(0, 1)))
def test_no_run_is_listed_twice(scores):
    candidates = Candidates.of_frames(scores, edges=np.arange(41.0), durations=np.array([40.0]))
    assert len(set(rows_of(candidates.events))) == len(candidates) <= 40


@pytest.mark.parametrize("frames", [np.arange(3000.0), np.arange(3000.0)[::-1], np.ones(3000)])
def test_long_slopes_and_plateaus(frames):
    scores = np.tile(frames[np.newaxis, :, np.newaxis], (2, 1, 2))
    edges = np.arange(3001.0)
    candidates = Candidates.of_frames(scores, edges=edges, durations=np.full(2, 3000.0))
    assert len(candidates) == 4 * len(np.unique(frames))
    assert len(candidates.at(-1.0)) == 4


def test_files_of_different_length():
    scores = [np.array([[0.2], [0.9]]), np.zeros((0, 1)), np.array([[0.5], [0.4], [0.5]])]
    candidates = Candidates.of_frames(scores, edges=np.arange(4.0), durations=np.array([2, 0, 2.5]))
    assert rows_of(candidates.at(0.3)) == [(0, 0, 1.0, 2.0), (2, 0, 0.0, 2.5)]
    assert rows_of(candidates.at(0.4)) == [(0, 0, 1.0, 2.0), (2, 0, 0.0, 1.0), (2, 0, 2.0, 2.5)]
    assert len(candidates.at(0.9)) == 0


ONE = {"file_count": 1, "class_count": 1}


def test_scored_events_are_there_below_their_score_in_any_order():
    candidates = Candidates.of_events([0, 0], [0, 0], [1.0, 0.0], [2.0, 1.0], [0.3, 0.8], **ONE)
    assert rows_of(candidates.at(0.0)) == [(0, 0, 0.0, 1.0), (0, 0, 1.0, 2.0)]
    assert rows_of(candidates.at(0.3)) == [(0, 0, 0.0, 1.0)]
    assert len(candidates.at(0.8)) == 0


def test_bad_scores_are_refused():
    with pytest.raises(DataError, match="overlap"):
        Candidates.of_events([0, 0], [0, 0], [0.0, 0.5], [1.0, 2.0], [0.3, 0.8], **ONE)
    with pytest.raises(ValueError, match="2 scores are needed"):
        Candidates.of_events([0, 0], [0, 0], [0.0, 1.0], [1.0, 2.0], [0.3], **ONE)
    with pytest.raises(DataError, match="finite"):
        Candidates.of_events([0], [0], [0.0], [1.0], [np.nan], **ONE)
    good = {"edges": np.arange(3.0), "durations": np.array([2.0])}
    with pytest.raises(DataError, match="finite"):
        Candidates.of_frames(np.full((1, 2, 1), np.nan), **good)
    with pytest.raises(ValueError, match="up to 2 frames"):
        Candidates.of_frames(np.zeros((1, 3, 1)), **good)
    with pytest.raises(ValueError, match="scores of 1 files"):
        Candidates.of_frames(np.zeros((2, 2, 1)), **good)
    with pytest.raises(ValueError, match="ascending"):
        Candidates.of_frames(np.zeros((1, 2, 1)), edges=np.zeros(3), durations=np.array([2.0]))
