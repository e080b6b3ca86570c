import numpy as np
import pytest
from scipy.optimize import minimize

from utils.metrics import ensemble
from utils.metrics.distribution import kl_divergence
from utils.metrics.ensemble import fit_weights


@pytest.fixture
def truth(rng) -> np.ndarray:
    """Two of eight classes in each of 300 clips."""
    shares = np.zeros((300, 8))
    for row in shares:
        row[rng.choice(8, 2, replace=False)] = 0.5
    return shares


def network(truth: np.ndarray, rng, *, skill: float) -> np.ndarray:
    powers = np.exp(skill * (truth > 0) + rng.normal(size=truth.shape))
    return powers / powers.sum(axis=1, keepdims=True)


def loss(weights: np.ndarray, truth: np.ndarray, members: np.ndarray) -> float:
    return float(kl_divergence(truth, np.tensordot(weights, members, axes=1)).mean())


@pytest.mark.reference
@pytest.mark.parametrize("skills", [(2.0, 1.8, 1.5), (2.0, 0.3), (0.5, 0.5, 0.5, 3.0)])
def test_the_weights_are_the_optimum_of_a_general_solver(truth, rng, skills):
    members = np.stack([network(truth, rng, skill=skill) for skill in skills])
    found = fit_weights(truth, members)
    sets = len(skills)
    best = minimize(
        loss, np.full(sets, 1 / sets), (truth, members), method="SLSQP", bounds=[(0, 1)] * sets,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-12},
    )  # fmt: skip
    assert found.sum() == pytest.approx(1.0) and found.min() >= 0
    assert loss(found, truth, members) <= best.fun + 2e-6
    np.testing.assert_allclose(found, best.x, atol=2e-3)


def test_a_member_that_knows_nothing_gets_no_weight(truth, rng):
    wrong = network(1 - truth, rng, skill=3.0)
    weights = fit_weights(truth, np.stack([network(truth, rng, skill=3.0), wrong]))
    assert weights[1] < 1e-3


def test_more_steps_are_never_worse(truth, rng, monkeypatch):
    members = np.stack([network(truth, rng, skill=skill) for skill in (0.5, 1.0, 2.0)])
    losses = []
    for steps in range(12):
        monkeypatch.setattr(ensemble, "LONGEST", steps)
        losses.append(loss(fit_weights(truth, members), truth, members))
    assert np.all(np.diff(losses) <= 0)
    assert losses[-1] < losses[0] - 1e-3


def test_equal_members_share_and_one_has_all(truth, rng):
    one = network(truth, rng, skill=1.0)
    assert fit_weights(truth, one[np.newaxis]).tolist() == [1.0]
    assert fit_weights(truth, np.stack([one, one])) == pytest.approx([0.5, 0.5])


def test_probabilities_of_zero_are_no_matter(truth):
    weights = fit_weights(truth, np.stack([np.eye(8)[truth.argmax(axis=1)], truth]))
    assert weights[1] == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("shape", [(0, 300, 8), (300, 8), (2, 300, 7)])
def test_other_shapes_are_refused(truth, shape):
    with pytest.raises(ValueError, match="sets, clips, classes"):
        fit_weights(truth, np.ones(shape))
