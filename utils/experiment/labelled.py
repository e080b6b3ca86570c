"""What tasks of one label a clip write and print when their networks are trained."""

from utils.evaluation import write_system_output
from utils.experiment.clips import ClipExperiment
from utils.report import html, scenes, size
from utils.report.folds import fold_table
from utils.report.results import Results, write_results
from utils.report.tables import show


def finish(experiment: ClipExperiment) -> Results:
    """Score the networks; write results.json, the answers and report.html; print the tables.

    Args:
        experiment: with all folds run; its scores are ``SceneScores``.
    """
    job, run = experiment.job, experiment.run
    results = experiment.results()
    write_results(run.folder / "results.json", results)
    answers = experiment.predictions("keras")
    write_system_output(run.folder / "system_output.csv", answers, job.data.classes)
    _write_report(experiment, results)
    tables = (scenes.class_table(results.scores), scenes.group_table(results.scores))
    folds = fold_table(results.scores)
    show(run.console, *tables, *([folds] if folds else []))
    show(run.console, size.export_table(results), size.limits_table(results.limits))
    run.say(f"report: {run.folder / 'report.html'}")
    return results


def _write_report(experiment: ClipExperiment, results: Results) -> None:
    """Write report.html: tables, learning curves, confusion, devices, wrong clips, sizes."""
    representation, folder = experiment.representation, experiment.run.folder
    table, *pictures = scenes.scene_sections(
        results.scores,
        wrong=experiment.wrong_clips(),
        hop_seconds=representation.hop_length / representation.sample_rate,
    )
    parameters = (folder / "parameters.yaml").read_text(encoding="utf-8")
    sections = (table, *experiment.curves(), *pictures)
    html.write_report(folder / "report.html", results, sections, parameters)
