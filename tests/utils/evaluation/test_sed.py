import json
from pathlib import Path

import numpy as np
import pytest

from utils.errors import DataError
from utils.evaluation import summarise_folds
from utils.evaluation.sed import (
    AS_OF_2021,
    THRESHOLDS,
    nearest_threshold,
    score_events,
    score_tables,
)
from utils.events import Events
from utils.metrics.candidates import Candidates
from utils.metrics.events import event_counts, f1_scores, segment_counts
from utils.metrics.intersection import GroundTruth, intersection_counts
from utils.metrics.psds import psds_of_tables
from utils.metrics.psds_exact import psds_exact
from utils.metrics.psds_roc import SCENARIOS

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "metrics" / "golden_psds.json").read_text(encoding="utf-8")
)
CLASSES = ("Cat", "Dog", "Speech")


def events_of(rows, *, files, classes, scale=1.0) -> Events:
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    file, number = columns[:2].astype(int)
    times = columns[2:] / scale
    return Events.of(file, number, *times, file_count=files, class_count=classes)


@pytest.fixture(params=range(len(GOLDEN["tables"])))
def golden(request):
    """A random list and what psds_eval makes of it."""
    case = GOLDEN["tables"][request.param]
    shape = {"files": len(case["durations"]), "classes": case["classes"]}
    shape["scale"] = case["ticks_per_second"]
    truth = GroundTruth.of(
        events_of(case["truth"], **shape),
        durations=np.array(case["durations"]) / shape["scale"],
        class_count=case["classes"],
    )
    tables = {
        (number + 1) / 10: events_of(table, **shape) for number, table in enumerate(case["tables"])
    }
    return case["psds_eval"], tables, truth


@pytest.fixture
def system(rng):
    """Frame scores (files, frames, classes) of a middling system, their candidates, the truth."""
    files, frames, count = 60, 50, len(CLASSES)
    active = np.zeros((files, frames, count))
    rows = []
    for file in range(files - 3):
        for number in range(count):
            start, length = rng.integers(0, 35), rng.integers(5, 15)
            active[file, start : start + length, number] = 1.0
            rows.append((file, number, start / 5, (start + length) / 5))
            lure = rng.integers(0, 42)  # a false event that looks like a quieter true one
            active[file, lure : lure + 8, number] += rng.uniform(0.0, 0.9)
    logits = 2.4 * active - 1.2 + 1.2 * rng.normal(size=active.shape)
    logits = (logits[:, :-2] + logits[:, 1:-1] + logits[:, 2:]) / 3
    scores = np.pad(1 / (1 + np.exp(-1.7 * logits)), ((0, 0), (1, 1), (0, 0)))
    durations = np.full(files, 10.0)
    truth = GroundTruth.of(
        events_of(rows, files=files, classes=count), durations=durations, class_count=count
    )
    edges = np.arange(frames + 1) / 5
    return scores, Candidates.of_frames(scores, edges=edges, durations=durations), truth


def tables_of(candidates):
    return {threshold: candidates.at(threshold) for threshold in THRESHOLDS}


def test_psds_is_that_of_psds_eval(golden):
    expected, tables, truth = golden
    classes = [f"class{number}" for number in range(truth.class_count)]
    scores = score_tables(tables, truth, classes=classes, bootstrap=0)
    for name in SCENARIOS:
        assert scores.overall[name] == pytest.approx(expected[name]["value"], abs=1e-6)
        found = [scores.per_class[label][name] for label in classes]
        for own, official in zip(found, expected[name]["per_class"], strict=True):
            assert own == (None if official is None else pytest.approx(official, abs=1e-6))


def test_f1_scores_are_of_the_table_nearest_to_a_half(system):
    _, candidates, truth = system
    tables = tables_of(candidates)
    scores = score_tables(tables, truth, classes=CLASSES, bootstrap=0)
    assert scores.f1_threshold == 0.49 and scores.tables == 50
    shape = {"file_count": 60, "class_count": 3}
    for name, counts in (
        ("event_f1", event_counts(tables[0.49], truth.events, **shape)),
        ("segment_f1", segment_counts(tables[0.49], truth.events, **shape)),
        ("intersection_f1", intersection_counts(tables[0.49], truth)),
    ):
        f1 = f1_scores(counts.sum(axis=0))
        assert 0 < scores.overall[f"{name}_macro"] == f1["f1_macro"] < 1
        assert [scores.per_class[label][name] for label in CLASSES] == f1["f1"].tolist()
    assert [scores.per_class[label]["events"] for label in CLASSES] == [57, 57, 57]


@pytest.mark.parametrize(
    ("thresholds", "nearest"),
    [
        (THRESHOLDS, 0.49),
        (np.arange(1 / 100, 1, 1 / 50), 0.49),
        (np.linspace(0.1, 0.9, 9), 0.5),
        ([0.6, 0.4], 0.4),
        ([0.3, 0.6], 0.6),
        ([-2.0, 3.0], -2.0),
    ],
)
def test_of_two_thresholds_equally_near_the_lower_one_counts(thresholds, nearest):
    assert nearest_threshold(thresholds) == pytest.approx(nearest)


def test_the_order_of_the_tables_does_not_matter(system):
    _, candidates, truth = system
    tables = tables_of(candidates)
    backwards = dict(reversed(tables.items()))
    one, other = (
        score_tables(each, truth, classes=CLASSES, bootstrap=20) for each in (tables, backwards)
    )
    assert one == other


def test_the_score_as_of_2021_has_its_mean_of_cross_triggers(system):
    _, candidates, truth = system
    tables = list(tables_of(candidates).values())
    scores = score_tables(tables_of(candidates), truth, classes=CLASSES, bootstrap=0)
    expected = psds_of_tables(tables, truth, AS_OF_2021)["psds_scenario2_2021"].value
    assert scores.overall["psds_scenario2_2021"] == expected > scores.overall["psds_scenario2"]


def test_scores_of_all_thresholds_are_exact_and_those_of_fifty_stand_beside(system):
    _, candidates, truth = system
    detections = candidates.at(0.3)
    scores = score_events(candidates, detections, truth, classes=CLASSES, bootstrap=0)
    of_tables = score_tables(tables_of(candidates), truth, classes=CLASSES, bootstrap=0)
    exact = psds_exact(candidates, truth, SCENARIOS)
    for name, score in exact.items():
        assert scores.overall[name] == score.value
        assert scores.overall[f"{name}_50"] == of_tables.overall[name] <= score.value + 1e-9
        assert [cell[name] for cell in scores.per_class.values()] == score.per_class.tolist()
    assert scores.overall["psds_scenario2_2021"] == of_tables.overall["psds_scenario2_2021"]
    assert scores.f1_threshold is None and scores.tables is None
    decided = score_tables({0.3: detections}, truth, classes=CLASSES, bootstrap=0)
    for name in ("event_f1_macro", "intersection_f1_macro", "segment_f1_macro"):
        assert scores.overall[name] == decided.overall[name] != of_tables.overall[name]


def test_intervals_hold_the_scores_and_repeat(system):
    _, candidates, truth = system
    tables = tables_of(candidates)
    scores = score_tables(tables, truth, classes=CLASSES, bootstrap=200, seed=3)
    assert set(scores.intervals) == set(scores.overall) - {"psds_scenario2_2021"}
    for name, (low, high) in scores.intervals.items():
        assert low < scores.overall[name] < high, name
    again = score_tables(tables, truth, classes=CLASSES, bootstrap=200, seed=3)
    other = score_tables(tables, truth, classes=CLASSES, bootstrap=200, seed=4)
    assert again.intervals == scores.intervals != other.intervals
    assert score_tables(tables, truth, classes=CLASSES, bootstrap=0).intervals == {}


def test_the_interval_of_an_exact_score_is_near_that_of_resampled_files(system, rng):
    scores, candidates, truth = system
    found = score_events(
        candidates, candidates.at(0.5), truth, classes=CLASSES, bootstrap=300
    ).intervals
    edges = np.arange(scores.shape[1] + 1) / 5
    drawn = {name: [] for name in SCENARIOS}
    for _ in range(100):
        files = rng.integers(len(scores), size=len(scores))
        kept = [np.flatnonzero(truth.events.files == file) for file in files]
        events = truth.events
        resampled = Events.of(
            np.repeat(np.arange(len(files)), [len(each) for each in kept]),
            *(
                np.concatenate([column[each] for each in kept])
                for column in (events.classes, events.onsets, events.offsets)
            ),
            file_count=len(files),
            class_count=len(CLASSES),
        )
        reference = GroundTruth.of(resampled, durations=truth.durations, class_count=len(CLASSES))
        of_frames = Candidates.of_frames(scores[files], edges=edges, durations=truth.durations)
        for name, score in psds_exact(of_frames, reference, SCENARIOS).items():
            drawn[name].append(score.value)
    for name, values in drawn.items():
        expected = np.quantile(values, [0.025, 0.975])
        np.testing.assert_allclose(found[name], expected, atol=0.25 * np.ptp(expected))


def test_a_class_without_events_has_no_scores_and_plain_data_says_none(system):
    _, candidates, truth = system
    wide = GroundTruth.of(truth.events, durations=truth.durations, class_count=4)
    scores = score_tables(
        tables_of(candidates), wide, classes=(*CLASSES, "Whale"), bootstrap=10
    ).as_dict()
    assert scores["per_class"]["Whale"] == {
        "psds_scenario1": None, "psds_scenario2": None, "event_f1": None, "intersection_f1": None,
        "segment_f1": None, "events": 0,
    }  # fmt: skip
    assert set(scores["roc"]["psds_scenario1"]["classes"]["Whale"]) == {None}
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    narrow = score_tables(tables_of(candidates), truth, classes=CLASSES, bootstrap=0)
    for name in ("psds_scenario1", "event_f1_macro", "segment_f1_macro"):
        assert scores["overall"][name] == pytest.approx(narrow.overall[name])


def test_nothing_detected_scores_nothing_and_nothing_true_is_unknown(system):
    _, candidates, truth = system
    nothing = candidates.at(2.0)
    scores = score_tables({0.5: nothing}, truth, classes=CLASSES, bootstrap=0)
    assert set(scores.overall.values()) == {0.0}
    silent = GroundTruth.of(nothing, durations=truth.durations, class_count=3)
    scores = score_tables({0.5: candidates.at(0.5)}, silent, classes=CLASSES, bootstrap=10)
    assert set(scores.as_dict()["overall"].values()) == {None} and scores.intervals == {}


def test_curves_are_those_of_the_score(system):
    _, candidates, truth = system
    scores = score_tables(tables_of(candidates), truth, classes=CLASSES, bootstrap=0)
    score = psds_of_tables(list(tables_of(candidates).values()), truth, SCENARIOS)["psds_scenario1"]
    curve = scores.roc["psds_scenario1"]
    assert curve["rates"][0] == 0 and curve["rates"][-1] == 100
    assert np.diff(curve["effective"]).min() >= -1  # spread may grow, ratios stay within 0 and 1
    at = np.searchsorted(score.rates, 50.0, side="right") - 1
    assert curve["rates"][100] == 50
    assert curve["effective"][100] == pytest.approx(score.effective[at], abs=1e-5)
    assert curve["classes"]["Dog"][100] == pytest.approx(score.class_ratios[1, at], abs=1e-5)


def test_folds_can_be_summed_up(system):
    _, candidates, truth = system
    scores = score_events(candidates, candidates.at(0.5), truth, classes=CLASSES, bootstrap=0)
    summary = summarise_folds({"fold1": scores, "fold2": scores})
    assert summary["mean"]["psds_scenario1"] == pytest.approx(scores.overall["psds_scenario1"])


def test_mistakes_are_told(system):
    _, candidates, truth = system
    with pytest.raises(DataError, match="no detection table"):
        score_tables({}, truth, classes=CLASSES)
    with pytest.raises(ValueError, match="3 names of classes"):
        score_tables({0.5: candidates.at(0.5)}, truth, classes=CLASSES[:2])
    with pytest.raises(ValueError, match="3 names of classes"):
        score_events(candidates, candidates.at(0.5), truth, classes=CLASSES[:2])
