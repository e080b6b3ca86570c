import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from utils.report.comparison import (
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


def test_training_time_adds_the_folds(results: Results) -> None:
    folds = replace(results, stages={"fold1/training": 10.0, "fold2/training": 5.5, "export": 9.0})
    assert training_seconds(folds) == 15.5
    assert training_seconds(replace(results, stages={"export": 9.0})) is None


def test_the_plot_names_sets_scores_and_limits(results: Results, layer5: Results) -> None:
    svg = comparison_picture([results, layer5]).svg
    for text in ("task1a_layer5", "47.7", "1.473", "45.4", "562.0", "higher is better", "limit"):
        assert f">{text}" in svg or f"{text})" in svg, text


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
