import json
import subprocess
import sys

import numpy as np
import pytest

from utils.errors import DataError
from utils.evaluation import Predictions, device_order, scenes, score_scenes

CLASSES = ("bus", "metro", "tram")


def golden() -> Predictions:
    """Bus: right on a, wrong on s1; metro: right on a and s1; tram: wrong on s4."""
    return Predictions(
        names=("1.wav", "2.wav", "3.wav", "4.wav", "5.wav"),
        probabilities=np.array(
            [
                [0.5, 0.25, 0.25],
                [0.25, 0.5, 0.25],
                [0.25, 0.75, 0.0],
                [0.0, 1.0, 0.0],
                [0.5, 0.375, 0.125],
            ]
        ),
        truth=np.array([0, 0, 1, 1, 2]),
        groups=("lyon-1", "lyon-1", "lyon-2", "paris-1", None),
        devices=("a", "s1", "a", "s1", "s4"),
    )


def random_predictions(rng, *, clips: int, classes: int, groups: int) -> Predictions:
    truth = np.concatenate([np.arange(classes), rng.integers(classes, size=clips - classes)])
    return Predictions(
        names=tuple(f"{number}.wav" for number in range(clips)),
        probabilities=rng.dirichlet(np.ones(classes), size=clips).astype(np.float32),
        truth=truth,
        groups=tuple(f"place-{number % groups}" for number in range(clips)),
        devices=tuple(f"s{number % 12}" for number in range(clips)),
    )


def test_overall_scores_by_hand():
    scores = score_scenes(golden(), classes=CLASSES, bootstrap=0)
    ln2, ln43 = np.log(2), np.log(4 / 3)
    expected = {
        "accuracy": (0.5 + 1.0 + 0.0) / 3,
        "accuracy_micro": 3 / 5,
        "log_loss": ((ln2 + 2 * ln2) / 2 + ln43 / 2 + 3 * ln2) / 3,
        "log_loss_micro": (3 * ln2 + ln43 + 3 * ln2) / 5,
    }
    assert scores.overall == pytest.approx(expected)
    assert scores.confusion == ((1, 1, 0), (0, 2, 0), (1, 0, 0))
    assert scores.intervals == {}


def test_class_rows_by_hand():
    bus = score_scenes(golden(), classes=CLASSES, bootstrap=0).per_class["bus"]
    assert bus["accuracy"] == 0.5
    assert bus["log_loss"] == pytest.approx(1.5 * np.log(2))
    assert bus["f1"] == pytest.approx(0.5)  # 1 hit, 1 missed, 1 false
    assert bus["clips"] == 2
    assert bus["per_device"] == {
        "a": {"accuracy": 1.0, "log_loss": pytest.approx(np.log(2)), "clips": 1},
        "s1": {"accuracy": 0.0, "log_loss": pytest.approx(2 * np.log(2)), "clips": 1},
        "s4": {"accuracy": None, "log_loss": None, "clips": 0},
    }


def test_device_columns_by_hand():
    per_device = score_scenes(golden(), classes=CLASSES, bootstrap=0).per_device
    assert list(per_device) == ["a", "s1", "s4"]
    assert per_device["s1"]["accuracy"] == 0.5
    assert per_device["s1"]["log_loss"] == pytest.approx(np.log(2))  # of 2 ln 2 and 0
    assert per_device["s4"] == {
        "accuracy": 0.0,
        "log_loss": pytest.approx(3 * np.log(2)),
        "clips": 1,
    }


def test_seen_against_unseen_by_hand():
    groups = score_scenes(golden(), classes=CLASSES, unseen=("s4", "s9"), bootstrap=10).groups
    assert groups["seen"]["accuracy"] == 0.75
    assert groups["seen"]["clips"] == 4
    assert groups["seen"]["devices"] == ["a", "s1"]
    assert groups["unseen"]["log_loss"] == pytest.approx(3 * np.log(2))
    assert groups["unseen"]["devices"] == ["s4"]
    assert set(groups["seen"]["intervals"]) == {
        "accuracy",
        "accuracy_micro",
        "log_loss",
        "log_loss_micro",
    }


def test_no_unseen_devices_no_groups_no_devices_no_columns():
    assert score_scenes(golden(), classes=CLASSES, bootstrap=0).groups == {}
    plain = Predictions(("1", "2"), np.eye(2), truth=np.array([0, 1]))
    scores = score_scenes(plain, classes=("bus", "tram"), bootstrap=10)
    assert scores.per_device == scores.groups == {}
    assert scores.per_class["bus"]["per_device"] == {}


def test_asked_devices_without_clips_are_empty_columns():
    scores = score_scenes(golden(), classes=CLASSES, devices=("s4", "c", "a"), bootstrap=0)
    assert list(scores.per_device) == ["a", "c", "s4"]
    assert scores.per_device["c"] == {"accuracy": None, "log_loss": None, "clips": 0}


def test_devices_stand_in_natural_order():
    names = ["s10", "s2", "b", "s1", None, "a", "c", "s2", "7", "10"]
    assert device_order(names) == ("7", "10", "a", "b", "c", "s1", "s2", "s10")


def test_a_class_absent_from_the_truth_is_left_out_of_means():
    without_tram = golden().on_devices(["a", "s1"])
    scores = score_scenes(without_tram, classes=CLASSES, bootstrap=0)
    assert scores.overall["accuracy"] == 0.75
    assert scores.per_class["tram"]["accuracy"] is None
    assert scores.per_class["tram"]["f1"] is None


def test_as_dict_is_strict_json():
    scores = score_scenes(golden(), classes=CLASSES, unseen=("s4",), bootstrap=20)
    text = json.dumps(scores.as_dict(), allow_nan=False)
    assert json.loads(text) == scores.as_dict()
    assert json.loads(text)["overall"]["log_loss"] == scores.overall["log_loss"]


def test_intervals_hold_the_scores_and_follow_the_seed(rng):
    predictions = random_predictions(rng, clips=120, classes=4, groups=30)
    first, again, other = (
        score_scenes(predictions, classes="wxyz", bootstrap=200, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.intervals != other.intervals
    for name, (low, high) in first.intervals.items():
        assert low < first.overall[name] < high


def test_intervals_draw_locations_not_clips():
    classes, places = np.repeat([0, 1], 50), np.arange(100) // 10
    right = places % 2 == 0  # all clips of a place are right, or all are wrong
    predictions = Predictions(
        names=tuple(str(number) for number in range(100)),
        probabilities=np.eye(2)[np.where(right, classes, 1 - classes)],
        truth=classes,
    )
    by_place = Predictions(
        names=predictions.names,
        probabilities=predictions.probabilities,
        truth=classes,
        groups=tuple(str(place) for place in places),
    )
    widths = []
    for each in (predictions, by_place):
        low, high = score_scenes(each, classes="ab", bootstrap=300).intervals["accuracy"]
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]


@pytest.mark.reference
@pytest.mark.parametrize("clips", [1, 5, 100, 101, 230])
def test_accuracy_vs_sed_eval_in_one_go(rng, clips):
    from sed_eval.scene import SceneClassificationMetrics

    predictions = random_predictions(rng, clips=clips, classes=min(clips, 4), groups=9)
    labels = "wxyz"[: min(clips, 4)]
    reference, estimated = (
        [
            {"filename": name, "scene_label": labels[number]}
            for name, number in zip(predictions.names, numbers, strict=True)
        ]
        for numbers in (predictions.known_truth, predictions.predicted)
    )
    metrics = SceneClassificationMetrics(scene_labels=list(labels))
    metrics.evaluate(reference, estimated)
    official = metrics.results_class_wise_average_metrics()["accuracy"]["accuracy"]
    scores = score_scenes(predictions, classes=labels, bootstrap=0)
    assert scores.overall["accuracy"] == official
    for name, result in metrics.results_class_wise_metrics().items():
        own = scores.per_class[name]["accuracy"]
        assert own == pytest.approx(result["accuracy"]["accuracy"], abs=1e-12)


def test_a_disagreement_with_sed_eval_is_a_bug():
    with pytest.raises(RuntimeError, match="sed_eval gives"):
        scenes._official_accuracy(np.array([0]), np.array([0]), classes=("bus",), own=0.5)


def test_sed_eval_says_nothing_on_the_console():
    program = (
        "import numpy as np\n"
        "from utils.evaluation import Predictions, score_scenes\n"
        "p = Predictions(('1', '2'), np.eye(2), truth=np.array([0, 1]))\n"
        "score_scenes(p, classes=('bus', 'tram'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == done.stderr == ""


@pytest.mark.parametrize(
    "row", [[np.nan, np.nan], [0.5, 0.6], [1.5, -0.5], [0.0, 0.0], [3.0, -2.0]]
)
def test_rows_that_are_no_distribution_are_refused(row):
    predictions = Predictions(
        ("good.wav", "bad.wav"), np.array([[0.5, 0.5], row]), truth=np.array([0, 1])
    )
    with pytest.raises(DataError, match=r"bad\.wav: .*1 of 2 clips.*softmax"):
        score_scenes(predictions, classes=("bus", "tram"))


def test_int8_steps_are_accepted():
    rows = np.round(np.full((1, 10), 0.1) * 256) / 256  # sums to 1.0156
    scores = score_scenes(
        Predictions(("1",), rows, truth=np.array([3])), classes="abcdefghij", bootstrap=0
    )
    assert scores.overall["accuracy"] == 0.0


def test_nothing_to_score_is_refused():
    for predictions in (
        Predictions((), np.zeros((0, 2)), truth=np.zeros(0, dtype=int)),
        Predictions(("1",), np.array([[0.5, 0.5]])),
    ):
        with pytest.raises(DataError, match="known labels"):
            score_scenes(predictions, classes=("bus", "tram"))
    with pytest.raises(ValueError, match="3 classes are named, predictions have 2"):
        score_scenes(
            Predictions(("1",), np.array([[0.5, 0.5]]), truth=np.array([0])), classes=CLASSES
        )
