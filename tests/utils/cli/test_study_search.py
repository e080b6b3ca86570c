"""Which learning rate a search takes, where it goes on, what it runs."""

import math

import pytest

from utils.cli.study_search import best_rate, rates_beyond
from utils.report.study import StudyRun

NAN = math.nan


def run(rate, *curve, state="done"):
    return StudyRun("a", rate, 0, f"s/a@{rate}", "", state, tuple(map(float, curve)))


@pytest.mark.parametrize(
    ("runs", "mode", "best"),
    [
        ([run(1.0, 3, 2), run(0.1, 3, 1)], "min", 0.1),
        ([run(1.0, 3, 2), run(0.1, 3, 1)], "max", 1.0),
        ([run(1.0, 0, 2), run(0.1, 3, 1)], "min", 0.1),  # by the last epoch, not by the best
        ([run(1.0, 2, 1), run(0.1, 2, 1), run(0.5, 2, 1)], "min", 0.1),  # the least of equal ones
        ([run(1.0, 2, 1), run(0.1, 2, 1), run(0.5, 2, 1)], "max", 0.1),
        ([run(1.0, 0.3, NAN), run(0.1, 3, 1)], "min", 0.1),
        ([run(1.0, 1, math.inf), run(0.1, 3, 1)], "max", 0.1),
        ([run(1.0, 0.3, NAN)], "min", None),
        ([run(1.0, 0.3, state="diverged"), run(0.1, 0.2, state="failed")], "min", None),
        ([run(1.0), run(0.1, 9)], "min", 0.1),
        ([], "min", None),
    ],
)
def test_the_best_rate_is_where_the_last_epoch_is_best(runs, mode, best):
    found = best_rate(runs, mode)
    assert (found and found.learning_rate) == best


@pytest.mark.parametrize(
    ("runs", "most", "rates"),
    [
        ([run(1.0, 1), run(0.1, 2), run(0.01, 3)], 3, (10.0,)),
        ([run(1.0, 3), run(0.1, 2), run(0.01, 1)], 3, (0.001,)),
        ([run(0.01, 1), run(0.1, 2), run(1.0, 3)], 3, (0.001,)),  # in any order
        ([run(1.0, 3), run(0.1, 2), run(0.01, 1)], 0, ()),
        ([run(1.0, 3), run(0.1, 1), run(0.01, 2)], 3, ()),
        ([run(9.0, 9), run(0.003, 2), run(0.001, 1)], 3, (0.000333333,)),  # the ratio of that end
        ([run(0.1, 1)], 3, (1.0, 0.01)),
        ([run(0.1, 1)], 1, (1.0,)),
        ([run(1.0, state="diverged"), run(0.1, 1), run(0.01, 2)], 3, ()),  # an end that is tried
        ([run(1.0, 1), run(0.1, state="failed")], 3, ()),
        ([run(1.0, state="diverged"), run(0.1, state="diverged")], 3, ()),
        ([run(1e308, 1), run(1.0, 2)], 3, ()),  # what lies beyond is no number
        ([], 3, ()),
    ],
)
def test_a_search_goes_on_beyond_a_best_rate_at_its_end(runs, most, rates):
    assert rates_beyond(runs, "min", most=most) == rates


SEARCH = "      search: {learning_rates: [0.1, 0.01, 100.0], epochs: 2}\n"


def test_each_arm_runs_with_the_best_rate_of_its_search(study, capsys):
    study.add(SEARCH)
    assert study("-s", "s") == 0
    made = study.made()
    short = [(set_id, seed) for set_id, seed, epochs, *_ in made if epochs == 2]
    assert short == [
        ("s/adam", 0), ("s/adam@0.01", 0), ("s/adam@0.1", 0),
        ("s/sgd", 0), ("s/sgd@0.001", 0), ("s/sgd@0.01", 0),
    ]  # fmt: skip
    long = [(set_id, seed) for set_id, seed, epochs, *_ in made if epochs == 3]
    assert long == [(f"s/{arm}@0.01", seed) for arm in ("adam", "sgd") for seed in (0, 1)]
    assert study.commands[0][-2:] == ["--override", "training.epochs=2"]
    sgd = study.arm("sgd")
    assert sgd["learning_rate"] == 0.01
    states = {run["learning_rate"]: (run["state"], run["best"]) for run in sgd["search"]}
    beyond = {0.001: ("done", 1.75)}  # as 0.01 is the least of those listed
    listed = {0.1: ("done", 1.75), 0.01: ("done", 0.75), 100.0: ("diverged", None)}
    assert states == listed | beyond
    assert sgd["changes"] == "training.optimizer.SGD: {}"  # and not the rate of the file
    printed = " ".join(capsys.readouterr().out.split())
    assert "search, beyond its ends" in printed
    assert "is the best; a better one may lie" not in printed
    assert "chosen on the validation of seed 0, which is one of the seeds compared" in printed
    assert study("-s", "s") == 0
    assert study.names() == []  # what diverged is not tried again


def test_a_search_goes_on_beyond_its_ends_as_often_as_it_may(study, capsys):
    study.add("      search: {learning_rates: [1.0, 10.0], widen: 1}\n")
    assert study("-s", "s") == 0
    assert {run["learning_rate"] for run in study.arm("sgd")["search"]} == {10.0, 1.0, 0.1}
    assert "sgd: the least learning rate that was tried" in capsys.readouterr().out
    study.made()
    for widen, rates in ((0, {10.0, 1.0}), (3, {10.0, 1.0, 0.1, 0.01, 0.001})):
        assert study("-s", "s", "--override", f"study.search.widen={widen}") == 0
        assert {run["learning_rate"] for run in study.arm("sgd")["search"]} == rates


def test_an_arm_that_is_not_searched_keeps_its_rate(study):
    study.add(SEARCH)
    none = "study.arms.sgd.learning_rates=[]"
    assert study("-s", "s", "--override", none) == 0
    assert [name for name in study.names() if "sgd" in name[0]] == [("s/sgd", 0), ("s/sgd", 1)]
    assert (study.arm("sgd")["learning_rate"], study.arm("sgd")["search"]) == (0.1, [])


def test_an_arm_whose_search_fails_is_left_out(study):
    study.add("      search: {learning_rates: [13.0, 0.1]}\n")
    assert study("-s", "s", "--override", "study.arms.adam.learning_rates=[]") == 2
    short = ("s/sgd", 0)  # with the other rate
    assert study.names() == [("s/adam", 0), ("s/adam", 1), short]
    assert study.arm("sgd")["runs"] == []
