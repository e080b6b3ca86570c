from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from utils.errors import DataError
from utils.metrics.candidates import Candidates
from utils.postprocess.boxes import boxes, even_frames
from utils.postprocess.frames import frame_edges
from utils.postprocess.scored import ScoredEvents

NEVER = {"absolute": 0.0, "relative": 1.0}  # merges gaps that are as high as their events alone
LEVELS = st.integers(0, 8).map(lambda level: level / 8)


def rows_of(scored: ScoredEvents) -> list[tuple]:
    columns = (scored.files, scored.classes, scored.onsets, scored.offsets, scored.scores)
    return list(zip(*(each.tolist() for each in columns), strict=True))


def of_row(values, **options) -> list[tuple]:
    """(first frame, frame behind the last, score) of one clip and class, frames of one second."""
    scores = np.array(values, dtype=float)[np.newaxis, :, np.newaxis]
    options = {"lengths": 4, **NEVER, **options}
    found = boxes(scores, edges=np.arange(len(values) + 1.0), **options)
    return [(int(row[2]), int(row[3]), row[4]) for row in rows_of(found)]


def peaks(changes, sign) -> list[int]:
    """Borders at the middle of plateaus that are above both sides."""
    found, border = [], 0
    while border < len(changes):
        end = border
        while end + 1 < len(changes) and changes[end + 1] == changes[border]:
            end += 1
        height = sign * changes[border]
        left = border == 0 or sign * changes[border - 1] < height
        right = end == len(changes) - 1 or sign * changes[end + 1] < height
        if height > 0 and left and right:
            found.append((border + end + (sign < 0)) // 2)
        border = end + 1
    return found


def step_by_step(values, *, length, absolute, relative) -> list[tuple]:
    """The docstring of `boxes` in plain loops."""
    half, count = length // 2, len(values)
    padded = np.concatenate([np.zeros(half), values, np.zeros(half)])
    changes = [
        sum(padded[border + half : border + length]) - sum(padded[border : border + half])
        for border in range(count + 1)
    ]
    candidates = sorted(
        [(border, 1) for border in peaks(changes, 1)]
        + [(border, -1) for border in peaks(changes, -1)]
    )
    kept: list[tuple[int, int]] = []
    for border, sign in candidates:
        if kept and kept[-1][1] == sign:
            larger = abs(changes[border]) - abs(changes[kept[-1][0]])
            if larger > 0 or (larger == 0 and sign < 0):
                kept[-1] = (border, sign)
        else:
            kept.append((border, sign))
    assert [sign for _, sign in kept] == [1, -1] * (len(kept) // 2)
    events = [(kept[at][0], kept[at + 1][0]) for at in range(0, len(kept), 2)]

    def mean(start, stop):
        return sum(values[start:stop]) / (stop - start)

    while True:
        depths = []
        for at, ((start, stop), (next_start, next_stop)) in enumerate(pairwise(events)):
            higher, gap = (
                max(mean(start, stop), mean(next_start, next_stop)),
                mean(stop, next_start),
            )
            if higher - gap <= absolute and higher / relative <= gap:
                depths.append((higher - gap, at))
        if not depths:
            return [(start, stop, mean(start, stop)) for start, stop in events]
        at = min(depths)[1]
        events[at : at + 2] = [(events[at][0], events[at + 1][1])]


@given(
    arrays(
        np.float64, st.tuples(st.integers(1, 3), st.integers(1, 24), st.just(2)), elements=LEVELS
    ),
    st.tuples(*[st.sampled_from([2, 4, 6])] * 2),
    st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, np.inf])] * 2),
    st.tuples(*[st.sampled_from([1.0, 1.5, 4.0, np.inf])] * 2),
)
def test_equal_to_the_description_step_by_step(scores, lengths, absolute, relative):
    edges = np.arange(scores.shape[1] + 1.0)
    found = boxes(scores, edges=edges, lengths=lengths, absolute=absolute, relative=relative)
    expected = [
        (clip, number, *row)
        for clip in range(len(scores))
        for number in range(2)
        for row in step_by_step(
            scores[clip, :, number],
            length=lengths[number],
            absolute=absolute[number],
            relative=relative[number],
        )
    ]
    assert rows_of(found) == expected


@given(arrays(np.float32, (2, 30, 2), elements=st.floats(0, 1, width=32)))
def test_boxes_are_events_that_metrics_take(scores):
    edges = frame_edges(30, hop_seconds=0.064)
    seconds = np.array([1.0, 9.0])
    found = boxes(scores, edges=edges, lengths=4, absolute=0.1, relative=1.5, seconds=seconds)
    assert np.all(found.onsets < found.offsets)
    assert np.all(found.offsets <= np.minimum(seconds, edges[-1])[found.files])
    assert np.all((found.scores > 0) & (found.scores <= 1))
    same = (np.diff(found.files) == 0) & (np.diff(found.classes) == 0)
    assert np.all((found.onsets[1:] - found.offsets[:-1])[same] > 0.06)
    columns = (found.files, found.classes, found.onsets, found.offsets, found.scores)
    Candidates.of_events(*columns, file_count=2, class_count=2)


@given(arrays(np.float64, (1, 40, 1), elements=st.just(0.0) | st.floats(1e-9, 1)))
def test_there_is_a_box_wherever_there_is_any_score(scores):
    found = boxes(scores, edges=np.arange(41.0), lengths=4, absolute=0.2, relative=2.0)
    assert bool(len(found)) == bool(np.any(scores))


def test_an_event_lasts_from_its_rise_to_its_fall_whatever_its_level():
    for level in (0.01, 0.5, 1.0):
        assert of_row([0] * 5 + [level] * 6 + [0] * 5) == [(5, 11, pytest.approx(level))]


def test_a_low_level_around_an_event_does_not_make_it_longer():
    found = of_row([0.1] * 6 + [0.9] * 6 + [0.1] * 6)
    assert [row[:2] for row in found] == [(6, 12)]


def test_events_at_the_borders_of_the_clip_and_through_all_of_it():
    assert [row[:2] for row in of_row([1] * 4 + [0] * 6 + [1] * 4)] == [(0, 4), (10, 14)]
    assert of_row([0.5] * 9) == [(0, 9, 0.5)]
    assert of_row([0.5]) == [(0, 1, 0.5)]


def test_one_frame():
    assert [row[:2] for row in of_row([0] * 5 + [1] + [0] * 5, lengths=2)] == [(5, 6)]


def test_gaps_are_merged_when_close_in_difference_and_in_ratio():
    """Events of 0.75 around a gap of 0.5: a difference of 0.25, a ratio of 1.5."""
    values = [0] * 4 + [0.75] * 6 + [0.5] * 6 + [0.75] * 6 + [0] * 4
    two = [(4, 10, 0.75), (16, 22, 0.75)]
    one = [(4, 22, pytest.approx(0.75 - 0.25 / 3))]
    assert of_row(values, absolute=0.25, relative=1.5) == one
    assert of_row(values, absolute=0.24, relative=np.inf) == two
    assert of_row(values, absolute=np.inf, relative=1.49) == two
    assert of_row(values, absolute=np.inf, relative=1.5) == one
    assert of_row(values, absolute=0.25, relative=np.inf) == one


def test_a_weak_event_behind_a_strong_one_is_not_added_to_it():
    values = [0] * 4 + [0.875] * 6 + [0.125] * 6 + [0.25] * 6 + [0] * 4
    assert of_row(values, absolute=0.25, relative=2.0) == [(4, 10, 0.875), (16, 22, 0.25)]


def test_silence_between_events_is_merged_only_without_a_limit():
    values = [0] * 4 + [0.25] * 4 + [0] * 4 + [0.25] * 4 + [0] * 4
    assert len(of_row(values, absolute=1.0, relative=1e6)) == 2
    assert len(of_row(values, absolute=1.0, relative=np.inf)) == 1


def test_frames_behind_the_end_of_a_clip_are_as_outside():
    scores = np.full((2, 10, 1), 0.5)
    scores[0, 6:] = 1.0
    found = boxes(scores, edges=np.arange(11.0), lengths=4, seconds=[5.5, 20.0], **NEVER)
    assert rows_of(found)[-1] == (1, 0, 0.0, 10.0, 0.5)
    assert [row[:2] for row in rows_of(found)] == [(0, 0), (1, 0)]
    assert rows_of(found)[0][2:] == (0.0, 5.5, 0.5)


def test_reversed_in_time_boxes_are_reversed():
    scores = np.random.default_rng(0).random((4, 60, 3))
    edges = np.arange(61.0)
    options = {"edges": edges, "lengths": 6, "absolute": 0.3, "relative": 2.0}
    found, back = boxes(scores, **options), boxes(scores[:, ::-1], **options)
    mirrored = [(*row[:2], 60.0 - row[3], 60.0 - row[2], row[4]) for row in rows_of(back)]
    assert len(found) > 50
    for one, other in zip(rows_of(found), sorted(mirrored), strict=True):
        assert one == pytest.approx(other)


@pytest.mark.parametrize("shape", [(0, 5, 2), (2, 0, 2), (2, 5, 0), (2, 5, 2)])
def test_nothing_gives_no_boxes(shape):
    found = boxes(np.zeros(shape), edges=np.arange(shape[1] + 1.0), lengths=2, **NEVER)
    assert len(found) == 0
    assert found.files.dtype == np.int64


def test_what_does_not_fit_is_refused():
    scores, options = np.full((1, 5, 2), 0.5), {"edges": np.arange(6.0), **NEVER}
    for lengths in (3, 0, 2.0, [2, 2, 2]):
        with pytest.raises(ValueError, match="step filters"):
            boxes(scores, **options, lengths=lengths)
    with pytest.raises(ValueError, match="absolute thresholds"):
        boxes(scores, **{**options, "absolute": -0.1}, lengths=2)
    with pytest.raises(ValueError, match="relative thresholds"):
        boxes(scores, **{**options, "relative": 0.5}, lengths=2)
    with pytest.raises(DataError, match="bounding boxes need probabilities"):
        boxes(3 * scores - np.array([0.0, 2.5]), **options, lengths=2)
    with pytest.raises(DataError, match="finite"):
        boxes(np.full((1, 5, 2), np.nan), **options, lengths=2)


def test_even_lengths_from_seconds():
    assert even_frames([0.0, 0.32, 0.48, 0.64], hop_seconds=0.064).tolist() == [2, 6, 8, 10]
    assert even_frames(0.2, hop_seconds=0.05) == 4
