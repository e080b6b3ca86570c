"""What a task of one label a clip leaves and prints, by stand-ins for its networks."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from utils.datasets import DataSet, Fold
from utils.evaluation import read_system_output, score_scenes
from utils.experiment import ClipExperiment, Job, finish_labels
from utils.report.results import read_results
from utils.run import Source, open_run


def single(clips):
    """Clips with the first of their labels alone."""
    return tuple(replace(clip, labels=clip.labels[:1], weights=()) for clip in clips)


@pytest.fixture
def labelled(job, data) -> Job:
    """A job of one label a clip, in two folds, without clips outside of them."""
    folds = tuple(
        Fold(fold.name, single(fold.train), single(fold.validation), single(fold.test))
        for fold in data.folds
    )
    told = DataSet("urbansound8k", data.classes, folds, notes=("Two folds of ten.",))
    return replace(job, data=told, target="single_label")


@pytest.fixture
def finished(predictors, tmp_path):
    """Run the stages of a job and finish it; the experiment and its results."""

    def run(job: Job):
        with open_run(
            tmp_path / "runs" / "test", parameters={"mark": "of the set"}, data=job.data.name,
            identity=job.data.identity, source=Source("", {}), console=job.console,
        ) as opened:  # fmt: skip
            score = partial(scores_of, job)
            experiment = ClipExperiment(job, opened, score=score)
            experiment.extract()
            experiment.run_folds()
            return experiment, finish_labels(experiment)

    return run


def scores_of(job, predictions, bootstrap):
    return score_scenes(predictions, classes=job.data.classes, bootstrap=bootstrap)


def test_results_answers_report_and_tables(labelled, finished):
    experiment, results = finished(labelled)
    folder, said = experiment.run.folder, experiment.predictions("keras")
    assert read_results(folder / "results.json") == results
    assert results.overall == scores_of(labelled, said, 0).overall
    assert results.notes[0] == "Two folds of ten."
    table = read_system_output(folder / "system_output.csv", classes=labelled.data.classes)
    assert table.names == said.names
    assert set(table.names) == {clip.name for clip in labelled.data.test}
    np.testing.assert_array_equal(table.probabilities, said.probabilities)
    page = (folder / "report.html").read_text(encoding="utf-8")
    titles = ("Notes", "Results", "Training: fold1", "Training: fold2", "Confusion", "Wrong clips")
    places = [page.index(f"<h2>{title}</h2>") for title in (*titles, "Folds", "Parameters")]
    assert places == sorted(places)
    assert "mark: of the set" in page
    assert "<h2>Devices</h2>" not in page
    printed = labelled.console.file.getvalue()
    shown = ("Log loss and accuracy by class", "Scores", "Folds", "Exported models", "report: ")
    places = [printed.rindex(f"\n{title}") for title in shown]
    assert places == sorted(places)
    assert printed.rstrip().endswith(f"report: {folder / 'report.html'}")
    for fold, found in results.scores["per_fold"]["folds"].items():
        (line,) = (line for line in printed.splitlines() if line.split()[:1] == [fold])
        accuracy, micro = (f"{100 * found[name]:.1f}" for name in ("accuracy", "accuracy_micro"))
        assert line.split()[1:] == [accuracy, f"{found['log_loss']:.3f}", micro]


def test_a_single_fold_has_no_table_of_folds(labelled, finished):
    one = replace(labelled, data=replace(labelled.data, folds=labelled.data.folds[:1]))
    experiment, results = finished(one)
    assert "per_fold" not in results.scores
    assert "\nFolds" not in one.console.file.getvalue()
    page = (experiment.run.folder / "report.html").read_text(encoding="utf-8")
    assert "<h2>Training</h2>" in page
    assert "<h2>Folds</h2>" not in page
