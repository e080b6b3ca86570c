"""Runs share a training when nothing differs before its end; arms of a study wait for it."""

from functools import partial

import pytest

from utils import backend, datasets
from utils.cli import Script, main
from utils.cli.runs import determining
from utils.cli.study_runs import Asked, next_to_start
from utils.config import load
from utils.datasets import Clip, DataSet, Fold
from utils.files import write_json
from utils.report.results import Results, write_results

SETS = """
sets:
  - {set_id: toy, task: toy, model: {layers: [Flatten]}}
  - {set_id: int8, based_on: toy, export: {formats: [int8]}}
  - {set_id: trained_int8, based_on: toy, export: {formats: [int8], qat: {epochs: 3}}}
  - {set_id: sparse, based_on: toy, compression: {zeros: {share: 0.5}}}
  - {set_id: limited, based_on: toy, limits: {format: float16}, evaluation: {bootstrap: 3}}
  - {set_id: longer, based_on: toy, training: {epochs: 7}}
  - {set_id: wider, based_on: toy, model: {layers: [{Dense: {units: 3}}, Flatten]}}
  - {set_id: louder, based_on: toy, augment: [Noise]}
  - {set_id: heard, based_on: toy, features: {n_mels: 20}}
  - {set_id: divided, based_on: toy, dataset: {validation: {amount: 0.4}}}
  - {set_id: both, based_on: toy, ensemble: [toy, longer], model: {layers: null}}
"""


@pytest.fixture
def earlier(tmp_path, monkeypatch):
    """What each run of a command may take over, by set and seed."""
    (tmp_path / "task.yaml").write_text(SETS)
    (tmp_path / "clip.wav").write_bytes(b"1")
    clip = Clip("clip.wav", tmp_path / "clip.wav", ("one",))
    data = DataSet("words", ("one", "two"), (Fold("fold1", (clip,), (clip,), ()),))
    monkeypatch.setattr(datasets, "load", lambda settings, **given: data)
    monkeypatch.setattr(backend, "start", lambda **given: ())
    monkeypatch.setattr("utils.cli.show.comparison", lambda *given: None)
    monkeypatch.setattr("utils.cli.runs.read_member", lambda folder: None)

    def command(*arguments):
        found = {}

        def develop(job, run, members=()):
            found[job.settings.set_id, job.settings.seed] = run.earlier
            results = Results(
                set_id=job.settings.set_id, description="", data=run.data,
                data_identity=run.identity, demo=False, seed=job.settings.seed, commit="",
                versions={}, stages={}, scores={},
            )  # fmt: skip
            write_results(run.folder / "results.json", results)
            return results

        nothing = dict.fromkeys(("evaluate", "predict", "score", "demo"))
        script = Script(
            name="toy", title="", folder=tmp_path, check=lambda job: None, develop=develop,
            combine=develop, **nothing,
        )  # fmt: skip
        assert main(script, [*arguments, "--data", str(tmp_path)]) == 0
        return found

    return command


def test_what_follows_the_training_has_no_say_in_it(earlier, tmp_path):
    alike = ("toy", "int8", "trained_int8", "sparse", "limited")
    found = earlier("-s", ",".join(alike))
    assert len({found[name, 0].identity for name in alike}) == 1
    assert found["toy", 0].runs == tmp_path / "runs"
    assert found["toy", 0].prefix == "words-0"


@pytest.mark.parametrize("name", ["longer", "wider", "louder", "heard", "divided"])
def test_what_comes_before_its_end_has(earlier, name):
    found = earlier("-s", f"toy,{name}")
    assert found[name, 0].identity != found["toy", 0].identity


def test_another_seed_is_another_training(earlier):
    found = earlier("-s", "toy", "--seed", "0,1")
    assert found["toy", 0].identity != found["toy", 1].identity
    assert found["toy", 1].prefix == "words-1"


def test_an_ensemble_has_no_training(earlier):
    assert earlier("-s", "both")["both", 0] is None


def test_a_run_waits_for_a_training_that_it_shares(tmp_path):
    a1, a2, b1 = (
        Asked(arm, None, 0, f"s/{arm}", tmp_path / arm, ("fold1", "fold2"), 2, training=arm[0])
        for arm in ("a1", "a2", "b1")
    )
    start = partial(next_to_start, anew=False)
    assert start([], [a1]) is None
    assert start([a1, a2, b1], []) == a1
    assert start([a2, b1], [a1]) == b1
    assert start([a2], [a1, b1]) is None
    assert next_to_start([a2], [a1, b1], anew=True) == a2
    for fold, there in (("fold1", None), ("fold2", a2)):
        folder = a1.folder / fold
        folder.mkdir(parents=True)
        (folder / "history.csv").write_text("epoch,loss")
        write_json(folder / "stages.json", {"training": {"seconds": 1.0}})
        assert start([a2], [a1, b1]) == there


def test_how_often_state_is_saved_makes_no_other_run(tmp_path):
    (tmp_path / "task.yaml").write_text(SETS)
    catalogue = load(tmp_path / "task.yaml")
    plain, rarely, longer = (
        determining(catalogue.resolve("toy", overrides=[f"training.{text}"]))
        for text in ("checkpoint_epochs=1", "checkpoint_epochs=5", "epochs=5")
    )
    assert plain == rarely != longer
