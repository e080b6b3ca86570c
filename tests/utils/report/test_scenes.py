import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from utils.report.plots import WrongClip
from utils.report.scenes import class_table, group_table, pick_wrong, scene_sections
from utils.report.tables import show

MakeScores = Callable[..., dict[str, Any]]


def test_the_table_has_the_form_of_the_baseline(make_scores: MakeScores) -> None:
    table = class_table(make_scores())
    headings = [column.name for column in table.columns]
    assert " ".join(headings) == "Scene Logloss A B C S1 S2 S3 S4* S5* S6* Acc. %"
    assert table.rows[0].cells[:3] == ("airport", "1.101", "1.003")
    assert table.rows[0].cells[-1] == "30.0"
    assert [row.cells[0] for row in table.rows[-2:]] == ["Logloss", "Accuracy"]
    assert table.rows[-2].cells[1:4] == ("1.473", "1.081", "1.281")
    assert table.rows[-2].cells[-1] == ""
    assert table.rows[-1].cells[1:4] == ("", "63.1", "60.1")
    assert table.rows[-1].cells[-1] == "47.7"


@pytest.mark.parametrize("width", [120, 80])
def test_each_scene_stands_on_one_line(make_scores: MakeScores, width: int) -> None:
    table = class_table(make_scores())
    stream = io.StringIO()
    show(Console(file=stream, width=width, color_system=None), table)
    lines = [line.split() for line in stream.getvalue().splitlines()]
    for row in table.rows:
        cells = [cell for cell in row.cells[1:] if cell]
        assert sum(line[1:] == cells for line in lines) == 1


def test_large_losses_still_fit_80_columns(make_scores: MakeScores) -> None:
    scores = make_scores()
    scores["per_class"]["tram"]["per_device"]["s6"]["log_loss"] = 13.456
    stream = io.StringIO()
    show(Console(file=stream, width=80, color_system=None), class_table(scores))
    tram = next(line for line in stream.getvalue().splitlines() if line.startswith("tram"))
    assert "13.456" in tram and len(tram) <= 80


def test_a_class_without_clips_on_a_device_is_a_dash(make_scores: MakeScores) -> None:
    scores = make_scores()
    scores["per_class"]["bus"]["per_device"]["s6"] = {
        "accuracy": None, "log_loss": None, "clips": 0,
    }  # fmt: skip
    del scores["per_class"]["bus"]["per_device"]["a"]
    cells = class_table(scores).rows[1].cells
    assert (cells[2], cells[10]) == ("–", "–")


def test_without_devices_there_are_no_device_columns(make_scores: MakeScores) -> None:
    scores = make_scores(())
    table = class_table(scores)
    assert [c.name for c in table.columns] == ["Class", "Logloss", "Acc. %", "F1 %", "Clips"]
    assert table.rows[0].cells == ("airport", "1.101", "30.0", "25.0", "33")
    assert table.rows[-1].cells == ("Accuracy", "", "47.7", "", "")
    assert [row.cells[0] for row in group_table(scores).rows] == ["all (macro)", "all (micro)"]
    titles = [section.title for section in scene_sections(scores)]
    assert titles == ["Results", "Confusion"]


def test_seen_stand_against_unseen_devices_with_intervals(make_scores: MakeScores) -> None:
    rows = group_table(make_scores()).rows
    assert rows[0].cells == (
        "all (macro)", "47.7", "45.7 to 49.7", "1.473", "1.423 to 1.525", "2,970",
    )  # fmt: skip
    assert rows[1].cells[:4] == ("all (micro)", "47.8", "–", "1.474")
    assert rows[2].cells[:3] == ("seen devices", "51.2", "49.0 to 53.0")
    assert rows[3].cells[:2] == ("unseen devices (S4, S5, S6)", "38.9")


def test_the_most_confident_mistakes_of_different_kinds_come_first() -> None:
    probabilities = np.array(
        [
            [0.1, 0.9, 0.0],  # 0 taken for 1, most confident
            [0.2, 0.8, 0.0],  # the same pair again
            [0.9, 0.1, 0.0],  # right
            [0.3, 0.0, 0.7],  # 0 taken for 2
            [0.6, 0.4, 0.0],  # 1 taken for 0
        ]
    )
    truth = np.array([0, 0, 0, 0, 1])
    assert pick_wrong(probabilities, truth, number=3).tolist() == [0, 3, 4]
    assert pick_wrong(probabilities, truth, number=9).tolist() == [0, 3, 4, 1]
    assert pick_wrong(probabilities, truth, number=0).size == 0
    assert pick_wrong(probabilities[2:3], truth[2:3], number=3).size == 0


def test_sections_follow_what_is_known(make_scores: MakeScores, rng: np.random.Generator) -> None:
    clip = WrongClip("audio/a.wav", rng.normal(size=(40, 50)), "bus", "tram", 0.9)
    sections = scene_sections(make_scores(), wrong=[clip], hop_seconds=0.02)
    assert [s.title for s in sections] == ["Results", "Confusion", "Devices", "Wrong clips"]
    assert sections[0].tables[0].title == "Scores"
    assert sections[3].figures[0].png.startswith(b"\x89PNG")
