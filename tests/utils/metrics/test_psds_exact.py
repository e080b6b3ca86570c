import json
from pathlib import Path

import numpy as np
import pytest

from utils.events import Events
from utils.metrics.candidates import Candidates
from utils.metrics.intersection import GroundTruth
from utils.metrics.psds import psds_of_tables
from utils.metrics.psds_exact import psds_exact
from utils.metrics.psds_roc import SCENARIOS, Scenario

GOLDEN = json.loads((Path(__file__).parent / "golden_psds.json").read_text(encoding="utf-8"))
GOLDEN_SCENARIOS = {name: Scenario(**given) for name, given in GOLDEN["scenarios"].items()}
WIDE = {
    "fast": Scenario(0.7, 0.7, alpha_st=1.0, max_efpr=3000.0),
    "crossed": Scenario(0.1, 0.1, 0.3, alpha_ct=0.5, alpha_st=1.0, max_efpr=5000.0),
    "all": Scenario(0.5, 0.5, 0.5, alpha_ct=1.0, max_efpr=3000.0, all_classes=True),
    "lenient": Scenario(0.0, 0.0, 0.0, alpha_ct=1.0, max_efpr=3000.0),
}


def truth_of(rows, edges, *, durations, classes) -> GroundTruth:
    """Rows of (file, class, first frame, frame after the last)."""
    columns = np.array(rows, dtype=int).reshape(-1, 4).T
    events = Events.of(
        columns[0],
        columns[1],
        edges[columns[2]],
        edges[columns[3]],
        file_count=len(durations),
        class_count=classes,
    )
    return GroundTruth.of(events, durations=durations, class_count=classes)


@pytest.mark.parametrize("case", GOLDEN["frames"])
def test_equal_to_sed_scores_eval(case):
    scores = np.array(case["scores"]) / 100
    files, frames, classes = scores.shape
    edges = np.arange(frames + 1) * case["frame_seconds"]
    durations = np.full(files, edges[-1])
    truth = truth_of(case["truth"], edges, durations=durations, classes=classes)
    candidates = Candidates.of_frames(scores, edges=edges, durations=durations)
    exact = psds_exact(candidates, truth, GOLDEN_SCENARIOS)
    for name, expected in case["sed_scores_eval"].items():
        assert exact[name].value == pytest.approx(expected["value"], abs=1e-6), name
        np.testing.assert_allclose(exact[name].per_class, expected["per_class"], atol=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_equal_to_a_table_for_each_threshold(seed):
    rng = np.random.default_rng(seed)
    files, frames, classes = rng.integers([2, 8, 2], [6, 30, 5])
    edges = np.arange(frames + 1) * rng.choice([0.064, 0.1, 0.25])
    durations = rng.uniform(0.4, 1.1, files) * edges[-1]
    rows = []
    for file in range(files):
        for number in range(classes - (seed % 4 == 0)):  # sometimes a class without events
            borders = np.sort(rng.choice(frames + 1, 4, replace=False))
            pairs = borders.reshape(2, 2) if rng.random() < 0.5 else borders[:2].reshape(1, 2)
            rows += [(file, number, *pair) for pair in pairs]
    truth = truth_of(rows, edges, durations=durations, classes=classes)
    scores = rng.random((files, frames + 2, classes))
    scores = (scores[:, :-2] + scores[:, 1:-1] + scores[:, 2:]) / 3
    for file, number, first, last in rows:
        scores[file, first:last, number] += 0.3
    if seed % 2:
        scores = scores.round(1)  # equal scores
    candidates = Candidates.of_frames(scores, edges=edges, durations=durations)
    thresholds = np.append(np.unique(scores), -1.0)
    tables = [candidates.at(threshold) for threshold in thresholds]
    exact = psds_exact(candidates, truth, WIDE)
    plain = psds_of_tables(tables, truth, WIDE, tolerance=1e-9)
    for name in WIDE:
        assert exact[name].value == pytest.approx(plain[name].value, abs=1e-9), name
        np.testing.assert_allclose(exact[name].per_class, plain[name].per_class, atol=1e-9)


def test_a_few_thresholds_never_score_higher_without_the_spread(rng):
    edges, durations = np.arange(41) * 0.25, np.full(8, 10.0)
    rows = [(file, number, 8 * number, 8 * number + 12) for file in range(8) for number in range(3)]
    truth = truth_of(rows, edges, durations=durations, classes=3)
    scores = rng.random((8, 40, 3))
    for file, number, first, last in rows:
        scores[file, first:last, number] += 0.8
    candidates = Candidates.of_frames(scores, edges=edges, durations=durations)
    scenario = {"plain": Scenario(0.5, 0.5, max_efpr=2000.0)}
    exact = psds_exact(candidates, truth, scenario)["plain"].value
    coarse = [
        psds_of_tables(
            [candidates.at(each) for each in np.linspace(0, 1.8, count)], truth, scenario
        )["plain"].value
        for count in (3, 12, 48)
    ]
    assert coarse == sorted(coarse)
    assert coarse[0] < coarse[-1] <= exact


def test_scored_events_by_hand():
    """One hour: found at 0.9, a false one at 0.5, the second found at 0.2; e_max 4."""
    known = {"file_count": 1, "class_count": 1}
    truth = GroundTruth.of(
        Events.of([0, 0], [0, 0], [0, 20], [10, 30], **known),
        durations=np.array([3600.0]),
        class_count=1,
    )
    candidates = Candidates.of_events(
        [0] * 4,
        [0] * 4,
        [50, 20, 40, 0],
        [51, 30, 40, 10],
        [0.5, 0.2, 0.95, 0.9],  # the event at 40 s has no length and no part in this
        **known,
    )
    scenario = {"hand": Scenario(0.7, 0.7, max_efpr=4.0)}
    score = psds_exact(candidates, truth, scenario)["hand"]
    assert score.value == pytest.approx((1 * 0.5 + 3 * 1.0) / 4)
    np.testing.assert_allclose(score.rates, [0.0, 1.0])


def test_an_event_that_is_lost_again_as_its_detection_grows():
    """Found at thresholds where the run fits; below, the run is the whole file and is false."""
    edges, durations = np.arange(11.0) * 360, np.array([3600.0])
    truth = truth_of([(0, 0, 4, 6)], edges, durations=durations, classes=1)
    scores = np.full((1, 10, 1), 0.1)
    scores[0, 4:6] = 0.8
    candidates = Candidates.of_frames(scores, edges=edges, durations=durations)
    score = psds_exact(candidates, truth, {"hand": Scenario(0.7, 0.7, max_efpr=4.0)})["hand"]
    assert score.value == 1.0  # the best at no higher rate stays


def test_nothing_detected_nothing_there():
    durations = np.array([10.0])
    known = {"file_count": 1, "class_count": 2}
    empty = Events.of([], [], [], [], **known)
    one = Events.of([0], [0], [0.0], [1.0], **known)
    candidates = Candidates.of_events([], [], [], [], [], **known)
    truth = GroundTruth.of(one, durations=durations, class_count=2)
    for score in psds_exact(candidates, truth, SCENARIOS).values():
        assert score.value == 0.0
        assert np.isnan(score.per_class[1])
    silent = GroundTruth.of(empty, durations=durations, class_count=2)
    scored = Candidates.of_events([0], [0], [0.0], [1.0], [0.5], **known)
    assert np.isnan(psds_exact(scored, silent, SCENARIOS)["psds_scenario1"].value)
