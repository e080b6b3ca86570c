"""``-m score``: of tasks of one label a clip, of tables of sound events, of separated files."""

import json
from collections.abc import Callable

from utils.cli.script import Answers
from utils.console import terminal
from utils.evaluation import Predictions, SceneScores, read_system_output, sed
from utils.evaluation.event_answers import read_tables
from utils.experiment import Job, score_folder
from utils.files import write_json, write_text
from utils.report import events, scenes, separation
from utils.report.tables import show


def score_labels(asked: Answers, *, score: Callable[[Job, Predictions, int], SceneScores]) -> None:
    """Score a system output file against the labels of the test clips, and print the tables.

    Args:
        asked: the file.
        score: the task's scores, with the number of bootstrap resamples.
    """
    job = asked.job()
    answers = read_system_output(asked.path, classes=job.data.classes)
    found = score(job, answers.of(job.data.test), job.settings.evaluation.bootstrap).as_dict()
    show(asked.console, scenes.class_table(found), scenes.group_table(found))


def score_tables(asked: Answers) -> None:
    """Score a folder of detection tables of any system, without its model and without any audio.

    Standard output gets JSON and nothing else: scores with all digits, null where undefined; the
    overall ones at the top and under ``overall``. Notes and tables for people go to standard error.

    Args:
        asked: the folder, the ground truth, the durations, and a file for the JSON, if any.

    Raises:
        UserError: for what is wrong with the tables, or a file that cannot be written.
        ValueError: without ground truth or durations, which the command line asks for.
    """
    if asked.truth is None or asked.durations is None:
        raise ValueError("ground truth and durations are needed to score detection tables")
    told = read_tables(asked.path, truth=asked.truth, durations=asked.durations)
    beside = terminal(errors=True)
    for note in told.notes:
        beside.print(f"note: {note}", style="yellow", soft_wrap=True)
    scores = sed.score_tables(
        told.tables,
        told.truth,
        classes=told.classes,
        bootstrap=asked.settings.evaluation.bootstrap,
        seed=asked.settings.seed,
    ).as_dict()
    show(beside, *events.event_tables(scores))
    plain = {key: value for key, value in scores.items() if key != "roc"}
    plain = {**scores["overall"], **plain, "notes": told.notes}
    text = json.dumps(plain, indent=2, allow_nan=False)
    if asked.output is not None:
        write_text(asked.output, text + "\n")
    asked.console.out(text, highlight=False)


def score_stems(asked: Answers) -> None:
    """Score a folder of separated files against the stems of the test files; print the tables.

    Args:
        asked: the folder, and a file for the scores as JSON, if any.

    Raises:
        UserError: for files that are missing or cannot be used.
    """
    found = score_folder(asked.job(), asked.path).as_dict()
    show(asked.console, *separation.score_tables(found), separation.file_table(found))
    if asked.output is not None:
        write_json(asked.output, found)
