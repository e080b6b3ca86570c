import json
from pathlib import Path

import numpy as np
import pytest

from utils.errors import DataError
from utils.events import Events
from utils.metrics.bootstrap import bootstrap_intervals
from utils.metrics.events import f1_scores
from utils.metrics.intersection import GroundTruth, intersection_counts
from utils.metrics.psds import psds_of_tables, psds_of_totals, psds_totals
from utils.metrics.psds_roc import SCENARIOS, Scenario

GOLDEN = json.loads((Path(__file__).parent / "golden_psds.json").read_text(encoding="utf-8"))
GOLDEN_SCENARIOS = {name: Scenario(**given) for name, given in GOLDEN["scenarios"].items()}
HALF = Scenario(dtc=0.5, gtc=0.5)


def events_of(rows, *, files, classes, ticks=1) -> Events:
    """Rows of (file, class, onset, offset), times in ticks."""
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    file, number = columns[:2].astype(int)
    return Events.of(
        file, number, columns[2] / ticks, columns[3] / ticks, file_count=files, class_count=classes
    )


def set_of(rows, tables, *, durations, classes, ticks=1):
    """Detection tables and ground truth."""
    shape = {"files": len(durations), "classes": classes, "ticks": ticks}
    truth = GroundTruth.of(
        events_of(rows, **shape), durations=np.array(durations) / ticks, class_count=classes
    )
    return [events_of(table, **shape) for table in tables], truth


@pytest.fixture(params=range(len(GOLDEN["tables"])))
def golden(request):
    """A random list, its tables and ground truth."""
    case = GOLDEN["tables"][request.param]
    tables, truth = set_of(
        case["truth"],
        case["tables"],
        durations=case["durations"],
        classes=case["classes"],
        ticks=case["ticks_per_second"],
    )
    return case, tables, truth


def test_equal_to_psds_eval(golden):
    case, tables, truth = golden
    scores = psds_of_tables(tables, truth, GOLDEN_SCENARIOS)
    for name, expected in case["psds_eval"].items():
        assert scores[name].value == pytest.approx(expected["value"], abs=1e-6), name
        own = np.array(expected["per_class"], dtype=np.float64)  # null: a class without events
        np.testing.assert_allclose(scores[name].per_class, own, atol=1e-6, err_msg=name)


def test_intersection_f1_is_that_of_psds_eval_where_that_has_one(golden):
    case, tables, truth = golden
    for table, expected in zip(tables, case["f1"], strict=True):
        f1 = f1_scores(intersection_counts(table, truth).sum(axis=0))["f1"]
        found = np.array(expected, dtype=np.float64)
        nothing = np.isnan(found)
        np.testing.assert_allclose(f1[~nothing], found[~nothing], atol=1e-12)
        assert np.all((f1[nothing] == 0.0) | (truth.counts[nothing] == 0))


def test_lists_are_merged_to_what_psds_eval_was_given(golden):
    case, tables, truth = golden
    assert len(truth.events) == case["merged_truth"]
    assert [len(table.merged()[0]) for table in tables] == case["merged_tables"]


def test_totals_of_files_sum_to_the_score(golden):
    _, tables, truth = golden
    for name, scenario in GOLDEN_SCENARIOS.items():
        totals = psds_totals(tables, truth, scenario)
        value = psds_of_totals(totals.sum(axis=0, keepdims=True), scenario)
        whole = psds_of_tables(tables, truth, {name: scenario})[name].value
        assert value[0] == pytest.approx(whole, abs=1e-12)


def test_totals_of_repeated_files_are_those_of_a_set_that_holds_them_twice():
    rows = [(0, 0, 0, 4), (1, 1, 2, 6), (2, 0, 1, 3)]
    tables = [
        [(0, 0, 0, 3), (1, 0, 2, 6), (2, 1, 0, 3)],
        [(0, 0, 0, 3), (0, 1, 7, 9), (1, 0, 2, 6), (1, 1, 2, 6)],
    ]
    scenario = Scenario(0.5, 0.5, 0.3, alpha_ct=0.5, alpha_st=1.0, max_efpr=2000.0)
    lists, truth = set_of(rows, tables, durations=[10, 10, 10], classes=2)
    counts = np.array([[2.0, 1.0, 0.0]])  # the first file twice, the last never
    sums = np.tensordot(counts, psds_totals(lists, truth, scenario), axes=1)

    def resampled(events):
        kept = [row for row in events if row[0] != 2]
        return kept + [(2, *row[1:]) for row in kept if row[0] == 0]

    lists, truth = set_of(
        resampled(rows), [resampled(table) for table in tables], durations=[10, 10, 10], classes=2
    )
    expected = psds_of_tables(lists, truth, {"score": scenario})["score"].value
    assert 0.0 < expected < 1.0
    assert psds_of_totals(sums, scenario)[0] == pytest.approx(expected, abs=1e-12)


def test_an_interval_of_the_bootstrap_holds_the_score(rng):
    rows = [(number, number % 2, 2, 6) for number in range(20)]
    tables = [
        [
            (file, number, on + shift, off + shift)
            for file, number, on, off in rows
            if rng.random() < p
        ]
        for p, shift in ((0.5, 0), (0.8, 1), (1.0, 3))
    ]
    lists, truth = set_of(rows, tables, durations=[10] * 20, classes=2)
    scenario = Scenario(0.5, 0.5, 0.3, alpha_ct=0.5, alpha_st=1.0, max_efpr=500.0)
    low, high = bootstrap_intervals(
        totals=psds_totals(lists, truth, scenario),
        scores_of=lambda totals: {"psds": psds_of_totals(totals, scenario)},
        resamples=200,
        rng=rng,
    )["psds"]
    value = psds_of_tables(lists, truth, {"psds": scenario})["psds"].value
    assert low < value < high


def test_by_hand_two_classes_one_hour():
    """One hour of audio, so a false positive is 1 per hour; e_max 4."""
    rows = [(0, 0, 0, 10), (0, 0, 20, 30), (0, 1, 100, 110)]
    tables = [
        [(0, 0, 0, 10), (0, 1, 100, 110)],
        [(0, 0, 0, 10), (0, 0, 20, 30), (0, 0, 200, 201), (0, 0, 300, 301), (0, 1, 100, 110)],
    ]
    lists, truth = set_of(rows, tables, durations=[3600], classes=2)
    scenario = Scenario(0.5, 0.5, max_efpr=4.0)
    score = psds_of_tables(lists, truth, {"hand": scenario})["hand"]
    # class 0: 1/2 up to 2 per hour, then 1; class 1: 1 throughout
    np.testing.assert_allclose(score.per_class, [0.75, 1.0])
    assert score.value == pytest.approx((2 * 0.75 + 2 * 1.0) / 4)
    steady = Scenario(0.5, 0.5, alpha_st=1.0, max_efpr=4.0)
    score = psds_of_tables(lists, truth, {"hand": steady})["hand"]
    assert score.value == pytest.approx((2 * (0.75 - 0.25) + 2 * 1.0) / 4)
    np.testing.assert_allclose(score.rates, [0.0, 2.0])
    np.testing.assert_allclose(score.effective, [0.5, 1.0])


def test_cross_triggers_by_hand():
    """A detection of class 0 in class 1: 1 per hour of audio and 360 per hour of class 1."""
    rows = [(0, 0, 0, 10), (0, 1, 100, 110), (0, 2, 200, 205)]
    lists, truth = set_of(rows, [[(0, 0, 0, 10), (0, 0, 100, 104)]], durations=[3600], classes=3)
    for all_classes, others in ((False, 2), (True, 3)):
        scenario = Scenario(0.5, 0.5, 0.3, alpha_ct=0.5, max_efpr=1000.0, all_classes=all_classes)
        score = psds_of_tables(lists, truth, {"hand": scenario})["hand"]
        rate = 1 + 0.5 * 360 / others
        np.testing.assert_allclose(score.per_class, [(1000 - rate) / 1000, 0.0, 0.0])


def test_overlapping_detections_count_once():
    apart = [(0, 0, 0, 10), (0, 0, 50, 60)]
    doubled = [*apart, (0, 0, 50, 58), (0, 0, 52, 60), (0, 0, 0, 10)]
    results = []
    for table in (apart, doubled):
        lists, truth = set_of([(0, 0, 0, 10)], [table], durations=[3600], classes=1)
        results.append(psds_of_tables(lists, truth, SCENARIOS)["psds_scenario1"].value)
    assert results == [0.99, 0.99]  # one false positive per hour of 100


def test_a_rate_that_is_never_reached_keeps_the_last_ratio():
    lists, truth = set_of(
        [(0, 0, 0, 10), (0, 0, 20, 30)], [[(0, 0, 0, 10)]], durations=[3600], classes=1
    )
    score = psds_of_tables(lists, truth, {"half": HALF})["half"]
    assert score.value == 0.5
    assert score.rates.tolist() == [0.0]


@pytest.mark.parametrize("tables", [[], [[]], [[(0, 0, 5, 5)]], [[(0, 0, 2000, 2010)]]])
def test_nothing_found_scores_zero(tables):
    lists, truth = set_of([(0, 0, 0, 10), (0, 1, 0, 10)], tables, durations=[3600], classes=2)
    for score in psds_of_tables(lists, truth, SCENARIOS).values():
        assert score.value == 0.0
        assert score.per_class.tolist() == [0.0, 0.0]


def test_classes_without_ground_truth_do_not_count_and_alone_give_nan():
    table = [(0, 0, 0, 10), (0, 1, 50, 60), (0, 1, 0, 10)]
    lists, truth = set_of([(0, 0, 0, 10)], [table], durations=[3600], classes=2)
    for score in psds_of_tables(lists, truth, SCENARIOS).values():
        assert score.value == 1.0
        assert score.per_class[0] == 1.0
        assert np.isnan(score.per_class[1])
    lists, truth = set_of([], [table], durations=[3600], classes=2)
    assert np.isnan(psds_of_tables(lists, truth, SCENARIOS)["psds_scenario1"].value)


def test_a_tolerance_takes_what_misses_by_rounding():
    lists, truth = set_of([(0, 0, 3, 10)], [[(0, 0, 1, 8)]], durations=[100], classes=1, ticks=10)
    rounded = Scenario(dtc=5 / 7, gtc=5 / 7 + 1e-12)
    assert psds_of_tables(lists, truth, {"a": rounded})["a"].value == 0.0
    assert psds_of_tables(lists, truth, {"a": rounded}, tolerance=1e-9)["a"].value == 1.0


def test_detections_of_foreign_files_are_refused():
    _, truth = set_of([(0, 0, 0, 10)], [], durations=[3600], classes=1)
    foreign = events_of([(1, 0, 0, 10)], files=2, classes=1)
    with pytest.raises(DataError, match="files up to 1 of 1"):
        psds_of_tables([foreign], truth, SCENARIOS)
