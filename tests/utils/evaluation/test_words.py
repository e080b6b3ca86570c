import json

import numpy as np
import pytest

from utils.errors import DataError
from utils.evaluation import Predictions, score_words

WORDS = ("bed", "bird", "cat", "dog")


def golden() -> Predictions:
    """Two words a clip; the first clip is known, of the second one word."""
    return Predictions(
        names=("0", "1"),
        probabilities=np.array([[0.5, 0.5, 0.0, 0.0], [0.5, 0.125, 0.25, 0.125]]),
        truth=np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]]),
    )


def mixtures(rng, *, clips: int, groups: tuple[str | None, ...] = ()) -> Predictions:
    truth = np.zeros((clips, 30), np.float32)
    for row in truth:
        row[rng.choice(30, 4, replace=False)] = 0.25
    powers = np.exp(2 * (truth > 0) + rng.normal(size=truth.shape))
    predicted = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return Predictions(tuple(map(str, range(clips))), predicted, truth, groups)


NAMES = tuple(f"word{number}" for number in range(30))


def test_overall_scores_by_hand():
    scores = score_words(golden(), classes=WORDS, bootstrap=0)
    second = 0.5 * np.log(4) + 0.5 * np.log(2)
    assert scores.words == 2
    assert scores.clips == 2
    assert scores.overall["kl"] == pytest.approx(second / 2, abs=1e-5)
    assert scores.overall["top2_recall"] == 0.75
    assert scores.overall["kl_uniform"] == pytest.approx(np.log(2), abs=1e-5)
    assert scores.intervals == {}


def test_word_rows_by_hand():
    rows = score_words(golden(), classes=WORDS, bootstrap=0).per_class
    assert rows["bird"] == {
        "recall": 0.5,
        "average_precision": 1.0,
        "mean_present": 0.3125,
        "mean_absent": None,
        "clips": 2,
    }
    assert rows["dog"] == {
        "recall": None,
        "average_precision": None,
        "mean_present": None,
        "mean_absent": 0.0625,
        "clips": 0,
    }
    assert (rows["cat"]["mean_present"], rows["cat"]["mean_absent"]) == (0.25, 0.0)


def test_calibration_by_hand():
    calibration = score_words(golden(), classes=WORDS, bootstrap=0).calibration
    assert [(row["low"], row["count"]) for row in calibration["bins"]] == [
        (0.0, 2),
        (0.125, 2),
        (0.25, 1),
        (0.5, 3),
    ]
    last = calibration["bins"][-1]
    assert last["share"] == pytest.approx(1 / 3)  # 0.5, 0.5, 0
    assert last["presence"] == pytest.approx(2 / 3)
    expected = (2 * abs(0.125 - 0.25) + 0.25 + 3 * abs(0.5 - 1 / 3)) / 8
    assert calibration["ece"] == pytest.approx(expected)


def test_the_recall_is_named_by_the_number_of_words_in_most_clips(rng):
    predictions = mixtures(rng, clips=40)
    predictions.truth[:10] = np.eye(30)[3]  # one word, or the same four times
    assert "top4_recall" in score_words(predictions, classes=NAMES, bootstrap=0).overall


def test_scores_are_plain_data(rng):
    scores = score_words(mixtures(rng, clips=40), classes=NAMES, bootstrap=50, seed=1)
    text = json.dumps(scores.as_dict(), allow_nan=False)
    assert json.loads(text)["overall"] == scores.overall
    assert list(scores.overall) == ["kl", "top4_recall", "kl_uniform", "ece"]
    assert json.loads(text)["classes"] == list(NAMES)


def test_intervals_hold_the_scores_and_repeat_with_the_seed(rng):
    predictions = mixtures(rng, clips=100)
    first, again, other = (
        score_words(predictions, classes=NAMES, bootstrap=200, seed=seed) for seed in (1, 1, 2)
    )
    assert first.intervals == again.intervals != other.intervals
    assert set(first.intervals) == {"kl", "top4_recall"}
    for name, (low, high) in first.intervals.items():
        assert low < first.overall[name] < high


def test_clips_of_a_group_are_drawn_together(rng):
    alone = mixtures(rng, clips=40)
    rows = np.repeat(np.arange(40), 5)
    twins = Predictions(
        tuple(map(str, range(200))),
        alone.probabilities[rows],
        alone.truth[rows],
        tuple(f"speaker{row}" for row in rows),
    )
    first = score_words(alone, classes=NAMES, bootstrap=100, seed=1)
    second = score_words(twins, classes=NAMES, bootstrap=100, seed=1)
    assert second.intervals["kl"] == pytest.approx(first.intervals["kl"])


@pytest.mark.parametrize("row", [[np.nan] * 4, [0.5, 0.6, 0.0, 0.0], [1.5, -0.5, 0.0, 0.0]])
def test_rows_that_are_no_distribution_are_refused(row):
    rows = np.array([[0.5, 0.5, 0.0, 0.0], row])
    with pytest.raises(DataError, match=r"1: .*1 of 2 clips.*softmax"):
        score_words(Predictions(("0", "1"), rows, golden().truth), classes=WORDS)


def test_nothing_to_score_is_refused():
    for predictions in (
        Predictions((), np.zeros((0, 4)), np.zeros((0, 4))),
        Predictions(("0", "1"), golden().probabilities),
    ):
        with pytest.raises(DataError, match="known labels"):
            score_words(predictions, classes=WORDS)
    with pytest.raises(ValueError, match="3 classes are named, predictions have 4"):
        score_words(golden(), classes=WORDS[:3])
    single = Predictions(("0", "1"), golden().probabilities, np.array([0, 1]))
    with pytest.raises(ValueError, match=r"truth \(2, 4\) is needed"):
        score_words(single, classes=WORDS)
