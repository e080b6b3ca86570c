"""Means, intervals and ratios over seeds against numbers made by hand and by SciPy."""

import math

import pytest

from tests.utils.report.studies import A, B, C
from utils.report.study_statistics import Difference, Spread, mean_of, median_of, ratio, t_factor


def test_mean_and_deviation_over_seeds():
    spread = Spread.of(A.values.values())
    assert (spread.mean, spread.deviation, spread.n) == (0.6, pytest.approx(0.1), 3)
    assert Spread.of([2.0]) == Spread(2.0, None, 1)
    assert Spread.of([]) is None


def test_a_paired_difference_has_students_interval():
    """t of 0.975 is 4.302653 with two degrees of freedom, 12.706205 with one (any table)."""
    found = Difference.of(A.values, B.values)  # 0.1, 0.15, 0.05
    half = 4.302653 * 0.05 / math.sqrt(3)
    assert found.n == 3
    assert [found.mean, found.low, found.high] == pytest.approx([0.1, 0.1 - half, 0.1 + half])
    assert not found.is_clear
    assert Difference.of(C.values, B.values).is_clear
    two = Difference.of({0: 1.0, 1: 3.0, 7: 99.0}, {0: 0.0, 1: 1.0, 8: 99.0})
    half = 12.706205 * math.sqrt(0.5) / math.sqrt(2)
    assert [two.mean, two.low, two.high] == pytest.approx([1.5, 1.5 - half, 1.5 + half])
    assert Difference.of({0: 1.0}, {0: 0.5}) == Difference(0.5, None, None, 1)
    assert not Difference.of({0: 1.0}, {0: 0.5}).is_clear
    assert Difference.of({0: 1.0}, {1: 0.5}) is None


def test_a_factor_times_the_deviation_is_scipys_interval():
    from scipy.stats import sem, t

    values = [0.5, 0.6, 0.9, 0.3]
    low, high = t.interval(0.95, 3, loc=0.575, scale=sem(values))
    half = t_factor(4) * Spread.of(values).deviation
    assert (0.575 - half, 0.575 + half) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("one", "other", "least", "greatest"),
    [
        ({0: 1.0, 1: 2.1}, {0: 3.0, 1: 4.0}, "better", "worse"),
        ({0: 3.0, 1: 4.0}, {0: 1.0, 1: 2.1}, "worse", "better"),
        ({0: 1.0, 1: 2.0}, {0: 1.5, 1: 1.0}, "open", "open"),
        ({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0}, "open", "open"),
        ({0: 1.0}, {0: 9.0}, "single", "single"),
    ],
)
def test_a_verdict_has_the_sign_of_the_mode(one, other, least, greatest):
    found = Difference.of(one, other)
    assert (found.verdict("min"), found.verdict("max")) == (least, greatest)
    assert found.favours("min") is (found.mean < 0)
    assert found.favours("max") is (found.mean > 0)


def test_a_ratio_is_over_the_seeds_that_both_have():
    assert ratio({0: 1.0}, {0: 1.0, 1: 3.0}) == 1.0
    assert ratio({0: 1.0, 1: 2.0, 2: 99.0}, {0: 2.0, 1: 4.0}) == 0.5
    assert ratio({0: 1.0}, {1: 1.0}) is None
    assert ratio({0: -1.0}, {0: -2.0}) is None
    assert ratio({0: 1.0}, {0: 0.0}) is None


def test_what_is_no_number_is_no_mean_and_no_median():
    assert (mean_of([]), mean_of([1.0, math.nan]), mean_of([1.0, 2.0])) == (None, None, 1.5)
    assert (median_of([math.nan]), median_of([3.0, math.inf, 1.0])) == (None, 2.0)
