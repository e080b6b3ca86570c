"""Members that are kept, read again, weighted and averaged."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from utils.datasets import DataSet
from utils.errors import UserError
from utils.evaluation import Predictions
from utils.experiment import Ensemble, Job, Member, keep, read_member
from utils.metrics.ensemble import fit_weights
from utils.report.results import ModelFacts, Results, write_results
from utils.run import Run, Source

CLIPS = 40


@pytest.fixture
def member(rng):
    """Make a member that knows the classes better or worse."""
    truth = np.zeros((CLIPS, 4), np.float32)
    for row in truth:
        row[rng.choice(4, 2, replace=False)] = 0.5

    def make(set_id: str, *, skill: float, parts: tuple[str, ...] = ("test", "out_of_fold")):
        predictions = {}
        for part in parts:
            powers = np.exp(skill * (truth > 0) + rng.normal(size=truth.shape))
            said = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
            names = tuple(f"{part}/{number}.wav" for number in range(CLIPS))
            known = None if part == "evaluation" else truth
            predictions[part] = Predictions(names, said, known)
        results = Results(
            set_id=set_id, description="", data="words", data_identity="", demo=False, seed=0,
            commit="", versions={}, stages={"training": 10.5, set_id: 1.0}, scores={},
            model=ModelFacts(100, 90, 80, 7000, 200),
        )  # fmt: skip
        return Member(results, predictions)

    return make


def test_weights_are_fitted_out_of_fold_and_used_for_every_part(member):
    parts = ("test", "out_of_fold", "evaluation")
    members = [member("good", skill=2.0, parts=parts), member("poor", skill=0.5, parts=parts)]
    ensemble = Ensemble.fit(members)
    stacked = [one.predictions["out_of_fold"].probabilities for one in members]
    expected = fit_weights(members[0].predictions["out_of_fold"].truth, np.stack(stacked))
    np.testing.assert_allclose(ensemble.weights, expected)
    assert 0.6 < ensemble.weights[0] < 0.999
    assert ensemble.parts == parts
    for part in parts:
        found, first = ensemble.predictions(part), members[0].predictions[part]
        assert found.names == first.names
        assert (found.truth is None) == (part == "evaluation")
        rows = [one.predictions[part].probabilities for one in members]
        np.testing.assert_allclose(found.probabilities, np.tensordot(expected, rows, 1), atol=1e-6)
    (note,) = ensemble.notes()
    assert f"good {expected[0]:.3f}, poor {expected[1]:.3f}." in note


def test_scores_of_the_clips_that_chose_the_weights_are_told_as_such(member):
    """With folds and no clips held out, all clips are test clips of some fold."""
    one = member("a", skill=1.0)
    one.results.scores["per_fold"] = {}
    *_, note = Ensemble.fit([one]).notes()
    assert note == "Its scores by fold are of the clips that chose these."
    one.predictions["test"] = one.predictions["out_of_fold"]
    *_, note = Ensemble.fit([one]).notes()
    assert note == "All of its scores are of the clips that chose these."


def test_a_part_that_one_member_lacks_is_none_of_the_ensemble(member):
    both = [
        member("a", skill=1.0, parts=("test", "out_of_fold", "evaluation")),
        member("b", skill=1.0),
    ]
    assert Ensemble.fit(both).parts == ("test", "out_of_fold")


@pytest.mark.parametrize("change", ["other clips", "other order"])
def test_members_of_other_clips_are_a_sentence(member, change):
    first, second = member("a", skill=1.0), member("b", skill=1.0)
    known = second.predictions["out_of_fold"]
    names = known.names[::-1]
    if change == "other clips":
        names = tuple(f"fold2-{name}" for name in known.names)
    second.predictions["out_of_fold"] = replace(known, names=names)
    with pytest.raises(UserError, match=r"b and a .*same dataset and training\.folds"):
        Ensemble.fit([first, second])


def test_what_is_kept_is_read_again(member, tmp_path):
    one = member("a", skill=1.0, parts=("test", "out_of_fold", "evaluation"))
    write_results(tmp_path / "results.json", one.results)
    keep(tmp_path, one.predictions)
    found = read_member(tmp_path)
    assert found.results == one.results
    assert set(found.predictions) == set(one.predictions)
    for part, predictions in one.predictions.items():
        again = found.predictions[part]
        assert again.names == predictions.names
        np.testing.assert_array_equal(again.probabilities, predictions.probabilities)
        assert (again.truth is None) == (part == "evaluation")
        if again.truth is not None:
            np.testing.assert_array_equal(again.truth, predictions.truth)
    np.testing.assert_allclose(Ensemble.fit([found]).weights, [1.0])


def test_what_is_kept_later_leaves_nothing_of_before(member, tmp_path):
    write_results(tmp_path / "results.json", member("a", skill=1.0).results)
    keep(tmp_path, member("a", skill=1.0, parts=("test", "out_of_fold", "evaluation")).predictions)
    later = member("a", skill=2.0)
    keep(tmp_path, later.predictions)
    found = read_member(tmp_path).predictions
    assert set(found) == {"test", "out_of_fold"}
    np.testing.assert_array_equal(
        found["test"].probabilities, later.predictions["test"].probabilities
    )


def test_an_ensemble_weighs_what_its_members_weigh_together(member, settings, tmp_path):
    console = Console(file=io.StringIO())
    data = DataSet("words", ("a", "b", "c", "d"), (), notes=("a note on the data",))
    job = Job(settings, {}, data, tmp_path, tmp_path, console, target="distribution")
    run = Run(tmp_path, console, "words", "identity", Source("commit", {"numpy": "2"}))
    ensemble = Ensemble.fit([member("good", skill=2.0), member("poor", skill=1.0)])
    results = ensemble.results(job, run, {"overall": {"kl": 0.5}})
    assert results.model == ModelFacts(200, 180, 160, 14_000, 400)
    assert results.stages == {"training": 21.0, "good": 1.0, "poor": 1.0}
    assert results.scores == {"overall": {"kl": 0.5}}
    assert results.notes == ("a note on the data", *ensemble.notes())
    assert (results.set_id, results.data_identity, results.commit) == ("test", "identity", "commit")
