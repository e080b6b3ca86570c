import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from utils.metrics.distribution import (
    average_precision,
    class_recall,
    clip_recall,
    kl_divergence,
    most_likely,
    top_k_recall,
)


def mixtures(rng, *, clips: int, classes: int, words: int) -> np.ndarray:
    truth = np.zeros((clips, classes))
    for row in truth:
        row[rng.choice(classes, words, replace=False)] = 1 / words
    return truth


def test_the_divergence_is_that_of_keras(rng):
    import keras

    truth = mixtures(rng, clips=50, classes=30, words=4)
    predicted = rng.dirichlet(np.full(30, 0.1), size=50)
    predicted[:5] = np.eye(30)[:5]  # zeros on words that are there
    truth[5] = predicted[5]
    official = keras.losses.KLDivergence(reduction="none", dtype="float64")(truth, predicted)
    np.testing.assert_allclose(kl_divergence(truth, predicted), official, atol=1e-6)


def test_uniform_against_four_of_thirty_words(rng):
    truth = mixtures(rng, clips=3, classes=30, words=4)
    found = kl_divergence(truth, np.full((3, 30), 1 / 30))
    assert found == pytest.approx(np.log(30) - np.log(4), abs=5e-5)
    assert found == pytest.approx(2.0149, abs=5e-5)


def test_divergence_by_hand():
    truth = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    predicted = np.array([[0.25, 0.5, 0.25], [1.0, 0.0, 0.0]])
    assert kl_divergence(truth, predicted) == pytest.approx([0.5 * np.log(2), 0.0], abs=2e-6)
    missed = kl_divergence(
        np.array([[0.25] * 4 + [0.0]]), np.array([[0.0, 0.25, 0.25, 0.25, 0.25]])
    )
    assert missed[0] == pytest.approx(0.25 * np.log(0.25 / 1e-7), abs=1e-5)  # 3.68


def test_equals_share_the_places_that_are_left():
    even = np.full((2, 5), 0.2)
    np.testing.assert_array_equal(most_likely(even, k=2), np.full((2, 5), 0.4))
    late = np.array([[0.1, 0.4, 0.1, 0.2, 0.2], [0.3, 0.1, 0.2, 0.15, 0.25]])
    expected = [[0, 1, 0, 0.5, 0.5], [1, 0, 0, 0, 1]]
    np.testing.assert_array_equal(most_likely(late, k=2), expected)
    np.testing.assert_array_equal(most_likely(late[:1], k=4), [[0.5, 1, 0.5, 1, 1]])
    np.testing.assert_array_equal(most_likely(late, k=9), np.ones((2, 5)))
    with pytest.raises(ValueError, match="at least 1"):
        most_likely(even, k=0)


EQUALS = arrays(np.float64, (3, 6), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5]))
PRESENT = arrays(np.bool_, (3, 6))


@given(PRESENT, st.integers(1, 6))
def test_the_uniform_prediction_finds_what_lots_find(present, k):
    uniform = np.full((3, 6), 1 / 6)
    some = present.any(axis=1)
    assert clip_recall(present, uniform, k=k)[some] == pytest.approx(k / 6)
    some = present.any(axis=0)
    assert class_recall(present, uniform, k=k)[some] == pytest.approx(k / 6)


@given(EQUALS, PRESENT, st.integers(1, 8), st.permutations(range(6)))
def test_the_order_of_the_columns_never_matters(predicted, present, k, order):
    clips = clip_recall(present, predicted, k=k)
    moved = clip_recall(present[:, order], predicted[:, order], k=k)
    np.testing.assert_allclose(moved, clips, rtol=1e-12)
    classes = class_recall(present, predicted, k=k)
    moved = class_recall(present[:, order], predicted[:, order], k=k)
    np.testing.assert_array_equal(moved, classes[order])
    np.testing.assert_allclose(most_likely(predicted, k=k).sum(axis=1), min(k, 6))


@given(st.permutations(range(12)), st.integers(1, 6))
def test_without_equals_the_k_likeliest_count(order, k):
    predicted = np.reshape(order, (2, 6)) / 100
    marked = np.argsort(np.argsort(-predicted)) < k
    np.testing.assert_array_equal(most_likely(predicted, k=k), marked)


def test_recall_is_the_mean_of_equals_drawn_by_lot(rng):
    truth = mixtures(rng, clips=6, classes=8, words=3)
    predicted = rng.integers(0, 3, (6, 8)) / 256  # an int8 output
    draws = 20_000
    lots = np.argsort(rng.random((draws, 6, 8)) - 1000 * predicted)[..., :3]
    drawn = np.zeros((draws, 6, 8), bool)
    np.put_along_axis(drawn, lots, values=True, axis=2)
    hits = (drawn & (truth > 0)).mean(axis=0)
    found = clip_recall(truth, predicted, k=3)
    np.testing.assert_allclose(found, hits.sum(axis=1) / 3, atol=0.01)
    expected = hits.sum(axis=0) / (truth > 0).sum(axis=0)
    np.testing.assert_allclose(class_recall(truth, predicted, k=3), expected, atol=0.02)


def test_recall_of_clips_and_classes_by_hand():
    truth = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0], [0.0, 1.0, 0.0, 0.0]])
    predicted = np.array([[0.4, 0.1, 0.3, 0.2], [0.1, 0.4, 0.3, 0.2], [0.3, 0.2, 0.4, 0.1]])
    np.testing.assert_array_equal(clip_recall(truth, predicted, k=2), [0.5, 1.0, 0.0])
    assert top_k_recall(truth, predicted, k=2) == pytest.approx(0.5)
    np.testing.assert_array_equal(class_recall(truth, predicted, k=2), [1.0, 1 / 3, 1.0, np.nan])


def test_a_clip_without_a_class_is_left_out():
    truth = np.array([[0.0, 0.0], [1.0, 0.0]])
    predicted = np.array([[0.5, 0.5], [0.9, 0.1]])
    assert top_k_recall(truth, predicted, k=1) == 1.0
    assert np.isnan(top_k_recall(truth[:1], predicted[:1], k=1))


@pytest.mark.reference
@pytest.mark.parametrize("decimals", [16, 1])  # with one decimal most probabilities are equal
def test_average_precision_is_that_of_scikit_learn(rng, decimals):
    from sklearn.metrics import average_precision_score

    truth = mixtures(rng, clips=200, classes=6, words=2)
    predicted = np.round(0.7 * rng.dirichlet(np.ones(6), size=200) + 0.3 * truth, decimals)
    expected = [
        average_precision_score(there, scores)
        for there, scores in zip((truth > 0).T, predicted.T, strict=True)
    ]
    np.testing.assert_allclose(average_precision(truth, predicted), expected, rtol=1e-12)


def test_average_precision_of_a_class_that_is_nowhere_is_unknown():
    found = average_precision(np.array([[1.0, 0.0], [1.0, 0.0]]), np.full((2, 2), 0.5))
    assert found[0] == 1.0
    assert np.isnan(found[1])


@pytest.mark.parametrize("shape", [(2, 4), (3,)])
def test_shapes_that_differ_are_refused(shape):
    with pytest.raises(ValueError, match="same shape"):
        kl_divergence(np.zeros(shape), np.zeros((2, 3)))
