"""Which runs a command makes, in which folders, and what a script is handed; nothing is trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from utils import backend, datasets
from utils.cli import Answers, Script, main, show
from utils.cli.arguments import parse
from utils.cli.runs import Runs
from utils.config import load
from utils.datasets import Clip, DataSet, Fold
from utils.errors import ConfigError
from utils.evaluation import Predictions
from utils.experiment import keep
from utils.report.results import Results, Verdict, write_results

SETS = """
sets:
  - {set_id: toy, task: toy, model: {layers: [Flatten]}}
  - {set_id: a, based_on: toy}
  - {set_id: b, based_on: toy, training: {epochs: 5}}
  - {set_id: both, based_on: toy, ensemble: [a, b], model: {layers: null}}
"""


class Toy:
    """A task script that writes down what it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[tuple[str, str, int]] = []
        self.folders: dict[str, Path] = {}
        self.jobs = []
        self.asked: list[Answers] = []
        self.members = []
        self.compared = []
        self.compared_in: list[Path] = []
        self.loaded = []
        self.checked: list[str] = []
        self.wrong = ""  # the set whose network cannot be built
        self.breaks = ""  # the set that breaks a limit

    def of(self, mode):
        def run(job, opened):
            return self.run(mode, job, opened)

        return run

    def run(self, mode, job, opened):
        set_id = job.settings.set_id
        self.calls.append((mode, set_id, job.settings.seed))
        self.folders[set_id] = opened.folder
        self.jobs.append(job)
        said = np.array([[len(self.calls) / 100, 1 - len(self.calls) / 100]], np.float32)
        keep(opened.folder, {"out_of_fold": Predictions(("x.wav",), said)})
        verdict = Verdict("small", 2, 1, set_id != self.breaks, "parameters", "int8")
        results = Results(
            set_id=set_id, description="", data=opened.data, data_identity=opened.identity,
            demo=opened.is_demo, seed=job.settings.seed, commit="", versions={}, stages={},
            scores={}, limits=(verdict,),
        )  # fmt: skip
        write_results(opened.folder / "results.json", results)
        return results

    def check(self, job):
        set_id = job.settings.set_id
        self.checked.append(set_id)
        if set_id == self.wrong:
            raise ConfigError(f"{set_id}: no such layer")

    def combine(self, job, opened, members):
        self.members.append(members)
        return self.run("combine", job, opened)

    def script(self, **changes):
        given = {
            "name": "toy", "title": "", "folder": self.folder, "check": self.check,
            "develop": self.of("develop"), "evaluate": self.of("evaluate"), "predict": None,
            "score": self.asked.append, "score_takes": "answers",
            "demo": lambda folder, *, seed, progress: folder, "target": "distribution",
            "combine": self.combine,
        }  # fmt: skip
        return Script(**given | changes)


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Toy:
    """The script, its sets, and data of one clip that is known by its size."""
    toy = Toy(tmp_path)
    (tmp_path / "task.yaml").write_text(SETS)
    (tmp_path / "clip.wav").write_bytes(b"1")
    clip = Clip("clip.wav", tmp_path / "clip.wav", ("one",))

    def load(settings, **given):
        toy.loaded.append((settings, given))
        judged = clip if settings.test_amount != 0.7 else replace(clip, name="other.wav")
        fold = Fold("fold1", (clip,), (judged,), ())
        return DataSet(given["name"] or "words", ("one", "two"), (fold,), notes=("Mind this.",))

    monkeypatch.setattr(datasets, "load", load)
    monkeypatch.setattr(backend, "start", lambda **given: ())

    def compare(console, runs, folder):
        toy.compared.append(runs)
        toy.compared_in.append(folder.parent)

    monkeypatch.setattr(show, "comparison", compare)
    return toy


@pytest.fixture
def run(toy, tmp_path):
    """Run a command; give its exit status."""

    def command(*arguments, **changes):
        data = () if "--data" in arguments else ("--data", tmp_path)
        return main(toy.script(**changes), [str(part) for part in (*arguments, *data)])

    return command


def names(results):
    return [one.set_id for one in results]


def test_an_ensemble_runs_its_members_first(run, toy):
    assert run("-s", "both") == 0
    assert toy.calls == [("develop", "a", 0), ("develop", "b", 0), ("combine", "both", 0)]
    ((first, second),) = toy.members
    assert (first.results.set_id, second.results.set_id) == ("a", "b")
    for number, member in enumerate((first, second), start=1):
        said = member.predictions["out_of_fold"].probabilities
        np.testing.assert_allclose(said, [[number / 100, 1 - number / 100]], rtol=1e-6)
    assert toy.folders["both"].parent.name == "both"
    latest = toy.folders["both"].with_name("latest")
    assert latest.resolve() == toy.folders["both"].resolve()
    (compared,) = toy.compared
    assert names(compared) == ["a", "b", "both"]


def test_a_set_that_is_named_too_is_run_once(run, toy):
    assert run("-s", "b,both,a") == 0
    assert [set_id for _, set_id, _ in toy.calls] == ["b", "a", "both"]
    ((first, second),) = toy.members
    assert (first.results.set_id, second.results.set_id) == ("a", "b")
    assert names(toy.compared[0]) == ["b", "a", "both"]


def test_an_arm_of_a_study_is_a_set_with_a_folder_in_that_of_the_study(run, toy, tmp_path):
    """A study finds the runs of its arms where such a set leaves them."""
    with (tmp_path / "task.yaml").open("a") as stream:
        stream.write(
            "  - {set_id: s, study: {base: a, arms: {one: {training: {batch_size: 3}}}}}\n"
        )
    assert run("-s", "s/one,s/one@0.5,b", "--seed", "3") == 0
    assert [set_id for _, set_id, _ in toy.calls] == ["s/one", "s/one@0.5", "b"]
    arguments = parse(toy.script(), ["--data", str(tmp_path)])
    runs = Runs(toy.script(), arguments, Console())
    catalogue = load(tmp_path / "task.yaml")
    for set_id in ("s/one", "s/one@0.5", "b"):
        found = runs.folder(catalogue.resolve(set_id), 3)
        assert found == toy.folders[set_id]
        assert found.relative_to(tmp_path / "runs").parts[:-1] == tuple(set_id.split("/"))
    assert toy.compared_in == [tmp_path / "runs" / "comparisons"]


def test_sets_on_the_same_data_read_it_once(run, toy):
    assert run("-s", "a,b") == 0
    assert len(toy.loaded) == 1
    assert run("-s", "a", "--override", "dataset.test_amount=0.3") == 0
    assert len(toy.loaded) == 2


def test_members_have_seeds_of_their_own_unless_the_command_names_one(run, toy, tmp_path):
    with (tmp_path / "task.yaml").open("a") as stream:
        stream.write("  - {set_id: c, based_on: a, seed: 4}\n")
        stream.write("  - {set_id: x, based_on: both, ensemble: [a, c]}\n")
    assert run("-s", "x") == 0
    assert run("-s", "x", "--seed", "9") == 0
    assert [(set_id, seed) for _, set_id, seed in toy.calls] == [
        *(("a", 0), ("c", 4), ("x", 0)),
        *(("a", 9), ("c", 9), ("x", 9)),
    ]


def test_members_are_not_overridden(run, toy, capsys):
    assert run("-s", "both", "--override", "ensemble=[b]") == 2
    assert "'ensemble' cannot be overridden" in capsys.readouterr().err


def test_each_seed_has_members_of_its_own(run, toy):
    assert run("-s", "both", "--seed", "3,4") == 0
    assert toy.calls == [
        (mode, set_id, seed)
        for seed in (3, 4)
        for mode, set_id in (("develop", "a"), ("develop", "b"), ("combine", "both"))
    ]
    seeds = [[member.results.seed for member in members] for members in toy.members]
    assert seeds == [[3, 3], [4, 4]]


def test_a_submission_is_that_of_members_that_evaluate(run, toy):
    assert run("-s", "both", "-m", "eval") == 0
    assert [mode for mode, _, _ in toy.calls] == ["evaluate", "evaluate", "combine"]


def test_other_data_are_another_run_of_members_and_ensemble(run, toy, tmp_path):
    assert run("-s", "both") == 0
    before = dict(toy.folders)
    (tmp_path / "clip.wav").write_bytes(b"longer")
    assert run("-s", "both") == 0
    assert all(toy.folders[set_id] != before[set_id] for set_id in ("a", "b", "both"))
    said = [member.predictions["out_of_fold"].probabilities[0, 0] for member in toy.members[1]]
    np.testing.assert_allclose(said, [0.04, 0.05])  # the fourth and the fifth call


def test_members_that_are_run_again_in_their_folders_give_what_they_say_now(run, toy):
    assert run("-s", "both") == 0
    before = dict(toy.folders)
    assert run("-s", "both", "--override", "evaluation.calibration=temperature") == 0
    assert toy.folders == before
    said = [member.predictions["out_of_fold"].probabilities[0, 0] for member in toy.members[1]]
    np.testing.assert_allclose(said, [0.04, 0.05])


@pytest.mark.parametrize(
    ("setting", "same"),
    [
        ("evaluation.shifts_seconds=[0.02]", True),
        ("evaluation.bootstrap=10", True),
        ("limits.format=float32", True),
        ("report.wrong_clips=1", True),
        ("training.folds=3", False),
        ("training.schedule.kind=cosine", False),
        ("dataset.mixing.words=3", False),
        ("features.mel_scale=htk", False),
        ("augment=[Noise]", False),
        ("audio.short_clips=loop", False),
        ("export.calibration_clips=5", False),
        ("compression=null", True),
        ("compression={zeros: {share: 0.25}}", False),
    ],
)
def test_a_folder_is_of_what_is_trained(run, toy, setting, same):
    assert run("-s", "both") == 0
    before = dict(toy.folders)
    assert run("-s", "both", "--override", setting) == 0
    for set_id in ("a", "both"):
        assert (toy.folders[set_id] == before[set_id]) is same


def test_an_ensemble_of_other_members_is_another_run(run, toy, tmp_path):
    assert run("-s", "both") == 0
    before = toy.folders["both"]
    text = (tmp_path / "task.yaml").read_text()
    (tmp_path / "task.yaml").write_text(text.replace("epochs: 5", "epochs: 6"))
    assert run("-s", "both") == 0
    assert toy.folders["both"] != before


def test_limits_that_a_member_breaks_count(run, toy):
    assert run("-s", "both", "--check_limits") == 0
    toy.breaks = "a"
    assert run("-s", "both", "--check_limits") == 1
    assert run("-s", "both") == 0


def test_every_network_is_built_before_the_first_is_trained(run, toy, capsys):
    toy.wrong = "b"
    for asked in ("a,b", "both"):  # two sets, and an ensemble of them
        toy.checked.clear()
        assert run("-s", asked, "--seed", "1,2") == 2
        assert "b: no such layer" in capsys.readouterr().err
        assert (toy.checked, toy.calls) == (["a", "b"], [])
    toy.wrong = ""
    assert run("-s", "a,b") == 0
    assert capsys.readouterr().out.count("Mind this.") == 2  # once a run


def test_a_set_alone_is_checked_by_its_own_run(run, toy):
    assert run("-s", "a") == 0
    assert toy.checked == []


def test_a_script_without_ensembles_says_so_before_any_run(run, toy, capsys):
    assert run("-s", "both", combine=None) == 2
    assert "toy.py has no ensembles" in capsys.readouterr().err
    assert toy.calls == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{set_id: x, based_on: both, ensemble: [a, both]}", "member both is an ensemble itself"),
        ("{set_id: x, based_on: both, ensemble: [a, c]}", "set x, member c of its ensemble: "),
        ("{set_id: x, based_on: both, ensemble: [a, c]}", "there is no set 'c'"),
        ("{set_id: x, based_on: both, ensemble: [a, b, a]}", "names a set twice"),
        ("{set_id: x, based_on: both, ensemble: [a, x]}", "names the set itself"),
        (
            "{set_id: x, based_on: both, ensemble: [a, y]}\n  - {set_id: y, based_on: toy, "
            "dataset: {test_amount: 0.7}}",
            "its members a and y would predict different clips",
        ),
        (
            "{set_id: x, based_on: both, ensemble: [a, y]}\n  - {set_id: y, task: other, "
            "model: {layers: [Flatten]}}",
            "set y belongs to other.py",
        ),
        *(
            (
                "{set_id: x, based_on: both, ensemble: [a, y]}\n  - {set_id: y, based_on: toy, "
                f"training: {{{key}: {value}}}}}",
                f"training.{key} differs",
            )
            for key, value in (("deterministic", "false"), ("threads", "between"))
        ),
    ],
)
def test_members_that_cannot_be_are_a_sentence_before_any_run(
    run, toy, tmp_path, capsys, line, words
):
    with (tmp_path / "task.yaml").open("a") as stream:
        stream.write(f"  - {line}\n")
    assert run("-s", "x") == 2
    message = capsys.readouterr().err
    assert words in message
    assert len(message.strip().splitlines()) == 1
    assert toy.calls == []


def test_a_job_has_the_sets_data_and_folds(run, toy, tmp_path, capsys):
    assert run("-s", "b", "--seed", "7", "--override", "training.folds=4", "-o", "said.csv") == 0
    ((settings, given),) = toy.loaded
    assert given["folds"] == 4
    assert given["root"] == tmp_path
    assert given["cache"] == tmp_path / "cache"
    assert given["name"] is None
    (job,) = toy.jobs
    assert (settings, given["audio"]) == (job.settings.dataset, job.settings.audio)
    assert (job.settings.seed, job.target, job.root) == (7, "distribution", tmp_path)
    assert job.output == Path("said.csv")
    assert "note: Mind this." in capsys.readouterr().out


def test_without_data_the_demo_is_used_and_named(toy, tmp_path, capsys):
    assert main(toy.script(), ["-s", "a"]) == 0
    ((_, given),) = toy.loaded
    assert given["name"] == "demo"
    assert given["root"] == tmp_path / "datasets" / "demo"
    assert toy.folders["a"].name.startswith("demo-0-")
    assert "generated demo data" in capsys.readouterr().out


def test_answers_are_scored_by_a_table_without_the_data(toy):
    asked = ["-m", "score", "said.csv", "-s", "a", "--ground_truth", "right.csv"]
    assert main(toy.script(), asked) == 0
    (asked,) = toy.asked
    assert (asked.path, asked.truth) == (Path("said.csv"), Path("right.csv"))
    assert toy.loaded == toy.calls == []


@pytest.mark.parametrize("set_id", ["b", "both"])
def test_answers_are_scored_by_the_sets_data(run, toy, set_id):
    assert run("-m", "score", "said.csv", "-s", set_id, "--seed", "5") == 0
    (asked,) = toy.asked
    assert asked.truth is None
    assert toy.loaded == []
    job = asked.job()
    assert (job.settings.set_id, job.settings.seed) == (set_id, 5)
    assert len(toy.loaded) == 1
    assert toy.calls == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--ground_truth", "right.csv"), "--ground_truth is for -m score"),
        (("-m", "eval", "--ground_truth", "right.csv"), "--ground_truth is for -m score"),
        (
            ("-m", "score", "a.csv", "--ground_truth", "right.csv"),
            "--ground_truth takes the place of --data",
        ),
        (("-m", "score"), "-m score needs a file of answers"),
        (("-m", "score", "a.csv", "b.csv"), "-m score takes one file of answers"),
        (("-m", "score", "a.csv", "-s", "a,b"), "-m score takes one set and one seed"),
        (("-m", "score", "a.csv", "--check_limits"), "--check_limits needs a run"),
        (("-m", "score", "a.csv", "-o", "b.csv"), "-o needs one set"),
        (("-s", "a,both", "-o", "said.csv"), "-o needs one set"),
    ],
)
def test_options_that_would_have_no_effect_are_refused(run, toy, capsys, arguments, words):
    with pytest.raises(SystemExit) as left:
        run(*arguments)
    assert left.value.code == 2
    assert words in capsys.readouterr().err
    assert toy.calls == toy.asked == []
