import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.events import Events
from utils.postprocess.merging import close_gaps, drop_short

ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 30), st.integers(0, 5)),
    max_size=20,
)


def events_of(rows) -> Events:
    columns = list(zip(*rows, strict=True)) or [()] * 4
    return Events.of(*columns, file_count=2, class_count=2)


def rows_of(events: Events) -> list[tuple]:
    return list(zip(events.files, events.classes, events.onsets, events.offsets, strict=True))


def joined(rows, least) -> list[tuple]:
    """One event after the other."""
    found = []
    for file, number, onset, offset in sorted(rows):
        if found and found[-1][:2] == (file, number) and onset - found[-1][3] < least[number]:
            onset, offset = found[-1][2], max(offset, found.pop()[3])
        found.append((file, number, onset, offset))
    return found


@given(ROWS, st.lists(st.integers(1, 4), min_size=2, max_size=2))
def test_closing_is_joining_one_event_after_the_other(rows, least):
    rows = [(file, number, on, on + long) for file, number, on, long in rows]
    closed = close_gaps(events_of(rows), least, class_count=2)
    assert rows_of(closed) == joined(rows, least)
    again = close_gaps(closed, least, class_count=2)
    assert rows_of(again) == rows_of(closed)


@given(ROWS, st.lists(st.integers(0, 4), min_size=2, max_size=2))
def test_what_is_dropped_is_short(rows, least):
    rows = sorted((file, number, on, on + long) for file, number, on, long in rows)
    kept = drop_short(events_of(rows), least, class_count=2)
    assert rows_of(kept) == [row for row in rows if row[3] - row[2] >= least[row[1]]]


def test_touching_events_join_and_a_gap_of_the_least_length_stays():
    """0.64 - 0.448 is less than 0.192 in floating point, and still three frames of 64 ms."""
    edges = np.arange(20) * 0.064
    rows = [(0, 0, edges[0], edges[7]), (0, 0, edges[10], edges[11]), (0, 0, edges[11], edges[13])]
    closed = close_gaps(events_of(rows), 3 * 0.064, class_count=2)
    assert rows_of(closed) == [(0, 0, edges[0], edges[7]), (0, 0, edges[10], edges[13])]
    assert len(close_gaps(events_of(rows), 0.0, class_count=2)) == 3
    assert len(drop_short(events_of(rows), 0.064, class_count=2)) == 3


def test_no_events():
    assert len(close_gaps(events_of([]), 0.5, class_count=2)) == 0
    assert len(drop_short(events_of([]), 0.5, class_count=2)) == 0


def test_lengths_below_0_are_refused():
    with pytest.raises(ValueError, match="seconds of gaps"):
        close_gaps(events_of([]), -0.1, class_count=2)
    with pytest.raises(ValueError, match="seconds of events"):
        drop_short(events_of([]), [0.1], class_count=2)
