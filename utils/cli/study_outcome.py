"""What a study came to: written to its folder, and told on the console."""

from collections.abc import Mapping, Sequence

from utils.files import write_bytes
from utils.report.plots_front import front_picture
from utils.report.study import Study, write_study
from utils.report.study_page import findings, write_study_page
from utils.report.study_tables import study_tables
from utils.report.tables import show
from utils.run import Run


def publish(run: Run, study: Study, *, told: Sequence[str], facts: Mapping[str, str]) -> None:
    """Write study.json, study.csv, report.html and pictures of costs; print tables and findings.

    Args:
        run: the study's folder.
        study: the outcome.
        told: notes that were not told before the runs.
        facts: what more stands below the report's heading, by name.

    Raises:
        UserError: when a file cannot be written.
    """
    write_study(run.folder, study)
    for quantity in study.quantities:
        picture = front_picture(study, quantity, png=True)
        write_bytes(run.folder / f"front_{quantity.lower()}.png", picture.png)
    page = run.folder / "report.html"
    write_study_page(page, study, parameters_yaml=run.parameters_yaml, facts=facts)
    run.make_latest()
    show(run.console, *study_tables(study))
    run.say("")
    for note in (*told, *_unpaired(study)):
        run.say(f"note: {note}", style="yellow")
    for line in findings(study):
        run.say(line)
    run.say(f"report: {page}")


def _unpaired(study: Study) -> tuple[str, ...]:
    """What to say where arms of one seed do not begin with one loss."""
    if study.is_paired is not False:
        return ()
    return ("the first losses of a seed differ from arm to arm, so the arms are not paired.",)
