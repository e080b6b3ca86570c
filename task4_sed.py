"""DCASE 2021 task 4: sound event detection by a mean teacher on DESED, in Keras.

``python task4_sed.py`` runs everything on generated soundscapes; ``--data DIR`` takes DESED. Sets
of parameters stand in task.yaml, the stages in utils/.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from utils import cli
from utils.datasets import Clip, demo_desed, event_tables, load_evaluation
from utils.evaluation import event_files
from utils.events import Events
from utils.experiment import (
    Detections,
    EventExperiment,
    Job,
    check_events,
    detect_files,
    publish,
)
from utils.report import events
from utils.report.results import Results
from utils.run import Run

SUBMISSION = "submission"  # in the run folder


def develop(job: Job, run: Run, unlabelled: Sequence[Clip] = ()) -> Results:
    """Train student and teacher, decide on events, test, export; write results and report."""
    experiment = EventExperiment(job, run, unlabelled=unlabelled)
    experiment.check_network()
    experiment.extract()
    experiment.train()
    experiment.decide()
    tested = experiment.test()
    results = experiment.results(tested, experiment.export())
    for network, found in tested.items():
        write_tables(run.folder / "detections" / network, found, experiment.tables(network, found))
    event_tables.write_names(run.folder / "missing.tsv", job.data.missing)
    answers = experiment.answer() if unlabelled else tested
    if job.output is not None:
        model = answers[experiment.decided["model"]]
        write_events(job.output, model)
    if not unlabelled:
        run.withdraw(SUBMISSION)
    for network, found in answers.items() if unlabelled else ():
        place = run.folder / SUBMISSION / network
        write_tables(place, found, experiment.tables(network, found))
        run.say(f"submission: {place}")
    table, *pictures = events.event_sections(results.scores)
    tables = (*events.event_tables(results.scores), events.network_table(results.scores))
    publish(run, results, sections=(table, *experiment.curves(), *pictures), tables=tables)
    return results


def evaluate(job: Job, run: Run) -> Results:
    """Develop, and search the clips of the public evaluation part."""
    return develop(job, run, load_evaluation(job.settings.dataset, root=job.root))


def write_tables(folder: Path, found: Detections, tables: Mapping[float, Events]) -> None:
    """Write a network's events and its detection tables of 50 thresholds, as the challenge does."""
    write_events(folder / "events.tsv", found)
    event_files.write_operating_points(
        folder / "tables", tables, files=found.files, classes=found.classes
    )


def write_events(path: Path, found: Detections) -> None:
    """Write what was decided: event_label, onset, offset, filename."""
    event_files.write_detections(path, found.events, files=found.files, classes=found.classes)


SCRIPT = cli.Script(
    name="task4_sed",
    title="Sound event detection with weak labels and a mean teacher (DCASE 2021 task 4, DESED).",
    folder=Path(__file__).resolve().parent,
    check=check_events,
    develop=develop,
    evaluate=evaluate,
    predict=detect_files,
    score=cli.score_tables,
    score_takes="detections",
    demo=demo_desed.make,
    target="events",
    predicted=Path("events"),
    demo_names=("desed",),
)

if __name__ == "__main__":
    sys.exit(cli.main(SCRIPT))
