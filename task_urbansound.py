"""Urban sounds, one label a clip: UrbanSound8K and ESC in Keras, fold by fold.

``python task_urbansound.py`` runs everything on generated sounds; ``--data DIR`` takes the real
UrbanSound8K and, with ``--override dataset.name=esc10``, ``esc50`` or ``urbansound_labelled``,
other sets. Sets of parameters stand in task.yaml, the stages in utils/.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from utils import cli
from utils.datasets import Clip, demo_urban, load_evaluation
from utils.evaluation import (
    Predictions,
    SceneScores,
    score_scenes,
    write_labels,
    write_system_output,
)
from utils.experiment import ClipExperiment, Job, check_clips, finish_labels, label_files
from utils.report.results import Results
from utils.run import Run

LIKELIEST = 3  # classes of a file that -m predict prints
SUBMISSION = "submission.csv"  # in the run folder


def develop(job: Job, run: Run, unlabelled: Sequence[Clip] = ()) -> Results:
    """Train, test and export every fold; score them; write results, answers and report."""
    experiment = ClipExperiment(job, run, score=partial(score, job), unlabelled=unlabelled)
    experiment.check_network()
    experiment.extract()
    experiment.run_folds()
    results = finish_labels(experiment)
    answers = experiment.predictions("keras")
    if unlabelled:
        answers = experiment.predict_unlabelled()
        submit(run, answers, job.data.classes, wanted=[clip.name for clip in unlabelled])
    else:
        run.withdraw(SUBMISSION)
    if job.output is not None:
        write = write_labels if unlabelled else write_system_output
        write(job.output, answers, job.data.classes)
    return results


def evaluate(job: Job, run: Run) -> Results:
    """Develop, and label the unlabelled clips by the average of all folds."""
    unlabelled = load_evaluation(job.settings.dataset, root=job.root, known=job.data.clips)
    return develop(job, run, unlabelled)


def submit(run: Run, answers: Predictions, classes: Sequence[str], wanted: Sequence[str]) -> None:
    """Write submission.csv; name the clips that could not be read and have no label in it."""
    path = run.folder / SUBMISSION
    write_labels(path, answers, classes)
    run.say(f"submission: {path}")
    for name in sorted(set(wanted) - set(answers.names)):
        run.say(f"to mend before handing in: {name} could not be read, it has no row.")


def score(job: Job, predictions: Predictions, bootstrap: int) -> SceneScores:
    """Score predictions by class, over all folds."""
    classes, seed = job.data.classes, job.settings.seed
    return score_scenes(predictions, classes=classes, bootstrap=bootstrap, seed=seed)


SCRIPT = cli.Script(
    name="task_urbansound",
    title="Urban and environmental sounds (UrbanSound8K, ESC), one label a clip.",
    folder=Path(__file__).resolve().parent,
    check=check_clips,
    develop=develop,
    evaluate=evaluate,
    predict=partial(label_files, likeliest=LIKELIEST),
    score=partial(cli.score_labels, score=score),
    demo=demo_urban.make,
    demo_names=("urbansound8k",),
)

if __name__ == "__main__":
    sys.exit(cli.main(SCRIPT))
