import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from utils.errors import DataError
from utils.events import Events
from utils.postprocess.frames import checked_scores, frame_edges, to_events

EDGES = frame_edges(6, hop_seconds=0.5)


def rows_of(events: Events) -> list[tuple]:
    return list(zip(events.files, events.classes, events.onsets, events.offsets, strict=True))


def runs(active, *, edges, ends) -> list[tuple]:
    """Frame by frame: (file, class, onset, offset)."""
    found = []
    for file, of_file in enumerate(active):
        for number, values in enumerate(of_file.T):
            start = None
            for frame in range(len(values) + 1):
                on = frame < len(values) and values[frame] and edges[frame] < ends[file]
                if on and start is None:
                    start = edges[frame]
                elif not on and start is not None:
                    found.append((file, number, start, min(edges[frame], ends[file])))
                    start = None
    return found


@given(
    arrays(np.bool_, st.tuples(*[st.integers(0, 3), st.integers(0, 9), st.integers(0, 3)])),
    st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0, 1.7, 9.0]), min_size=3, max_size=3),
)
def test_events_are_the_runs_of_active_frames_within_each_clip(active, seconds):
    edges = frame_edges(active.shape[1], hop_seconds=0.25)
    ends = np.minimum(seconds[: len(active)], edges[-1])
    events = to_events(active, edges=edges, seconds=seconds[: len(active)])
    assert rows_of(events) == runs(active, edges=edges, ends=ends)
    assert rows_of(events) == sorted(rows_of(events))
    assert (events.files.dtype, events.onsets.dtype) == (np.int64, np.float64)


def test_one_frame_and_the_borders_of_the_clip():
    active = np.zeros((2, 6, 2), bool)
    active[0, 0, 0] = active[0, 5, 0] = active[0, 2, 1] = True
    active[1, :, 1] = True
    assert rows_of(to_events(active, edges=EDGES)) == [
        (0, 0, 0.0, 0.5), (0, 0, 2.5, 3.0), (0, 1, 1.0, 1.5), (1, 1, 0.0, 3.0)
    ]  # fmt: skip


def test_runs_of_two_classes_and_clips_that_follow_one_another_do_not_join():
    active = np.ones((2, 6, 2), bool)
    assert len(to_events(active, edges=EDGES)) == 4


def test_frames_behind_the_end_of_a_short_clip_are_inactive():
    active = np.ones((3, 6, 1), bool)
    events = to_events(active, edges=EDGES, seconds=[1.2, 0.0, 5.0])
    assert rows_of(events) == [(0, 0, 0.0, 1.2), (2, 0, 0.0, 3.0)]


def test_decoding_as_the_baseline():
    """156 frames of 4 * 256 samples at 16 kHz: the offset is the first frame that is not active."""
    edges = frame_edges(156, hop_seconds=4 * 256 / 16000, seconds=10.0)
    active = np.zeros((1, 156, 1), bool)
    active[0, 3:10] = active[0, 150:] = True
    events = to_events(active, edges=edges, seconds=10.0)
    np.testing.assert_allclose(events.onsets, [3 * 0.064, 150 * 0.064])
    np.testing.assert_allclose(events.offsets, [10 * 0.064, 9.984])


def test_edges_are_clipped_and_frames_of_no_length_never_active():
    edges = frame_edges(5, hop_seconds=0.5, seconds=1.2)
    assert edges.tolist() == [0.0, 0.5, 1.0, 1.2, 1.2, 1.2]
    assert rows_of(to_events(np.ones((1, 5, 1), bool), edges=edges)) == [(0, 0, 0.0, 1.2)]
    only_behind = np.zeros((1, 5, 1), bool)
    only_behind[0, 3:] = True
    assert len(to_events(only_behind, edges=edges)) == 0


@pytest.mark.parametrize("shape", [(0, 6, 2), (2, 6, 0), (0, 6, 0)])
def test_nothing_gives_no_events(shape):
    assert len(to_events(np.ones(shape, bool), edges=EDGES)) == 0


def test_arguments_that_do_not_fit_are_refused():
    active = np.ones((2, 6, 1), bool)
    with pytest.raises(ValueError, match="bool, received float64"):
        to_events(active.astype(float), edges=EDGES)
    with pytest.raises(ValueError, match="their edges"):
        to_events(active, edges=EDGES[:-1])
    with pytest.raises(ValueError, match="their edges"):
        to_events(active, edges=EDGES[::-1])
    with pytest.raises(ValueError, match="seconds of 2 clips"):
        to_events(active, edges=EDGES, seconds=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="seconds of 2 clips"):
        to_events(active, edges=EDGES, seconds=float("nan"))
    with pytest.raises(ValueError, match="positive hop"):
        frame_edges(3, hop_seconds=0.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused_with_their_place(bad):
    scores = np.zeros((2, 3, 4), np.float32)
    scores[1, 2, 3] = bad
    with pytest.raises(DataError, match=rf"clip 1, frame 2, class 3 is {bad}"):
        checked_scores(scores)


def test_kinds_of_scores():
    assert checked_scores(np.zeros((1, 2, 3), np.float32)).dtype == np.float32
    assert checked_scores(np.zeros((1, 2, 3), np.float16)).dtype == np.float64
    with pytest.raises(ValueError, match="scores"):
        checked_scores(np.zeros((2, 3)))
