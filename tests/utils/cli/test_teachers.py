"""Which runs teach which, in which order a command needs them, and what is refused."""

import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from utils import backend, datasets
from utils.cli import Script, main
from utils.cli.teachers import with_teachers
from utils.config import load
from utils.datasets import Clip, DataSet, Fold
from utils.inference import Metadata, write_metadata
from utils.report.results import Results, write_results

TAUGHT = "training: {{distillation: {{teachers: [{}]}}}}"
SETS = f"""
sets:
  - {{set_id: toy, task: toy, model: {{layers: [Flatten]}}}}
  - {{set_id: big, based_on: toy}}
  - {{set_id: small, based_on: toy, {TAUGHT.format("big")}}}
  - {{set_id: tiny, based_on: toy, {TAUGHT.format("small, big")}}}
  - {{set_id: both, based_on: toy, ensemble: [big, small], model: {{layers: null}}}}
  - {{set_id: foreign, based_on: big, task: other}}
  - {{set_id: divided, based_on: big, dataset: {{test_amount: 0.7}}}}
  - set_id: arms
    study:
      base: toy
      arms: {{one: {{training: {{epochs: 3}}}}, two: {{training: {{epochs: 4}}}}}}
"""


class Toy:
    """A task whose runs are a file of weights each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[str] = []
        self.folders: dict[str, Path] = {}
        self.trainings: dict[str, str] = {}
        self.taught: dict[str, list[str]] = {}
        self.weights = "1"

    def develop(self, job, run):
        set_id = job.settings.set_id
        self.made.append(set_id)
        self.folders[set_id] = run.folder
        self.trainings[set_id] = run.earlier.identity
        self.taught[set_id] = [teacher.folder.parent.name for teacher in job.teachers]
        self.named = [teacher.folder.name for teacher in job.teachers][:1]
        self._write_model(job, run.folder)
        results = Results(
            set_id=set_id, description="", data=run.data, data_identity=run.identity,
            demo=False, seed=job.settings.seed, commit="", versions={}, stages={}, scores={},
        )  # fmt: skip
        write_results(run.folder / "results.json", results)
        return results

    def _write_model(self, job, folder):
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(folder / "model.keras", "w") as file:
            file.writestr("model.weights.h5", self.weights)
        told = Metadata(
            job.settings.set_id, job.data.classes, {}, {}, None, job.data.name, (0.0,), 1.0
        )
        write_metadata(folder / "model.keras", told)

    def evaluate(self, job, run):
        results = self.develop(job, run)
        self._write_model(job, run.folder / "all_data")
        return results

    def __call__(self, *arguments) -> int:
        nothing = dict.fromkeys(("predict", "score", "demo"))
        script = Script(
            name="toy", title="", folder=self.folder, check=lambda job: None,
            develop=self.develop, evaluate=self.evaluate, submits=True, **nothing,
        )  # fmt: skip
        return main(script, [*map(str, arguments), "--data", str(self.folder)])

    def add(self, line: str) -> None:
        """Add a set."""
        with (self.folder / "task.yaml").open("a") as stream:
            stream.write(f"  - {line}\n")


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Toy:
    (tmp_path / "task.yaml").write_text(SETS)
    (tmp_path / "clip.wav").write_bytes(b"1")
    clip = Clip("clip.wav", tmp_path / "clip.wav", ("one",))

    def loaded(settings, **given):
        judged = clip if settings.test_amount != 0.7 else replace(clip, name="other.wav")
        return DataSet("words", ("one", "two"), (Fold("fold1", (clip,), (judged,), ()),))

    monkeypatch.setattr(datasets, "load", loaded)
    monkeypatch.setattr(backend, "start", lambda **given: ())
    monkeypatch.setattr("utils.cli.show.comparison", lambda *given: None)
    return Toy(tmp_path)


@pytest.fixture
def refused(toy, capsys):
    """Run a command that must be refused before it makes anything; give its sentence."""

    def run(*arguments) -> str:
        before = list(toy.made)
        capsys.readouterr()
        assert toy(*arguments) == 2
        assert toy.made == before
        return " ".join(capsys.readouterr().err.split())

    return run


def test_a_student_finds_the_run_of_its_teacher(toy):
    assert toy("-s", "big") == 0
    assert toy("-s", "small") == 0
    assert toy.taught == {"big": [], "small": ["big"]}


def test_one_command_trains_teachers_and_then_their_students(toy):
    assert toy("-s", "big,small,tiny", "--seed", "3,4") == 0
    assert toy.made == ["big"] * 2 + ["small"] * 2 + ["tiny"] * 2
    assert toy.taught["tiny"] == ["small", "big"]
    assert toy.folders["tiny"].name.startswith("words-4-")


def test_a_teacher_trained_anew_is_a_student_trained_anew(toy):
    assert toy("-s", "big,small") == 0
    first, training = toy.folders["small"], toy.trainings["small"]
    assert toy("-s", "big,small", "--overwrite") == 0
    assert toy.folders["small"] == first  # the same weights
    toy.weights = "2"
    assert toy("-s", "big,small", "--overwrite") == 0
    assert toy.folders["small"] != first
    assert toy.folders["small"].parent == first.parent
    assert toy.trainings["small"] != training


def test_a_missing_teacher_is_told_with_its_command(toy, refused):
    said = refused("-s", "small", "--seed", "5", "--override", "dataset.folds=null")
    assert said.startswith("error: training.distillation.teachers: there is no finished run of big")
    command = f"python toy.py -s big --seed 5 --data {toy.folder} --override dataset.folds=null"
    assert f"train it with `{command}`." in said
    assert "there is no finished run of big" in refused("-s", "small,big")
    assert toy("-s", "big", "--seed", "5", "--override", "dataset.folds=null") == 0
    assert toy("-s", "small", "--seed", "5", "--override", "dataset.folds=null") == 0


def test_overrides_are_the_students_unless_the_command_trains_its_teacher(toy, refused):
    assert toy("-s", "big") == 0
    usual = toy.folders["big"]
    assert toy("-s", "small", "--override", "training.epochs=7") == 0
    assert toy("-s", "big,small", "--override", "training.epochs=8") == 0
    assert toy.folders["big"] != usual
    assert toy.made == ["big", "small", "big", "small"]


def test_a_teacher_that_the_command_does_not_run_keeps_its_own_teacher(toy, refused):
    assert toy("-s", "big,small") == 0
    assert toy("-s", "big,tiny", "--override", "training.epochs=8") == 0
    assert toy.made == ["big", "small", "big", "tiny"]
    said = refused("-s", "big,tiny", "--seed", "6", "--override", "training.epochs=8")
    first = f"train it with `python toy.py -s big --seed 6 --data {toy.folder}`."
    assert first in said
    assert toy("-s", "big,small", "--seed", "6") == 0
    assert toy("-s", "big,tiny", "--seed", "6", "--override", "training.epochs=8") == 0


def test_a_submission_needs_teachers_of_all_clips_before_the_first_set_is_run(toy, refused):
    assert toy("-s", "big") == 0
    said = refused("-m", "eval", "-s", "divided,small")
    assert f"all_data; train it with `python toy.py -s big --seed 0 --data {toy.folder} -m" in said
    assert toy("-s", "small") == 0
    student = toy.folders["small"]
    assert toy("-m", "eval", "-s", "big,small") == 0
    assert toy.folders["small"] == student


def test_all_labelled_clips_are_divided_as_for_the_teacher(toy, refused):
    """Clips by which a student is chosen are not those that its teacher learnt."""
    toy.add("{set_id: halved, based_on: big, dataset: {validation: {amount: 0.5}}}")
    toy.add(f"{{set_id: led, based_on: toy, {TAUGHT.format('halved')}}}")
    assert toy("-s", "halved,led") == 0  # the folds are the data set's own
    said = refused("-m", "eval", "-s", "halved,led")
    assert said.startswith("error: set led: its teacher halved divides the clips of the network")
    assert toy("-m", "eval", "-s", "halved") == 0
    place = toy.folders["halved"].relative_to(toy.folder)
    toy.add(f"{{set_id: named, based_on: toy, {TAUGHT.format(place)}}}")
    assert f"its teacher {place} divides" in refused("-m", "eval", "-s", "named")
    assert toy("-m", "eval", "-s", "named", "--override", "dataset.validation.amount=0.5") == 0


def test_a_folder_of_a_run_may_teach(toy, refused):
    assert toy("-s", "big", "--seed", "9") == 0
    latest = toy.folders["big"].with_name("latest")
    latest.symlink_to(toy.folders["big"].name)
    place = latest.relative_to(toy.folder)
    toy.add(f"{{set_id: led, based_on: toy, {TAUGHT.format(place)}}}")
    assert toy("-s", "led") == 0
    assert toy.taught["led"] == ["big"]
    assert toy.named == [toy.folders["big"].name]  # not where a link points later
    (toy.folders["big"] / "results.json").unlink()
    assert "name the folder of a finished run" in refused("-s", "led")


def test_a_teacher_of_other_data_is_refused(toy, refused):
    toy.add(f"{{set_id: led, based_on: toy, {TAUGHT.format('divided')}}}")
    said = refused("-s", "divided,led")
    assert "set led: its teacher divided learns from other clips, or from another division" in said
    assert toy("-s", "divided") == 0
    place = toy.folders["divided"].relative_to(toy.folder)
    toy.add(f"{{set_id: named, based_on: toy, {TAUGHT.format(place)}}}")
    assert "was trained on other clips, or on another division of them" in refused("-s", "named")


def test_members_of_an_ensemble_have_teachers(toy, refused):
    assert "there is no finished run of big" in refused("-s", "tiny,both")
    assert "toy.py has no ensembles" in refused("-s", "both")


@pytest.mark.parametrize(
    ("teachers", "words"),
    [
        ("bgi", "there is no set 'bgi'. Did you mean 'big'?"),
        ("both", "both is an ensemble; name its members."),
        ("arms", "arms is a study; name its arms."),
        ("arm/two", "arm/two is neither a folder nor an arm of a study. Did you mean 'arms'?"),
        ("runs/none", "runs/none is neither a set nor a folder ("),
        ("foreign", "set foreign belongs to other.py"),
        ("led", "led learns from itself: led <- led; leave it out."),
        ("round", "led learns from itself: led <- round <- led; leave it out."),
        ("", "expected one teacher or several, each once, received none"),
        ("big, big", "expected one teacher or several, each once, received ['big', 'big']"),
        ("big], teacher_weights: [1.0, 2.0", "teacher_weights has 2 numbers for 1 teachers; give"),
    ],
)
def test_what_cannot_teach_is_a_sentence_before_any_run(toy, refused, teachers, words):
    toy.add(f"{{set_id: led, based_on: toy, {TAUGHT.format(teachers)}}}")
    toy.add(f"{{set_id: round, based_on: toy, {TAUGHT.format('led')}}}")
    assert words in refused("-s", "led")


TAUGHT_ARMS = """set_id: lessons
    study: {base: small, seeds: [0], arms: {one: {training: {epochs: 3}}}}
"""


@pytest.fixture
def studied(toy, monkeypatch):
    """The toy, and the studies that begin."""
    toy.add(TAUGHT_ARMS)
    toy.studies = []
    module = sys.modules["utils.cli.main"]  # whose name in the package is that of its function
    monkeypatch.setattr(module, "run_study", lambda *given: toy.studies.append(1) or 0)
    return toy


def test_teachers_of_arms_are_looked_for_before_any_run(studied, capsys):
    assert studied("-s", "toy,lessons") == 2
    assert "there is no finished run of big in" in " ".join(capsys.readouterr().err.split())
    assert (studied.made, studied.studies) == ([], [])
    assert studied("-s", "big,lessons") == 0
    assert (studied.made, studied.studies) == (["big"], [1])
    assert studied("-s", "lessons", "--seed", "1") == 2  # by the seeds of the command
    assert "of big in" in capsys.readouterr().err


def test_a_teacher_of_arms_with_overrides_of_the_command_is_refused(studied, capsys):
    """The processes that run the arms would look for another run."""
    assert studied("-s", "big") == 0
    studied.made.clear()
    for order in ("big,lessons", "lessons,big"):
        assert studied("-s", order, "--override", "training.batch_size=3") == 2
        message = " ".join(capsys.readouterr().err.split())
        assert "set lessons/one: its teacher big is a set of this command, which --over" in message
    assert (studied.made, studied.studies) == ([], [])
    assert studied("-s", "big,lessons", "--override", "report.wrong_clips=3") == 0
    assert studied("-s", "lessons", "--override", "training.batch_size=3") == 0


def test_an_arm_of_a_study_may_teach(toy):
    toy.add(f"{{set_id: led, based_on: toy, {TAUGHT.format('arms/two')}}}")
    assert toy("-s", "arms/two") == 0
    assert toy("-s", "led") == 0
    assert toy.taught["led"] == ["two"]


def test_shipped_students_have_teachers_of_the_same_demo():
    catalogue = load(Path(__file__).resolve().parents[3] / "task.yaml")

    def find(set_id, overrides):
        return catalogue.resolve(set_id, overrides=overrides, demo=True)

    found = []
    for set_id in catalogue.set_ids():
        one = find(set_id, ())
        for teacher in with_teachers(one, catalogue, find, overrides=()).teachers:
            assert not isinstance(teacher, str)
            assert teacher.settings.dataset == one.settings.dataset
            assert teacher.settings.training.folds == one.settings.training.folds
            found.append(set_id)
    assert "task1a_dscnn_distilled" in found


def test_a_set_that_is_only_shown_needs_no_teacher(toy, capsys):
    assert toy("-s", "small", "--show_parameters") == 0
    assert "distillation" in capsys.readouterr().out
