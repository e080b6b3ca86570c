"""What tasks of one label a clip write and print when their networks are trained."""

from utils.evaluation import write_system_output
from utils.experiment.clips import ClipExperiment
from utils.experiment.publish import publish
from utils.report import scenes
from utils.report.folds import fold_table
from utils.report.results import Results


def finish(experiment: ClipExperiment) -> Results:
    """Score the networks; write results.json, the answers and report.html; print the tables.

    Args:
        experiment: with all folds run; its scores are ``SceneScores``.
    """
    job, run = experiment.job, experiment.run
    results = experiment.results()
    answers = experiment.predictions("keras")
    write_system_output(run.folder / "system_output.csv", answers, job.data.classes)
    representation = experiment.representation
    table, *pictures = scenes.scene_sections(
        results.scores,
        wrong=experiment.wrong_clips(),
        hop_seconds=representation.hop_length / representation.sample_rate,
    )
    folds = fold_table(results.scores)
    publish(
        run,
        results,
        sections=(table, *experiment.curves(), *pictures),
        tables=(
            scenes.class_table(results.scores),
            scenes.group_table(results.scores),
            *([folds] if folds else []),
        ),
    )
    return results
