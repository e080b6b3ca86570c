"""Losses of separation: values against NumPy, known answers, orders, gradients."""

from itertools import permutations

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.separation_losses import (
    best_si_snr,
    magnitude_l1,
    multi_scale_si_snr,
    scale_weights,
    shapes_fit,
    si_snr_pairs,
)

BATCH, SCALES, SAMPLES = 3, 2, 400


def si_snr(estimate, source):
    """The definition for two waveforms, in float64, with the floor at -80 dB."""
    e, s = (x.astype(np.float64) - x.mean(dtype=np.float64) for x in (estimate, source))
    p = (e @ s) / (s @ s) * s
    return 10 * np.log10((p @ p) / ((e - p) @ (e - p)) + 1e-8)


def drawn(rng, sources, scales=SCALES):
    """Sources, and estimates of them in another order with much noise."""
    truth = rng.standard_normal((BATCH, sources, SAMPLES)).astype(np.float32)
    truth += rng.uniform(-1, 1, (BATCH, sources, 1)).astype(np.float32)
    turned = np.roll(truth, 1, axis=1)[:, None]
    noise = rng.standard_normal((BATCH, scales, sources, SAMPLES))
    return truth, (0.3 * turned + noise).astype(np.float32)


def test_l1_is_a_sum_of_means_over_stems(rng):
    truth, estimates = rng.random((2, BATCH, 2, 4, 5, 2)).astype(np.float32)
    loss = np.asarray(magnitude_l1(truth, estimates))
    assert loss.shape == (BATCH,)
    expected = sum(np.abs(truth[:, i] - estimates[:, i]).mean() for i in range(2))
    assert loss.mean() == pytest.approx(expected, rel=1e-6)
    constant = magnitude_l1(np.zeros((1, 4, 2, 3, 1)), np.full((1, 4, 2, 3, 1), 0.5))
    np.testing.assert_allclose(constant, [2.0])


def test_every_pair_is_scored_by_the_definition(rng):
    truth, estimates = drawn(rng, 3)
    found = np.asarray(si_snr_pairs(truth, estimates))
    assert found.shape == (BATCH, SCALES, 3, 3)
    for place in np.ndindex(found.shape):
        clip, scale, estimate, source = place
        expected = si_snr(estimates[clip, scale, estimate], truth[clip, source])
        assert found[place] == pytest.approx(expected, abs=2e-3)  # float32 at -70 dB


def test_noise_of_known_energy_has_the_known_score():
    time = np.arange(SAMPLES) / SAMPLES
    source, noise = np.sin(2 * np.pi * 5 * time), np.cos(2 * np.pi * 5 * time)
    estimate = 3.0 * (source + 0.1 * noise) + 7.0  # neither scale nor offset counts
    found = si_snr_pairs(source[None, None], estimate[None, None, None])
    np.testing.assert_allclose(found, [[[[20.0]]]], atol=1e-3)


@pytest.mark.parametrize("sources", [1, 2, 3, 4])
def test_the_best_order_is_that_of_all_orders(rng, sources):
    truth, estimates = drawn(rng, sources)
    expected = [
        [
            max(
                np.mean(
                    [si_snr(estimates[clip, scale, e], truth[clip, s]) for e, s in enumerate(o)]
                )
                for o in permutations(range(sources))
            )
            for scale in range(SCALES)
        ]
        for clip in range(BATCH)
    ]
    np.testing.assert_allclose(best_si_snr(truth, estimates), expected, atol=1e-4)


def test_neither_order_of_sources_nor_of_estimates_matters(rng):
    truth, estimates = drawn(rng, 3)
    before = np.asarray(multi_scale_si_snr(truth, estimates))
    after = multi_scale_si_snr(truth[:, [2, 0, 1]], estimates[:, :, [1, 0, 2]])
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_later_scales_weigh_more():
    assert sum(scale_weights(6)) == pytest.approx(0.5833, abs=5e-5)
    assert scale_weights(1) == [1.0]
    assert scale_weights(2) == [0.25, 0.5]


def test_the_loss_is_the_weighted_sum_of_its_scales(rng):
    truth, estimates = drawn(rng, 2, scales=6)
    scores = np.asarray(best_si_snr(truth, estimates))
    expected = -sum(r / 6 * scores[:, r - 1] for r in range(1, 7)) / 6
    np.testing.assert_allclose(multi_scale_si_snr(truth, estimates), expected, rtol=1e-5)
    last = np.asarray(multi_scale_si_snr(truth, estimates[:, -1:]))
    np.testing.assert_allclose(last, -scores[:, -1], rtol=1e-5)


@pytest.mark.parametrize("silent", ["source", "estimate", "both"])
def test_silence_has_a_score_and_pulls_nowhere(rng, silent):
    truth, estimates = drawn(rng, 2, scales=1)
    if silent in ("source", "both"):
        truth[:] = 0
    if silent in ("estimate", "both"):
        estimates[:] = 0
    given = tf.constant(estimates)
    with tf.GradientTape() as tape:
        tape.watch(given)
        loss = tf.reduce_mean(multi_scale_si_snr(truth, given))
    assert float(loss) == pytest.approx(80.0, abs=1e-3)
    np.testing.assert_array_equal(tape.gradient(loss, given), 0.0)


def test_one_silent_source_leaves_the_other_to_be_learnt(rng):
    truth, estimates = drawn(rng, 2, scales=1)
    truth[:, 1] = 0
    given = tf.constant(estimates)
    with tf.GradientTape() as tape:
        tape.watch(given)
        loss = tf.reduce_mean(multi_scale_si_snr(truth, given))
    gradient = np.asarray(tape.gradient(loss, given))
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).max(axis=(1, 2, 3)) > 0).all()


def test_what_does_not_fit_is_named(rng):
    truth, estimates = drawn(rng, 2)
    with pytest.raises(ValueError, match=r"received \(3, 2, 399\) and \(3, 2, 2, 400\)"):
        si_snr_pairs(truth[..., 1:], estimates)
    with pytest.raises(ValueError, match=r"received \(3, 2, 400\) and \(3, 2, 400\)"):
        si_snr_pairs(truth, estimates[:, 0])
    with pytest.raises(ValueError, match="7 sources have too many orders, 6 are possible"):
        best_si_snr(np.zeros((1, 7, 8)), np.zeros((1, 1, 7, 8)))


@pytest.mark.parametrize("open_axes", [False, True])
def test_a_graph_gives_the_same_values(rng, open_axes):
    truth, estimates = drawn(rng, 2)
    known = [None, 2, None] if open_axes else [BATCH, 2, SAMPLES]
    shapes = (known, [known[0], SCALES, *known[1:]])
    graph = tf.function(multi_scale_si_snr, input_signature=[tf.TensorSpec(x) for x in shapes])
    expected = np.asarray(multi_scale_si_snr(truth, estimates))
    np.testing.assert_allclose(graph(truth, estimates), expected, rtol=1e-4)


def test_keras_takes_them_by_their_names(rng):
    truth, estimates = drawn(rng, 2)
    model = keras.Sequential([keras.Input((SCALES, 2, SAMPLES)), keras.layers.Identity()])
    model.compile(loss=multi_scale_si_snr, jit_compile=False)
    found = model.evaluate(estimates, truth, verbose=0)
    assert found == pytest.approx(np.mean(multi_scale_si_snr(truth, estimates)), rel=1e-5)


@pytest.mark.parametrize(
    ("other", "fit"),
    [
        ((2, 128), True),
        ((None, 128), True),
        ((None, None), True),
        ((3, 128), False),
        ((None, 64), False),
        ((2,), False),
        ((2, 128, 1), False),
    ],
)
def test_shapes_fit_as_far_as_they_are_known(other, fit):
    assert shapes_fit((2, 128), other) is fit
    assert shapes_fit(other, (2, 128)) is fit
