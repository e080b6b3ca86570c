"""What ``--show_results`` and a comparison print (``utils.cli.show``)."""

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from utils.cli import show
from utils.report.results import Results, write_results

Print = Callable[..., str]


@pytest.fixture
def printed() -> Print:
    """Calls a function with a console and gives what it printed."""

    def run(function: Callable[..., None], *arguments: object) -> str:
        stream = io.StringIO()
        function(Console(file=stream, width=120, color_system=None), *arguments)
        return stream.getvalue()

    return run


def test_one_unreadable_file_hides_no_other_run(
    tmp_path: Path, results: Results, printed: Print
) -> None:
    write_results(tmp_path / "task1a" / "good" / "results.json", results)
    for name, text in (("foreign [x]", '{"accuracy": 0.5}'), ("broken", "{")):
        path = tmp_path / "task1a" / name / "results.json"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    text = printed(show.results, [tmp_path], ["task1a"])
    assert "good" in text and "47.7" in text
    notes = [line for line in text.splitlines() if line.startswith("note: left out: ")]
    assert len(notes) == 2
    assert "broken/results.json: cannot be read as JSON" in notes[0]
    assert "foreign [x]/results.json: is not a results.json of this program" in notes[1]


def test_unreadable_files_alone_are_not_called_no_runs(tmp_path: Path, printed: Print) -> None:
    (tmp_path / "task1a" / "old").mkdir(parents=True)
    (tmp_path / "task1a" / "old" / "results.json").write_text("[]", encoding="utf-8")
    text = printed(show.results, [tmp_path], ["task1a"])
    assert text.startswith("note: left out: ") and "no finished runs" not in text
    assert printed(show.results, [tmp_path], ["other"]) == "no finished runs yet\n"


def test_a_run_is_listed_once_though_latest_leads_to_it(
    tmp_path: Path, results: Results, printed: Print
) -> None:
    bracketed = replace(results, description="[live] and [/x]")
    write_results(tmp_path / "task1a" / "good" / "results.json", bracketed)
    (tmp_path / "task1a" / "latest").symlink_to("good")
    text = printed(show.results, [tmp_path], ["task1a"])
    assert text.count("47.7") == 1 and "[live] and [/x]" in text


def test_runs_of_a_studys_arms_are_listed(tmp_path: Path, results: Results, printed: Print) -> None:
    for arm in ("sgd", "adam@0.1"):
        one = replace(results, set_id=f"study/{arm}")
        write_results(tmp_path / "study" / arm / "good" / "results.json", one)
    (tmp_path / "study" / "sgd" / "latest").symlink_to("good")
    (tmp_path / "study" / "latest").symlink_to("sgd")  # would be the study's own folder
    text = printed(partial(show.results, studies=["study"]), [tmp_path], ["study", "task1a"])
    assert (text.count("study/sgd"), text.count("study/adam@0.1")) == (1, 1)
    assert printed(show.results, [tmp_path], ["study"]) == "no finished runs yet\n"


def test_a_comparison_says_a_broken_limit_once_for_all_seeds(
    tmp_path: Path, results: Results, printed: Print
) -> None:
    limits = tuple(replace(verdict, name="[2022]") for verdict in results.limits[-1:])
    runs = [replace(results, seed=seed, limits=limits) for seed in (0, 1)]
    text = printed(show.comparison, runs, tmp_path / "[both]")
    assert text.count("task1a breaks the MAC limit [2022]") == 1
    assert "mean" in text
    assert "[both]/comparison.html" in text
