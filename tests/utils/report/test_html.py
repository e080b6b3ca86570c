import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from utils.errors import UserError
from utils.report.html import training_section, write_report
from utils.report.plots import WrongClip
from utils.report.results import Results
from utils.report.scenes import scene_sections
from utils.report.section import Section
from utils.report.tables import Column, Row, Table

EMPTY_ELEMENTS = {"meta", "img", "br", "link", "input", "hr"}


class _Reader(HTMLParser):
    """Checks that tags are closed in order; collects text, ids and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in EMPTY_ELEMENTS:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "action"):
                self.addresses.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY_ELEMENTS:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style" and data.strip():
            self.texts.append(data.strip())


def _read(path: Path) -> _Reader:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


@pytest.fixture
def report(tmp_path: Path, results: Results, rng: np.random.Generator) -> Path:
    """A whole report with every kind of block."""
    history = [{"epoch": 1, "loss": 2.0, "val_loss": 2.1}, {"epoch": 2, "loss": 1.0, "val_loss": 2}]
    clip = WrongClip("audio/a.wav", rng.normal(size=(40, 50)), "bus", "tram", 0.9)
    sections = (
        training_section(history, best_epoch=2),
        *scene_sections(results.scores, wrong=[clip], hop_seconds=0.02),
    )
    path = tmp_path / "report.html"
    write_report(path, results, sections, "set_id: task1a\nseed: 0\n")
    return path


def test_the_report_shows_all_that_was_promised(report: Path) -> None:
    texts = _read(report).texts
    for expected in (
        "task1a", "tau_urban_2020_mobile (5f1c0a9b3e)", "f7144b0a1c2d",
        "47.7 %", "95 %: 45.7 to 49.7", "1.473", "286.64 M", "45.4 KB", "3 of 4",
        "street_pedestrian", "unseen devices (S4, S5, S6)", "Log loss per device",
        "2 epochs; the weights of epoch 2 are kept.", "3.1e-02", "BatchNormalization", "3.15.1",
    ):  # fmt: skip
        assert expected in texts, expected
    assert any("lisbon-1000" in text for text in texts)
    assert any("task1a breaks the MAC limit" in text for text in texts)
    assert any("set_id: task1a" in text for text in texts)


def test_sections_come_in_order_and_the_contents_lead_to_them(report: Path) -> None:
    reader = _read(report)
    names = ["Notes", "Training", "Results", "Confusion", "Devices", "Wrong clips",
             "Export and limits", "Layers", "Parameters", "Environment"]  # fmt: skip
    start = reader.texts.index("Notes")
    assert reader.texts[start : start + len(names)] == names
    parts = [address for address in reader.addresses if address.startswith("#part-")]
    assert [part[1:] for part in parts] == [i for i in reader.ids if i.startswith("part-")]


def test_the_report_needs_no_other_file_and_runs_nothing(report: Path) -> None:
    reader = _read(report)
    assert "script" not in reader.tags and "link" not in reader.tags
    assert all(a.startswith(("#", "data:image/png;base64,")) for a in reader.addresses)
    text = report.read_text(encoding="utf-8")
    assert not re.findall(r"url\((?!#)|@import", text)


def test_all_text_is_escaped(tmp_path: Path, results: Results) -> None:
    evil = "<script>alert('x')</script>"
    changed = replace(results, set_id=evil, description=evil, notes=(evil,), data=evil)
    table = Table(evil, (Column(evil, words=True),), (Row((evil,)),), evil)
    path = tmp_path / "report.html"
    write_report(path, changed, [Section(evil, evil, (evil,), (table,), (), evil)], evil)
    reader = _read(path)
    assert "script" not in reader.tags
    assert reader.texts.count(evil) >= 10


def test_demo_data_is_said_in_a_banner_with_its_differences(
    tmp_path: Path, results: Results
) -> None:
    differences = {"training": {"epochs": 12, "select": {"after_epoch": 0}}}
    demo = replace(results, demo=True, data="demo", differences_in_demo=differences)
    write_report(tmp_path / "demo.html", demo, [], "")
    write_report(tmp_path / "real.html", results, [], "")
    texts = _read(tmp_path / "demo.html").texts
    assert "Demo data." in texts
    assert texts[texts.index("training.select.after_epoch") + 1] == "0"
    assert "Demo data." not in _read(tmp_path / "real.html").texts


def test_costs_of_a_network_that_separates_are_those_of_a_window(
    tmp_path: Path, results: Results
) -> None:
    stems = replace(results, scores={"overall": {"si_sdr_improvement": 4.5}})
    for run, word, other in ((results, "clip", "window"), (stems, "window", "clip")):
        write_report(tmp_path / "report.html", run, [], "")
        text = " ".join(_read(tmp_path / "report.html").texts)
        for label in (f"MAC per {word}", f"ms per {word}", f"KB for one {word}"):
            assert label in text
        assert f"MAC per {other}" not in text and f"for one {other}" not in text


def test_folds_are_listed_with_mean_and_deviation(tmp_path: Path, results: Results) -> None:
    per_fold = {
        "folds": {"fold1": {"accuracy": 0.7, "log_loss": 1.0}, "fold2": {"accuracy": 0.8}},
        "mean": {"accuracy": 0.75, "log_loss": 1.0},
        "deviation": {"accuracy": 0.0707, "log_loss": None},
    }
    changed = replace(results, scores={**results.scores, "per_fold": per_fold})
    write_report(tmp_path / "report.html", changed, [], "")
    texts = _read(tmp_path / "report.html").texts
    start = texts.index("fold2")
    assert texts[start : start + 9] == [
        "fold2", "80.0", "–", "mean", "75.0", "1.000", "deviation", "7.1", "–",
    ]  # fmt: skip


def test_curves_of_several_folds_are_told_apart_and_closed_at_first(
    tmp_path: Path, results: Results
) -> None:
    history = [{"epoch": 1, "loss": 2.0}]
    folds = [training_section(history, best_epoch=1, fold=name) for name in ("fold1", "fold2")]
    alone = training_section(history, best_epoch=1)
    assert [section.title for section in folds] == ["Training: fold1", "Training: fold2"]
    assert (alone.title, alone.folded) == ("Training", False)
    write_report(tmp_path / "report.html", results, folds, "")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<summary><h2>Training: fold2</h2></summary>" in text


def test_a_run_of_little_still_gives_a_report(tmp_path: Path, results: Results) -> None:
    bare = replace(
        results, scores={}, model=None, exports={}, limits=(), notes=(), commit="", stages={}
    )
    write_report(tmp_path / "report.html", bare, [], "")
    texts = _read(tmp_path / "report.html").texts
    assert "unknown" in texts
    assert "Notes" not in texts and "Export and limits" not in texts


def test_the_same_run_gives_the_same_bytes(
    tmp_path: Path, results: Results, make_scores: Callable[..., dict[str, Any]]
) -> None:
    for name in ("a.html", "b.html"):
        write_report(tmp_path / name, results, scene_sections(make_scores()), "seed: 0")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path, results: Results) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        write_report(tmp_path / "file" / "report.html", results, [], "")
