"""Acoustic scenes, one label a clip: DCASE 2021 task 1A in Keras.

``python task1a.py`` runs everything on generated demo data; ``--data DIR`` takes the real data
set. Sets of parameters stand in task.yaml, the stages in utils/.
"""

import sys
from functools import partial
from pathlib import Path

from utils import cli
from utils.datasets import demo
from utils.evaluation import (
    Predictions,
    SceneScores,
    score_scenes,
    write_system_output,
)
from utils.experiment import (
    ClipExperiment,
    Job,
    check_clips,
    finish_labels,
    label_files,
    load_clips_to_submit,
    submit,
)
from utils.report.results import Results
from utils.run import Run


def develop(job: Job, run: Run) -> Results:
    """Train, test and export every fold; score them; write results, answers and report."""
    experiment, results = run_development(job, run)
    if job.output is not None:
        write_system_output(job.output, experiment.predictions("keras"), job.data.classes)
    return results


def run_development(job: Job, run: Run) -> tuple[ClipExperiment, Results]:
    """Do what :func:`develop` does; give the experiment with its predictions too."""
    experiment = ClipExperiment(job, run, score=partial(score, job))
    experiment.check_network()
    experiment.extract()
    experiment.run_folds()
    return experiment, finish_labels(experiment)


def score(job: Job, predictions: Predictions, bootstrap: int) -> SceneScores:
    """Score predictions by class, device, and seen against unseen devices."""
    return score_scenes(
        predictions,
        classes=job.data.classes,
        unseen=job.data.unseen_devices,
        bootstrap=bootstrap,
        seed=job.settings.seed,
    )


def evaluate(job: Job, run: Run) -> Results:
    """Develop; then train on all labelled clips and pack the answers to the evaluation set."""
    evaluation = load_clips_to_submit(job)
    experiment, results = run_development(job, run)
    submit(experiment, results, evaluation)
    return results


SCRIPT = cli.Script(
    name="task1a",
    title="Acoustic scene classification with low complexity (DCASE 2021 task 1A).",
    folder=Path(__file__).resolve().parent,
    check=check_clips,
    develop=develop,
    evaluate=evaluate,
    predict=label_files,
    score=partial(cli.score_labels, score=score),
    demo=demo.make,
    submits=True,
)

if __name__ == "__main__":
    sys.exit(cli.main(SCRIPT))
