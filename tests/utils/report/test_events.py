import html
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from utils.report.comparison import comparison_table, write_comparison
from utils.report.events import class_table, event_sections, event_tables, overall_table
from utils.report.html import write_report
from utils.report.results import Results, read_results, write_results
from utils.report.size import export_table
from utils.report.tables import Table, show

MakeScores = Callable[..., dict[str, Any]]
PER_FOLD = {
    "folds": {"fold1": {"psds_scenario1": 0.34}, "fold2": {"psds_scenario1": 0.36}},
    "mean": {"psds_scenario1": 0.35},
    "deviation": {"psds_scenario1": 0.0141},
}


def shown(*tables: Table, width: int = 80) -> list[str]:
    stream = io.StringIO()
    show(Console(file=stream, width=width, color_system=None), *tables)
    return stream.getvalue().splitlines()


def test_scores_stand_with_their_intervals(make_event_scores: MakeScores) -> None:
    table = overall_table(make_event_scores())
    assert [row.cells for row in table.rows] == [
        ("PSDS 1", "0.351", "0.331 to 0.372"),
        ("PSDS 2", "0.553", "0.532 to 0.573"),
        ("Event F1 %", "42.1", "40.1 to 44.2"),
        ("Intersection F1 %", "64.1", "–"),
        ("Segment F1 %", "71.3", "–"),
        ("PSDS 1, 50 thresholds", "0.340", "–"),
        ("PSDS 2, 50 thresholds", "0.530", "–"),
        ("PSDS 2 as of 2021", "0.543", "–"),
    ]
    assert table.note.startswith("1,168 clips, 3.22 hours.")
    assert "over all thresholds where no number of them is named" in table.note
    assert table.note.endswith("the one of 50, moved.")


def test_scores_of_tables_name_their_thresholds(make_event_scores: MakeScores) -> None:
    scores = {**make_event_scores(), "tables": 50, "f1_threshold": 0.49}
    note = overall_table(scores).note
    assert "PSDS is of 50 thresholds, F1 at 0.49." in note and "moved" not in note
    assert "95 %" not in overall_table({**scores, "intervals": {}}).note


def test_classes_stand_in_their_order_and_are_summed_up(make_event_scores: MakeScores) -> None:
    scores = make_event_scores()
    rows = class_table(scores).rows
    assert [row.cells[0] for row in rows] == [*scores["classes"], "all"]
    assert rows[1].cells == ("Blender", "33.3", "53.4", "63.5", "0.321", "0.522", "553")
    assert rows[-1].cells == ("all", "42.1", "64.1", "71.3", "0.351", "0.553", "10,185")
    assert rows[-1].summary and not rows[-2].summary


def test_what_is_unknown_is_a_dash(make_event_scores: MakeScores) -> None:
    scores = make_event_scores()
    names = ("event_f1", "intersection_f1", "segment_f1", "psds_scenario1", "psds_scenario2")
    scores["per_class"]["Cat"] = {**dict.fromkeys(names), "events": 0}
    assert class_table(scores).rows[2].cells == ("Cat", "–", "–", "–", "–", "–", "0")
    scores["overall"] = dict.fromkeys(scores["overall"])
    assert {row.cells[1] for row in overall_table(scores).rows} == {"–"}


def test_the_console_fits_80_columns(make_event_scores: MakeScores, event_results: Results) -> None:
    tables = event_tables({**make_event_scores(), "per_fold": PER_FOLD})
    assert [table.title for table in tables] == ["Classes", "Folds", "Scores"]
    lines = shown(*tables, export_table(event_results), comparison_table([event_results]))
    assert max(map(len, lines)) <= 80
    for table in tables:
        for row in table.rows:
            cells = " ".join(cell for cell in row.cells if cell).split()
            assert any(line.split() == cells for line in lines), row.cells
    assert [table.title for table in event_tables(make_event_scores())] == ["Classes", "Scores"]


def test_sections_are_results_and_curves(make_event_scores: MakeScores) -> None:
    sections = event_sections(make_event_scores())
    assert [section.title for section in sections] == ["Results", "PSD-ROC"]
    assert [table.title for table in sections[0].tables] == ["Scores", "Classes"]
    assert "Scenario 1: PSDS 0.351" in html.unescape(sections[1].figures[0].svg)


@pytest.mark.parametrize("plain", [False, True])
def test_a_report_of_events_is_written(tmp_path: Path, event_results: Results, plain: bool) -> None:
    run = event_results
    if plain:
        run = replace(run, model=None, exports={}, limits=())
    write_results(tmp_path / "results.json", run)
    assert read_results(tmp_path / "results.json").scores["overall"] == run.overall
    write_report(tmp_path / "report.html", run, event_sections(run.scores), "set_id: task4_sed\n")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for told in ("PSDS 1", "0.351", "95 %: 0.331 to 0.372", "Vacuum_cleaner", "PSD-ROC"):
        assert told in text


def test_a_comparison_of_events_is_written(tmp_path: Path, event_results: Results) -> None:
    other = replace(event_results, set_id="task4_sed_wide")
    text = write_comparison(tmp_path, [event_results, other]).read_text(encoding="utf-8")
    assert "PSDS 1 (higher is better)" in text
    row = comparison_table([event_results]).rows[0]
    assert row.cells[:4] == ("task4_sed", "0.351 ± 0.020", "0.553 ± 0.021", "42.1 ± 2.0")
