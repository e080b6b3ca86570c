"""Acoustic scenes, one label a clip: DCASE 2021 task 1A in Keras.

``python task1a.py`` runs everything on generated demo data; ``--data DIR`` takes the real data
set. Sets of parameters stand in task.yaml, the stages in utils/.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from utils import cli
from utils.datasets import load_evaluation
from utils.evaluation import (
    Predictions,
    SceneScores,
    read_system_output,
    score_scenes,
    submission,
    write_system_output,
)
from utils.evaluation.validator import validate_pair
from utils.experiment import ClipExperiment, Job
from utils.inference import FilePredictor
from utils.report import html, scenes, size
from utils.report.results import Results, write_results
from utils.report.tables import Column, Row, Table, show


def develop(job: Job) -> Results:
    """Train, test and export every fold; score them; write results.json and report.html."""
    experiment = ClipExperiment(job, score=lambda *arguments: score(job, *arguments))
    experiment.check_network()
    experiment.extract()
    experiment.run_folds()
    results = experiment.results()
    write_results(job.run.folder / "results.json", results)
    write_report(experiment, results)
    show_results(job, results)
    return results


def score(job: Job, predictions: Predictions, bootstrap: int) -> SceneScores:
    """Score predictions by class, device, and seen against unseen devices."""
    return score_scenes(
        predictions,
        classes=job.data.classes,
        unseen=job.data.unseen_devices,
        bootstrap=bootstrap,
        seed=job.run.seed,
    )


def write_report(experiment: ClipExperiment, results: Results) -> None:
    """Write report.html: tables, learning curves, confusion, devices, wrong clips, sizes."""
    job = experiment.job
    table, *pictures = scenes.scene_sections(
        results.scores,
        wrong=experiment.wrong_clips(),
        hop_seconds=job.settings.features.hop_seconds,
    )
    curves = [
        html.training_section(fold.history(), best_epoch=fold.best_epoch())
        for fold in experiment.folds
    ]
    parameters = (job.run.folder / "parameters.yaml").read_text(encoding="utf-8")
    sections = (table, *curves, *pictures)
    html.write_report(job.run.folder / "report.html", results, sections, parameters)


def show_results(job: Job, results: Results) -> None:
    """Print the tables that the DCASE baseline prints, sizes and verdicts, and where files lie."""
    tables = [scenes.class_table(results.scores), scenes.group_table(results.scores)]
    tables += [size.export_table(results), size.limits_table(results.limits)]
    show(job.run.console, *tables)
    job.run.say(f"report: {job.run.folder / 'report.html'}")


def evaluate(job: Job, output: Path | None) -> None:
    """Train on all development data; write the submission pair for the evaluation clips."""
    results = develop(job)
    clips = load_evaluation(job.settings.dataset, root=job.root)
    experiment = ClipExperiment(job, score=lambda *arguments: score(job, *arguments))
    fold = experiment.evaluation_fold(clips)
    fold.train()
    float_predictions, exported = fold.test(), fold.export()
    predictions = exported.get(job.settings.limits.format, float_predictions)
    if output is not None:
        write_system_output(output, predictions, job.data.classes)
    folder = job.run.folder / "submission" / job.settings.submission.label
    pair = submission.write_pair(
        folder,
        submission=job.settings.submission,
        facts=submission_facts(job, results),
        scores=results.scores,
        predictions=predictions,
        classes=job.data.classes,
    )
    job.run.say(f"submission: {folder}")
    names = [clip.name for clip in clips]
    for problem in validate_pair(*pair, classes=job.data.classes, expected_names=names):
        job.run.say(f"to mend before handing in: {problem}")


def submission_facts(job: Job, results: Results) -> submission.SubmissionFacts:
    """Tell what the meta file asks of the system, from the settings and the measured model."""
    settings, judged = job.settings, results.exports.get(job.settings.limits.format)
    return submission.SubmissionFacts(
        sample_rate_hz=settings.audio.sample_rate,
        acoustic_features=submission.features_text(settings.features),
        data_augmentation=submission.augmentation_text(settings.augment),
        machine_learning_method=submission.method_text(
            layer.kind for layer in results.model.layers
        ),
        total_parameters=(judged or results.model).parameters,
        total_parameters_non_zero=(judged or results.model).non_zero,
        parameter_bytes=judged.non_zero_bytes if judged else results.model.keras_float16_bytes,
        complexity_management="weight quantization",
        demo=job.run.is_demo,
    )


def predict(predictor: FilePredictor, files: Sequence[Path], output: Path | None) -> None:
    """Print scene and probabilities of each file; write them as a table."""
    console, classes = Console(), predictor.classes
    probabilities = np.stack([predictor(file) for file in files])
    predictions = Predictions(tuple(map(str, files)), probabilities)
    columns = (Column("file", words=True), Column("scene", words=True), *map(Column, classes))
    rows = tuple(
        Row((name, classes[best], *(f"{value:.3f}" for value in row)))
        for name, best, row in zip(
            predictions.names, predictions.predicted, probabilities, strict=True
        )
    )
    show(console, Table("Predictions", columns, rows))
    path = output or Path("predictions.csv")
    write_system_output(path, predictions, classes)
    console.print(f"written to {path}", markup=False)


def score_answers(job: Job, path: Path) -> None:
    """Score a system output file against the labels of the test part."""
    answers = read_system_output(path, classes=job.data.classes)
    clips = [clip for fold in job.data.folds for clip in fold.test]
    results = score(job, answers.of(clips), job.settings.evaluation.bootstrap).as_dict()
    show(job.run.console, scenes.class_table(results), scenes.group_table(results))


SCRIPT = cli.Script(
    name="task1a",
    title="Acoustic scene classification with low complexity (DCASE 2021 task 1A).",
    folder=Path(__file__).resolve().parent,
    develop=develop,
    evaluate=evaluate,
    predict=predict,
    score=score_answers,
)

if __name__ == "__main__":
    sys.exit(cli.main(SCRIPT))
