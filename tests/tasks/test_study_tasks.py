"""Studies of the tasks whose studies have no test of their own: words, urban sounds, events."""

from pathlib import Path

import pytest

from tests.tasks.studies import arms_of, in_this_process, outcome
from utils.cli.study_check import Checked
from utils.experiment.records import read_history

pytest_plugins = ["tests.tasks.sed_fixtures"]
pytestmark = pytest.mark.smoke

STUDY = """
  - set_id: optimizers
    description: optimisers on tones
    study:
      base: tiny
      common:
        training: {epochs: 2, log_steps: 3, schedule: {kind: constant, warmup_epochs: 0.0}}
        export: {formats: []}
        evaluation: {bootstrap: 0}
      arms:
        adam: {training: {optimizer: {Adam: {learning_rate: 0.01}}}}
        sgd: {training: {optimizer: {SGD: {learning_rate: 0.01}}}}
      seeds: [4]
"""

TASKS = {
    "words": ("dacon", "words", "tiny_words"),
    "urban sounds": ("urbansound", "urban", "tiny_urban"),
    "sound events": ("sed", "desed", "tiny_sed"),
}
"""Fixtures of a task: its script, its data, its parameter file."""


@pytest.mark.parametrize("task", TASKS)
def test_a_study_of_another_task(task, tmp_path, capsys, monkeypatch, request):
    script, data, parameters = map(request.getfixturevalue, TASKS[task])
    in_this_process(monkeypatch, script)
    monkeypatch.setattr("utils.cli.studies.ask", lambda command: Checked(gpus=0))
    with parameters.open("a") as stream:
        stream.write(STUDY)
    assert script("-s", "optimizers", "-p", parameters, "--data", data) == 0, capsys.readouterr()
    found = outcome(tmp_path / "runs")
    arms = arms_of(found)
    assert list(arms) == ["adam", "sgd"]

    # all begin alike: what was not yet trained has the loss of the same weights and batches
    adam, sgd = (arm["runs"][0] for arm in arms.values())
    assert found["paired"] is True
    assert adam["losses"][0] == pytest.approx(sgd["losses"][0], rel=1e-5)
    assert adam["losses"][-1] != pytest.approx(sgd["losses"][-1], rel=1e-4)

    # the table holds what the runs wrote
    for arm in arms.values():
        assert [run["state"] for run in arm["runs"]] == ["done"]
        folder = Path(arm["runs"][0]["folder"])
        rows = read_history(next(folder.rglob("history.csv")).parent)
        assert len(rows) == 2
        assert (folder / "results.json").exists()
    assert found["best"] in arms
