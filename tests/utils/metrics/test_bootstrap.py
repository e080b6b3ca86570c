import numpy as np
import pytest

from utils.metrics import bootstrap
from utils.metrics.bootstrap import bootstrap_intervals, unit_counts
from utils.metrics.classification import class_totals, overall_scores


def mean_of(totals):
    """Score of totals (..., 2): sum and count."""
    return {"mean": totals[..., 0] / totals[..., 1]}


def test_agrees_with_a_plain_loop_over_resampled_clips(rng):
    truth = np.concatenate([np.arange(3), rng.integers(3, size=57)])
    probabilities = rng.dirichlet(np.ones(3), size=60)
    units = np.arange(60) % 12
    totals = class_totals(truth=truth, probabilities=probabilities, units=units, unit_count=12)
    fast = bootstrap_intervals(
        totals=totals, scores_of=overall_scores, resamples=40, rng=np.random.default_rng(5)
    )
    counts = unit_counts(units=12, resamples=40, rng=np.random.default_rng(5))
    slow = []
    for row in counts.astype(int):
        clips = np.concatenate(
            [np.flatnonzero(units == unit) for unit in range(12) for _ in range(row[unit])]
        )
        resample = class_totals(truth=truth[clips], probabilities=probabilities[clips])[0]
        slow.append(overall_scores(resample))
    for name, (low, high) in fast.items():
        values = [scores[name] for scores in slow]
        np.testing.assert_allclose([low, high], np.quantile(values, [0.025, 0.975]))


def test_blocks_do_not_change_the_intervals(rng, monkeypatch):
    totals = np.stack([rng.normal(size=20), np.ones(20)], axis=1)
    arguments = {"totals": totals, "scores_of": mean_of, "resamples": 50}
    whole = bootstrap_intervals(**arguments, rng=np.random.default_rng(1))
    monkeypatch.setattr(bootstrap, "DRAWS_AT_ONCE", 20 * 8)
    blocks = bootstrap_intervals(**arguments, rng=np.random.default_rng(1))
    assert blocks["mean"] == pytest.approx(whole["mean"])


def test_counts_are_draws_with_replacement(rng):
    counts = unit_counts(units=5, resamples=2000, rng=rng)
    assert (counts.sum(axis=1) == 5).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.1)
    np.testing.assert_allclose(counts.var(axis=0), 0.8, atol=0.1)  # binomial: n p (1 - p)


def test_intervals_cover_the_truth_about_as_often_as_they_say(rng):
    covered = 0
    for _ in range(200):
        totals = np.stack([rng.normal(3.0, 1.0, size=50), np.ones(50)], axis=1)
        low, high = bootstrap_intervals(
            totals=totals, scores_of=mean_of, resamples=200, rng=rng, level=0.9
        )["mean"]
        covered += low <= 3.0 <= high
    assert 0.82 <= covered / 200 <= 0.96


def test_whole_units_give_wider_intervals_than_their_clips(rng):
    units = np.repeat(np.arange(20), 10)
    hits = np.repeat(rng.random(20) < 0.5, 10).astype(float)  # all clips of a unit alike
    by_clip = np.stack([hits, np.ones(200)], axis=1)
    by_unit = np.stack([np.bincount(units, weights=hits), np.bincount(units)], axis=1)
    widths = []
    for totals in (by_clip, by_unit):
        low, high = bootstrap_intervals(
            totals=totals, scores_of=mean_of, resamples=500, rng=np.random.default_rng(0)
        )["mean"]
        widths.append(high - low)
    assert widths[1] > 2.5 * widths[0]  # sqrt(10) in theory


def test_same_seed_same_intervals_and_zero_resamples_none():
    totals = np.array([[1.0, 1.0], [5.0, 1.0], [2.0, 1.0]])
    runs = [
        bootstrap_intervals(
            totals=totals, scores_of=mean_of, resamples=100, rng=np.random.default_rng(7)
        )
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    none = bootstrap_intervals(
        totals=totals, scores_of=mean_of, resamples=0, rng=np.random.default_rng(7)
    )
    assert none == {}


def test_scores_that_are_nan_do_not_count():
    def sometimes(totals):
        score = totals[:, 0].copy()
        score[::2] = np.nan
        return {"sometimes": score, "never": np.full(len(score), np.nan)}

    intervals = bootstrap_intervals(
        totals=np.ones((4, 1)), scores_of=sometimes, resamples=10, rng=np.random.default_rng(0)
    )
    assert intervals == {"sometimes": (4.0, 4.0)}


@pytest.mark.parametrize(
    "change", [{"totals": np.zeros((0, 2))}, {"resamples": -1}, {"level": 1.0}, {"level": 0.0}]
)
def test_bad_arguments_are_refused(change):
    arguments = {"totals": np.ones((3, 2)), "resamples": 5, "level": 0.9} | change
    with pytest.raises(ValueError, match="are needed, received"):
        bootstrap_intervals(scores_of=mean_of, rng=np.random.default_rng(0), **arguments)
