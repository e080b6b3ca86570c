"""What a study says in words, and its page."""

from dataclasses import replace

import pytest

from tests.utils.report.studies import LOSSES, NAN, A, B, C, arm, logged, run, scored, study
from utils.report.study_page import findings, steps_findings, write_study_page


def test_words_say_what_can_be_told():
    single = arm("single", [(0.9,), None, None])
    failed = replace(A, name="broken", runs=(run("broken", 0, (), state="failed"),))
    said = findings(study(A, B, C, single, failed))
    assert said == (
        "Best by val_loss: b.",
        "Worse, by intervals that leave 0 out: c.",
        "Not told apart from it by these seeds: a.",
        "By one seed alone, so without an interval: single.",
        "Diverged: single (2 of 3).",
        "Failed: broken (1 of 1).",
    )


def test_the_page_shows_names_as_they_are(tmp_path):
    logged = arm("<b>", [(0.5, 0.4)] * 3, steps=(LOSSES, LOSSES), searched=(run("<b>", 0, (1,)),))
    whole = study(logged, B, notes=["Mind <this>."])
    write_study_page(tmp_path / "report.html", whole, parameters_yaml="a: 1", facts={"x": "y"})
    text = (tmp_path / "report.html").read_text()
    assert "Mind &lt;this&gt;." in text
    assert "which &lt;one&gt;?" in text
    assert "<b>" not in text
    for heading in ("Arms", "First steps", "Search", "What differs", "Runs", "Parameters"):
        assert f"<h2>{heading}</h2>" in text
    assert text.count("<svg") == 3
    assert "The first loss is the same in all arms of a seed" not in text  # of one arm alone


@pytest.mark.parametrize("mode", ["min", "max"])
def test_words_have_the_sign_of_the_difference(mode):
    sign = 1 if mode == "min" else -1

    def signed(name, *values):
        return arm(name, [value and (sign * value,) for value in values], mode=mode)

    whole = study(
        signed("b", 0.5, 0.6, 0.7),
        signed("lucky", 0.1, 0.201, None),
        signed("bad", 0.9, 1.001, None),
        signed("alike", 0.4, 0.7, None),
        signed("once", 0.1, None, None),
        mode=mode,
    )
    assert findings(whole)[:5] == (
        "Best by val_loss, of the arms that finished most seeds: b.",
        "Worse, by intervals that leave 0 out: bad.",
        "Better on the seeds that both finished, by intervals that leave 0 out: lucky.",
        "Not told apart from it by these seeds: alike.",
        "By one seed alone, so without an interval: once.",
    )


def test_an_arm_without_a_seed_of_the_best_is_not_compared():
    apart = replace(A, runs=(replace(A.runs[0], seed=7),))
    assert findings(study(B, apart)) == (
        "Best by val_loss: b.",
        "Not compared, as it finished none of their seeds: a.",
    )


def test_words_tell_of_what_never_was_a_number_and_of_failed_searches():
    never = arm("never", [(0.7,), (NAN,), (0.9,)])
    failed = replace(A, name="out", runs=(), searched=(run("out", 0, (), state="failed"),))
    nowhere = replace(A, name="no", runs=(), searched=(run("no", 0, (NAN,)),))
    assert findings(study(B, never, failed, nowhere))[-3:] == (
        "Diverged: never (1 of 3).",
        "Diverged at every learning rate of the search: no.",
        "Left out, as a run of the search failed: out.",
    )


def test_words_of_the_first_steps():
    base = logged("base", [[1.0] * 8, [2.0] * 8])
    less = logged("less", [[0.5] * 8, [1.4999] * 8])
    more = logged("more", [[1.5] * 8, [2.5001] * 8])
    open_ = logged("open", [[1.5] * 8, [1.9] * 8])
    once = logged("once", [[1.5] * 8, [2.5] * 7])
    arms = (base, less, more, open_, once)
    for mode in ("min", "max"):  # less loss is what it is, whichever way the metric is better
        assert steps_findings(study(*arms, baseline="base", mode=mode)) == (
            "First 8 steps, less mean loss than base, by intervals that leave 0 out: less.",
            "First 8 steps, more mean loss than base, by intervals that leave 0 out: more.",
            "First 8 steps, not told apart from base by these seeds: open.",
            "First 8 steps, compared with base by one seed alone: once.",
        )
    assert steps_findings(study(A, B)) == ()
    assert steps_findings(study(arm("x", [None]))) == ()


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (2.0, "the same in all arms of a seed, to the last digit."),
        (2.0 * (1 + 1e-6), "to a relative 1e-05, though not to the last digit"),
        (2.1, "they are not paired."),
    ],
)
def test_the_page_says_how_alike_arms_begin(tmp_path, second, said):
    whole = study(logged("a", [[2.0] * 8]), logged("b", [[second] * 8]))
    write_study_page(tmp_path / "report.html", whole, parameters_yaml="", facts={})
    text = (tmp_path / "report.html").read_text()
    assert said in text
    assert (" to the last digit." in text) is (second == 2.0)


def test_the_page_shows_test_scores(tmp_path):
    write_study_page(
        tmp_path / "report.html",
        study(scored(A, {"accuracy": 0.5}, {"accuracy": 0.75}, None), B),
        parameters_yaml="",
        facts={},
    )
    text = (tmp_path / "report.html").read_text()
    assert "<h2>Test</h2>" in text
    assert "62.5 ± 17.7" in text
