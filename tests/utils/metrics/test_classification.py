import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from utils.metrics.classification import (
    class_f1,
    class_scores,
    class_totals,
    clip_log_losses,
    confusion_matrix,
    overall_scores,
)

# By hand: class 0 has two clips (one right), class 1 one clip (right), class 2 none.
TRUTH = np.array([0, 0, 1])
PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.125, 0.75, 0.125]])
LOSSES = np.log([2.0, 4.0, 4.0 / 3.0])


def test_golden_example_by_hand():
    totals = class_totals(truth=TRUTH, probabilities=PROBABILITIES)
    np.testing.assert_allclose(
        totals[0], [[2, 1, 0], [1, 1, 0], [LOSSES[0] + LOSSES[1], LOSSES[2], 0]]
    )
    scores = overall_scores(totals[0])
    assert scores["accuracy"] == pytest.approx((0.5 + 1.0) / 2)
    assert scores["accuracy_micro"] == pytest.approx(2 / 3)
    assert scores["log_loss"] == pytest.approx((1.5 * np.log(2) + np.log(4 / 3)) / 2)
    assert scores["log_loss_micro"] == pytest.approx((3 * np.log(2) + np.log(4 / 3)) / 3)


def test_absent_class_is_nan_for_itself():
    scores = class_scores(class_totals(truth=TRUTH, probabilities=PROBABILITIES)[0])
    np.testing.assert_allclose(scores["accuracy"], [0.5, 1.0, np.nan])
    np.testing.assert_allclose(scores["log_loss"], [1.5 * np.log(2), LOSSES[2], np.nan])


def test_no_clips_at_all_is_nan_without_a_warning():
    assert np.isnan(overall_scores(np.zeros((3, 4)))["accuracy"])


def test_confusion_matrix_and_f1_by_hand():
    confusion = confusion_matrix(truth=TRUTH, predicted=np.array([0, 1, 1]), class_count=3)
    np.testing.assert_array_equal(confusion, [[1, 1, 0], [0, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(class_f1(confusion=confusion), [2 / 3, 2 / 3, np.nan])


def test_f1_of_a_class_that_is_predicted_but_never_true_is_zero():
    confusion = confusion_matrix(truth=np.array([0]), predicted=np.array([1]), class_count=2)
    np.testing.assert_array_equal(class_f1(confusion=confusion), [0.0, 0.0])


@pytest.mark.parametrize(("kind", "worst"), [(np.float32, 15.942), (np.float64, 36.044)])
def test_certain_and_wrong_costs_the_epsilon_of_the_type(kind, worst):
    losses = clip_log_losses(truth=np.array([1]), probabilities=np.array([[1.0, 0.0]], dtype=kind))
    assert losses[0] == pytest.approx(worst, abs=1e-3)


def test_units_split_the_totals():
    units = np.array([1, 0, 1])
    parts = class_totals(truth=TRUTH, probabilities=PROBABILITIES, units=units, unit_count=2)
    assert parts.shape == (2, 3, 3)
    np.testing.assert_array_equal(parts[0, 0], [1, 0, 0])
    np.testing.assert_array_equal(parts[1, 0], [1, 1, 0])
    whole = class_totals(truth=TRUTH, probabilities=PROBABILITIES)
    np.testing.assert_allclose(parts.sum(axis=0), whole[0])


@pytest.mark.parametrize(
    ("truth", "probabilities", "message"),
    [
        ([0, 3], np.full((2, 3), 1 / 3), "classes 0 to 2"),
        ([0, -1], np.full((2, 3), 1 / 3), "classes 0 to 2"),
        ([0.0, 1.0], np.full((2, 3), 1 / 3), "integers"),
        ([0], np.full((2, 3), 1 / 3), "for 1 clips"),
        ([0, 1], np.full((2, 3), np.nan), "NaN"),
        ([0, 1], np.full((2, 3), 1.5), "within 0 and 1"),
    ],
)
def test_bad_input_is_refused(truth, probabilities, message):
    with pytest.raises(ValueError, match=message):
        clip_log_losses(truth=np.array(truth), probabilities=probabilities)


def test_confusion_of_unequal_lengths_is_refused():
    with pytest.raises(ValueError, match="2 true and 1 predicted"):
        confusion_matrix(truth=np.array([0, 1]), predicted=np.array([0]), class_count=2)


@st.composite
def cases(draw):
    """Truth (clips,) and probabilities (clips, classes) that sum to one."""
    clips, classes = draw(st.integers(1, 30)), draw(st.integers(2, 6))
    truth = draw(hnp.arrays(np.int64, clips, elements=st.integers(0, classes - 1)))
    weights = draw(hnp.arrays(np.float64, (clips, classes), elements=st.floats(0.0, 1.0, width=16)))
    weights[weights.sum(axis=1) == 0] = 1.0
    return truth, weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.reference
@settings(deadline=None, derandomize=True, max_examples=60)
@given(case=cases())
def test_scores_vs_sklearn(case):
    from sklearn import metrics

    truth, probabilities = case
    labels = np.arange(probabilities.shape[1])
    predicted = probabilities.argmax(axis=1)
    totals = class_totals(truth=truth, probabilities=probabilities)[0]
    overall = overall_scores(totals)
    present = np.unique(truth)
    assert overall["log_loss_micro"] == pytest.approx(
        metrics.log_loss(truth, probabilities, labels=labels), abs=1e-9
    )
    class_losses = [
        metrics.log_loss(truth[truth == k], probabilities[truth == k], labels=labels)
        for k in present
    ]
    assert overall["log_loss"] == pytest.approx(np.mean(class_losses), abs=1e-9)
    assert overall["accuracy_micro"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert overall["accuracy"] == pytest.approx(
        metrics.recall_score(truth, predicted, labels=present, average="macro")
    )
    confusion = confusion_matrix(truth=truth, predicted=predicted, class_count=len(labels))
    np.testing.assert_array_equal(
        confusion, metrics.confusion_matrix(truth, predicted, labels=labels)
    )
    np.testing.assert_allclose(
        class_f1(confusion=confusion),
        metrics.f1_score(truth, predicted, labels=labels, average=None, zero_division=np.nan),
    )


@pytest.mark.reference
def test_log_loss_of_float32_vs_sklearn(rng):
    from sklearn.metrics import log_loss

    probabilities = np.eye(4, dtype=np.float32)[rng.integers(4, size=50)]
    truth = rng.integers(4, size=50)
    own = overall_scores(class_totals(truth=truth, probabilities=probabilities)[0])
    expected = log_loss(truth, probabilities, labels=np.arange(4))
    assert own["log_loss_micro"] == pytest.approx(expected, rel=1e-5)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(case=cases(), seed=st.integers(0, 2**16))
def test_order_of_clips_and_names_of_classes_do_not_matter(case, seed):
    truth, probabilities = case
    rng = np.random.default_rng(seed)
    clips, classes = rng.permutation(len(truth)), rng.permutation(probabilities.shape[1])
    # Ties go to the first class, so only the losses are independent of the classes' order.
    before = overall_scores(class_totals(truth=truth, probabilities=probabilities)[0])
    moved = overall_scores(class_totals(truth=truth[clips], probabilities=probabilities[clips])[0])
    for name, score in before.items():
        assert moved[name] == pytest.approx(score)
    renamed = overall_scores(
        class_totals(truth=np.argsort(classes)[truth], probabilities=probabilities[:, classes])[0]
    )
    assert renamed["log_loss"] == pytest.approx(before["log_loss"])
    assert renamed["log_loss_micro"] == pytest.approx(before["log_loss_micro"])


@settings(deadline=None, derandomize=True, max_examples=30)
@given(case=cases())
def test_perfect_predictions(case):
    truth, probabilities = case
    perfect = np.eye(probabilities.shape[1])[truth]
    scores = overall_scores(class_totals(truth=truth, probabilities=perfect)[0])
    assert scores["accuracy"] == scores["accuracy_micro"] == 1.0
    assert 0.0 <= scores["log_loss"] < 1e-12
