"""The run folder: stages are done once, runs never mix, one process at a time."""

import subprocess
import threading

import pytest

from utils.errors import UserError
from utils.files import write_text
from utils.run import AllTrained, Source, commit, run_folder, versions


def do(place, name, file, inputs=""):
    """Do a stage that makes one file; tell whether there was work."""
    with place.stage(name, makes=(file,), inputs=inputs) as stage:
        if stage.needed:
            write_text(place.folder / file, name)
    return stage.needed


def train(place):
    """Do the training, which makes one file."""
    with place.training(makes=("model",), inputs="") as stage:
        if stage.needed:
            write_text(place.folder / "model", "x")


def test_a_finished_stage_is_not_done_again(start, tmp_path):
    run = start()
    assert do(run.place(), "training", "model")
    assert not do(run.place(), "training", "model")


def test_a_stage_whose_file_is_gone_is_done_again_with_all_that_follow(start, tmp_path):
    run = start()
    first = run.place()
    do(first, "training", "model")
    do(first, "test", "scores")
    (run.folder / "model").unlink()
    second = run.place()
    assert do(second, "training", "model")
    assert do(second, "test", "scores")


def test_a_stage_that_failed_is_done_again(start, tmp_path):
    run = start()
    with pytest.raises(ZeroDivisionError), run.place().stage("test", makes=("x",)):
        write_text(run.folder / "x", "half")
        raise ZeroDivisionError
    assert do(run.place(), "test", "x")


def test_folds_have_folders_of_their_own(start, tmp_path):
    run = start()
    place = run.place("fold2")
    do(place, "training", "model")
    assert (run.folder / "fold2" / "model").exists()
    assert set(place.record) == {"training"}


def test_other_parameters_data_or_seed_are_another_folder(start, tmp_path):
    folders = set()
    changes = [{}, {"determining": {"epochs": 4}}, {"identity": "abd"}, {"seed": 1}, {"data": "x"}]
    for change in changes:
        run = start(**change)
        folders.add(run.folder)
        run.__exit__()
    assert len(folders) == len(changes)


def test_what_determines_nothing_changes_no_folder(start):
    first = start()
    first.__exit__()
    second = start(parameters={"epochs": 3, "limit": 2})
    assert second.folder == first.folder
    assert "limit: 2" in (second.folder / "parameters.yaml").read_text()
    assert second.parameters_yaml == "epochs: 3\nlimit: 2\n"


def test_the_folder_of_a_run_is_the_same_on_every_machine(tmp_path):
    decides = {"determining": {"epochs": 3}, "data": "demo", "identity": "abc", "seed": 0}
    folder = run_folder(tmp_path, "study/arm", **decides)
    assert folder == tmp_path / "study" / "arm" / "demo-0-5f5f57210f"


def test_latest_is_the_run_that_says_so(start, tmp_path):
    first = start()
    first.make_latest()
    start(seed=1)
    link = tmp_path / "runs" / "task1a" / "latest"
    assert link.resolve() == first.folder


def test_a_run_that_only_trains_ends_after_its_trainings(start, tmp_path):
    run = start(trainings=2)
    train(run.place("fold1"))
    do(run.place("fold1"), "test", "scores")
    train(run.place("fold1"))  # found, and no second one
    run.make_latest()
    with pytest.raises(AllTrained):
        train(run.place("fold2"))
    assert set(run.place("fold2").record) == {"training"}
    assert not (tmp_path / "runs" / "task1a" / "latest").is_symlink()


def test_a_folder_that_is_about_to_be_free_is_waited_for(start):
    first = start()
    release = threading.Timer(0.3, first.__exit__)
    release.start()
    assert start().folder == first.folder
    release.join()


def test_a_stage_whose_input_changed_is_done_again(start):
    run = start()
    assert do(run.place(), "training", "model", inputs="a")
    assert not do(run.place(), "training", "model", inputs="a")
    assert do(run.place(), "training", "model", inputs="b")


def test_stages_after_one_that_was_cut_off_are_done_again(start):
    """Cut off between training and test, the old test must not pass for the new model's."""
    run = start()
    do(run.place(), "training", "model", inputs="a")
    do(run.place(), "test", "scores")
    do(run.place(), "training", "model", inputs="b")
    assert set(run.place().record) == {"training"}
    assert do(run.place(), "test", "scores")


def test_time_of_earlier_processes_counts(start):
    run = start()
    with run.place().stage("training", makes=("model",)) as stage:
        write_text(run.folder / "model", "x")
        stage.earlier_seconds = 100.0
    assert 100.0 <= run.place().seconds["training"] < 110.0


def test_a_stage_with_a_cache_of_its_own_keeps_its_longest_time(start):
    run = start()
    with run.place().stage("features") as stage:
        stage.earlier_seconds = 50.0
    with run.place().stage("features") as stage:
        assert stage.needed
    assert 50.0 <= run.place().seconds["features"] < 60.0


def test_stages_of_other_code_are_told(start):
    first = start()
    do(first.place(), "training", "model")
    assert first.place().origins == ()
    first.__exit__()
    second = start(source=Source("def", {"numpy": "2"}))
    (note,) = second.place().origins
    assert "training was made by commit abc" in note


def test_markup_in_names_is_printed_as_it_is(start, tmp_path, console):
    start().say("left out: x [live] [/b].wav")
    console.file.flush()
    assert "x [live] [/b].wav" in (tmp_path / "console.txt").read_text()


def test_the_same_command_finds_its_folder_again(start, tmp_path):
    first = start()
    do(first.place(), "training", "model")
    first.__exit__()
    second = start()
    assert second.folder == first.folder
    assert not do(second.place(), "training", "model")


def test_overwrite_starts_anew(start, tmp_path):
    first = start()
    do(first.place("fold1"), "training", "model")
    first.__exit__()
    second = start(overwrite=True)
    assert do(second.place("fold1"), "training", "model")


def test_two_processes_do_not_share_a_folder(start, tmp_path, monkeypatch):
    monkeypatch.setattr("utils.run.folder._LOCK_SECONDS", 0.1)
    start()
    with pytest.raises(UserError, match="another process runs in this folder; wait for it to end"):
        start()
    with pytest.raises(UserError, match="another process runs this study"):
        start(busy="runs this study")


def test_a_folder_that_cannot_be_written_is_one_sentence(start, tmp_path):
    (tmp_path / "runs").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        start()


def test_tensorboard_logs_lie_in_the_folder_of_the_stages(start):
    assert start().place("fold1").tensorboard is None
    run = start(seed=1, tensorboard=True)
    assert run.place("fold1").tensorboard == run.folder / "fold1" / "tensorboard"


def test_headings_go_to_console_and_log(start, tmp_path, console):
    run = start()
    do(run.place("fold2"), "training", "model")
    console.file.flush()
    assert "fold2: training" in (tmp_path / "console.txt").read_text()
    assert "fold2: training took" in (run.folder / "log.txt").read_text()


def test_versions_are_those_installed():
    import numpy

    assert versions()["numpy"] == numpy.__version__


def test_commit_tells_of_changes(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True)

    assert commit(tmp_path) == ""
    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "one")
    clean = commit(tmp_path)
    (tmp_path / "a").write_text("2")
    assert len(clean) == 12
    assert commit(tmp_path) == f"{clean}+changes"
