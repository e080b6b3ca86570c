"""Acoustic scenes, one label a clip: DCASE 2021 task 1A in Keras.

``python task1a.py`` runs everything on generated demo data; ``--data DIR`` takes the real data
set. Sets of parameters stand in task.yaml, the stages in utils/.
"""

import sys
from pathlib import Path

from utils import cli
from utils.datasets import demo, load_evaluation
from utils.errors import UserError
from utils.evaluation import (
    Predictions,
    SceneScores,
    read_system_output,
    score_scenes,
    write_system_output,
)
from utils.experiment import ClipExperiment, Job, label_files, submit
from utils.report import html, scenes, size
from utils.report.results import Results, write_results
from utils.report.tables import show
from utils.run import Run


def develop(job: Job, run: Run) -> Results:
    """Train, test and export every fold; score them; write results.json and report.html."""
    experiment, results = run_development(job, run)
    if job.output is not None:
        write_system_output(job.output, experiment.predictions("keras"), job.data.classes)
    return results


def run_development(job: Job, run: Run) -> tuple[ClipExperiment, Results]:
    """Do what :func:`develop` does; give the experiment with its predictions too."""
    experiment = ClipExperiment(job, run, score=lambda *arguments: score(job, *arguments))
    experiment.check_network()
    experiment.extract()
    experiment.run_folds()
    results = experiment.results()
    write_results(run.folder / "results.json", results)
    answers = experiment.predictions("keras")
    write_system_output(run.folder / "system_output.csv", answers, job.data.classes)
    write_report(experiment, results)
    show_results(run, results)
    return experiment, results


def score(job: Job, predictions: Predictions, bootstrap: int) -> SceneScores:
    """Score predictions by class, device, and seen against unseen devices."""
    return score_scenes(
        predictions,
        classes=job.data.classes,
        unseen=job.data.unseen_devices,
        bootstrap=bootstrap,
        seed=job.settings.seed,
    )


def write_report(experiment: ClipExperiment, results: Results) -> None:
    """Write report.html: tables, learning curves, confusion, devices, wrong clips, sizes."""
    features, folder = experiment.job.settings.features, experiment.run.folder
    table, *pictures = scenes.scene_sections(
        results.scores,
        wrong=experiment.wrong_clips(),
        hop_seconds=features.hop_seconds if features.kind == "log_mel" else None,
    )
    parameters = (folder / "parameters.yaml").read_text(encoding="utf-8")
    sections = (table, *experiment.curves(), *pictures)
    html.write_report(folder / "report.html", results, sections, parameters)


def show_results(run: Run, results: Results) -> None:
    """Print the tables that the DCASE baseline prints, sizes and verdicts, and where files lie."""
    tables = [scenes.class_table(results.scores), scenes.group_table(results.scores)]
    tables += [size.export_table(results), size.limits_table(results.limits)]
    show(run.console, *tables)
    run.say(f"report: {run.folder / 'report.html'}")


def evaluate(job: Job, run: Run) -> Results:
    """Develop; then train on all labelled clips and write the submission for the evaluation set."""
    evaluation = load_evaluation(job.settings.dataset, root=job.root, known=job.data.clips)
    experiment, results = run_development(job, run)
    submit(experiment, results, evaluation)
    return results


def score_answers(asked: cli.Answers) -> None:
    """Score a system output file against the labels of the test part."""
    if asked.truth is not None:
        raise UserError("task1a.py scores against the data set's labels; leave --ground_truth out.")
    job = asked.job()
    answers = read_system_output(asked.path, classes=job.data.classes)
    results = score(job, answers.of(job.data.test), job.settings.evaluation.bootstrap).as_dict()
    show(job.console, scenes.class_table(results), scenes.group_table(results))


SCRIPT = cli.Script(
    name="task1a",
    title="Acoustic scene classification with low complexity (DCASE 2021 task 1A).",
    folder=Path(__file__).resolve().parent,
    develop=develop,
    evaluate=evaluate,
    predict=label_files,
    score=score_answers,
    demo=demo.make,
)

if __name__ == "__main__":
    sys.exit(cli.main(SCRIPT))
