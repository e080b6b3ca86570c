"""A study of two optimisers as its users run it: the search, the runs, a divergence, going on."""

import json
import shutil
from pathlib import Path

import pytest

from utils.report.results import read_results

pytestmark = pytest.mark.smoke

STUDY = """
  - set_id: optimizers
    description: optimisers on tones
    study:
      base: tiny
      common:
        training: {epochs: 1, log_steps: 3}
        export: {formats: [float32]}
        limits: {format: float32}
        evaluation: {bootstrap: 0}
      arms:
        adam: {training: {optimizer: {Adam: {learning_rate: 0.02}}}}
        sgd: {training: {optimizer: {SGD: {learning_rate: 0.1, global_clipnorm: 1.0}}}}
        wild: {training: {optimizer: {SGD: {learning_rate: 3.0e+38}}}, learning_rates: []}
      seeds: [0, 1]
      search: {learning_rates: [0.02, 0.1], epochs: 1}
      jobs: 2
      whole: false
"""


def outcome(runs: Path) -> dict:
    return json.loads((runs / "optimizers/latest/study.json").read_text())


def arms_of(found: dict) -> dict:
    return {arm["name"]: arm for arm in found["arms"]}


def without_times(found: dict) -> dict:
    """A study's outcome without what is different each time."""
    for arm in found["arms"]:
        for one in (arm, *arm["runs"], *arm["search"]):
            one.pop("seconds", None)
            one.pop("seconds_a_step", None)
    return found


def test_a_study_from_the_search_to_the_report(script, tau, tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    with tiny.open("a") as stream:
        stream.write(STUDY)
    arguments = ("-p", tiny, "--data", tau)
    assert script("-s", "optimizers", *arguments) == 0, capsys.readouterr().out
    runs, printed = tmp_path / "runs", capsys.readouterr().out
    found = outcome(runs)
    arms = arms_of(found)

    # the best rate of the search is taken; with the first seed it is the same run
    for name in ("adam", "sgd"):
        tried = {run["learning_rate"]: run["best"] for run in arms[name]["search"]}
        assert set(tried) == {0.02, 0.1}
        assert arms[name]["learning_rate"] == min(tried, key=tried.get)
        assert arms[name]["runs"][0]["best"] == min(tried.values())
    assert printed.count("  found  ") == 2

    # arms of a seed begin alike, those of another seed otherwise; then they part
    first = [{arm["runs"][seed]["losses"][0] for arm in found["arms"]} for seed in (0, 1)]
    assert list(map(len, first)) == [1, 1]
    assert first[0] != first[1]
    assert found["paired"] is True
    assert arms["adam"]["runs"][0]["losses"][1] != arms["sgd"]["runs"][0]["losses"][1]
    assert arms["sgd"]["above_clip"] > 0

    # one arm diverges, which is told and fails nothing
    assert [run["state"] for run in arms["wild"]["runs"]] == ["diverged", "diverged"]
    assert "Diverged: wild (2 of 2)." in printed

    # what was removed is done again, the rest is found
    shutil.rmtree(arms["adam"]["runs"][1]["folder"])
    assert script("-s", "optimizers", *arguments) == 0
    printed = capsys.readouterr().out
    assert (printed.count("  found  "), printed.count("  done  ")) == (7, 1)
    assert without_times(outcome(runs)) == without_times(found)

    # an arm is a set like any other: it goes on from its training, is listed, and predicts
    set_id = arms["sgd"]["runs"][0]["set_id"]
    assert script("-s", set_id, *arguments) == 0
    assert "training (reused)" in capsys.readouterr().out
    results = read_results(runs / set_id / "latest" / "results.json")
    assert results.set_id == set_id
    assert str((runs / set_id / "latest").resolve()) == arms["sgd"]["runs"][0]["folder"]
    assert script("-s", "optimizers", *arguments, "--show_results") == 0
    assert set_id in capsys.readouterr().out
    clip = tau / "audio" / "tram-lyon-4-4-a.wav"
    assert script("-m", "predict", clip, "-s", set_id, "-p", tiny, "-o", tmp_path / "said.csv") == 0
    assert len((tmp_path / "said.csv").read_text().splitlines()) == 2
