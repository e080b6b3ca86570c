import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from utils.errors import UserError
from utils.report.results import Results, read_results, write_results


def test_what_is_written_is_read(tmp_path: Path, results: Results) -> None:
    write_results(tmp_path / "results.json", results)
    back = read_results(tmp_path / "results.json")
    assert json.loads(json.dumps(back.scores)) == json.loads(json.dumps(results.scores))
    assert replace(back, scores={}) == replace(results, scores={})


def test_programs_find_the_names_of_the_schema(tmp_path: Path, results: Results) -> None:
    write_results(tmp_path / "results.json", results)
    content = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert content["set_id"] == "task1a"
    assert content["scores"]["overall"]["log_loss"] == 1.4734
    assert content["model"]["macs"] == 286_637_800
    assert content["exports"]["int8"]["parameter_bytes"] == 46_512
    assert content["limits"][0] == {
        "name": "DCASE 2021 (128 KB)", "value": 46_506, "allowed": 128_000, "passed": True,
        "unit": "bytes", "judged": "int8",
    }  # fmt: skip


@pytest.mark.parametrize("undefined", [float("nan"), float("inf")])
def test_undefined_scores_become_null(tmp_path: Path, results: Results, undefined: float) -> None:
    scores = {"overall": {"accuracy": 0.5, "log_loss": undefined}, "confusion": [[undefined]]}
    write_results(tmp_path / "results.json", replace(results, scores=scores))
    back = read_results(tmp_path / "results.json")
    assert back.overall == {"accuracy": 0.5, "log_loss": None}
    assert back.scores["confusion"] == [[None]]


def _change(name: str) -> Callable[[dict[str, Any]], Any]:
    changes: dict[str, Callable[[dict[str, Any]], Any]] = {
        "seed": lambda content: content.pop("seed"),
        "colour": lambda content: content.update(colour="red"),
        "model.colour": lambda content: content["model"].update(colour="red"),
        "exports.int8.parameters": lambda content: content["exports"]["int8"].update(
            parameters="many"
        ),
    }
    return changes[name]


@pytest.mark.parametrize("place", ["seed", "colour", "model.colour", "exports.int8.parameters"])
def test_a_foreign_file_is_named_with_the_place(
    tmp_path: Path, results: Results, place: str
) -> None:
    path = tmp_path / "results.json"
    write_results(path, results)
    content = json.loads(path.read_text(encoding="utf-8"))
    _change(place)(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=f"results.json: is not a results.json .*{place}"):
        read_results(path)


@pytest.mark.parametrize("text", ["[1, 2]", "null"])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="the whole file"):
        read_results(tmp_path / "results.json")


def test_intervals_are_pairs_or_absent(results: Results) -> None:
    assert results.interval("accuracy") == (0.4571, 0.4971)
    assert results.interval("kl") is None
    broken = replace(results, scores={"intervals": {"accuracy": [0.1, None]}})
    assert broken.interval("accuracy") is None
