"""Scores of separated files: known levels, silent stems, orders, means, medians, memory."""

import tracemalloc

import numpy as np
import pytest

from utils.evaluation.separation import GAINS, MEDIANS, in_order, score_file, summarise
from utils.metrics.bss_eval import bss_eval, medians

RATE = 1000


@pytest.fixture
def sources():
    """Two stems of noise, stereo, three seconds: (2, 3000, 2)."""
    return np.random.default_rng(5).standard_normal((2, 3000, 2)) * 0.1


def noisy(sources, decibels, seed=1):
    """Stems with noise of a level below each, orthogonal to nothing in particular."""
    noise = np.random.default_rng(seed).standard_normal(sources.shape)
    noise *= np.sqrt((sources**2).sum(axis=(1, 2)) / (noise**2).sum(axis=(1, 2)))[:, None, None]
    return sources + noise * 10 ** (-decibels / 20)


def score(estimates, sources, **more):
    options = {"sample_rate": RATE, "bss": False} | more
    return score_file(estimates, sources, sources.sum(axis=0), **options)


def test_noise_of_20_db_gives_20_db_and_the_mixture_0(sources):
    found = score(noisy(sources, 20.0), sources)
    np.testing.assert_allclose(found["sdr"], 20.0, atol=0.01)
    np.testing.assert_allclose(found["si_sdr"], 20.0, atol=0.3)
    np.testing.assert_allclose(found["sdr_improvement"], 20.0, atol=0.3)
    np.testing.assert_allclose(found["si_sdr_improvement"], 20.0, atol=0.5)


def test_the_mixture_itself_improves_nothing(sources):
    mixture = np.broadcast_to(sources.sum(axis=0), sources.shape)
    found = score(mixture, sources)
    for name in ("sdr_improvement", "si_sdr_improvement"):
        np.testing.assert_allclose(found[name], 0.0, atol=1e-9)


def test_only_the_level_is_free_for_si_sdr(sources):
    found = score(0.5 * noisy(sources, 20.0), sources)
    np.testing.assert_allclose(found["si_sdr"], 20.0, atol=0.3)
    np.testing.assert_allclose(found["sdr"], 10 * np.log10(1 / (0.25 + 0.0025)), atol=0.05)


def test_bss_eval_is_computed_where_it_is_asked_for(sources):
    found = score(noisy(sources, 20.0), sources, bss=True)
    assert found["bss_sdr"].shape == (2,)
    np.testing.assert_allclose(found["bss_sdr"], 20.0, atol=0.5)
    assert "bss_sdr" not in score(noisy(sources, 20.0), sources)


def test_a_silent_stem_has_no_score_and_spoils_no_mean(sources):
    silent = sources.copy()
    silent[1] = 0
    one = score(noisy(sources, 20.0), silent)
    for name, values in one.items():  # the mixture is the other stem: nothing can be better
        assert np.isnan(values[0]) == (name in GAINS) and np.isnan(values[1])
    two = score(noisy(sources, 10.0), sources)
    found = summary([one, two])
    assert (found.silent, found.silent_files, found.single_files) == (1, 1, 1)
    gains = [two["sdr_improvement"][place] for place in (0, 1)]
    assert found.overall["sdr_improvement"] == pytest.approx(np.mean(gains))
    assert found.per_class["b"]["sdr"] == pytest.approx(two["sdr"][1])
    assert found.per_class["a"]["sdr"] == pytest.approx((one["sdr"][0] + two["sdr"][0]) / 2)


def test_bss_eval_scores_the_stems_beside_a_silent_one_without_it():
    stems = np.random.default_rng(6).standard_normal((3, 3000, 2)) * 0.1
    estimates = noisy(stems, 20.0) + 0.1 * stems.sum(axis=0)
    silent = stems.copy()
    silent[1] = 0
    found = score(estimates, silent, bss=True)
    expected = medians(bss_eval(stems[[0, 2]], estimates[[0, 2]], window=RATE, hop=RATE))
    for name, values in zip(MEDIANS, expected, strict=True):
        np.testing.assert_array_equal(found[name], [values[0], np.nan, values[1]])
        assert np.isfinite(values).all()
    joined = summary([found], classes=("a", "b", "c"))
    assert (joined.silent, joined.without_bss) == (1, 0)


def test_files_without_a_frame_for_bss_eval_are_counted(sources):
    in_turn = sources.copy()
    in_turn[0, RATE:], in_turn[1, :RATE] = 0, 0
    mute = noisy(sources, 20.0)
    mute[1] = 0
    pairs = ((noisy(sources, 20.0), in_turn), (mute, sources), (mute, np.zeros_like(sources)))
    scored = [score(*pair, bss=True) for pair in pairs]
    for one in scored:
        assert np.isnan([one[name] for name in MEDIANS]).all()
    fine = score(noisy(sources, 20.0), sources, bss=True)
    found = summary([*scored, fine])
    assert (found.without_bss, found.silent, found.silent_files) == (3, 2, 1)
    assert found.overall["bss_sdr"] == pytest.approx(np.mean(fine["bss_sdr"]))
    assert found.as_dict()["without_bss"] == 3
    assert summary([score(*pair) for pair in pairs]).without_bss == 0  # it was not asked for


def test_memory_grows_with_one_stem_not_with_all():
    def highest(stems):
        given = np.random.default_rng(7).standard_normal((2, stems, 200_000, 2)).astype(np.float32)
        mixture = given[1].sum(axis=0)
        tracemalloc.start()
        score_file(*given, mixture, sample_rate=RATE, bss=False)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    one = highest(1)
    assert one < 3.5 * 8 * 400_000  # float64 of a stem three times: truth, estimate, error
    assert highest(6) < 1.1 * one


def summary(scored, **more):
    options = {"classes": ("a", "b"), "interchangeable": False} | more
    names = [f"song {number}" for number in range(len(scored))]
    return summarise(scored, names=names, seconds=[3.0] * len(scored), **options)


def test_overall_scores_are_means_over_stems_of_means_over_files():
    scored = [
        dict.fromkeys(("si_sdr_improvement", "si_sdr", "sdr_improvement", "sdr"), np.array(pair))
        for pair in ([1.0, 10.0], [3.0, np.nan])
    ]
    found = summary(scored)
    assert found.overall["sdr"] == pytest.approx((2.0 + 10.0) / 2)
    assert found.per_file["song 1"]["sdr"] == pytest.approx(3.0)
    speakers = summary(scored, interchangeable=True)
    assert speakers.overall["sdr"] == pytest.approx((1 + 10 + 3) / 3)
    assert speakers.per_class == {}
    assert found.files == 2 and found.seconds == 6.0


def test_bss_eval_is_the_median_over_files():
    scores = ("si_sdr_improvement", "si_sdr", "sdr_improvement", "sdr", "bss_sdr", "bss_isr",
              "bss_sir", "bss_sar")  # fmt: skip
    scored = [dict.fromkeys(scores, np.array([value, np.nan])) for value in (1.0, 2.0, 9.0)]
    found = summary(scored)
    assert found.per_class["a"]["bss_sdr"] == 2.0
    assert found.per_class["a"]["sdr"] == pytest.approx(4.0)
    assert found.as_dict()["per_class"]["b"]["bss_sdr"] is None
    assert found.overall["bss_sdr"] == 2.0


def test_intervals_hold_the_mean_and_are_narrow_where_files_agree():
    rng = np.random.default_rng(0)
    names = ("si_sdr_improvement", "si_sdr", "sdr_improvement", "sdr")
    scored = [
        {
            name: 5 + scale * rng.standard_normal(2)
            for name, scale in zip(names, (1, 1, 0, 3), strict=True)
        }
        for _ in range(30)
    ]
    found = summary(scored, bootstrap=500)
    for name in names:
        low, high = found.intervals[name]
        assert low <= found.overall[name] <= high
    low, high = found.intervals["sdr_improvement"]
    assert high - low < 1e-9
    width = np.diff(found.intervals["sdr"])[0]
    expected = 2 * 1.96 * 3 / np.sqrt(60)
    assert 0.6 * expected < width < 1.4 * expected


def test_estimates_are_put_in_the_order_of_the_references(sources):
    estimates = noisy(sources, 10.0)
    np.testing.assert_array_equal(in_order(estimates[::-1], sources), estimates)
    np.testing.assert_array_equal(in_order(estimates, sources), estimates)
