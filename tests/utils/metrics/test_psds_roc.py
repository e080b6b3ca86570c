import numpy as np
import pytest

from utils.metrics.psds_roc import SCENARIOS, Scenario, effective_rates, psd_roc


def test_the_scenarios_of_2021():
    one, two = SCENARIOS["psds_scenario1"], SCENARIOS["psds_scenario2"]
    assert (one.dtc, one.gtc, one.alpha_ct, one.alpha_st, one.max_efpr) == (0.7, 0.7, 0, 1, 100)
    assert one.counted is None
    assert (two.dtc, two.gtc, two.counted, two.alpha_ct, two.alpha_st) == (0.1, 0.1, 0.3, 0.5, 1)
    assert two.max_efpr == 100


@pytest.mark.parametrize(
    "change",
    [
        {"dtc": 1.1}, {"gtc": -0.1}, {"cttc": 2.0}, {"alpha_ct": 0.5}, {"alpha_st": -1.0},
        {"max_efpr": 0.0}, {"max_efpr": float("inf")}, {"dtc": float("nan")},
    ],
)  # fmt: skip
def test_impossible_scenarios_are_refused(change):
    with pytest.raises(ValueError, match="need"):
        Scenario(**({"dtc": 0.5, "gtc": 0.5} | change))


def test_the_curve_is_the_best_so_far_in_any_order_of_points(rng):
    ratios, rates = rng.random(60).round(1), rng.integers(0, 120, 60).astype(float)
    scenario = Scenario(0.5, 0.5)
    score = psd_roc([(ratios, rates)], scenario)
    shuffled = rng.permutation(60)
    assert psd_roc([(ratios[shuffled], rates[shuffled])], scenario).value == score.value
    at = np.arange(100)  # whole rates: the area is the mean of the curve
    best = [max([0.0, *ratios[rates <= rate]]) for rate in at]
    assert score.value == pytest.approx(np.mean(best))
    assert np.all(np.diff(score.class_ratios[0]) > 0)


def test_points_at_the_limit_and_beyond_add_nothing():
    scenario = Scenario(0.5, 0.5, max_efpr=10.0)
    few = psd_roc([(np.array([0.2]), np.array([5.0]))], scenario)
    more = psd_roc([(np.array([0.2, 1.0, 1.0]), np.array([5.0, 10.0, 11.0]))], scenario)
    assert few.value == more.value == pytest.approx(0.1)
    assert more.rates.tolist() == [0.0, 5.0]


def test_the_spread_is_that_of_the_population_and_never_makes_it_negative():
    scenario = Scenario(0.5, 0.5, alpha_st=1.0)
    curves = [(np.array([each]), np.zeros(1)) for each in (0.2, 0.4, 0.9)]
    score = psd_roc(curves, scenario)
    assert score.value == pytest.approx(0.5 - np.std([0.2, 0.4, 0.9]))
    harsh = psd_roc(curves, Scenario(0.5, 0.5, alpha_st=5.0))
    assert harsh.value == 0.0
    np.testing.assert_allclose(harsh.per_class, [0.2, 0.4, 0.9])


def test_rates_are_per_hour_of_audio_and_of_the_other_class():
    scenario = Scenario(0.5, 0.5, 0.3, alpha_ct=0.5)
    seconds = np.array([36.0, 72.0, 0.0, 18.0])  # the third class is not there
    crossed = np.array([[0.0, 2.0, 0.0, 1.0]])
    rates = effective_rates(
        np.array([4.0]), crossed, seconds=seconds, total=7200.0, scenario=scenario
    )
    assert rates == pytest.approx([4 / 2 + 0.5 * (2 * 50 + 1 * 200) / 2])
    alone = effective_rates(
        np.array([4.0]), crossed[:, :1], seconds=seconds[:1], total=7200.0, scenario=scenario
    )
    assert alone == pytest.approx([2.0])
