"""``-m score`` of tasks of one label a clip."""

from collections.abc import Callable

from utils.cli.script import Answers
from utils.errors import UserError
from utils.evaluation import Predictions, SceneScores, read_system_output
from utils.experiment import Job
from utils.report import scenes
from utils.report.tables import show


def score_labels(asked: Answers, *, score: Callable[[Job, Predictions, int], SceneScores]) -> None:
    """Score a system output file against the labels of the test clips, and print the tables.

    Args:
        asked: the file.
        score: the task's scores, with the number of bootstrap resamples.

    Raises:
        UserError: for a file of right answers, which such tasks have in their data sets.
    """
    if asked.truth is not None:
        raise UserError("this task scores by the data set's labels; leave --ground_truth out.")
    job = asked.job()
    answers = read_system_output(asked.path, classes=job.data.classes)
    found = score(job, answers.of(job.data.test), job.settings.evaluation.bootstrap).as_dict()
    show(asked.console, scenes.class_table(found), scenes.group_table(found))
