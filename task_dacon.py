"""Which words overlap in a clip: DACON 235616 in Keras, scored by KL divergence.

``python task_dacon.py`` runs everything on generated words; ``--data DIR`` takes the competition's
folder or, with ``--override dataset.name=words``, any folder of isolated words, which are mixed.
Sets of parameters stand in task.yaml, the stages in utils/.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from utils import cli
from utils.datasets import Clip, demo_words, load_evaluation
from utils.datasets.dacon import TEMPLATE, template_ids
from utils.errors import DataError
from utils.evaluation import Predictions, WordScores, answers, score_words
from utils.experiment import (
    ClipExperiment,
    Ensemble,
    Job,
    Member,
    check_clips,
    keep,
    label_files,
    publish,
)
from utils.report import words
from utils.report.results import Results
from utils.report.section import Section
from utils.report.tables import show
from utils.run import Run

LIKELIEST = 4  # words of a clip that -m predict prints
SUBMISSION = "submission.csv"  # in the run folder, by the competition's template


def develop(job: Job, run: Run, unlabelled: Sequence[Clip] = ()) -> Results:
    """Train, calibrate, test and export every fold; write scores, answers and report."""
    experiment = ClipExperiment(job, run, score=partial(score, job), unlabelled=unlabelled)
    experiment.check_network()
    experiment.extract()
    experiment.run_folds()
    predictions = {"test": experiment.predictions("keras"), "out_of_fold": experiment.out_of_fold()}
    if unlabelled:
        predictions["evaluation"] = experiment.predict_unlabelled()
    return finish(job, run, experiment.results(), predictions, curves=experiment.curves())


def evaluate(job: Job, run: Run) -> Results:
    """Develop, and answer the unlabelled clips by the average of all folds."""
    unlabelled = load_evaluation(job.settings.dataset, root=job.root, known=job.data.learnt)
    return develop(job, run, unlabelled)


def combine(job: Job, run: Run, members: Sequence[Member]) -> Results:
    """Average sets that were run, with weights fitted out of fold."""
    ensemble = Ensemble.fit(members)
    predictions = {part: ensemble.predictions(part) for part in ensemble.parts}
    scores = score(job, predictions["test"], job.settings.evaluation.bootstrap).as_dict()
    scores |= ensemble.fold_scores(job.data, partial(score, job))
    for note in ensemble.notes():
        run.say(f"note: {note}", style="yellow")
    return finish(job, run, ensemble.results(job, run, scores), predictions)


def score(job: Job, predictions: Predictions, bootstrap: int) -> WordScores:
    """Score predictions by KL divergence, by the words that are found, and by word."""
    seed = job.settings.seed
    return score_words(predictions, classes=job.data.classes, bootstrap=bootstrap, seed=seed)


def finish(
    job: Job,
    run: Run,
    results: Results,
    predictions: dict[str, Predictions],
    curves: Sequence[Section] = (),
) -> Results:
    """Write results.json, the predictions of each part, and the report; print the tables."""
    keep(run.folder, predictions)
    for part in ("test", "out_of_fold"):
        write_answers(run.folder / f"{part}.csv", predictions[part], job.data.classes)
    if "evaluation" in predictions:
        submit(job, run, predictions["evaluation"])
    else:
        run.withdraw(SUBMISSION)
        if job.output is not None:
            write_answers(job.output, predictions["test"], job.data.classes)
    table, *pictures = words.word_sections(results.scores)
    tables = words.word_tables(results.scores)
    publish(run, results, sections=(table, *curves, *pictures), tables=tables)
    return results


def write_answers(path: Path, predictions: Predictions, classes: Sequence[str]) -> None:
    """Write probabilities by clip, in the layout of the competition's answers."""
    ids = answers.ids_of(predictions.names)
    answers.write(path, ids=ids, classes=classes, probabilities=predictions.probabilities)


def submit(job: Job, run: Run, predictions: Predictions) -> None:
    """Write what can be handed in, by the competition's template; say what would be refused."""
    ids, classes = template_ids(job.root)
    clips = load_evaluation(job.settings.dataset, root=job.root)
    complete, unanswered = answers.complete(predictions, [clip.name for clip in clips])
    path = run.folder / SUBMISSION
    for file in (path,) if job.output is None else (path, job.output):
        answers.write(file, ids=ids, classes=classes, probabilities=complete.probabilities)
    run.say(f"submission: {path}")
    for name in unanswered:
        run.say(f"{name}: left out; every word is given the same probability.", style="yellow")
    for problem in answers.problems(path, ids=ids, classes=classes):
        run.say(f"to mend before handing in: {problem}", style="yellow")


def score_answers(asked: cli.Answers) -> None:
    """Score a file of answers against a file of right ones, or against the test part's labels.

    A file for the competition's own test clips, whose answers nobody has, is only checked.
    """
    if asked.truth is not None:
        right = answers.read(asked.truth)
        classes = right.classes
        given = answers.against(answers.read(asked.path, classes=classes), right)
    else:
        job = asked.job()
        classes = job.data.classes
        if checked(asked, job):
            return
        given = answers.of_clips(answers.read(asked.path, classes=classes), job.data.test)
    bootstrap, seed = asked.settings.evaluation.bootstrap, asked.settings.seed
    scores = score_words(given, classes=classes, bootstrap=bootstrap, seed=seed)
    show(asked.console, *words.word_tables(scores.as_dict()))


def checked(asked: cli.Answers, job: Job) -> bool:
    """Say what the competition would refuse in a file; whether nothing else can be said of it."""
    if job.settings.dataset.name != "dacon" or not (job.root / TEMPLATE).is_file():
        return False
    ids, classes = template_ids(job.root)
    said = answers.read_ids(asked.path)
    wanted = answers.shared(said, ids)
    known = answers.shared(said, answers.ids_of([clip.name for clip in job.data.test]))
    if not wanted or wanted < known:
        return False
    problems = answers.problems(asked.path, ids=ids, classes=classes)
    say = partial(asked.console.print, markup=False, soft_wrap=True)
    for problem in problems:
        say(f"to mend before handing in: {problem}", style="yellow")
    if known == wanted:
        return False
    if problems:
        raise DataError(f"{asked.path}: cannot be handed in as it is.")
    say(f"{asked.path}: can be handed in; without answers there is no score.")
    return True


SCRIPT = cli.Script(
    name="task_dacon",
    title="Which words overlap in a clip, as a distribution (DACON 235616).",
    folder=Path(__file__).resolve().parent,
    target="distribution",
    check=check_clips,
    develop=develop,
    evaluate=evaluate,
    combine=combine,
    predict=partial(label_files, likeliest=LIKELIEST, write=write_answers),
    score=score_answers,
    score_takes="answers",
    demo=demo_words.make,
)

if __name__ == "__main__":
    sys.exit(cli.main(SCRIPT))
