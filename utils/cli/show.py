"""What the --show options and a comparison of sets print."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.report.comparison import (
    broken_by_any,
    comparison_table,
    results_table,
    write_comparison,
)
from utils.report.results import Results, read_results
from utils.report.tables import Column, Row, Table
from utils.report.tables import show as show_table
from utils.run import as_yaml

if TYPE_CHECKING:
    from rich.console import Console

    from utils.config import Catalogue, Resolved
    from utils.experiment import Job


def sets(console: "Console", catalogue: "Catalogue", task: str) -> None:
    """List the sets of a script."""
    rows = tuple(Row((set_id, catalogue.description(set_id))) for set_id in catalogue.set_ids(task))
    show_table(
        console, Table("Sets", (Column("set", words=True), Column("description", words=True)), rows)
    )


def parameters(console: "Console", resolved: "Sequence[Resolved]") -> None:
    """Print sets as resolved, as YAML."""
    for one in resolved:
        text = as_yaml(one.parameters())
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def results(
    console: "Console",
    folders: Iterable[Path],
    set_ids: Sequence[str],
    *,
    studies: Sequence[str] = (),
) -> None:
    """List the finished runs of a script's sets; say which cannot be read.

    Args:
        console: where to print.
        folders: of all runs.
        set_ids: the sets.
        studies: those of them whose arms have runs, in folders of their own.
    """
    paths = [
        path
        for folder in sorted(folders)
        for set_id in set_ids
        for path in sorted((folder / set_id).glob(f"{'*/' * (set_id in studies)}*/results.json"))
        if "latest" not in path.relative_to(folder).parts
    ]
    if not paths:
        console.print("no finished runs yet")
        return
    found, problems = [], []
    for path in paths:
        try:
            found.append((path.parent.name, read_results(path)))
        except UserError as error:
            problems.append(f"note: left out: {error}")
    if found:
        show_table(console, results_table(found))
    for problem in problems:
        console.print(problem, style="yellow", markup=False, emoji=False, soft_wrap=True)


def model(console: "Console", job: "Job") -> None:
    """Print the network's layers with parameters and operations."""
    from utils.experiment.facts import model_facts
    from utils.experiment.network import network_of
    from utils.report.size import layers_table

    show_table(console, layers_table(model_facts(network_of(job))))


def comparison(console: "Console", runs: Sequence[Results], folder: Path) -> None:
    """Print the table of several runs and write their common report."""
    show_table(console, comparison_table(runs))
    for line in broken_by_any(runs):
        console.print(line, markup=False, emoji=False, style="yellow")
    page = write_comparison(folder, runs)
    console.print(f"comparison: {page}", markup=False, soft_wrap=True)
