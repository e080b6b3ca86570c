"""What every run leaves and shows in the end: results.json, report.html, tables on the console."""

from collections.abc import Sequence

from utils.report import html, size
from utils.report.results import Results, write_results
from utils.report.section import Section
from utils.report.tables import Table, show
from utils.run import Run


def publish(
    run: Run, results: Results, *, sections: Sequence[Section], tables: Sequence[Table]
) -> None:
    """Write results.json and report.html; print tables, sizes, verdicts, and where the report lies.

    Args:
        run: with parameters.yaml in its folder.
        results: the scores.
        sections: of the report, in order.
        tables: of the console, before those on size and limits.
    """
    write_results(run.folder / "results.json", results)
    page = run.folder / "report.html"
    html.write_report(page, results, sections, run.parameters_yaml)
    sizes = size.export_table(results), size.steps_table(results)
    show(run.console, *tables, *sizes, size.limits_table(results.limits))
    run.say(f"report: {page}")
