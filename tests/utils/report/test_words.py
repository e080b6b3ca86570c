import html
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from utils.report.comparison import comparison_table, results_table, write_comparison
from utils.report.folds import fold_table
from utils.report.html import write_report
from utils.report.results import Results, read_results, write_results
from utils.report.size import export_table
from utils.report.tables import Table, show
from utils.report.words import overall_table, word_sections, word_table, word_tables

MakeScores = Callable[..., dict[str, Any]]
PER_FOLD = {
    "folds": {"fold1": {"kl": 1.35, "top4_recall": 0.53}, "fold2": {"kl": 1.25}},
    "mean": {"kl": 1.3, "top4_recall": 0.53},
    "deviation": {"kl": 0.0707, "top4_recall": None},
}


def shown(*tables: Table, width: int = 80) -> list[str]:
    stream = io.StringIO()
    show(Console(file=stream, width=width, color_system=None), *tables)
    return stream.getvalue().splitlines()


def test_scores_stand_beside_what_knowing_nothing_gives(make_word_scores: MakeScores) -> None:
    table = overall_table(make_word_scores())
    assert [row.cells for row in table.rows] == [
        ("KL divergence", "1.311", "1.291 to 1.331", "2.015", "0.704"),
        ("Top-4 recall %", "54.7", "53.9 to 55.5", "13.3", "41.4"),
        ("Calibration error", "0.0012", "", "", ""),
    ]
    assert table.note.startswith("1,500 clips.")
    assert "among the 4 most likely, equals drawn by lot" in table.note


def test_intervals_of_mixtures_are_said_to_be_blind_to_speakers(
    make_word_scores: MakeScores,
) -> None:
    scores = make_word_scores()
    assert overall_table(scores).note.endswith("so too narrow for new speakers.")
    assert "95 %" not in overall_table({**scores, "intervals": {}}).note
    alone = {**scores, "words": 1, "intervals": {"kl": [1.2, 1.4]}}
    alone["overall"] = {**scores["overall"], "top1_recall": 0.5}
    assert "95 %" not in overall_table(alone).note


def test_the_table_of_folds_says_what_it_scores(make_word_scores: MakeScores) -> None:
    scores = {**make_word_scores(), "per_fold": PER_FOLD}
    together = fold_table(scores)
    held_out = fold_table({**scores, "out_of_fold": {"kl": 1.35}})
    assert together is not None and held_out is not None
    assert together.note.startswith(
        "Each fold: its own test part; the other scores are of these parts together. Deviation:"
    )
    assert "of clips held out of all folds, by the mean of all their networks" in held_out.note
    assert fold_table(make_word_scores()) is None


def test_accuracy_of_unequal_classes_stands_beside_the_share_of_clips() -> None:
    equal = {"accuracy": 0.5, "accuracy_micro": 0.5}
    summary = {"folds": {"fold1": equal, "fold2": equal}, "mean": equal, "deviation": equal}
    table = fold_table({"per_fold": summary})
    assert table is not None
    assert [column.name for column in table.columns] == ["Fold", "Accuracy %"]
    other = {"accuracy": 0.5, "accuracy_micro": 0.75}
    table = fold_table({"per_fold": {**summary, "folds": {"fold1": equal, "fold2": other}}})
    assert table is not None
    assert table.rows[1].cells == ("fold2", "50.0", "75.0")
    assert "micro the share of the clips" in table.note


def test_scores_without_intervals_and_with_other_parts(make_word_scores: MakeScores) -> None:
    scores = make_word_scores()
    before = {**make_word_scores(), "overall": {**scores["overall"], "kl": 1.42}}
    scores |= {"intervals": {}, "uncalibrated": before, "out_of_fold": {"kl": 1.35}}
    rows = [row.cells[:3] for row in overall_table(scores).rows]
    assert rows[:3] == [
        ("KL divergence", "1.311", "–"),
        ("KL divergence, before calibration", "1.420", ""),
        ("KL divergence, out of fold", "1.350", ""),
    ]


def test_each_word_has_a_row_in_the_order_of_the_classes(make_word_scores: MakeScores) -> None:
    scores = make_word_scores()
    table = word_table(scores)
    assert [row.cells[0] for row in table.rows] == scores["classes"]
    assert table.rows[1].cells == ("bird", "41.9", "32.3", "0.053", "0.022", "191")
    absent = dict.fromkeys(("recall", "average_precision", "mean_present"))
    scores["per_class"]["bed"] |= {**absent, "clips": 0}
    assert word_table(scores).rows[0].cells == ("bed", "–", "–", "–", "0.021", "0")


def test_another_number_of_words_names_the_recall(make_word_scores: MakeScores) -> None:
    scores = make_word_scores(("bed", "bird", "cat", "dog"))
    scores |= {"words": 2, "intervals": {}}
    scores["overall"] = {"kl": 0.5, "top2_recall": 0.75, "kl_uniform": 0.69, "ece": 0.01}
    row = overall_table(scores).rows[1]
    assert row.cells == ("Top-2 recall %", "75.0", "–", "50.0", "25.0")


def test_the_console_fits_80_columns(make_word_scores: MakeScores, word_results: Results) -> None:
    scores = {**make_word_scores(), "per_fold": PER_FOLD, "out_of_fold": {"kl": 1.35}}
    tables = (*word_tables(scores), export_table(word_results), comparison_table([word_results]))
    assert [table.title for table in tables[:3]] == ["Words", "Folds", "Scores"]
    lines = shown(*tables)
    assert max(map(len, lines)) <= 80
    for table in tables[:3]:
        for row in table.rows:
            cells = " ".join(cell for cell in row.cells if cell).split()
            assert any(line.split() == cells for line in lines), row.cells
    assert [table.title for table in word_tables(make_word_scores())] == ["Words", "Scores"]


def test_sections_are_results_words_and_calibration(make_word_scores: MakeScores) -> None:
    scores = make_word_scores()
    sections = word_sections(scores)
    assert [section.title for section in sections] == ["Results", "Words", "Calibration"]
    assert [table.title for table in sections[0].tables] == ["Scores", "Words"]
    texts = html.unescape(sections[2].figures[0].svg)
    assert "probabilities (error 0.0012)" in texts
    scores["uncalibrated"] = {**make_word_scores(), "calibration": {"ece": 0.0034, "bins": []}}
    scores["uncalibrated"]["calibration"]["bins"] = scores["calibration"]["bins"]
    texts = html.unescape(word_sections(scores)[2].figures[0].svg)
    assert "before (error 0.0034)" in texts and "after (error 0.0012)" in texts


def test_exports_and_comparisons_show_the_scores_of_words(word_results: Results) -> None:
    table = export_table(word_results)
    headings = [column.name for column in table.columns]
    assert headings[-3:] == ["KL divergence", "Top-4 recall %", "ms per clip"]
    assert table.rows[-1].cells[-3:] == ("1.312", "54.7", "4.22")
    assert "adds 3.68 to its clip's KL divergence" in table.note and "log loss" not in table.note
    row = comparison_table([word_results]).rows[0]
    assert row.cells[:3] == ("dacon", "1.311 ± 0.020", "54.7 ± 0.8")
    assert results_table([("1a2b", word_results)]).rows[0].cells[3:5] == ("1.311", "54.7")


@pytest.mark.parametrize("plain", [False, True])
def test_a_report_of_words_is_written(tmp_path: Path, word_results: Results, plain: bool) -> None:
    scores = {**word_results.scores, "per_fold": PER_FOLD}
    run = replace(word_results, scores=scores)
    if plain:  # an ensemble has no network and no files of its own
        run = replace(word_results, model=None, exports={}, limits=())
    write_results(tmp_path / "results.json", run)
    assert read_results(tmp_path / "results.json").overall == run.overall
    write_report(tmp_path / "report.html", run, word_sections(run.scores), "set_id: dacon\n")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    headlines = re.findall(
        r"KL divergence|Top-4 recall|1\.311|54\.7 %|95 %: 1\.291 to 1\.331", text
    )
    assert set(headlines) >= {"KL divergence", "1.311", "54.7 %", "95 %: 1.291 to 1.331"}
    assert ("Deviation: standard deviation over folds" in text) is not plain
    assert "Accuracy" not in text


@pytest.mark.parametrize("plain", [False, True])
def test_a_comparison_of_words_is_written(
    tmp_path: Path, word_results: Results, results: Results, plain: bool
) -> None:
    other = replace(word_results, set_id="ensemble")
    if plain:
        other = replace(other, model=None, exports={}, limits=())
    page = write_comparison(tmp_path, [word_results, other])
    text = page.read_text(encoding="utf-8")
    assert "KL divergence (lower is better)" in text
    assert "top-4 recall (%, higher is better)" in text
    assert "accuracy" not in text.lower()
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    mixed = comparison_table([results, word_results])
    assert [c.name for c in mixed.columns[1:5]] == [
        "Accuracy %", "Log loss", "KL divergence", "Top-4 recall %",
    ]  # fmt: skip
    assert "different data" in mixed.note
