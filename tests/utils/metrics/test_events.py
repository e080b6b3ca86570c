import warnings

import numpy as np
import pytest

from utils.events import Events
from utils.metrics.bootstrap import bootstrap_intervals
from utils.metrics.events import event_counts, f1_scores, segment_counts

SHAPE = {"file_count": 3, "class_count": 2}


def events_of(rows) -> Events:
    """Rows of (file, class, onset, offset)."""
    columns = list(zip(*rows, strict=True)) or [()] * 4
    return Events.of(*columns, **SHAPE)


def drawn(rng, count) -> Events:
    onsets = rng.uniform(0, 8, count).round(2)
    offsets = onsets + rng.uniform(0.3, 3, count).round(2)
    rows = zip(rng.integers(0, 3, count), rng.integers(0, 2, count), onsets, offsets, strict=True)
    return events_of(list(rows))


def official(kind, detections, truth, **arguments) -> dict:
    """Class-wise results of sed_eval over all files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sed_eval import sound_event
    metrics = getattr(sound_event, kind)(["0", "1"], **arguments)
    for file in range(3):
        lists = [
            [
                {
                    "filename": "x", "event_label": str(number), "onset": onset, "offset": offset
                }
                for of, number, onset, offset in zip(
                    events.files, events.classes, events.onsets, events.offsets, strict=True
                )
                if of == file
            ]
            for events in (truth, detections)
        ]  # fmt: skip
        metrics.evaluate(*lists)
    return metrics.results()


@pytest.mark.parametrize("seed", range(3))
def test_sums_over_files_are_what_sed_eval_says_of_all_files(seed):
    rng = np.random.default_rng(seed)
    truth = drawn(rng, 20).merged()[0]
    moved = truth.onsets + rng.uniform(-0.9, 0.3, len(truth))
    near = Events(truth.files, truth.classes, moved, truth.offsets + 0.1)
    detections = near.taken(near.onsets >= 0).merged()[0]
    assert len(detections) > 5
    for counts, kind, arguments in (
        (event_counts, "EventBasedMetrics", {"t_collar": 0.2, "percentage_of_length": 0.2}),
        (segment_counts, "SegmentBasedMetrics", {"time_resolution": 1.0}),
    ):
        scores = f1_scores(counts(detections, truth, **SHAPE).sum(axis=0))
        results = official(kind, detections, truth, **arguments)
        own = [results["class_wise"][label]["f_measure"]["f_measure"] for label in "01"]
        np.testing.assert_allclose(scores["f1"], own)
        average = results["class_wise_average"]["f_measure"]["f_measure"]
        assert scores["f1_macro"] == pytest.approx(average)
        assert 0.1 < average < 1.0


def test_collars_by_hand():
    truth = events_of([(0, 0, 1.0, 2.0), (0, 0, 4.0, 8.0), (1, 1, 0.0, 1.0)])
    detections = events_of(
        [
            (0, 0, 1.15, 2.15),  # within 200 ms at both ends
            (0, 0, 4.1, 8.7),  # offset within 20 % of 4 s
            (0, 1, 1.0, 2.0),  # of another class
            (1, 1, 0.3, 1.0),  # onset too late
        ]
    )
    counts = event_counts(detections, truth, **SHAPE)
    assert counts.shape == (3, 2, 3)
    assert counts[0].tolist() == [[2, 0, 0], [0, 1, 0]]
    assert counts[1].tolist() == [[0, 0, 0], [0, 1, 1]]
    assert counts[2].sum() == 0
    narrow = event_counts(detections, truth, **SHAPE, collar=0.1, share_of_length=0.0)
    assert narrow[0, 0].tolist() == [0, 2, 2]


def test_segments_by_hand():
    truth = events_of([(0, 0, 0.5, 2.5)])  # segments 0, 1, 2
    detections = events_of([(0, 0, 1.0, 2.0), (0, 0, 3.2, 3.4), (2, 1, -1.0, 1.5), (2, 1, -3, -2)])
    counts = segment_counts(detections, truth, **SHAPE)
    assert counts[0, 0].tolist() == [1, 1, 2]
    assert counts[2, 1].tolist() == [0, 2, 0]  # from 0 s on
    assert segment_counts(detections, truth, **SHAPE, seconds=0.5)[0, 0].tolist() == [2, 1, 2]


def test_overlaps_are_judged_as_they_are():
    truth = events_of([(0, 0, 0.0, 4.0)])
    detections = events_of([(0, 0, 0.0, 4.0), (0, 0, 0.1, 4.1), (0, 0, 2.0, 5.0)])
    assert event_counts(detections, truth, **SHAPE)[0, 0].tolist() == [1, 2, 0]
    assert segment_counts(detections, truth, **SHAPE)[0, 0].tolist() == [4, 1, 0]


def test_one_side_empty_and_both_empty():
    some, none = events_of([(0, 0, 0.0, 1.5)]), events_of([])
    for counts, length in ((event_counts, 1), (segment_counts, 2)):
        assert counts(some, none, **SHAPE)[0, 0].tolist() == [0, length, 0]
        assert counts(none, some, **SHAPE)[0, 0].tolist() == [0, 0, length]
        assert counts(none, none, **SHAPE).sum() == 0


def test_f1_of_missed_absent_and_resampled_classes():
    counts = np.array([[5, 1, 1], [0, 0, 3], [0, 4, 0], [0, 0, 0]])
    scores = f1_scores(counts)
    np.testing.assert_allclose(scores["f1"], [10 / 12, 0.0, np.nan, np.nan])
    assert scores["f1_macro"] == pytest.approx(5 / 12)
    both = f1_scores(np.stack([counts, np.zeros_like(counts)]))
    assert both["f1_macro"][0] == pytest.approx(5 / 12)
    assert np.isnan(both["f1_macro"][1])


def test_counts_of_files_fit_the_bootstrap(rng):
    truth = events_of([(file, number, 1.0, 2.0) for file in range(3) for number in range(2)])
    detections = truth.taken(np.array([0, 1, 2]))
    totals = event_counts(detections, truth, **SHAPE)
    low, high = bootstrap_intervals(
        totals=totals,
        scores_of=lambda sums: {"f1_macro": f1_scores(sums)["f1_macro"]},
        resamples=100,
        rng=rng,
    )["f1_macro"]
    assert low <= f1_scores(totals.sum(axis=0))["f1_macro"] <= high
    assert low < high
