"""What a study runs, finds, leaves out and tells; its runs are stand-ins of some milliseconds."""

import csv
import itertools
import os
import sys
import time
from pathlib import Path

import pytest

from utils.cli.study_progress import StudyProgress
from utils.errors import UserError

ALL = [("s/adam", 0), ("s/adam", 1), ("s/sgd", 0), ("s/sgd", 1)]


def test_every_arm_runs_with_every_seed_and_the_best_is_told(study, tmp_path, capsys):
    assert study("-s", "s") == 0
    assert study.names() == ALL
    printed = capsys.readouterr().out
    assert printed.count("Mind this.") == 1
    assert "seed 1  done      3/3  val_loss 1.766" in printed
    assert "Best by val_loss: adam." in printed
    outcome = study.outcome
    assert (outcome["best"], outcome["metric"], outcome["mode"]) == ("adam", "val_loss", "min")
    sgd = study.arm("sgd")
    assert sgd["mean"] == pytest.approx(1.75 + 1 / 128)
    assert sgd["to_best"] == {"mean": 0.5, "low": 0.5, "high": 0.5, "n": 2}
    assert [run["epoch"] for run in sgd["runs"]] == [2, 2]
    assert sgd["runs"][0]["curve"] == [1.875, 1.75, 1.875]
    assert [sgd["runs"][0][name] for name in ("last", "seconds", "state")] == [1.875, 2.5, "done"]
    folder = (tmp_path / "runs/s/latest").resolve()
    assert folder.name.startswith("words-")
    with (folder / "study.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["arm"], row["seed"]) for row in rows] == [
        ("sgd", "0"), ("sgd", "1"), ("adam", "0"), ("adam", "1"),
    ]  # fmt: skip
    assert "Best arm" in (folder / "report.html").read_text()
    assert "s/adam, seed 1: done" in (folder / "log.txt").read_text()


def test_a_run_is_a_command_of_the_script_with_the_same_arguments(study, tmp_path):
    (tmp_path / "my.yaml").write_text("sets: []\n")
    more = ("-p", tmp_path / "my.yaml", "--tensorboard", "--override", "training.batch_size=5")
    assert study("-s", "s", "--seed", "7", *more) == 0
    assert study.commands[0] == [
        sys.executable, str(tmp_path / "toy.py"), "-s", "s/sgd", "--seed", "7", "--tensorboard",
        "-p", str(tmp_path / "my.yaml"), "--data", str(tmp_path),
        "--override", "training.batch_size=5",
    ]  # fmt: skip
    assert study.outcome["seeds"] == [7]


def test_what_is_done_is_found_and_what_was_removed_is_done_again(study, tmp_path, capsys):
    assert study("-s", "s") == 0
    before = study.outcome
    study.made()
    assert study("-s", "s") == 0
    assert study.names() == []
    assert capsys.readouterr().out.count("  found  ") == 4
    assert study.outcome == before
    (results,) = (tmp_path / "runs/s/sgd").glob("words-1-*/results.json")
    results.unlink()
    assert study("-s", "s") == 0
    assert study.names() == [("s/sgd", 1)]
    assert study.outcome == before


def test_the_scores_of_the_test_part_are_shown(study, capsys):
    assert study("-s", "s") == 0
    (found,) = study.arm("adam")["test"].items()
    assert found[0] == "accuracy"
    assert (found[1]["mean"], found[1]["n"]) == (0.5625, 2)
    assert "Scores of the test part" in capsys.readouterr().out
    assert study("-s", "s", "--override", "study.whole=false", "study.seeds=[2]") == 0
    assert study.arm("adam")["test"] == {}


def test_overwrite_starts_every_run_anew(study):
    assert study("-s", "s") == 0
    study.made()
    assert study("-s", "s", "--overwrite") == 0
    assert study.names() == ALL
    assert "--overwrite" in study.commands[-1]


def test_other_parameters_are_another_study(study, tmp_path):
    assert study("-s", "s") == 0
    first = (tmp_path / "runs/s/latest").resolve()
    for override in ("training.batch_size=5", "study.seeds=[0, 2]", "study.metric=val_loss"):
        assert study("-s", "s", "--override", override) == 0
        same = override == "study.metric=val_loss"  # which is that of the base
        assert ((tmp_path / "runs/s/latest").resolve() == first) is same


WILD = "study.arms.sgd.training.optimizer.SGD.learning_rate=100.0"
BROKEN = "study.arms.sgd.training.optimizer.SGD.learning_rate=13.0"


def test_an_arm_that_diverges_is_a_result(study, capsys):
    assert study("-s", "s", "--override", WILD) == 0
    assert study.names() == ALL[:2]
    sgd = study.arm("sgd")
    assert [run["state"] for run in sgd["runs"]] == ["diverged", "diverged"]
    assert (sgd["mean"], sgd["n"]) == (None, 0)
    printed = capsys.readouterr().out
    assert "2 diverged" in printed
    assert "Diverged: sgd (2 of 2)." in printed
    assert study("-s", "s", "--override", WILD) == 0
    assert study.names() == []


def test_nothing_but_divergence_is_a_failure(study, capsys):
    study.add("      search: {learning_rates: [100.0, 1000.0]}\n")
    assert study("-s", "s") == 2
    assert study.made() == []
    assert study.outcome["best"] is None
    printed = capsys.readouterr().out
    assert "Diverged at every learning rate of the search: sgd, adam." in printed


def test_a_run_that_fails_stops_no_other_and_is_told_at_the_end(study, tmp_path, capsys):
    assert study("-s", "s", "--override", BROKEN) == 2
    assert study.names() == ALL[:2]
    sentence = "s/sgd, seed 0: model: the network has no output; name one."
    lines = capsys.readouterr().out.splitlines()
    assert sentence in lines[-2]
    assert [run["state"] for run in study.arm("sgd")["runs"]] == ["failed", "failed"]
    (tmp_path / "mended").touch()
    assert study("-s", "s", "--override", BROKEN) == 0
    assert study.names() == ALL[2:]


@pytest.mark.parametrize(("cores", "at_a_time"), [(6, 3), (3, 2), (2, 2), (1, 1)])
def test_so_many_run_at_a_time(study, monkeypatch, cores, at_a_time):
    import joblib

    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    study.behaviour["meet"] = at_a_time  # none ends before so many have begun
    assert study("-s", "s") == 0
    spans = [(began, over) for *_, began, over, _ in study.made()]
    at_once = [sum(a <= began < b for a, b in spans) for began, _ in spans]
    assert max(at_once) == at_a_time


def test_they_share_the_cores(study, monkeypatch):
    import joblib

    monkeypatch.setattr(joblib, "cpu_count", lambda: 6)
    assert study("-s", "s") == 0
    assert {threads for *_, threads in study.made()} == {"2"}  # of three
    study.behaviour["meet"] = 2
    assert study("-s", "s", "--seed", "0", "--overwrite") == 0
    assert {threads for *_, threads in study.made()} == {"3"}  # of two runs that there are


@pytest.mark.parametrize(("gpus", "more"), [(0, ("--override", "study.jobs=1")), (1, ())])
def test_they_run_one_by_one_where_that_is_asked_for_and_on_a_gpu(study, gpus, more):
    study.gpus = gpus
    assert study("-s", "s", *more) == 0
    made = study.made()
    spans = sorted((began, over) for *_, began, over, _ in made)
    assert len(spans) == len(ALL)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(spans))
    assert {threads for *_, threads in made} == {None}  # all of them


def test_on_a_gpu_so_many_run_at_a_time_as_the_study_says(study):
    study.gpus, study.behaviour["meet"] = 1, 2
    assert study("-s", "s", "--override", "study.jobs=2") == 0
    assert study.names() == ALL


def test_every_arm_is_built_before_any_run_and_not_again_for_nothing(study, monkeypatch, capsys):
    def refuse(command):
        raise UserError("set s/sgd: training.optimizer: unknown optimiser 'SDG'.")

    with monkeypatch.context() as patch:
        patch.setattr("utils.cli.studies.ask", refuse)
        assert study("-s", "s") == 2
    assert "error: set s/sgd: training.optimizer" in capsys.readouterr().err
    assert study.commands == []
    assert study("-s", "s") == 0
    (command,) = study.asked
    assert command[2:5] == ["-s", "s/sgd,s/adam", "--check_only"]
    assert study("-s", "s") == 0
    assert len(study.asked) == 1


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("more", "words"),
    [((), "the same command goes on"), (("--overwrite",), "command without --overwrite goes on")],
)
def test_an_interruption_ends_the_runs_and_the_command_goes_on(
    study, monkeypatch, capsys, more, words
):
    study.behaviour["sleep"] = 30.0
    begun: list[int] = []
    before = set(children())  # other tests may have left workers that are still there

    def interrupt(self, running):
        begun.extend(int(pid) for pid in set(children()) - before)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StudyProgress, "draw", interrupt)
        start = time.monotonic()
        assert study("-s", "s", *more, "--override", "study.jobs=2") == 130
        assert time.monotonic() - start < 25
    assert len(begun) >= 2
    assert not any(is_alive(pid) for pid in begun)
    assert words in capsys.readouterr().err
    study.behaviour["sleep"] = 0.0
    assert study("-s", "s", "--override", "study.jobs=2") == 0
    assert study.names() == ALL


def children() -> list[str]:
    """Process ids of this process's children."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_a_run_that_only_trains_ends_with_its_training(study):
    study.add("      search: {learning_rates: [0.1, 0.01], epochs: 2, widen: 0}\n")
    assert study("-s", "s") == 0
    short = ["training.epochs=2" in command for command in study.commands]
    assert ["--until_trained" in command for command in study.commands] == short
    assert {True, False} == set(short)
    study.commands.clear()
    assert study("-s", "s", "--override", "study.whole=false", "--overwrite") == 0
    assert all("--until_trained" in command for command in study.commands)


NOWHERE = "study.arms.sgd.training.optimizer.SGD.learning_rate=14.0"


def test_a_run_whose_metric_is_never_a_number_diverged(study, capsys):
    assert study("-s", "s", "--override", NOWHERE) == 0
    runs = study.arm("sgd")["runs"]
    assert [(run["state"], run["problem"]) for run in runs] == [
        ("diverged", "val_loss is no number after any epoch")
    ] * 2
    assert "Diverged: sgd (2 of 2)." in capsys.readouterr().out


def test_arms_that_differ_by_a_rate_that_is_searched_are_the_same(study, capsys):
    study.add("      search: {learning_rates: [0.1, 0.01]}\n")
    written = "study.arms.adam.training.optimizer={SGD: {learning_rate: 0.5}}"
    assert study("-s", "s", "--override", written) == 2
    assert "its arms sgd and adam are the same" in capsys.readouterr().err
    own = "study.arms.adam.learning_rates=[0.1]"
    assert study("-s", "s", "--override", written, own) == 0


def test_arms_may_differ_by_the_file_that_is_judged(study):
    grid = "study.grid={limits: {format: [int8, float16]}}"
    assert study("-s", "s", "--override", grid, "study.arms=null") == 0
    assert {name for name, _ in study.names()} == {"s/format_int8", "s/format_float16"}


def test_arms_that_share_a_training_wait_for_it(study):
    files = "{one: {export: {formats: [int8]}}, two: {export: {formats: [float16]}}}"
    arms = ("study.arms=null", f"study.arms={files}", "study.jobs=2")
    command = ("-s", "s", "--seed", "0", "--override", *arms)
    study.behaviour["late"] = 0.5
    assert study(*command) == 0
    first, second = sorted(began for *_, began, _, _ in study.made())
    assert second >= first + 0.5
    study.behaviour |= {"late": 0.0, "meet": 2}  # none ends before both have begun
    assert study(*command, "--overwrite") == 0
    spans = sorted((began, over) for *_, began, over, _ in study.made())
    assert spans[1][0] < spans[0][1] < spans[0][0] + 30.0


def test_a_metric_that_no_epoch_reports_is_told_with_those_that_there_are(study, capsys):
    study.behaviour["late"] = 60.0
    start = time.monotonic()
    assert study("-s", "s", "--override", "study.metric=val_los", "study.mode=min") == 2
    assert time.monotonic() - start < 40  # and not only after the first run
    message = capsys.readouterr().err
    assert "no epoch reports 'val_los'. Did you mean 'val_loss'?" in message


def test_first_steps_are_told(study, capsys):
    study.behaviour["log"] = True
    assert study("-s", "s", "--override", "study.baseline=sgd") == 0
    adam = study.arm("adam")
    mean = sum(4 / n for n in range(1, 9)) / 8 + 0.5  # over both seeds
    assert adam["first_8"] == pytest.approx(mean)
    assert adam["first_100"] is None
    assert (adam["gradient_norm"], adam["above_clip"]) == (5.5, 0.8)
    assert adam["seconds_a_step"] == pytest.approx(0.055)
    assert adam["ratio"] == pytest.approx((1.25 + 1 / 128) / (1.75 + 1 / 128))
    assert study.outcome["paired"] is True
    assert "First steps" in capsys.readouterr().out


def test_two_processes_do_not_run_one_study(study, tmp_path, capsys, monkeypatch):
    import fcntl

    monkeypatch.setattr("utils.run.folder._LOCK_SECONDS", 0.1)
    assert study("-s", "s") == 0
    with ((tmp_path / "runs/s/latest").resolve() / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert study("-s", "s") == 2
    assert "another process runs this study" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("study.arms.adam.training.batch_size=3", "do not see the same batches: training.batch_si"),
        ("study.arms.adam.augment=[Noise]", "do not see the same batches: augment differs"),
        ("study.arms.adam.model.layers=[Dense]", "do not start from the same weights: model.lay"),
        ("study.arms.adam.training.loss=mae", "losses are not the same quantity: training.loss"),
        ("study.arms.adam.training.epochs=2", "not trained for the same number of epochs"),
    ],
)
def test_what_arms_do_not_share_is_noted(study, capsys, override, words):
    assert study("-s", "s", "--override", override) == 0
    assert words in " ".join(capsys.readouterr().out.split())
    assert any(words in note for note in study.outcome["notes"])


@pytest.mark.parametrize(
    ("more", "mean", "words"),
    [
        ((), 4.0, "Compressed arms (adam) are judged by the network after the last step"),
        (("study.whole=false",), 1.258, "(adam) are judged by their networks before the compressi"),
    ],
)
def test_a_compressed_arm_is_judged_by_its_last_network_which_is_told(study, more, mean, words):
    assert study("-s", "s", "--override", "study.arms.adam.compression={zeros: {}}", *more) == 0
    assert study.arm("adam")["mean"] == pytest.approx(mean, abs=1e-3)
    assert any(words in note for note in study.outcome["notes"])


def test_arms_that_share_all_they_should_have_no_note(study):
    assert study("-s", "s") == 0
    assert study.outcome["notes"] == ["Mind this."]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-m", "eval"), "-m eval is for one network: set s is a study; name one of its arms with"),
        (("-m", "predict", "x.wav"), "name one of its arms with -s: s/sgd, s/adam; or name a file"),
        (("-m", "score", "x.csv"), "-m score is for one network"),
        (("--show_model",), "--show_model is for one network"),
        (("--check_limits",), "--check_limits is for one network"),
        (("-o", "x.csv"), "--output is for one network"),
        (("--override", "training.optimizer={Lion: {}}"), "its arms sgd and adam are the same"),
        (
            (
                "--override",
                "study.search={learning_rates: [1]}",
                "training.schedule.warmup_epochs=1",
            ),
            "study.search.epochs: 1 of them are all warm-up in the arm sgd",
        ),
    ],
)
def test_what_a_study_cannot_do_is_a_sentence_before_any_run(study, capsys, arguments, words):
    assert study("-s", "s", *arguments) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert words in message
    assert study.commands == []


def test_an_ensemble_of_a_study_is_refused(study, capsys):
    study.add("  - {set_id: e, based_on: toy, model: {layers: null}, ensemble: [toy, s]}\n")
    assert study("-s", "e") == 2
    assert "its member s is a study itself" in capsys.readouterr().err


def test_shows(study, capsys):
    assert study("--show_sets", data=False) == 0
    printed = capsys.readouterr().out
    assert "two optimisers" in printed
    assert "s/sgd" not in printed
    assert study("-s", "s/adam@0.5", "--show_parameters") == 0
    assert "learning_rate: 0.5" in capsys.readouterr().out
    assert study("-s", "s", "--show_parameters") == 0
    assert "arms:\n    sgd:\n" in capsys.readouterr().out
