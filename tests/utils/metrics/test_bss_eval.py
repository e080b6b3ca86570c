import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from benchmarks.golden_bss_eval import CASES, Case, draw
from utils.metrics import bss_eval as module
from utils.metrics.bss_eval import BssEval, bss_eval, medians

GOLDEN = json.loads((Path(__file__).parent / "golden_bss_eval.json").read_text(encoding="utf-8"))


def scored(case: Case, **changes) -> BssEval:
    references, estimates = draw(case)
    settings = {"window": case.window, "hop": case.hop, "taps": case.taps, **changes}
    return bss_eval(references, estimates, **settings)


def by_definition(references, estimates, *, start: int, stop: int, taps: int) -> np.ndarray:
    """Ratios (4, sources) of a frame: projections as explicit matrices of delayed references."""

    def delayed(signals):
        rows = np.moveaxis(signals, 1, 2).reshape(-1, signals.shape[1])
        matrix = np.zeros((signals.shape[1] + taps - 1, len(rows) * taps))
        for number, row in enumerate(rows):
            for delay in range(taps):
                matrix[delay : delay + len(row), number * taps + delay] = row
        return matrix

    def padded(signal):
        return np.concatenate([signal, np.zeros((taps - 1, signal.shape[1]))])

    def projected(sources, estimate):
        filters = np.linalg.lstsq(delayed(sources), padded(estimate))[0]
        return delayed(sources[:, start:stop]) @ filters

    ratios = []
    for number, estimate in enumerate(estimates):
        own = projected(references[number : number + 1], estimate)
        every = projected(references, estimate)
        source = padded(references[number, start:stop])
        estimate = padded(estimate[start:stop])
        wanted = (source, source, own, every)
        wrong = (estimate - source, own - source, every - own, estimate - every)
        energies = ((np.sum(a**2), np.sum(b**2)) for a, b in zip(wanted, wrong, strict=True))
        ratios.append([10 * np.log10(a / b) for a, b in energies])
    return np.array(ratios).T


@pytest.mark.parametrize("name", CASES)
def test_scores_are_those_of_museval(name):
    golden = GOLDEN["cases"][name]
    case = CASES[name]
    assert Case(**golden["case"]) == case, "make the golden numbers again"
    found = scored(case)
    for ratio in BssEval._fields:
        official = np.array(golden["scores"][ratio])
        np.testing.assert_allclose(getattr(found, ratio), official, rtol=0, atol=1e-5)


def test_scores_are_those_of_the_definition(rng):
    references = rng.standard_normal((3, 300, 2))
    estimates = references + 0.4 * rng.standard_normal(references.shape)
    estimates[:, 2:] += 0.3 * references[:, :-2] + 0.2 * references[::-1, :-2]
    found = np.array(bss_eval(references, estimates, window=100, hop=80, taps=5))
    assert found.shape == (4, 3, 3)
    for frame in range(3):
        start = 80 * frame
        wanted = by_definition(references, estimates, start=start, stop=start + 100, taps=5)
        np.testing.assert_allclose(found[:, :, frame], wanted, rtol=0, atol=1e-9)


def test_blocks_change_nothing(monkeypatch):
    case = Case(21, sources=3, channels=2, samples=5003, window=2001, hop=700, taps=16)
    whole = scored(case)
    monkeypatch.setattr(module, "BLOCK", 128)
    np.testing.assert_allclose(scored(case), whole, rtol=0, atol=1e-9)


def test_each_ratio_has_its_own_fault(rng):
    """An echo within the filters is spatial, a leak is interference, noise is an artefact."""
    sources = rng.standard_normal((2, 8000, 1))
    echo = np.concatenate([np.zeros((2, 5, 1)), sources[:, :-5]], axis=1)
    settings = {"window": 8000, "hop": 8000, "taps": 32}
    ratios = np.squeeze(bss_eval(sources, sources + 0.1 * echo, **settings))
    assert ratios[:2] == pytest.approx(np.full((2, 2), 20.0), abs=0.02)  # sdr and isr
    assert ratios[2].min() > 60
    assert ratios[3].min() > 45  # the echo of the last five samples is cut off
    ratios = np.squeeze(bss_eval(sources, sources + 0.1 * sources[::-1], **settings))
    assert ratios[2] == pytest.approx([20.0, 20.0], abs=0.3)
    assert ratios[1].min() > 35
    assert ratios[3].min() > 200
    noise = 0.1 * rng.standard_normal(sources.shape)
    ratios = np.squeeze(bss_eval(sources, sources + noise, **settings))
    assert ratios[3] == pytest.approx([20.0, 20.0], abs=0.3)
    assert ratios[1:3].min() > 40


def test_sdr_is_the_plain_ratio_of_each_frame(rng):
    references = rng.standard_normal((2, 1000, 2))
    estimates = references + 0.1 * rng.standard_normal(references.shape)
    found = bss_eval(references, estimates, window=400, hop=300, taps=8).sdr
    assert found.shape == (2, 3)
    for frame, start in enumerate((0, 300, 600)):
        part = slice(start, start + 400)
        energy = np.sum(references[:, part] ** 2, axis=(1, 2))
        error = np.sum((estimates - references)[:, part] ** 2, axis=(1, 2))
        np.testing.assert_allclose(found[:, frame], 10 * np.log10(energy / error), atol=1e-10)


def test_silence_leaves_frames_of_all_sources_without_a_score():
    found = scored(CASES["silent stretches"])
    for ratio in found:
        assert np.isnan(ratio).tolist() == [[False, True, True, True, False]] * 2


def test_a_source_that_is_silent_throughout_has_no_score(rng):
    references = rng.standard_normal((3, 500, 2))
    estimates = references + rng.standard_normal(references.shape)
    silent = references.copy()
    silent[1] = 0.0
    for pair in ((silent, estimates), (references, silent)):
        found = bss_eval(*pair, window=100, hop=100, taps=4)
        assert np.shape(found) == (4, 3, 5)
        assert np.isnan(found).all()
        assert np.isnan(medians(found)).all()


def test_an_exact_estimate_is_infinitely_good_and_gives_no_warning(rng):
    references = rng.standard_normal((2, 500, 1))
    found = bss_eval(references, references, window=250, hop=250, taps=4)
    assert np.isposinf(found.sdr).all()
    assert np.min(found) > 250


def test_a_steady_tone_has_scores(rng):
    """Delayed tones are all alike: no factorisation without something on the diagonal."""
    time = np.arange(4000) / 8000
    references = np.stack([np.sin(2 * np.pi * f * time) for f in (440, 700)])[:, :, np.newaxis]
    estimates = references + 0.1 * references[::-1] + 0.01 * rng.standard_normal(references.shape)
    found = bss_eval(references, estimates, window=4000, hop=4000, taps=64)
    assert found.sdr == pytest.approx(np.full((2, 1), 20.0), abs=0.2)
    assert np.isfinite(found).all()
    assert found.sar == pytest.approx(np.full((2, 1), 37.0), abs=1.0)


def test_scale_of_everything_changes_nothing():
    case = Case(22, channels=2, samples=3000, window=1000, hop=1000, taps=20)
    references, estimates = draw(case)
    settings = {"window": 1000, "hop": 1000, "taps": 20}
    once = bss_eval(references, estimates, **settings)
    again = bss_eval(300 * references, 300 * estimates, **settings)
    np.testing.assert_allclose(again, once, atol=1e-9)


def test_float32_and_float64_agree():
    case = Case(23, samples=3000, window=1000, hop=1000, taps=20)
    single = [each.astype(np.float32) for each in draw(case)]
    settings = {"window": 1000, "hop": 1000, "taps": 20}
    found = bss_eval(*single, **settings)
    wanted = bss_eval(*(each.astype(np.float64) for each in single), **settings)
    assert found.sdr.dtype == np.float64
    np.testing.assert_array_equal(found, wanted)


def test_memory_does_not_grow_with_the_signal():
    def highest(samples: int, **changes: int) -> int:
        case = Case(24, channels=2, samples=samples, taps=8, window=5000, hop=5000)
        references, estimates = draw(case)
        settings = {"window": 5000, "hop": 5000, "taps": 8, **changes}
        tracemalloc.start()
        bss_eval(references, estimates, **settings)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    highest(20_000)  # imports
    assert highest(400_000) < 1.5 * highest(50_000)
    assert highest(400_000, window=400_000) < 1.5 * highest(50_000, window=50_000)


def test_medians_leave_out_what_is_not_finite():
    rows = np.array([[1.0, np.nan, 3.0, 10.0], [np.inf, 2.0, np.nan, 4.0], [np.nan] * 4])
    found = medians(BssEval(rows, rows + 1, rows + 2, rows + 3))
    for number, ratio in enumerate(found):
        np.testing.assert_array_equal(ratio, [3.0 + number, 3.0 + number, np.nan])


@pytest.mark.parametrize(
    ("shapes", "changes", "message"),
    [
        (((2, 90, 1), (3, 90, 1)), {}, r"received \(2, 90, 1\) and \(3, 90, 1\)"),
        (((2, 90, 1), (2, 89, 1)), {}, "same shape"),
        (((2, 90), (2, 90)), {}, r"\(sources, samples, channels\)"),
        (((2, 0, 1), (2, 0, 1)), {}, "are needed"),
        (((2, 90, 1), (2, 90, 1)), {"hop": 0}, "at least 1 are needed, received 30, 0 and 4"),
        (((2, 90, 1), (2, 90, 1)), {"taps": 0}, "at least 1"),
        (((2, 90, 1), (2, 90, 1)), {"window": -1}, "at least 1"),
    ],
)
def test_what_has_no_meaning_is_refused(shapes, changes, message):
    settings = {"window": 30, "hop": 30, "taps": 4, **changes}
    with pytest.raises(ValueError, match=message):
        bss_eval(*map(np.ones, shapes), **settings)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(rng, value):
    references = rng.standard_normal((2, 90, 1))
    estimates = references.copy()
    estimates[1, 50] = value
    for pair in ((references, estimates), (estimates, references)):
        with pytest.raises(ValueError, match="finite"):
            bss_eval(*pair, window=30, hop=30, taps=4)
