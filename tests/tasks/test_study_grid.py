"""A search over sizes as its users run it: a network too many, the runs, the front, going on."""

import json

import pytest

from utils.report.results import read_results

pytestmark = pytest.mark.smoke

GRID = """
  - set_id: sizes
    description: widths of a network on tones
    study:
      base: tiny
      common:
        model: {use: null, layers: [
          Conv2D: {filters: $WIDTH, kernel_size: 3}, BatchNormalization, ReLU,
          GlobalAveragePooling2D, Dense: {units: $CLASS_COUNT, activation: softmax}]}
        training: {epochs: 1}
        export: {formats: [int8]}
        evaluation: {bootstrap: 0}
      grid:
        model.constants.WIDTH: [2, 4, 40]
      under: {int8_bytes: 700}
      seeds: [0]
      jobs: 2
"""


def test_a_search_from_the_grid_to_the_front(script, tau, tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    with tiny.open("a") as stream:
        stream.write(GRID)
    arguments = ("-s", "sizes", "-p", tiny, "--data", tau)
    assert script(*arguments) == 0, capsys.readouterr().out
    printed = capsys.readouterr().out
    folder = (tmp_path / "runs/sizes/latest").resolve()
    found = json.loads((folder / "study.json").read_text())

    # 9 x 40 + 10 x 40 weights, 40 + 10 biases
    (out,) = found["left_out"]
    assert (out["name"], out["reasons"]) == (
        "width40", ["960 of 700 bytes (int8), by study.under"],
    )  # fmt: skip
    assert "left out before training: width40: 960 of 700 bytes" in printed
    assert not (tmp_path / "runs/sizes/width40").exists()

    # what is told of the others is what their files are and score
    arms = {arm["name"]: arm for arm in found["arms"]}
    assert list(arms) == ["width2", "width4"]
    for arm in arms.values():
        results = read_results(tmp_path / "runs" / arm["runs"][0]["set_id"] / "latest/results.json")
        file = results.exports["int8"]
        assert arm["bytes"] == file.non_zero_bytes
        assert arm["macs"] == results.model.macs
        assert arm["file_test"]["mean"] == file.scores["accuracy"]
    counted = json.loads((folder / "costs.json").read_text())
    for name, arm in arms.items():
        whole = counted[f"sizes/{name}"]["int8_bytes"]
        assert whole - 8 <= arm["bytes"] <= whole  # a weight may be 0
    assert found["front"]["bytes"][0] == "width2"
    assert {path.name for path in folder.glob("*.png")} == {"front_bytes.png", "front_mac.png"}
    assert "Score against size" in (folder / "report.html").read_text()

    # the same command finds everything, and counts nothing again
    monkeypatch.setattr("utils.cli.studies.ask", None)
    assert script(*arguments) == 0
    printed = capsys.readouterr().out
    assert (printed.count("  found  "), printed.count("  done  ")) == (2, 0)
    assert json.loads((folder / "study.json").read_text()) == found
    assert script(*arguments, "--show_results") == 0
    assert "sizes/width4" in capsys.readouterr().out
