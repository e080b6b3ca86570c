"""Options that name a tiny set of a folder, and what its runs left there."""

from pathlib import Path

from utils.report.results import Results, read_results


def set_of(folder: Path, set_id: str = "tiny") -> tuple[str | Path, ...]:
    """Options that name a set of ``tiny.yaml``."""
    return "-s", set_id, "-p", folder / "tiny.yaml"


def run_of(folder: Path, set_id: str = "tiny") -> Path:
    """Folder of a set's latest run."""
    return (folder / "runs" / set_id / "latest").resolve()


def results_of(folder: Path, set_id: str = "tiny") -> Results:
    """Results of a set's latest run."""
    return read_results(run_of(folder, set_id) / "results.json")
