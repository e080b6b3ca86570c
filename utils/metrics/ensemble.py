"""How much each of several predictions should count in their average."""

import numpy as np

from utils.metrics.distribution import FLOOR

NEAR_ENOUGH = 1e-6  # nats above the best mean KL divergence
LONGEST = 20_000  # steps; two members that are almost alike need many and hardly matter


def fit_weights(truth: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Weights of the average that is nearest to the truth, by mean KL divergence.

    Each step multiplies a member's weight by the mean, over clips and their shares, of its
    probability divided by that of the average: expectation maximisation for the weights of a
    mixture (Dempster, Laird and Rubin, 1977), so no step makes the divergence larger. The problem
    is convex, and the largest factor tells how far the optimum can be at most, ln(factor) <=
    factor - 1 (Cover, IEEE Trans. Information Theory 30(2), 1984): the search ends when that is
    below 1e-6 nats, or after 20,000 steps.

    Args:
        truth: shares (clips, classes) of clips that no member has learnt.
        members: probabilities (sets, clips, classes); raised to 1e-7 first.

    Returns:
        float64 (sets,), at least 0, summing to 1; equal for members that are equal.

    Raises:
        ValueError: for no member, no clip, or shapes that differ.
    """
    truth, members = np.asarray(truth, np.float64), np.asarray(members)
    if members.ndim != 3 or members.shape[1:] != truth.shape or not members.size:
        raise ValueError(
            "members (sets, clips, classes) for truth (clips, classes) are needed, "
            f"received {members.shape} and {truth.shape}"
        )
    rows, columns = np.nonzero(truth > 0)
    shares = truth[rows, columns] / truth.sum()
    of_present = np.maximum(members[:, rows, columns].astype(np.float64), FLOOR)
    weights = np.full(len(members), 1 / len(members))
    for _ in range(LONGEST):
        factors = of_present @ (shares / (weights @ of_present))
        if factors.max() - 1.0 <= NEAR_ENOUGH:
            break
        weights = weights * factors
        weights /= weights.sum()
    return weights
