"""Student and teacher tested, compared, decided by, exported and reported; stages found again."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.utils.experiment.event_stand_ins import (
    CLASSES,
    STEP,
    Network,
    Scorer,
)
from utils import export, inference
from utils.datasets.base import Event
from utils.errors import ConfigError, DataError
from utils.evaluation.sed import THRESHOLDS
from utils.experiment import EventExperiment, events, facts
from utils.experiment.event_learning import EventLearning, StepGrid
from utils.experiment.event_training import network_names
from utils.export import FileFacts
from utils.files import write_json
from utils.report.results import ModelFacts, read_results, write_results

TRAINED = "epoch,loss,val_objective\n1,0.5,0.25\n2,0.25,0.5\n"


class Known(Scorer):
    """Gives the right scores of clips that it finds by their features; others' are those before."""

    def __init__(self, path: Path, learning: EventLearning, *, level: float = 1.0) -> None:
        super().__init__(path)
        fold = learning.fold
        clips = learning.usable((*fold.validation, *fold.test))
        targets = learning.targets(clips)
        self.strong, self.weak = level * targets["strong"], level * targets["weak"]
        self.known = np.asarray(learning.store.array[learning.store.rows(clips)])

    def _predict(self, features):
        self.batches.append(len(features))
        rows = [np.abs(self.known - clip[..., 0]).sum(axis=(1, 2)).argmin() for clip in features]
        return self.strong[rows], self.weak[rows]


class Bench:
    """Files of networks that hold the name of a stand-in, and these stand-ins."""

    def __init__(self) -> None:
        self.scorers: dict[str, Scorer] = {}
        self.trained = 0

    def train(self, learning, judge, place) -> float:
        self.trained += 1
        for name in network_names(learning.job):
            (place.folder / f"{name}.keras").write_text(name)
        write_json(place.folder / "normaliser.json", None)
        write_json(place.folder / "training.json", {"best_epoch": 2})
        (place.folder / "history.csv").write_text(TRAINED)
        return 0.0

    def predictor(self, path: Path, *, threads: int | None = None) -> Scorer:
        name = path.read_text().split("\n")[0]
        scorer = self.scorers.setdefault(name, Scorer(Path(name)))
        return Shifted(scorer) if path.suffix == ".tflite" else scorer

    def network(self, path: Path) -> Network:
        return Network(self.predictor(path), path.read_text())

    def export(self, model, *, folder, formats, metadata, calibration):
        assert calibration.shape == (2, 4, 41, 1)
        paths = {name: folder / f"model_{name}.tflite" for name in formats}
        for path in paths.values():
            path.write_text(f"{model.name}\n{metadata.to_json()}")
        return paths


class Shifted(Scorer):
    """What a file says that was rounded: a little more."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__(scorer.path)
        self.scorer = scorer

    def _predict(self, features):
        strong, weak = self.scorer.outputs(features)
        return strong + np.float32(0.001), weak + np.float32(0.002)


@pytest.fixture
def bench(monkeypatch) -> Bench:
    """Stand-ins for training, export and networks."""
    made = Bench()
    monkeypatch.setattr(events, "train_networks", made.train)
    monkeypatch.setattr(inference, "load_keras", made.network)
    monkeypatch.setattr(inference, "load_predictor", made.predictor)
    monkeypatch.setattr(inference, "save_keras", lambda path, model: path.write_text(model.name))
    monkeypatch.setattr(inference, "latency_ms", lambda *args, **kwargs: 1.0)
    monkeypatch.setattr(export, "export_formats", made.export)
    monkeypatch.setattr(export, "measure", lambda path: FileFacts(500, 111, 110, 444, 440, {}))
    monkeypatch.setattr(facts, "model_facts", lambda model: ModelFacts(111, 100, 110, 2000, 222))
    return made


@pytest.fixture
def begin(bench, event_job, open_folder):
    """Extract the features of an experiment, and train its stand-ins."""

    def run(job=None, unlabelled=(), **changes) -> EventExperiment:
        job = job or event_job(**{"postprocess": {"median_seconds": STEP}} | changes)
        with open_folder(job) as opened:
            experiment = EventExperiment(job, opened, unlabelled=unlabelled)
            experiment.grid = StepGrid.of(experiment.representation, 10)
            experiment.extract()
            experiment.train()
        return experiment

    return run


@pytest.fixture
def finish(begin, bench):
    """Run all stages; one of the networks, or both, know what sounds."""

    def run(*knowing, level=1.0, **changes):
        experiment = begin(**changes)
        for name in knowing:
            bench.scorers[name] = Known(Path(name), experiment.learning, level=level)
        experiment.decide()
        tested = experiment.test()
        return experiment, tested, experiment.results(tested, experiment.export())

    return run


@pytest.mark.parametrize(
    ("knowing", "chosen"),
    [(("student",), "student"), (("teacher",), "teacher"), (("student", "teacher"), "student")],
)
def test_the_network_that_is_better_on_validation_clips_is_the_model(finish, knowing, chosen):
    experiment, tested, results = finish(*knowing)
    assert experiment.decided["model"] == chosen
    folder = experiment.place.folder
    assert (folder / "model.keras").read_text() == chosen
    assert list(tested) == ["student", "teacher"]
    assert results.overall["psds_scenario1"] == pytest.approx(1.0)
    networks = results.scores["networks"]
    assert networks[chosen] == results.overall
    assert list(networks) == list(results.scores["validation"]) == ["student", "teacher"]
    assert results.scores["validation"][chosen]["objective"] == pytest.approx(2.0)
    if len(knowing) == 1:
        (other,) = {"student", "teacher"} - {chosen}
        assert networks[other]["psds_scenario1"] < 0.9
    (note,) = (note for note in results.notes if note.startswith("The model is the"))
    assert f"the {chosen}: objective on validation clips student" in note
    assert f"{chosen} 2.000" in note


@pytest.mark.parametrize(
    ("metric", "used"),
    [
        ("val_psds_scenario2", "psds_scenario2"),
        ("val_teacher_objective", "objective"),
        ("val_teacher_psds_scenario1", "psds_scenario1"),
        ("epoch", "objective"),
        ("loss", "objective"),
    ],
)
def test_networks_are_compared_by_the_metric_that_chose_the_epoch(finish, metric, used):
    mode = "min" if metric == "loss" else "max"
    select = {"metric": metric, "mode": mode, "after_epoch": 0}
    experiment, _, results = finish("teacher", training={"select": select})
    assert experiment.decided["metric"] == used
    assert experiment.decided["model"] == "teacher"
    assert any(f"the teacher: {used} on" in note for note in results.notes)


def test_without_a_teacher_there_is_one_network(finish):
    experiment, tested, results = finish("student", training={"teacher": None})
    assert list(tested) == list(results.scores["networks"]) == ["student"]
    assert experiment.decided["model"] == "student"
    assert not (experiment.place.folder / "teacher.keras").exists()


def test_events_are_those_of_the_test_clips(finish):
    _, tested, _ = finish("student")
    found = tested["student"]
    assert [clip.name for clip in found.clips] == [f"part/test{n}.wav" for n in range(3)]
    assert found.files == ("test0.wav", "test1.wav", "test2.wav")
    assert found.classes == CLASSES
    assert found.events.files.tolist() == [0, 1, 1, 1, 2]
    np.testing.assert_allclose(found.events.onsets, [0.08, 0.04, 0.28, 0.2, 0.0])
    # of 0.4 s no more than the 0.39 s that are stated
    np.testing.assert_allclose(found.events.offsets, [0.2, 0.16, 0.39, 0.36, 0.32])


def test_tables_are_the_events_of_fifty_thresholds(finish):
    experiment, tested, results = finish(postprocess={"median_seconds": 0.12})
    for name, found in tested.items():
        tables = experiment.tables(name, found)
        assert tuple(tables) == THRESHOLDS
        assert len(tables[0.01]) != len(tables[0.99])
        seconds = np.full(3, 0.39)
        for threshold in (0.11, 0.51, 0.93):
            decisions = replace(experiment.decisions(name), thresholds=(threshold,) * 3)
            expected = decisions.events(found.strong, found.weak, seconds=seconds)
            np.testing.assert_array_equal(tables[threshold].onsets, expected.onsets)
            np.testing.assert_array_equal(tables[threshold].offsets, expected.offsets)
    assert "psds_scenario1_50" in results.overall


def test_each_network_is_tuned_for_itself_and_the_model_carries_its_decisions(finish):
    tune = {"tune": True, "threshold": 0.85}
    experiment, _, results = finish("teacher", level=0.42, postprocess=tune)
    student, teacher = (experiment.decisions(name) for name in ("student", "teacher"))
    assert teacher.thresholds[:2] == pytest.approx((0.4, 0.4))  # below 0.42, nearest to 0.5
    assert teacher.thresholds[2] == 0.85  # no validation clip has a hum
    assert student != teacher
    assert experiment.decided["model"] == "teacher"
    assert results.overall["event_f1_macro"] == pytest.approx(1.0)
    metadata = inference.read_metadata(experiment.place.folder / "model.keras")
    assert inference.Decisions.from_dict(metadata.decisions) == teacher
    assert metadata.classes == CLASSES


def test_files_are_tested_like_the_model(finish):
    experiment, _, results = finish(export={"formats": ["float32", "float16"]})
    assert list(results.exports) == ["float32", "float16"]
    assert results.exports["float32"].max_difference == pytest.approx(0.002, rel=1e-3)
    assert results.exports["float16"].scores.keys() >= {"psds_scenario1", "event_f1_macro"}
    told = (experiment.place.folder / "model_float16.tflite").read_text().split("\n")[1]
    metadata = inference.Metadata.from_json(told, where=Path("x"))
    assert metadata.decisions == json.loads(
        json.dumps(experiment.decisions(experiment.decided["model"]).as_dict())
    )


def test_results_can_be_written_and_read(finish, tmp_path):
    _, _, results = finish("student", evaluation={"bootstrap": 20})
    write_results(tmp_path / "results.json", results)
    assert read_results(tmp_path / "results.json") == results
    low, high = results.scores["intervals"]["event_f1_macro"]
    assert low <= results.overall["event_f1_macro"] <= high


def reused(job):
    printed = job.console.file.getvalue()
    return {
        stage for stage in ("training", "validation", "test", "export")
        if f"\n{stage} (reused)\n" in printed
    }  # fmt: skip


STAGES = {"training", "validation", "test", "export"}


def test_a_second_start_finds_everything(finish, bench, event_job):
    _, before, results = finish("teacher")
    calls = {name: list(scorer.batches) for name, scorer in bench.scorers.items()}
    job = event_job(postprocess={"median_seconds": STEP})
    _, after, again = finish(job=job)
    assert reused(job) == STAGES
    assert bench.trained == 1
    assert {name: scorer.batches for name, scorer in bench.scorers.items()} == calls
    assert again.scores == results.scores
    for name, found in after.items():
        np.testing.assert_array_equal(found.strong, before[name].strong)


def test_other_decisions_need_no_other_training(finish, event_job, bench):
    _, _, before = finish("student", "teacher", level=0.4)
    assert before.overall["event_f1_macro"] == 0.0
    job = event_job(postprocess={"median_seconds": STEP, "threshold": 0.3})
    _, _, after = finish(job=job)
    assert reused(job) == {"training"}
    assert bench.trained == 1
    assert after.overall["event_f1_macro"] == pytest.approx(1.0)
    assert after.overall["psds_scenario1"] == before.overall["psds_scenario1"]
    told = (job.root / "runs").rglob("model.metadata.json")
    assert [json.loads(path.read_text())["decisions"]["thresholds"] for path in told] == [[0.3] * 3]


def test_other_audio_is_learnt_anew(finish, event_job, event_data, bench, rng):
    finish()
    clip = event_data.folds[0].train[0]
    import soundfile

    soundfile.write(clip.path, 0.1 * rng.standard_normal(400), 1000, subtype="FLOAT")
    job = event_job()
    finish(job=job)
    assert reused(job) == set()
    assert bench.trained == 2


def test_a_training_that_goes_on_is_not_said_to_have_stopped(begin, bench, open_folder, event_job):
    training = {"epochs": 5, "patience": 1}
    stopped = "training stopped after epoch 2 of 5"
    with open_folder(event_job()) as opened:
        (opened.folder / "history.csv").write_text(TRAINED)  # killed after two epochs
    job = event_job(training=training)
    experiment = begin(job)
    assert stopped not in job.console.file.getvalue()
    assert any(stopped in note for note in experiment._notes())  # now it has


def test_events_behind_the_end_of_what_is_heard_are_told(begin, event_data, event_job):
    assert not any("does not listen" in note for note in begin()._notes())
    (fold,) = event_data.folds
    first, *others = fold.test
    late = replace(first, events=(Event("dog", 0.1, 0.2), Event("dog", 0.4, 0.6)))
    data = replace(event_data, folds=(replace(fold, test=(late, *others)),))
    told = begin(event_job(data))._notes()
    assert any(
        note.startswith("1 events of the test clips begin after audio.seconds (0.4 s)")
        for note in told
    )


def test_notes_tell_of_smaller_parts_and_of_clips_left_out(begin, event_data, event_job):
    event_data.folds[0].train[0].path.write_bytes(b"no audio")
    parts = {"strong": 4, "weak": 1, "unlabelled": 3}
    job = event_job(training={"batch_size": 8, "parts": parts}, audio={"on_bad_audio": "skip"})
    begin(job)
    printed = job.console.file.getvalue()
    assert "note: A batch has 3 strong clips instead of 4" in printed
    assert "note: part/strong0.wav: left out: " in printed


@pytest.mark.parametrize(("part", "weak"), [("validation", True), ("test", False)])
def test_a_part_without_events_is_a_sentence(begin, event_job, event_data, part, weak):
    (fold,) = event_data.folds
    clips = tuple(c for c in getattr(fold, part) if weak and "weak" in c.name)
    data = replace(event_data, folds=(replace(fold, **{part: clips}),))
    with pytest.raises(DataError, match=f"fold1: has no usable {part} clips with events"):
        begin(event_job(data))


def test_several_folds_are_refused_before_anything_is_read(event_job, event_data):
    job = event_job(replace(event_data, folds=event_data.folds * 3))
    with pytest.raises(ConfigError, match="desed has 3 folds"):
        EventExperiment(job, SimpleNamespace(place=lambda: None))


def test_clips_without_labels_are_searched_by_each_network(begin, make_events):
    experiment = begin(unlabelled=make_events("new", None, None))
    experiment.decide()
    answers = experiment.answer()
    assert list(answers) == ["student", "teacher"]
    for name, found in answers.items():
        assert found.files == ("new0.wav", "new1.wav")
        assert found.strong.shape == (2, 10, 3)
        seconds = np.full(2, 0.4)
        expected = experiment.decisions(name).events(found.strong, found.weak, seconds=seconds)
        np.testing.assert_array_equal(found.events.offsets, expected.offsets)
    assert not np.array_equal(answers["student"].strong, answers["teacher"].strong)
