"""Tables of a study: what stands in which cell."""

from dataclasses import replace

from rich.console import Console

from tests.utils.report.studies import (
    LOSSES,
    NAN,
    A,
    B,
    C,
    arm,
    cells,
    logged,
    run,
    scored,
    study,
)
from utils.report.study_steps import gradients_table, steps_table
from utils.report.study_tables import (
    arms_table,
    runs_table,
    scores_table,
    search_table,
    study_tables,
)
from utils.report.tables import show


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
    table = gradients_table(study(clipped, arm("b", [(0.5,)], steps=(LOSSES, (0.5,)))))
    row = cells(table, "a")
    assert (row["Clipped to"], row["Above"]) == ("3", "50 %")
    assert (row["s a step"], row["Training s"]) == ("0.3", "12")
    assert cells(table, "b")["Clipped to"] == "–"
    assert "clipvalue" in table.note
    assert "clip" not in gradients_table(study(B)).note.replace("clipping", "")
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


def test_the_number_of_pairs_stands_beside_that_of_the_seeds():
    part = replace(A, runs=(A.runs[1], A.runs[2], replace(A.runs[0], seed=7)))
    table = arms_table(study(B, part, arm("lost", [(0.7,), None, None])))
    assert cells(table, "a")["n"] == "3 (2)"
    assert (cells(table, "b")["n"], cells(table, "lost")["n"]) == ("3", "1")
    assert "in brackets" in table.note
    assert "in brackets" not in arms_table(study(A, B)).note
    apart = replace(part, runs=(part.runs[2],))
    assert cells(arms_table(study(B, apart)), "a")["n"] == "1 (0)"


def test_the_note_says_what_the_interval_leaves_out():
    assert "other validation files" in arms_table(study(A, B)).note


def test_a_metric_that_was_never_a_number_is_not_done():
    never = arm("never", [(0.7,), (NAN,), (0.9,)])
    assert cells(arms_table(study(A, never)), "never")["Not done"] == "1 diverged"
    assert [row.cells[7] for row in runs_table(study(never)).rows] == ["done", "diverged", "done"]


def test_an_arm_that_a_failed_search_left_out_is_marked():
    failed = run("out", 0, (), state="failed", problem="no")
    out = replace(A, name="out", runs=(), searched=(failed, run("out", 0, (0.5,))))
    table = arms_table(study(B, out))
    assert cells(table, "out")["Not done"] == "search failed"
    assert [row.tone for row in table.rows] == ["", "bad"]


def test_the_search_shows_the_last_epoch():
    searched = (run("a", 0, (0.3, 0.5)), run("a", 0, (0.3, NAN), rate=1.0))
    table = search_table(study(replace(A, searched=searched)))
    assert table.rows[0].cells == ("a", "0.5000", "–", "0.1")
    nowhere = (run("a", 0, (NAN,)), run("a", 0, (0.5,), rate=1.0, state="failed"))
    table = search_table(study(replace(A, searched=nowhere)))
    assert table.rows[0].cells == ("a", "diverged", "failed", "0.1")


def test_first_steps_by_arm():
    """Half of the interval: 12.706205 * 0.1, of two pairs; 4.302653 * 0.1 / sqrt(3), of three."""
    base = logged("base", [[1.0] * 8, [2.0] * 8, [3.0] * 8])
    more = logged("more", [[1.4] * 8, [2.5] * 8, [3.6] * 8])
    less = logged("less", [[0.6] * 8, [1.8] * 8, [9.0] * 7])
    table = steps_table(study(base, more, less, baseline="base"))
    assert list(cells(table, "base")) == [
        "Arm", "First loss", "Mean of 8", "Difference of 8", "95 % of 8", "n of 8",
    ]  # fmt: skip
    assert list(cells(table, "base").values()) == [
        "base", "2.000", "2.000 ± 1.000", "reference", "–", "3",
    ]  # fmt: skip
    assert list(cells(table, "more").values())[2:] == [
        "2.500 ± 1.100", "+0.5000", "0.2516 to 0.7484", "3",
    ]  # fmt: skip
    assert list(cells(table, "less").values())[2:] == [
        "1.200 ± 0.849", "-0.3000", "-1.5706 to 0.9706", "2",
    ]  # fmt: skip
    assert "to base, the baseline" in table.note
    table = steps_table(study(less, more))
    assert (cells(table, "more")["n of 8"], cells(table, "less")["Difference of 8"]) == (
        "3 (2)", "reference",
    )  # fmt: skip
    assert "to less, the best arm" in table.note
    ratio = steps_table(study(*(logged(n, [LOSSES]) for n in "ab"), baseline="a"))
    assert cells(ratio, "b")["Ratio to a"] == "1.000"


def test_test_scores_by_arm():
    one = scored(A, {"accuracy": 0.5, "kl": 0.25, "ece": 1.0}, {"accuracy": 0.75}, None)
    single = scored(arm("single", [(0.5,), None]), {"accuracy": 0.9, "kl": 2.0}, None)
    table = scores_table(study(one, single, C))
    assert cells(table, "a") == {
        "Arm": "a", "Accuracy %": "62.5 ± 17.7", "KL divergence": "–", "n": "2",
    }  # fmt: skip
    assert list(cells(table, "single").values()) == ["single", "90.0", "2.000", "1"]
    assert list(cells(table, "c").values()) == ["c", "–", "–", "0"]
    assert [found.title for found in study_tables(study(one, C))] == ["Arms by val_loss", "Test"]
    unknown = scored(C, {"ece": 1.0}, None, None)  # no score that stands in summaries
    assert [found.title for found in study_tables(study(unknown))] == ["Arms by val_loss"]
