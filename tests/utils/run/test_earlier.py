"""A training that another run has done is taken over, and only that."""

import shutil

import pytest

from utils.files import write_text
from utils.run import Earlier, Source


@pytest.fixture
def run(start, tmp_path):
    """Open a run of a set that knows of all others; ``identity`` decides what is trained."""

    def open_one(set_id, identity="same", **changes):
        prefix = f"{changes.get('data', 'demo')}-{changes.get('seed', 0)}"
        earlier = Earlier(tmp_path / "runs", prefix, identity)
        return start(set_id=set_id, earlier=earlier, **changes)

    return open_one


def train(place, content="", *, makes=("model.keras",), inputs="a", **how):
    """Do the training with files of this content; tell whether there was work."""
    with place.training(makes=makes, inputs=inputs, **how) as stage:
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
    train(run("one").place(), "trained", makes=("model.keras", "history.csv"))
    second = run("two").place()

    def killed(path, target):
        target.write_bytes(path.read_bytes())
        target.write_bytes(path.read_bytes())
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("utils.run.earlier.shutil.copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            train(second, makes=("model.keras", "history.csv"))
    assert second.record == {}
    assert not train(second, makes=("model.keras", "history.csv"))


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
    train(run("one").place(), "trained", makes=("trained.keras",))
    one = run("one", seed=1).place()
    train(one, "trained too", makes=("trained.keras",))
    write_text(one.folder / "model.keras", "compressed")
    known_as = {"model.keras": ("trained.keras", "model.keras")}
    second = run("two", seed=1).place()
    assert not train(second, known_as=known_as)
    assert (second.folder / "model.keras").read_text() == "trained too"
    third = run("three", seed=1).place()
    assert not train(third, makes=("trained.keras",), known_as={"trained.keras": ("model.keras",)})


@pytest.mark.parametrize("option", ["overwrite", "tensorboard"])
def test_a_training_of_its_own_can_be_asked_for(run, option):
    train(run("one").place(), "old")
    own = run("two", **{option: True}).place()
    assert train(own, "own")
    own.run.__exit__()
    shutil.rmtree(own.run.folder.parents[1] / "one")
    assert not train(run("three").place())


def test_a_training_that_is_being_made_anew_is_not_waited_for(run, monkeypatch, console, tmp_path):
    train(run("one").place())

    def gone(path, target):
        raise FileNotFoundError(path)

    monkeypatch.setattr("utils.run.earlier.shutil.copyfile", gone)
    assert train(run("two").place())
    console.file.flush()
    assert "has the same training, but is being made anew" in (
        tmp_path / "console.txt"
    ).read_text().replace("\n", " ")


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
