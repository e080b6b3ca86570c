"""A study's numbers against numbers made by hand, and its files."""

import csv
import json
from dataclasses import replace

import pytest

from tests.utils.report.studies import LOSSES, NAN, A, B, C, arm, logged, run, scored, study
from utils.errors import UserError
from utils.report.results import write_results
from utils.report.study import overall_scores, write_study
from utils.report.study_page import findings
from utils.report.study_statistics import Difference


def test_the_best_value_is_that_of_the_best_epoch():
    one = run("a", 0, (0.5, NAN, 0.3, 0.3, 0.4))
    assert one.best("min") == (0.3, 3)
    assert one.best("max") == (0.5, 1)
    assert run("a", 0, (NAN, float("inf"))).best("min") is None
    assert run("a", 0, (0.5,), state="diverged").best("min") is None
    assert (A.values, A.epoch) == ({0: 0.5, 1: 0.6, 2: 0.7}, pytest.approx(5 / 3))


def test_the_best_arm_is_that_of_most_seeds_with_the_best_mean():
    lucky = arm("lucky", [(0.01,), None, None])
    whole = study(A, B, C, lucky)
    assert whole.best is B
    assert whole.to_best(B) is None
    assert whole.to_best(lucky) == Difference(pytest.approx(-0.39), None, None, 1)
    up = [replace(one, mode="max") for one in (A, B, C)]
    assert study(*up, mode="max").best is up[2]
    nothing = study(arm("x", [None, None, None]))
    assert nothing.best is None
    assert findings(nothing)[0] == "No arm finished a run."


def test_losses_and_gradients_of_the_first_steps():
    one = arm("a", [(0.5,), (0.6,)], steps=(LOSSES, (0.5, 4.0, 3.0, NAN)), clip=3.0)
    assert one.mean_loss(1) == 8.0
    assert one.mean_loss(8) == pytest.approx(sum(8.0 / n for n in range(1, 9)) / 8)
    assert one.mean_loss(100) == pytest.approx(sum(LOSSES) / 100)
    assert one.gradient_norm == 3.0  # of those that are numbers
    assert one.above_clip == 0.5  # 4 and the one that is no number, of 4
    assert one.seconds_a_step == 0.3
    assert arm("a", [(0.5,)], steps=(LOSSES, (0.5,))).above_clip is None
    short = arm("a", [(0.5,)], steps=((1.0, NAN), ()))
    assert (short.mean_loss(1), short.mean_loss(2), short.mean_loss(8)) == (1.0, None, None)
    assert short.gradient_norm is None


def test_arms_are_paired_where_their_first_losses_are_the_same():
    def first(*losses):
        runs = [run("x", seed, (1.0,), losses=(loss,)) for seed, loss in enumerate(losses)]
        return replace(A, runs=tuple(runs))

    assert study(first(1.5, 2.5), first(1.5, 2.5)).is_paired is True
    assert study(first(1.5, 2.5), first(1.5, 2.5)).is_paired_exactly
    nearly = study(first(1.5, 2.5), first(1.5, 2.5 * (1 + 2e-6)))  # other numbers of threads
    assert (nearly.is_paired, nearly.is_paired_exactly) == (True, False)
    assert study(first(1.5, 2.5), first(1.5, 2.5 * (1 + 2e-5))).is_paired is False
    assert study(first(2.5 * (1 + 2e-5)), first(2.5)).is_paired is False
    assert study(first(1.5), first(NAN)).is_paired is False
    assert study(first(1.5, 2.5), first(1.5)).is_paired is True
    alone = study(first(1.5), A)
    assert (alone.is_paired, alone.is_paired_exactly) == (None, False)


def test_ratios_are_to_the_baseline_over_the_same_seeds():
    half = arm("half", [(0.25,), (0.3,), None])
    whole = study(A, half, baseline="a")
    assert whole.value_ratio(half) == pytest.approx(0.5)
    assert whole.value_ratio(A) == pytest.approx(1.0)
    assert study(A, half).value_ratio(half) is None
    negative = arm("decibels", [(-3.0,), (-2.0,), (-1.0,)])
    assert study(A, negative, baseline="a").value_ratio(negative) is None
    twice = arm("twice", [(1.0,)], steps=(tuple(2 * x for x in LOSSES), ()))
    once = arm("once", [(1.0,)], steps=(LOSSES, ()))
    assert study(once, twice, baseline="once").loss_ratio(twice) == pytest.approx(2.0)
    both = logged("both", [[1.0] * 100, [3.0] * 100])
    lacking = logged("lacking", [[1.0] * 100, [3.0] * 99])
    assert study(both, lacking, baseline="both").loss_ratio(lacking) == 1.0


def test_files_hold_everything_and_no_nan(tmp_path):
    searched = (run("a", 0, (0.5,)),)
    odd = replace(A, searched=searched, runs=(run("a", 0, (NAN, 0.5), losses=(NAN, 1.0)),))
    write_study(tmp_path, study(odd, B, notes=["Mind this."]))
    content = json.loads((tmp_path / "study.json").read_text())
    assert (content["best"], content["notes"]) == ("b", ["Mind this."])
    first = content["arms"][0]["runs"][0]
    assert (first["curve"], first["losses"], first["best"]) == ([None, 0.5], [None, 1.0], 0.5)
    with (tmp_path / "study.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["kind"] for row in rows] == ["search", "run", "run", "run", "run"]
    assert (rows[1]["best"], rows[1]["epoch"], rows[1]["first_loss"]) == ("0.5", "2", "")


def test_a_run_whose_metric_was_never_a_number_is_not_done():
    never = run("a", 0, (NAN, float("inf")))
    assert (never.end, never.best("min"), never.last) == ("diverged", None, None)
    assert run("a", 0, (NAN, 0.5)).end == "done"
    assert run("a", 0, (NAN,), state="failed").end == "failed"
    mixed = replace(A, runs=(never, *A.runs[1:]))
    assert (mixed.count("done"), mixed.count("diverged"), len(mixed.values)) == (2, 1, 2)
    assert study(mixed).as_dict()["arms"][0]["runs"][0]["state"] == "diverged"


def test_the_end_of_a_search_that_left_no_run():
    lost = [run("a", 0, (), state="diverged"), run("a", 0, (NAN,))]
    without = replace(A, runs=(), searched=tuple(lost))
    assert without.search_end == "diverged at every rate"
    failed = replace(without, searched=(*lost, run("a", 0, (), state="failed")))
    assert failed.search_end == "search failed"
    assert (A.search_end, replace(failed, runs=A.runs).search_end) == ("", "")


def test_first_steps_are_compared_seed_by_seed_with_the_baseline_or_the_best():
    """t of 0.975 is 12.706205 with one degree of freedom."""
    one = logged("one", [[1.0] * 8, [2.0] * 8, [9.0] * 7])
    other = logged("other", [[1.5] * 8, [2.7] * 8, [1.0] * 8])
    assert other.mean_losses(8) == pytest.approx({0: 1.5, 1: 2.7, 2: 1.0})
    based = study(other, one, baseline="one")
    assert based.reference is one
    assert based.to_reference(one, 8) is None
    found, half = based.to_reference(other, 8), 12.706205 * 0.1
    assert [found.mean, found.low, found.high, found.n] == pytest.approx(
        [0.6, 0.6 - half, 0.6 + half, 2]
    )
    assert based.to_reference(other, 100) is None
    assert study(one, B).reference is study(one, B).best
    first = based.as_dict()["arms"][0]
    assert (first["first_8_n"], first["first_8_to_reference"]["n"]) == (3, 2)
    assert first["first_8_deviation"] == pytest.approx(0.8736895)  # of 1.5, 2.7, 1
    assert (first["first_100"], first["first_100_n"]) == (None, 0)


def test_test_scores_are_those_of_runs_that_are_done():
    one = scored(A, {"accuracy": 0.5, "kl": NAN}, {"accuracy": 0.7, "kl": 1.0}, None)
    spread = one.score("accuracy")
    assert (spread.mean, spread.n) == (pytest.approx(0.6), 2)
    assert spread.deviation == pytest.approx(0.1414214)
    assert one.score("kl") is None
    assert B.score("accuracy") is None
    lost = replace(one.runs[0], state="diverged")
    assert replace(one, runs=(lost, *one.runs[1:])).score("accuracy").mean == 0.7
    assert study(B, one).measured == ("accuracy", "kl")


def test_scores_are_read_from_results_json(tmp_path, results):
    assert overall_scores(tmp_path) == {}
    write_results(tmp_path / "results.json", results)
    known = {key: value for key, value in results.overall.items() if value is not None}
    assert overall_scores(tmp_path) == pytest.approx(known)
    assert known
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(UserError, match="not a results"):
        overall_scores(tmp_path)


def test_files_hold_test_scores(tmp_path):
    one = scored(A, {"accuracy": 0.5}, {"accuracy": 0.7}, None)
    write_study(tmp_path, study(one, B))
    arms = json.loads((tmp_path / "study.json").read_text())["arms"]
    assert arms[0]["test"]["accuracy"]["mean"] == pytest.approx(0.6)
    assert arms[0]["runs"][1]["scores"] == {"accuracy": 0.7}
    assert (arms[1]["test"], arms[1]["runs"][0]["scores"]) == ({}, {})
    with (tmp_path / "study.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["test_accuracy"] for row in rows] == ["0.5", "0.7", "", "", "", ""]
