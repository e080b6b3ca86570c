from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.metrics.separation import (
    LIMIT,
    assign,
    permuted,
    sdr,
    si_sdr,
    si_sdr_improvement,
)


def orthogonal(rng, *, signals: int, samples: int = 4000) -> np.ndarray:
    """Signals (signals, samples) of energy 1 and mean 0, all at right angles."""
    drawn = rng.standard_normal((samples, signals))
    return np.linalg.qr(drawn - drawn.mean(axis=0))[0].T


def plain(estimate, reference) -> float:
    """Equation 3 of Le Roux et al., by least squares."""
    scale = np.linalg.lstsq(reference[:, np.newaxis], estimate)[0][0]
    target = scale * reference
    return 10 * np.log10(np.sum(target**2) / np.sum((estimate - target) ** 2))


@pytest.mark.parametrize("level", [-60.0, -10.0, 0.0, 5.0, 20.0, 60.0, 100.0])
@pytest.mark.parametrize("zero_mean", [True, False])
def test_error_at_right_angles_by_hand(rng, level, zero_mean):
    source, error = orthogonal(rng, signals=2)
    estimate = source + 10 ** (-level / 20) * error
    assert si_sdr(estimate, source, zero_mean=zero_mean) == pytest.approx(level, abs=1e-9)
    assert si_sdr(-3 * estimate, source, zero_mean=zero_mean) == pytest.approx(level, abs=1e-9)


def test_small_numbers_by_hand():
    estimate, reference = np.array([1.0, 2.0, 0.0]), np.array([1.0, 1.0, 1.0])
    # alpha = 1: the target is (1, 1, 1), the error (0, 1, -1)
    assert si_sdr(estimate, reference, zero_mean=False) == pytest.approx(10 * np.log10(3 / 2))
    estimate, reference = np.array([4.0, 6.0, 5.0, 9.0]), np.array([1.0, 3.0, 1.0, 3.0])
    # without means (-2, 0, -1, 3) and (-1, 1, -1, 1): alpha = 6 / 4, the error (-.5, -1.5, .5, 1.5)
    assert si_sdr(estimate, reference) == pytest.approx(10 * np.log10(9 / 5))


@given(
    seed=st.integers(0, 2**32 - 1),
    gains=st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)),
    noise=st.floats(1e-4, 10),
)
def test_the_definition_at_any_scale(seed, gains, noise):
    reference, error = np.random.default_rng(seed).standard_normal((2, 500))
    estimate = reference + noise * error
    wanted = plain(estimate, reference)
    for scales in ((1.0, 1.0), gains, gains[::-1]):
        found = si_sdr(scales[0] * estimate, scales[1] * reference, zero_mean=False)
        assert found == pytest.approx(wanted, abs=1e-9)


def test_even_extreme_scales_change_nothing(rng):
    estimate, reference = rng.standard_normal((2, 500)) + 0.5
    wanted = si_sdr(estimate, reference)
    for scale in (1e-200, 1e-30, 1e30, 1e200):
        assert si_sdr(scale * estimate, reference) == pytest.approx(wanted, abs=1e-9)
        assert si_sdr(estimate, scale * reference) == pytest.approx(wanted, abs=1e-9)


def test_the_mean_counts_only_where_it_is_asked_for(rng):
    reference, error = orthogonal(rng, signals=2)
    estimate = reference + 0.1 * error
    assert si_sdr(estimate + 7.0, reference - 3.0) == pytest.approx(20.0, abs=1e-8)
    shifted = si_sdr(estimate + 0.1, reference, zero_mean=False)
    assert shifted == pytest.approx(10 * np.log10(1 / (0.01 + 4000 * 0.1**2)), abs=1e-9)


def test_silence_has_scores(rng):
    sound, silence = rng.standard_normal(100), np.zeros(100)
    for zero_mean in (True, False):
        assert si_sdr(sound, silence, zero_mean=zero_mean) == -LIMIT
        assert si_sdr(silence, sound, zero_mean=zero_mean) == -LIMIT
        assert si_sdr(silence, silence, zero_mean=zero_mean) == LIMIT
        assert si_sdr(sound, sound, zero_mean=zero_mean) == LIMIT
    assert pytest.approx(150.0) == LIMIT
    batch = si_sdr(
        np.stack([sound, silence, sound, silence]), np.stack([sound] * 2 + [silence] * 2)
    )
    assert batch.tolist() == [LIMIT, -LIMIT, -LIMIT, LIMIT]


@pytest.mark.parametrize("constant", [0.1, -3.7, 1e-30, np.float32(0.3)])
def test_a_constant_is_silent_without_its_mean(rng, constant):
    sound = rng.standard_normal(1001)
    flat = np.full(1001, constant)
    assert si_sdr(sound, flat) == -LIMIT
    assert si_sdr(flat, sound) == -LIMIT
    assert si_sdr(flat, 2 * flat) == LIMIT
    assert si_sdr(flat, 2 * flat, zero_mean=False) == LIMIT


def test_a_constant_but_for_rounding_is_silent_too(rng):
    sound = rng.standard_normal(1000)
    rounded = np.where(sound > 0, 0.3, 0.1 * 3)  # a unit in the last place apart
    assert len(set(rounded)) == 2
    assert si_sdr(sound, rounded) == si_sdr(rounded, sound) == -LIMIT


def test_nothing_in_common_is_the_lowest_score():
    assert si_sdr([1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]) == -LIMIT


def test_float32_is_computed_in_float64(rng):
    estimate, reference = rng.standard_normal((2, 3000)).astype(np.float32)
    found = si_sdr(estimate, reference, zero_mean=False)
    assert found.dtype == np.float64
    wanted = plain(estimate.astype(np.float64), reference.astype(np.float64))
    assert found == pytest.approx(wanted, abs=1e-9)


def test_axes_before_samples_broadcast(rng):
    estimates, references = rng.standard_normal((2, 3, 1, 50)), rng.standard_normal((4, 50))
    found = si_sdr(estimates, references)
    assert found.shape == (2, 3, 4)
    assert found[1, 2, 3] == pytest.approx(si_sdr(estimates[1, 2, 0], references[3]), abs=1e-9)


def test_inputs_stay_as_they_are(rng):
    estimates, references = rng.standard_normal((2, 2, 50)) + 1.0
    before = estimates.copy(), references.copy()
    permuted(estimates, references)
    sdr(estimates, references)
    np.testing.assert_array_equal((estimates, references), before)


def test_improvement_by_hand(rng):
    first, second, error = orthogonal(rng, signals=3)
    references = np.stack([first, 2 * second])
    mixture = references.sum(axis=0)  # -6.02 dB and 6.02 dB
    estimates = references + 0.1 * error
    wanted = [20.0 + 20 * np.log10(2), 20.0]
    found = si_sdr_improvement(estimates, references, mixture)
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    found = si_sdr_improvement(estimates[::-1], references, mixture, permute=True)
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    assert np.all(si_sdr_improvement(estimates[::-1], references, mixture) < -10)
    np.testing.assert_allclose(
        si_sdr_improvement(np.stack([mixture] * 2), references, mixture), 0.0, atol=1e-12
    )


@pytest.mark.parametrize("sources", [1, 2, 4])
def test_the_best_order_is_that_of_trying_all(rng, sources):
    references = rng.standard_normal((5, sources, 60))
    estimates = rng.permuted(references, axis=1) + rng.standard_normal(references.shape)
    found = permuted(estimates, references)
    assert found.order.shape == found.scores.shape == (5, sources)
    sorted_estimates = np.take_along_axis(estimates, found.order[..., np.newaxis], axis=-2)
    np.testing.assert_allclose(found.scores, si_sdr(sorted_estimates, references), atol=1e-9)
    for clip in range(5):
        sums = [
            si_sdr(estimates[clip, list(order)], references[clip]).sum()
            for order in permutations(range(sources))
        ]
        assert found.scores[clip].sum() == pytest.approx(max(sums), abs=1e-9)


def test_an_order_is_found_again(rng):
    references = rng.standard_normal((6, 200))
    order = rng.permutation(6)
    estimates = np.empty_like(references)
    estimates[order] = references + 0.1 * rng.standard_normal(references.shape)
    assert permuted(estimates, references).order.tolist() == order.tolist()


def test_a_silent_source_goes_to_the_silent_estimate(rng):
    sound, error = orthogonal(rng, signals=2)
    references = np.stack([np.zeros_like(sound), sound])
    found = permuted(np.stack([sound + 0.1 * error, np.zeros_like(sound)]), references)
    assert found.order.tolist() == [1, 0]
    np.testing.assert_allclose(found.scores, [LIMIT, 20.0], atol=1e-9)


def test_the_largest_single_score_need_not_be_taken():
    assert assign(np.array([[10.0, 9.0], [8.0, 1.0]])).tolist() == [1, 0]
    assert assign(np.array([[0.0, 1.0], [5.0, 2.0], [4.0, 9.0]])).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([[1.0, np.nan], [0.0, 1.0]], "NaN"),
        ([[1.0, -np.inf], [0.0, 1.0]], "finite"),
        ([[1.0, 2.0]], r"received \(1, 2\)"),
        ([1.0, 2.0], r"received \(2,\)"),
    ],
)
def test_scores_without_an_assignment_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        assign(np.array(scores))


def test_sdr_by_hand():
    reference = np.array([[3.0, 4.0], [0.0, 0.0]])
    estimate = np.array([[3.0, 3.5], [0.5, 0.0]])
    assert sdr(estimate, reference) == pytest.approx(10 * np.log10(25 / 0.5), abs=1e-6)
    assert sdr(estimate, reference, delta=1.0) == pytest.approx(10 * np.log10(26 / 1.5))
    assert sdr(2 * reference, reference) == pytest.approx(0.0, abs=1e-6)  # scale matters


def test_sdr_of_silence_and_of_exact_estimates():
    silence, sound = np.zeros((10, 2)), np.full((10, 2), 0.5)
    assert sdr(silence, silence) == 0.0
    assert sdr(silence, sound) == pytest.approx(0.0, abs=1e-12)
    assert sdr(sound, silence) == pytest.approx(-10 * np.log10(5e7 + 1))
    assert sdr(sound, sound) == pytest.approx(10 * np.log10(5e7 + 1))


def test_sdr_of_several_signals(rng):
    references = rng.standard_normal((3, 4, 50, 2))
    estimates = (references + 0.1 * rng.standard_normal(references.shape)).astype(np.float32)
    found = sdr(estimates, references)
    assert found.shape == (3, 4)
    assert found[2, 1] == pytest.approx(sdr(estimates[2, 1], references[2, 1]), abs=1e-12)


@pytest.mark.parametrize(
    ("call", "shapes", "message"),
    [
        (si_sdr, [(3, 10), (3, 9)], r"received \(3, 10\) and \(3, 9\)"),
        (si_sdr, [(3, 10), (3, 1)], "same length"),
        (si_sdr, [(3, 0), (3, 0)], "same length"),
        (si_sdr, [(), ()], "same length"),
        (permuted, [(3, 10), (2, 10)], r"\(\.\.\., sources, samples\)"),
        (permuted, [(10,), (10,)], "sources"),
        (si_sdr_improvement, [(2, 10), (2, 10), (2, 10)], r"received \(2, 10\)"),
        (si_sdr_improvement, [(4, 2, 10), (4, 2, 10), (10,)], "a mixture"),
        (sdr, [(10, 2), (10, 1)], r"\(\.\.\., samples, channels\)"),
        (sdr, [(10,), (10,)], "channels"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, shapes, message):
    with pytest.raises(ValueError, match=message):
        call(*(np.ones(shape) for shape in shapes))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(value):
    fine, broken = np.ones((2, 10)), np.ones((2, 10))
    broken[1, 3] = value
    for call in (si_sdr, permuted, sdr):
        for pair in ((fine, broken), (broken, fine)):
            with pytest.raises(ValueError, match="finite"):
                call(*pair)


def test_a_delta_of_zero_is_refused():
    with pytest.raises(ValueError, match="positive delta"):
        sdr(np.ones((4, 1)), np.ones((4, 1)), delta=0.0)
