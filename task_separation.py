"""Source separation: stems of songs (Spleeter) and speakers of mixtures (SVoice), in Keras.

``python task_separation.py`` runs everything on generated songs; ``--data DIR`` takes MUSDB18-HQ.
Sets of parameters stand in task.yaml, the stages in utils/.
"""

import sys
from pathlib import Path

from utils import cli
from utils.datasets import demo_music
from utils.experiment import (
    Job,
    SeparationExperiment,
    check_separation,
    publish,
    separate_files,
)
from utils.report import separation
from utils.report.results import Results
from utils.run import Run


def develop(job: Job, run: Run) -> Results:
    """Train on stretches, separate whole test files, export; write results and report."""
    experiment = SeparationExperiment(job, run)
    experiment.check_network()
    experiment.prepare()
    experiment.train()
    tested = experiment.test()
    results = experiment.results(tested, experiment.export())
    sections = (*separation.sections(results.scores), *experiment.curves())
    publish(run, results, sections=sections, tables=separation.tables(results.scores))
    return results


SCRIPT = cli.Script(
    name="task_separation",
    title="Source separation: stems of songs by masks, speakers by dual-path recurrence.",
    folder=Path(__file__).resolve().parent,
    check=check_separation,
    develop=develop,
    evaluate=None,
    predict=separate_files,
    score=cli.score_stems,
    score_takes="stems",
    demo=demo_music.make,
    target="stems",
    predicted=Path("separated"),
    demo_names=("musdb",),
)

if __name__ == "__main__":
    sys.exit(cli.main(SCRIPT))
