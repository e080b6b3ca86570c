"""A study's numbers against numbers made by hand; its tables, files, words, page and pictures."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from utils.report import plots_study
from utils.report.plots_study import curves_picture, search_picture, steps_picture
from utils.report.study import (
    Difference,
    Spread,
    Study,
    StudyArm,
    StudyRun,
    write_study,
)
from utils.report.study_page import findings, write_study_page
from utils.report.study_tables import (
    arms_table,
    runs_table,
    search_table,
    steps_table,
    study_tables,
)
from utils.report.tables import show

NAN = float("nan")


def run(arm, seed, curve, *, rate=0.1, state="done", **more):
    return StudyRun(
        arm, rate, seed, f"s/{arm}@{rate:g}", f"runs/{arm}/{seed}", state, curve, **more
    )


def arm(name, curves, *, mode="min", steps=None, clip=None, rate=0.1, searched=(), **more):
    """An arm of one run a seed, each with a curve; diverged where that is None."""
    runs = [
        run(name, seed, curve or (), rate=rate, state="done" if curve else "diverged", **more)
        for seed, curve in enumerate(curves)
    ]
    if steps is not None:
        losses, norms = steps
        runs = [
            replace(one, losses=losses, norms=norms, step_seconds=(0.5, 0.1, 0.3)) for one in runs
        ]
    changes = f"training.optimizer.{name}"
    return StudyArm(name, changes, mode, rate, clip, tuple(searched), tuple(runs))


def study(*arms, mode="min", baseline=None, notes=()):
    return Study(
        study_id="optimizers", description="which <one>?", base="tiny", data="words",
        data_identity="abc", demo=False, commit="c0ffee", metric="val_loss", mode=mode,
        seeds=(0, 1, 2), baseline=baseline, arms=arms, notes=tuple(notes),
    )  # fmt: skip


A = arm("a", [(0.9, 0.5), (0.6, 0.8), (0.9, 0.7)])
B = arm("b", [(0.9, 0.4), (0.45, 0.5), (0.9, 0.65)])
C = arm("c", [(0.9,), (1.0,), (1.15,)])


def test_the_best_value_is_that_of_the_best_epoch():
    one = run("a", 0, (0.5, NAN, 0.3, 0.3, 0.4))
    assert one.best("min") == (0.3, 3)
    assert one.best("max") == (0.5, 1)
    assert run("a", 0, (NAN, float("inf"))).best("min") is None
    assert run("a", 0, (0.5,), state="diverged").best("min") is None
    assert (A.values, A.epoch) == ({0: 0.5, 1: 0.6, 2: 0.7}, pytest.approx(5 / 3))


def test_mean_and_deviation_over_seeds():
    spread = A.spread
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


LOSSES = tuple(8.0 / n for n in range(1, 101))


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
    assert study(first(1.5, 2.5), first(1.5, 2.5 + 1e-15)).is_paired is False
    assert study(first(1.5, 2.5), first(1.5)).is_paired is True
    assert study(first(1.5), A).is_paired is None


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


def cells(table, name):
    row = next(row for row in table.rows if row.cells[0] == name)
    return dict(zip([column.name for column in table.columns], row.cells, strict=True))


def test_the_table_of_arms():
    lost = arm("lost", [(0.7,), None, None])
    table = arms_table(study(A, B, C, lost, baseline="a"))
    assert cells(table, "b") == {
        "Arm": "b", "Learning rate": "0.1", "Best val_loss": "0.5000 ± 0.1323", "Epoch": "1.7",
        "To the best": "best", "95 %": "–", "n": "3", "Ratio to a": "0.833", "Not done": "",
    }  # fmt: skip
    assert cells(table, "a")["To the best"] == "+0.1000"
    assert cells(table, "a")["95 %"] == "-0.0242 to 0.2242"
    row = cells(table, "lost")
    assert (row["n"], row["95 %"], row["Not done"]) == ("1", "–", "2 diverged")
    assert "Not done" not in [column.name for column in arms_table(study(A, B)).columns]
    nowhere = replace(lost, runs=(), searched=(run("lost", 0, (), state="diverged"),))
    assert cells(arms_table(study(A, nowhere)), "lost")["Not done"] == "diverged at every rate"


def test_an_arm_that_ran_away_leaves_the_decimals_of_the_others():
    table = arms_table(study(B, arm("wild", [(3.5e29,), (1e6,), (2e7,)])))
    assert cells(table, "b")["Best val_loss"] == "0.5000 ± 0.1323"
    assert cells(table, "wild")["Best val_loss"] == "1.17e+29 ± 2.02e+29"


def test_the_tables_of_steps_and_of_the_search():
    clipped = arm("a", [(0.5,)], steps=(LOSSES, (0.5, 4.0)), clip=3.0, seconds=12.0)
    table = steps_table(study(clipped, arm("b", [(0.5,)], steps=(LOSSES, (0.5,)))))
    row = cells(table, "a")
    assert (row["First loss"], row["Mean of 8"]) == ("8.000", "2.718")
    assert (row["Clipped to"], row["Above"]) == ("3", "50 %")
    assert (row["s a step"], row["Training s"]) == ("0.3", "12")
    assert cells(table, "b")["Clipped to"] == "–"
    searched = (run("a", 0, (0.5,), rate=0.01), run("a", 0, (), rate=1.0, state="diverged"))
    other = (run("b", 0, (0.25,), rate=1e-5),)
    arms = (replace(A, searched=searched, learning_rate=0.01), replace(B, searched=other))
    table = search_table(study(*arms, C))
    assert [column.name for column in table.columns] == ["Arm", "1e-05", "0.01", "1", "Taken"]
    assert [row.cells for row in table.rows] == [
        ("a", "", "0.5000", "diverged", "0.01"), ("b", "0.2500", "", "", "0.1"),
    ]  # fmt: skip
    assert [one.title for one in study_tables(study(*arms))] == [
        "Arms by val_loss", "Search of learning rates",
    ]  # fmt: skip
    assert len(runs_table(study(*arms)).rows) == 3 + 6


def test_no_number_is_broken_on_a_narrow_terminal(capsys):
    arms = [
        arm(name, [(0.5123,), (0.61,), (0.7,)], steps=(LOSSES, (1.0,)), clip=2.0)
        for name in ("adadelta", "sgd_nesterov_clipped")
    ]
    show(Console(width=80), *study_tables(study(*arms, C, baseline="c")))
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert "0.6074 ± 0.0939" in printed


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


def panel_of(draw, monkeypatch):
    """The panels of a picture, before they are made to SVG."""
    figures = []
    monkeypatch.setattr(plots_study, "as_svg", lambda figure: figures.append(figure) or "<svg/>")
    draw()
    return figures[0].axes


def test_curves_are_means_as_far_as_all_seeds_go(monkeypatch):
    one = arm("a", [(1.0, 2.0, 3.0), (3.0, 4.0), None])
    (panel,) = panel_of(lambda: curves_picture(study(one, B)), monkeypatch)
    first, second = panel.get_lines()
    np.testing.assert_allclose(first.get_ydata(), [2.0, 3.0])
    assert [first.get_label(), second.get_label()] == ["a", "b"]
    assert first.get_color() != second.get_color()
    band = panel.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (1.0, 4.0)


def test_steps_show_losses_norms_and_where_they_are_clipped(monkeypatch):
    one = arm("a", [(1.0,), (2.0,)], steps=((4.0, 2.0), (1.0, 3.0)), clip=2.5)
    losses, norms = panel_of(lambda: steps_picture(study(one, B)), monkeypatch)
    np.testing.assert_allclose(losses.get_lines()[0].get_ydata(), [4.0, 2.0])
    assert [list(line.get_ydata()) for line in norms.get_lines()] == [[1.0, 3.0], [2.5, 2.5]]
    assert losses.get_xscale() == "log"


def test_the_search_shows_what_was_taken_and_what_diverged(monkeypatch):
    searched = [run("a", 0, (value,), rate=rate) for rate, value in ((1.0, 0.4), (0.1, 0.5))]
    searched.append(run("a", 0, (), rate=10.0, state="diverged"))
    one = arm("a", [(1.0,)], searched=searched, rate=1.0)
    (panel,) = panel_of(lambda: search_picture(study(one)), monkeypatch)
    line, ring, cross = panel.get_lines()
    assert [list(line.get_xdata()), list(line.get_ydata())] == [[0.1, 1.0], [0.5, 0.4]]
    assert [list(ring.get_xdata()), list(ring.get_ydata())] == [[1.0], [0.4]]
    assert (list(cross.get_xdata()), cross.get_marker()) == ([10.0], "x")


@pytest.mark.parametrize(
    ("values", "scale", "top"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], "linear", None),
        ([[1.0, 2.0], [3.0, 40.0]], "log", None),
        ([[-5.0, 2.0], [3.0, 40.0]], "linear", None),
        ([[1.0, 2.0], [3.0, 1e9]], "log", 1000.0),
        ([[math.nan], [math.inf]], "linear", None),
        ([], "linear", None),
    ],
)
def test_an_axis_is_logarithmic_where_values_need_it(values, scale, top):
    panel = Figure().subplots()
    for line in values:
        panel.plot(line)
    plots_study._stretch(panel, [np.array(line) for line in values])
    assert panel.get_yscale() == scale
    if top is not None:
        assert panel.get_ylim()[1] == top


def test_pictures_are_the_same_every_time():
    assert curves_picture(study(A, B)).svg == curves_picture(study(A, B)).svg
    assert curves_picture(study(A, B), png=True).png.startswith(b"\x89PNG")
