import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.errors import DataError
from utils.events import Events

ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 20), st.integers(0, 8)),
    max_size=25,
)


def events_of(rows, *, file_count=3, class_count=2) -> Events:
    """Rows of (file, class, onset, offset)."""
    columns = list(zip(*rows, strict=True)) or [()] * 4
    return Events.of(*columns, file_count=file_count, class_count=class_count)


def rows_of(events: Events) -> list[tuple]:
    return list(
        zip(
            *(each.tolist() for each in (events.files, events.classes)),
            *(each.tolist() for each in (events.onsets, events.offsets)),
            strict=True,
        )
    )


def covered(events: Events) -> set[tuple]:
    """Whole ticks that some event of a file and class covers."""
    return {
        (file, number, tick)
        for file, number, onset, offset in rows_of(events)
        for tick in range(int(onset), int(offset))
    }


@given(ROWS)
def test_merging_covers_the_same_and_leaves_no_overlap(rows):
    events = events_of([(file, number, on, on + long) for file, number, on, long in rows])
    merged, fewer = events.merged()
    assert covered(merged) == covered(events)
    assert len(merged) == len(events) - fewer
    found = rows_of(merged)
    assert found == sorted(found)
    for one, (file, number, onset, offset) in enumerate(found):
        for other in found[one + 1 :]:
            if other[:2] == (file, number):
                assert not (onset < other[3] and other[2] < offset)
    again, none = merged.merged()
    assert none == 0
    assert rows_of(again) == found


@given(ROWS)
def test_borders_of_merged_events_are_borders_of_events_that_overlapped(rows):
    """Merging joins by overlap alone: events that touch stay apart."""
    events = events_of([(file, number, on, on + long + 1) for file, number, on, long in rows])
    merged = rows_of(events.merged()[0])
    kept = set(rows_of(events))
    for file, number, onset, offset in merged:
        inner = [row for row in kept if row[:2] == (file, number) and onset <= row[2] < offset]
        for cut in {row[2] for row in inner} - {onset}:  # somebody reaches over every inner border
            assert any(row[2] < cut < row[3] for row in inner)


def test_overlaps_become_one_and_touching_stay_two():
    events = events_of(
        [(0, 0, 3.0, 4.0), (0, 0, 0.0, 2.0), (0, 0, 1.0, 3.0), (0, 1, 0.5, 1.0), (1, 0, 0.0, 9.0)]
    )
    merged, fewer = events.merged()
    assert fewer == 1
    assert rows_of(merged) == [
        (0, 0, 0.0, 3.0), (0, 0, 3.0, 4.0), (0, 1, 0.5, 1.0), (1, 0, 0.0, 9.0)
    ]  # fmt: skip


def test_a_long_event_swallows_all_within_and_equal_events_are_one():
    rows = [
        (0, 0, 0.0, 9.0),
        (0, 0, 1.0, 2.0),
        (0, 0, 3.0, 4.0),
        (0, 0, 8.5, 8.5),
        (0, 0, 0.0, 9.0),
    ]
    merged, fewer = events_of(rows).merged()
    assert rows_of(merged) == [(0, 0, 0.0, 9.0)]
    assert fewer == 4


def test_events_of_length_zero_at_a_border_stay():
    rows = [(0, 0, 0.0, 1.0), (0, 0, 1.0, 1.0), (0, 0, 1.0, 2.0)]
    merged, fewer = events_of(rows).merged()
    assert (rows_of(merged), fewer) == (rows, 0)


def test_an_empty_list_is_a_list():
    empty = events_of([])
    assert len(empty) == len(empty.merged()[0]) == 0
    assert empty.files.dtype == np.int64
    assert empty.onsets.dtype == np.float64


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((3, 0, 0.0, 1.0), "file 3 is unknown, there are 3"),
        ((-1, 0, 0.0, 1.0), "file -1 is unknown"),
        ((0, 2, 0.0, 1.0), "class 2 is unknown"),
        ((0, 1, 2.0, 1.0), r"event 1 \(file 0, class 1\) lasts from 2 s to 1 s"),
        ((0, 1, float("nan"), 1.0), "must be numbers"),
        ((0, 1, 0.0, float("inf")), "must be numbers"),
    ],
)
def test_bad_events_are_refused_with_their_place(row, message):
    with pytest.raises(DataError, match=message):
        events_of([(0, 0, 0.0, 1.0), row])


def test_shapes_and_kinds_are_checked():
    with pytest.raises(ValueError, match="one shape"):
        Events.of([0], [0], [0.0, 1.0], [1.0], file_count=1, class_count=1)
    with pytest.raises(ValueError, match="files: integers"):
        Events.of([0.5], [0], [0.0], [1.0], file_count=1, class_count=1)
