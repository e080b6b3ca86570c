"""A study of two optimisers as its users run it: the search, the runs, a divergence, going on."""

import shutil
from pathlib import Path

import pytest

from tests.tasks.conftest import imported
from tests.tasks.separation_data import write_songs, write_tiny_separation
from tests.tasks.studies import arms_of, in_this_process, outcome
from utils.cli.study_check import Checked
from utils.experiment.records import read_history as history
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
        sgd:
          training: {optimizer: {SGD: {learning_rate: 0.1, global_clipnorm: 1.0}}}
          learning_rates: []
        wild: {training: {optimizer: {SGD: {learning_rate: 3.0e+38}}}, learning_rates: []}
      seeds: [0, 1]
      search: {learning_rates: [0.02, 0.1], epochs: 1, widen: 0}
      jobs: 2
      whole: false
"""


def without_times(found: dict) -> dict:
    """A study's outcome without what is different each time."""
    for arm in found["arms"]:
        for one in (arm, *arm["runs"], *arm["search"]):
            one.pop("seconds", None)
            one.pop("seconds_a_step", None)
    return found


def test_a_study_from_the_search_to_the_report(script, tau, tiny, tmp_path, capsys, monkeypatch):
    """Runs in processes of their own are those of the study of a network that separates."""
    in_this_process(monkeypatch, script)
    monkeypatch.setenv("COLUMNS", "160")
    with tiny.open("a") as stream:
        stream.write(STUDY)
    arguments = ("-p", tiny, "--data", tau)
    assert script("-s", "optimizers", *arguments) == 0, capsys.readouterr().out
    runs, printed = tmp_path / "runs", capsys.readouterr().out
    found = outcome(runs)
    arms = arms_of(found)

    # the best rate of the search is taken; with the first seed it is the same run
    tried = {run["learning_rate"]: run["best"] for run in arms["adam"]["search"]}
    assert set(tried) == {0.02, 0.1}
    assert arms["adam"]["learning_rate"] == min(tried, key=tried.get)
    assert arms["adam"]["runs"][0]["best"] == min(tried.values())
    assert printed.count("  found  ") == 1
    assert arms["sgd"]["search"] == []

    # runs that only train leave nothing else, and no link that -m predict would follow
    trained = Path(arms["sgd"]["runs"][1]["folder"])
    assert (trained / "model.keras").exists()
    assert not {"results.json", "predictions.npz"} & {path.name for path in trained.iterdir()}
    assert not list((runs / "optimizers").glob("*/latest"))

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
    checked = Checked(gpus=0)  # as the process said above
    monkeypatch.setattr("utils.cli.studies.ask", lambda command: checked)
    assert script("-s", "optimizers", *arguments) == 0
    printed = capsys.readouterr().out
    assert (printed.count("  found  "), printed.count("  done  ")) == (5, 1)
    assert without_times(outcome(runs)) == without_times(found)

    assert_an_arm_is_a_set(script, arms, arguments, tau, tmp_path, capsys)


def assert_an_arm_is_a_set(script, arms, arguments, tau, tmp_path, capsys):
    """It goes on from its training, is listed, and predicts."""
    runs, clip = tmp_path / "runs", tau / "audio" / "tram-lyon-4-4-a.wav"
    for_one = ("-m", "predict", clip, *arguments[:2], "-o", tmp_path / "said.csv")
    set_id = arms["sgd"]["runs"][0]["set_id"]
    assert script(*for_one, "-s", set_id) == 2
    assert "has no trained model yet" in capsys.readouterr().err
    assert script("-s", set_id, *arguments) == 0
    assert "training (reused)" in capsys.readouterr().out
    results = read_results(runs / set_id / "latest" / "results.json")
    assert results.set_id == set_id
    assert str((runs / set_id / "latest").resolve()) == arms["sgd"]["runs"][0]["folder"]
    assert script("-s", "optimizers", *arguments, "--show_results") == 0
    assert set_id in capsys.readouterr().out
    assert script(*for_one, "-s", set_id) == 0
    assert len((tmp_path / "said.csv").read_text().splitlines()) == 2
    assert script(*for_one, "-s", "optimizers/adam@0.5") == 2
    assert "With another learning rate" not in capsys.readouterr().err
    (runs / "optimizers/sgd@0.7").mkdir()
    (runs / "optimizers/sgd@0.7/latest").symlink_to(runs / set_id / "latest")
    assert script(*for_one, "-s", "optimizers/sgd@0.5") == 2
    assert "With another learning rate there is one: " in capsys.readouterr().err


def test_an_arm_that_cannot_be_built_is_told_before_any_run(script, tau, tiny, tmp_path, capsys):
    with tiny.open("a") as stream:
        stream.write(STUDY.replace("{Adam:", "{Adma:").replace("{SGD: {learn", "{SDG: {learn"))
    assert script("-s", "optimizers", "-p", tiny, "--data", tau) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "set optimizers/adam: " in message
    assert "unknown optimiser 'Adma'" in message
    assert "set optimizers/sgd: " in message
    assert list((tmp_path / "runs" / "optimizers").glob("*/*/history.csv")) == []


SEPARATION = """
  - set_id: rates
    description: two optimisers on songs of tones
    study:
      base: tiny
      common:
        training: {epochs: 2, log_steps: 4}
        export: {formats: []}
      arms:
        adam:
          training:
            optimizer: {Adam: {learning_rate: 0.01}}
            schedule: {kind: step, step_epochs: 1, factor: 0.5}
        sgd: {training: {optimizer: {SGD: {learning_rate: 0.01}}}}
      seeds: [3]
      metric: val_loss
      baseline: sgd
      jobs: 2
"""


def test_a_study_of_a_network_that_separates(tmp_path, capsys):
    songs = write_songs(tmp_path / "songs")
    parameters = write_tiny_separation(tmp_path)
    with parameters.open("a") as stream:
        stream.write(SEPARATION)
    separation = imported("task_separation")
    assert separation("-s", "rates", "-p", parameters, "--data", songs) == 0, capsys.readouterr()
    found = outcome(tmp_path / "runs", "rates")
    arms = arms_of(found)

    # the arms of a seed see the same batches from the same weights
    adam, sgd = (arm["runs"][0]["losses"] for arm in found["arms"])
    assert adam[0] == pytest.approx(sgd[0], rel=1e-5)
    assert adam[3] != pytest.approx(sgd[3], rel=1e-4)
    assert found["paired"] is True

    # what the table says is what the runs wrote
    for arm in found["arms"]:
        tables = [history(Path(run["folder"])) for run in arm["runs"]]
        best = [min(row["val_loss"] for row in rows) for rows in tables]
        assert [run["best"] for run in arm["runs"]] == best
        assert arm["mean"] == pytest.approx(*best)
        assert all((Path(run["folder"]) / "test.json").exists() for run in arm["runs"])
    assert arms["adam"]["ratio"] == pytest.approx(arms["adam"]["mean"] / arms["sgd"]["mean"])
    assert found["best"] == "adam"
    rates = [row["learning_rate"] for row in history(Path(arms["adam"]["runs"][0]["folder"]))]
    assert rates == pytest.approx([0.01, 0.005])
    assert f"{arms['sgd']['mean']:.6f}"[:4] in capsys.readouterr().out
