import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from utils.report.comparison import (
    broken_by_any,
    comparison_picture,
    comparison_table,
    results_table,
    training_seconds,
    write_comparison,
)
from utils.report.results import Results
from utils.report.tables import show


def test_sets_stand_in_the_given_order_with_scores_and_costs(
    results: Results, layer5: Results
) -> None:
    table = comparison_table([layer5, results])
    assert [row.cells[0] for row in table.rows] == ["task1a_layer5", "task1a"]
    assert table.rows[1].cells[1:] == (
        "47.7 ± 2.0", "1.473 ± 0.051", "46,246", "46,512", "286.64", "1,423", "MAC",
    )  # fmt: skip
    assert table.rows[0].cells[-1] == "size, parameters, MAC"
    assert [row.tone for row in table.rows] == ["bad", "bad"]


@pytest.mark.parametrize("width", [120, 80])
def test_a_set_keeps_its_numbers_on_one_line(results: Results, layer5: Results, width: int) -> None:
    table = comparison_table([results, layer5])
    stream = io.StringIO()
    show(Console(file=stream, width=width, color_system=None), table)
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for row in table.rows:
        line = next(line for line in text.splitlines() if line.startswith(f"{row.cells[0]} "))
        assert all(cell in line for cell in row.cells[:-1])


def test_kept_limits_and_no_limits_are_told_apart(results: Results) -> None:
    kept = replace(results, limits=results.limits[:2])
    table = comparison_table([kept, replace(results, limits=())])
    assert [(row.cells[-1], row.tone) for row in table.rows] == [("none", "good"), ("–", "")]


def test_the_judged_format_is_shown_where_all_runs_have_it(
    results: Results, layer5: Results
) -> None:
    judged = tuple(replace(v, judged="float16") for v in results.limits)
    sixteen = replace(results, limits=judged)
    assert comparison_table([sixteen]).columns[4].name == "float16 bytes"
    assert comparison_table([sixteen, layer5]).columns[4].name == "int8 bytes"


def test_scores_on_different_data_are_not_compared_silently(results: Results) -> None:
    other = replace(results, data_identity="0000000000")
    assert "different data" in comparison_table([results, other]).note
    assert "different data" not in comparison_table([results, results]).note


def test_intervals_are_explained_where_there_are_any(results: Results) -> None:
    without = replace(results, scores={"overall": results.overall})
    assert comparison_table([without]).rows[0].cells[1] == "47.7"
    assert comparison_table([without]).note == ""
    assert comparison_table([results]).note.startswith("±")


@pytest.fixture
def seeds(results: Results) -> list[Results]:
    """The baseline with three seeds: accuracies 0.4, 0.5, 0.6 and log losses 1.0, 1.2, 1.7."""
    pairs = ((0.4, 1.0), (0.5, 1.2), (0.6, 1.7))
    return [
        replace(
            results,
            seed=seed,
            scores={**results.scores, "overall": {"accuracy": accuracy, "log_loss": loss}},
        )
        for seed, (accuracy, loss) in enumerate(pairs)
    ]


def test_seeds_are_told_apart_and_end_in_mean_and_deviation(
    seeds: list[Results], layer5: Results
) -> None:
    table = comparison_table([*seeds, layer5])
    assert table.columns[1].name == "Seed"
    assert [row.cells[:2] for row in table.rows] == [
        ("task1a", "0"), ("task1a", "1"), ("task1a", "2"), ("task1a_layer5", "0"),
        ("task1a", "mean"),
    ]  # fmt: skip
    mean = table.rows[-1]
    assert mean.summary and not any(row.summary for row in table.rows[:-1])
    assert mean.cells[2:4] == ("50.0 ± 10.0", "1.300 ± 0.361")
    assert set(mean.cells[4:]) == {""}
    assert table.note == (
        "± of a run: half the width of the 95 % bootstrap interval. "
        "± of a mean: standard deviation over seeds (n - 1)."
    )


def test_sets_with_one_seed_each_have_no_mean(results: Results, layer5: Results) -> None:
    table = comparison_table([results, replace(layer5, seed=1)])
    assert [row.cells[1] for row in table.rows] == ["0", "1"]
    assert "seeds" not in table.note
    assert comparison_table([results, layer5]).columns[1].name != "Seed"


def test_means_are_over_seeds_on_the_same_data_with_known_scores(seeds: list[Results]) -> None:
    first, second, third = seeds
    elsewhere = replace(second, data_identity="0000000000")
    assert not any(row.summary for row in comparison_table([first, elsewhere]).rows)
    twice = comparison_table([first, first, second]).rows[-1]
    assert twice.cells[2] == "45.0 ± 7.1"
    unknown = replace(third, scores={"overall": {"accuracy": None, "log_loss": 1.4}})
    assert comparison_table([first, second, unknown]).rows[-1].cells[2:4] == ("–", "1.200 ± 0.200")


def test_the_plot_and_the_page_tell_seeds_apart(tmp_path: Path, seeds: list[Results]) -> None:
    svg = comparison_picture(seeds).svg
    assert all(f">task1a, seed {run.seed}<" in svg for run in seeds)
    text = write_comparison(tmp_path, seeds).read_text(encoding="utf-8")
    assert "<h1>task1a</h1>" in text and "<dd>0, 1, 2</dd>" in text
    assert text.count("task1a breaks the MAC limit") == len(broken_by_any(seeds)) == 1
    assert "| **task1a** | **mean** | **50.0 ± 10.0** |" in (tmp_path / "comparison.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("width", [120, 80])
def test_seeds_stay_on_one_line(seeds: list[Results], width: int) -> None:
    stream = io.StringIO()
    show(Console(file=stream, width=width, color_system=None), comparison_table(seeds))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert any("mean" in line and "50.0 ± 10.0" in line for line in lines)


def test_training_time_adds_the_folds(results: Results) -> None:
    folds = replace(results, stages={"fold1/training": 10.0, "fold2/training": 5.5, "export": 9.0})
    assert training_seconds(folds) == 15.5
    assert training_seconds(replace(results, stages={"export": 9.0})) is None


def test_the_plot_names_sets_scores_and_limits(results: Results, layer5: Results) -> None:
    svg = comparison_picture([results, layer5]).svg
    for text in ("task1a_layer5", "47.7", "1.473", "45.4", "562.0", "higher is better", "limit"):
        assert f">{text}" in svg or f"{text})" in svg, text


def test_operations_are_those_of_what_the_networks_take(results: Results) -> None:
    stems = replace(results, scores={"overall": {"sdr_improvement": 4.0}})
    for run, label in ((results, "MMAC per clip"), (stems, "MMAC per window")):
        svg = comparison_picture([run]).svg
        assert f">{label}" in svg, label


def test_runs_without_model_or_scores_can_be_drawn(results: Results) -> None:
    bare = replace(results, scores={"overall": {"accuracy": None}}, model=None, exports={})
    assert comparison_picture([bare]).svg
    assert comparison_table([bare]).rows[0].cells[1:5] == ("–", "–", "–", "–")


def test_three_files_hold_one_table_and_one_plot(
    tmp_path: Path, results: Results, layer5: Results
) -> None:
    page = write_comparison(tmp_path, [results, layer5])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "comparison.html", "comparison.md", "comparison.png",
    ]  # fmt: skip
    text = page.read_text(encoding="utf-8")
    assert text.count("<table>") == 1 and text.count("<svg") == 1
    assert "task1a_layer5 breaks the size limit" in text
    markdown = (tmp_path / "comparison.md").read_text(encoding="utf-8")
    assert "47.7 ± 2.0" in markdown and "(comparison.png)" in markdown
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_one_demo_run_marks_the_comparison(tmp_path: Path, results: Results) -> None:
    page = write_comparison(tmp_path, [results, replace(results, demo=True)])
    assert "Demo data." in page.read_text(encoding="utf-8")


def test_show_results_lists_runs(results: Results) -> None:
    table = results_table([("ab12cd34ef", results)])
    assert table.rows[0].cells == (
        "task1a", "tau_urban_2020_mobile", "0", "47.7", "1.473", "ab12cd34ef",
        "DCASE 2021 Task 1A baseline",
    )  # fmt: skip
    assert results_table([]).rows == ()
