import numpy as np
import pytest

from utils.metrics.calibration import fit_temperature, reliability, temper
from utils.metrics.distribution import kl_divergence


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_tempering_divides_the_logits(rng):
    logits = rng.normal(size=(20, 5))
    for temperature in (0.5, 1.0, 3.0):
        tempered = temper(softmax(logits), temperature)
        np.testing.assert_allclose(tempered, softmax(logits / temperature), rtol=1e-12)
    assert temper(softmax(logits).astype(np.float32), 2.0).dtype == np.float64


def test_a_probability_of_zero_is_raised_before_it_is_tempered():
    tempered = temper(np.array([[1.0, 0.0]]), 2.0)
    assert tempered[0, 1] == pytest.approx(np.sqrt(1e-7), rel=1e-3)
    assert temper(np.array([[1.0, 0.0]]), 0.05).sum() == 1.0


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperatures_that_are_none_are_refused(temperature):
    with pytest.raises(ValueError, match="positive temperature"):
        temper(np.full((1, 2), 0.5), temperature)


@pytest.mark.parametrize("true_temperature", [0.4, 1.7, 6.0])
def test_the_temperature_that_was_applied_is_found(rng, true_temperature):
    right = softmax(0.5 * rng.normal(size=(300, 6)))  # above the floor, however sharpened
    wrong = temper(right, 1 / true_temperature)
    assert fit_temperature(right, wrong) == pytest.approx(true_temperature, rel=1e-3)


def test_no_temperature_near_the_fitted_one_has_less_divergence(rng):
    truth = np.eye(5)[rng.integers(5, size=200)]
    probabilities = softmax(4 * (truth + rng.normal(size=truth.shape)))
    best = fit_temperature(truth, probabilities)
    divergences = [
        kl_divergence(truth, temper(probabilities, best * factor)).mean()
        for factor in (0.9, 0.99, 1.0, 1.01, 1.1)
    ]
    assert np.argmin(divergences) == 2


def test_where_no_temperature_helps_none_is_applied():
    even = np.full((4, 3), 1 / 3)
    assert fit_temperature(np.eye(3)[[0, 1, 2, 0]], even) == 1.0


def test_fitting_needs_clips():
    for truth, probabilities in ((np.zeros((0, 3)), np.zeros((0, 3))), (np.eye(3), np.eye(2))):
        with pytest.raises(ValueError, match="same shape"):
            fit_temperature(truth, probabilities)


def test_bins_by_hand():
    truth = np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]])
    probabilities = np.array([[0.1, 0.9, 0.0], [0.2, 0.3, 0.5]])
    found = reliability(truth, probabilities, bins=2)
    assert found.counts.tolist() == [4, 2]
    assert found.predicted == pytest.approx([0.15, 0.7])
    assert found.shares == pytest.approx([1.5 / 4, 0.25])  # 0.5, 0, 0, 1 and 0.5, 0
    assert found.presence == pytest.approx([0.5, 0.5])
    assert found.error == pytest.approx((4 * 0.225 + 2 * 0.45) / 6)
    assert found.edges.tolist() == [0.0, 0.5, 1.0]


def test_a_limit_belongs_to_the_bin_above_and_one_to_the_last():
    found = reliability(np.eye(2), np.array([[1.0, 0.0], [0.5, 0.5]]), bins=4)
    assert found.counts.tolist() == [1, 0, 2, 1]
    assert np.isnan(found.predicted[1]) and np.isnan(found.shares[1])


def test_predictions_that_are_the_truth_have_no_error(rng):
    truth = rng.dirichlet(np.ones(4), size=50)
    assert reliability(truth, truth, bins=10).error == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(("clips", "bins"), [(0, 5), (2, 0)])
def test_nothing_to_sort_is_refused(clips, bins):
    with pytest.raises(ValueError, match="some bins"):
        reliability(np.zeros((clips, 3)), np.zeros((clips, 3)), bins=bins)
