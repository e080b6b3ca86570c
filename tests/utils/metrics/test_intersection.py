import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.errors import DataError
from utils.events import Events
from utils.metrics.events import f1_scores
from utils.metrics.intersection import GroundTruth, Matches, count, intersection_counts

FILES, CLASSES = 3, 3
ROWS = st.lists(
    st.tuples(
        st.integers(0, FILES - 1),
        st.integers(0, CLASSES - 1),
        st.integers(-2, 20),
        st.integers(0, 9),
    ),
    max_size=20,
)
SHARES = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0])


def events_of(rows) -> Events:
    """Rows of (file, class, onset, offset)."""
    columns = list(zip(*rows, strict=True)) or [()] * 4
    return Events.of(*columns, file_count=FILES, class_count=CLASSES)


def truth_of(rows, durations=(20.0, 10.0, 20.0)) -> GroundTruth:
    return GroundTruth.of(events_of(rows), durations=np.array(durations), class_count=CLASSES)


def rows_of(events: Events) -> list[tuple]:
    return list(zip(events.files, events.classes, events.onsets, events.offsets, strict=True))


def seconds_in_common(one, other) -> float:
    return max(0.0, min(one[3], other[3]) - max(one[2], other[2])) if one[0] == other[0] else 0.0


def counted_by_hand(table: Events, truth: GroundTruth, dtc, gtc, cttc):
    """The criteria of the paper, event by event, in whole seconds and so without rounding."""
    found = np.zeros(CLASSES, dtype=int)
    false, crossed = found.copy(), np.zeros((CLASSES, CLASSES), dtype=int)
    wanted = rows_of(truth.events)
    accepted = []
    for row in rows_of(table.merged()[0]):
        length = row[3] - row[2]
        shares = np.zeros(CLASSES)
        for event in wanted:
            shares[event[1]] += seconds_in_common(row, event)
        if length == 0:
            continue
        if shares[row[1]] > 0 and shares[row[1]] >= dtc * length - 1e-9:
            accepted.append(row)
            continue
        false[row[1]] += seconds_in_common(row, (row[0], -1, 0.0, truth.durations[row[0]])) > 0
        hits = (shares > 0) & (shares >= cttc * length - 1e-9)
        hits[row[1]] = False
        crossed[row[1]] += hits
    for event in wanted:
        own = sum(seconds_in_common(row, event) for row in accepted if row[1] == event[1])
        found[event[1]] += own > 0 and own >= gtc * (event[3] - event[2]) - 1e-9
    return found, false, crossed


@given(ROWS, st.lists(ROWS, max_size=3), SHARES, SHARES, SHARES)
def test_counts_are_those_of_the_criteria_event_by_event(wanted, tables, dtc, gtc, cttc):
    spans = [[(f, c, on, on + long) for f, c, on, long in rows] for rows in (wanted, *tables)]
    truth, tables = truth_of(spans[0]), [events_of(rows) for rows in spans[1:]]
    counts = count(Matches.of(tables, truth), dtc=dtc, gtc=gtc, cttc=cttc, tolerance=1e-9)
    by_file = count(
        Matches.of(tables, truth), dtc=dtc, gtc=gtc, cttc=cttc, by_file=True, tolerance=1e-9
    )
    for name in ("found", "false", "crossed"):
        np.testing.assert_array_equal(
            getattr(by_file, name).sum(axis=0), getattr(counts, name)[0], err_msg=name
        )
    for number, table in enumerate(tables):
        found, false, crossed = counted_by_hand(table, truth, dtc, gtc, cttc)
        np.testing.assert_array_equal(counts.found[0, number], found)
        np.testing.assert_array_equal(counts.false[0, number], false)
        np.testing.assert_array_equal(counts.crossed[0, number], crossed)


@given(ROWS, ROWS)
def test_pairs_are_all_that_intersect_and_no_others(wanted, table):
    truth = truth_of([(f, c, on, on + long) for f, c, on, long in wanted])
    detections = events_of([(f, c, on, on + long + 1) for f, c, on, long in table])
    matches = Matches.of_detections(detections, truth)
    pairs = set(zip(matches.pair_detections.tolist(), matches.pair_events.tolist(), strict=True))
    expected = {
        (of, to): seconds_in_common(row, event)
        for of, row in enumerate(rows_of(detections))
        for to, event in enumerate(rows_of(truth.events))
        if seconds_in_common(row, event) > 0
    }
    assert pairs == set(expected)
    lengths = (detections.offsets - detections.onsets)[matches.pair_detections]
    of_pairs = zip(matches.pair_detections, matches.pair_events, strict=True)
    seconds = [expected[pair] for pair in of_pairs]
    np.testing.assert_allclose(matches.detection_shares * lengths, seconds)


def test_pairs_far_out_on_a_long_axis_of_many_files(rng):
    """The look-up rounds times to 3e-8 s there; the pairs must not."""
    files, classes = np.repeat(np.arange(2000), 2), np.zeros(4000, int)
    known = {"file_count": 2000, "class_count": 1}
    onsets = np.tile([0.0, 86_399.0], 2000) + rng.random(4000)
    borders = onsets + 1e-3
    for earlier, pairs in ((1e-9, 4000), (0.0, 0)):  # by a nanosecond together, then only touching
        events = Events.of(files, classes, borders - earlier, onsets + 1.0, **known)
        truth = GroundTruth.of(events, durations=np.full(2000, 86_400.0), class_count=1)
        matches = Matches.of([Events.of(files, classes, onsets, borders, **known)], truth)
        np.testing.assert_array_equal(matches.pair_detections, np.arange(pairs))
        np.testing.assert_array_equal(matches.pair_events, np.arange(pairs))


def test_a_detection_over_two_events_is_judged_by_their_sum():
    truth = truth_of([(0, 0, 0.0, 3.0), (0, 0, 3.0, 5.0), (0, 1, 5.0, 10.0)])  # touching
    table = events_of([(0, 0, 1.0, 7.0)])  # 2 + 2 of 6 s on its class, 2 of 6 s on another
    counts = count(Matches.of([table], truth), dtc=0.6, gtc=0.6, cttc=0.3)
    assert counts.found[0, 0].tolist() == [2, 0, 0]  # 2 of 3 s and 2 of 2 s
    assert counts.false.sum() == counts.crossed.sum() == 0
    counts = count(Matches.of([table], truth), dtc=0.7, gtc=0.6, cttc=0.3)
    assert counts.found.sum() == 0
    assert counts.false[0, 0].tolist() == [1, 0, 0]
    assert counts.crossed[0, 0].tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_several_detections_find_an_event_together():
    truth = truth_of([(0, 0, 0.0, 10.0)])
    table = events_of([(0, 0, 0.0, 3.0), (0, 0, 5.0, 8.0)])
    for gtc, found in ((0.6, 1), (0.61, 0)):
        counts = count(Matches.of([table], truth), dtc=0.7, gtc=gtc)
        assert counts.found[0, 0, 0] == found
        assert counts.false.sum() == 0


def test_detections_outside_of_the_file_are_not_even_false():
    truth = truth_of([(0, 0, 0.0, 1.0)])
    rows = [(1, 0, 9.5, 12.0), (1, 0, 12.0, 13.0), (2, 0, -2.0, 0.0), (2, 0, 3.0, 3.0)]
    counts = count(Matches.of([events_of(rows)], truth), dtc=0.5, gtc=0.5)
    assert counts.false[0, 0].tolist() == [1, 0, 0]


def test_no_tables_no_detections_no_truth():
    truth = truth_of([(0, 0, 0.0, 1.0)])
    counts = count(Matches.of([], truth), dtc=0.5, gtc=0.5, cttc=0.3)
    assert counts.found.shape == (1, 0, CLASSES)
    assert counts.crossed.shape == (1, 0, CLASSES, CLASSES)
    counts = count(Matches.of([events_of([])] * 2, truth), dtc=0.5, gtc=0.5, cttc=0.3)
    assert counts.found.shape == (1, 2, CLASSES)
    assert counts.found.sum() == counts.false.sum() == counts.crossed.sum() == 0
    silent = truth_of([])
    counts = count(Matches.of([events_of([(0, 0, 0.0, 1.0)])], silent), dtc=0.5, gtc=0.5, cttc=0.3)
    assert (counts.found.sum(), counts.false.sum()) == (0, 1)


def test_the_ground_truth_is_merged_and_counted():
    truth = truth_of([(0, 0, 0.0, 2.0), (0, 0, 1.0, 3.0), (1, 0, 5.0, 12.0), (2, 2, 4.0, 4.0)])
    assert truth.counts.tolist() == [2, 0, 0]  # an event of length zero cannot be found
    assert truth.seconds.tolist() == [10.0, 0.0, 0.0]  # also what lies after the end of the file


def test_intersection_f1_counts_classes_of_which_nothing_was_found():
    truth = truth_of([(0, 0, 0.0, 4.0), (1, 0, 0.0, 4.0), (2, 1, 0.0, 4.0)])
    table = events_of([(0, 0, 0.0, 3.0), (0, 0, 10.0, 11.0), (2, 0, 0.0, 4.0), (0, 2, 1.0, 2.0)])
    counts = intersection_counts(table, truth)
    assert counts.shape == (FILES, CLASSES, 3)
    assert counts[:, 0].tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]
    scores = f1_scores(counts.sum(axis=0))
    assert scores["f1"][:2] == pytest.approx([2 / (2 + 2 + 1), 0.0])
    assert np.isnan(scores["f1"][2])
    assert scores["f1_macro"] == pytest.approx(0.2)


def test_what_does_not_fit_is_refused():
    truth = truth_of([(0, 0, 0.0, 1.0)])
    foreign = Events.of([5], [0], [0.0], [1.0], file_count=6, class_count=1)
    with pytest.raises(DataError, match="detections name files up to 5 of 3"):
        Matches.of([foreign], truth)
    with pytest.raises(DataError, match="ground truth names files up to 5 of 3"):
        GroundTruth.of(foreign, durations=np.ones(3), class_count=1)
    with pytest.raises(DataError, match="numbers of seconds"):
        truth_of([], durations=(1.0, float("nan"), 1.0))
    with pytest.raises(DataError, match="nothing to score"):
        truth_of([], durations=(0.0, 0.0, 0.0))
