"""A training that another run has done is taken over, and only that."""

import shutil

import pytest

from utils.files import write_bytes, write_text
from utils.run import CHECKPOINT, DIVERGED, Earlier, Source


@pytest.fixture
def run(start, tmp_path):
    """Open a run of a set that knows of all others; ``identity`` decides what is trained."""

    def open_one(set_id, identity="same", **changes):
        prefix = f"{changes.get('data', 'demo')}-{changes.get('seed', 0)}"
        earlier = Earlier(tmp_path / "runs", prefix, identity)
        return start(set_id=set_id, earlier=earlier, **changes)

    return open_one


def train(place, content="", *, makes=("model.keras",), inputs="a"):
    """Do the training with files of this content; tell whether there was work."""
    with place.training(makes=makes, inputs=inputs) as stage:
        if stage.needed:
            for name in makes:
                write_text(place.folder / name, content)
    return stage.needed


def test_the_same_training_is_done_once(run):
    first, second = run("one").place(), run("two").place()
    assert train(first, "trained")
    assert not train(second)
    assert (second.folder / "model.keras").read_text() == "trained"
    assert second.seconds == first.seconds
    assert not train(second)


def test_a_killed_copy_is_made_again(run, monkeypatch):
    makes = ("model.keras", "history.csv")
    train(run("one").place(), "trained", makes=makes)
    second = run("two").place()

    def killed(path, content):
        write_bytes(path, content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("utils.run.place.write_bytes", killed)
        with pytest.raises(KeyboardInterrupt):
            train(second, makes=makes)
    assert second.record == {}
    assert not train(second, makes=makes)


@pytest.mark.parametrize(
    "change", [{"identity": "other"}, {"seed": 1}, {"data": "demos"}], ids=lambda one: str(one)
)
def test_another_training_is_not_taken_over(run, change):
    train(run("one").place())
    assert train(run("two", **change).place())


def test_a_training_of_other_audio_is_not_taken_over(run):
    train(run("one").place(), inputs="a")
    assert train(run("two").place(), inputs="b")


def test_a_training_without_all_that_is_wanted_is_not_taken_over(run):
    train(run("one").place())
    assert train(run("two").place(), makes=("model.keras", "steps.csv"))


def test_a_training_that_is_not_over_is_not_taken_over(run):
    first = run("one").place()
    write_text(first.folder / "model.keras", "half")
    assert train(run("two").place())


def test_each_fold_is_looked_for_by_itself(run):
    train(run("one").place("fold1"))
    second = run("two")
    assert not train(second.place("fold1"))
    assert train(second.place("fold2"))


def test_arms_of_studies_and_sets_take_from_each_other(run):
    train(run("one").place())
    assert not train(run("study/arm").place())
    train(run("study/other", identity="new").place())
    assert not train(run("two", identity="new").place())


def test_a_file_may_have_another_name_there(run):
    """Where a network was compressed, model.keras is not what the training left."""
    one = run("one").place()
    train(one, "trained", makes=("trained.keras", "history.csv"))
    write_text(one.folder / "model.keras", "compressed")
    second = run("two").place()
    assert not train(second, makes=("model.keras", "history.csv"))
    assert (second.folder / "model.keras").read_text() == "trained"
    shutil.rmtree(one.folder)
    third = run("three").place()
    assert not train(third, makes=("trained.keras", "history.csv"))
    assert (third.folder / "trained.keras").read_text() == "trained"
    assert not (third.folder / "model.keras").exists()


def test_a_file_that_is_gone_is_not_taken_from_what_followed(run):
    one = run("one").place()
    train(one, "trained", makes=("trained.keras",))
    write_text(one.folder / "model.keras", "compressed")
    (one.folder / "trained.keras").unlink()
    assert train(one, makes=("trained.keras",))
    (one.folder / "trained.keras").unlink()
    assert train(run("two").place())


def test_a_training_that_is_under_way_goes_on(run):
    """One that was to be made anew, and was cut off, is not given up for the old one."""
    train(run("one").place())
    second = run("two").place()
    write_text(second.folder / CHECKPOINT, "epoch 3")
    assert train(second)


def test_a_damaged_record_of_another_run_is_none(run):
    first = run("one").place()
    train(first)
    (first.folder / "stages.json").write_text("{")
    assert train(run("two").place())


def test_what_diverged_once_has_not_any_more(run):
    train(run("one").place())
    second = run("two").place()
    write_text(second.folder / DIVERGED, "{}")
    assert not train(second)
    assert not (second.folder / DIVERGED).exists()


@pytest.mark.parametrize("option", ["overwrite", "tensorboard"])
def test_a_training_of_its_own_can_be_asked_for(run, option):
    train(run("one").place(), "old")
    own = run("two", **{option: True}).place()
    assert train(own, "own")
    own.run.__exit__()
    shutil.rmtree(own.run.folder.parents[1] / "one")
    assert not train(run("three").place())


def test_later_stages_rest_on_the_training_that_was_there(run):
    train(run("one").place(), inputs="b")
    second = run("two").place()
    train(second, inputs="a")
    with second.stage("test", makes=("scores",)):
        write_text(second.folder / "scores", "old")
    assert not train(second, inputs="b")
    assert set(second.record) == {"training"}


def test_where_a_training_comes_from_is_told(run):
    first = run("one", source=Source("abc", {"numpy": "1"}))
    train(first.place())
    second = run("two").place()
    train(second)
    taken, made = second.origins
    assert f"training is that of one/{first.folder.name}" in taken
    assert "made by commit abc, maybe with other package versions" in made
    shutil.rmtree(first.folder)
    third = run("three").place()
    assert not train(third)
    assert third.record["training"]["from"] == f"one/{first.folder.name}"
