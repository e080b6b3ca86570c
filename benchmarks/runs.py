"""What benchmarks that train whole sets share: finished runs, and scores over seeds."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from utils.report.results import Results, read_results


def finished(folder: Path, data: str, seeds: Sequence[int]) -> Iterator[tuple[Path, Results]]:
    """The newest run of each seed, and its results.

    Args:
        folder: of a set's runs.
        data: name of the data set.
        seeds: those wanted.
    """
    for seed in seeds:
        found = folder.glob(f"{data}-{seed}-*/results.json")
        path = max(found, key=lambda file: file.stat().st_mtime)
        yield path.parent, read_results(path)


def spread(values: Sequence[float], form: str) -> str:
    """The mean, with the standard deviation (n - 1) of several values."""
    mean = form.format(np.mean(values))
    return mean if len(values) < 2 else f"{mean} ± {form.format(np.std(values, ddof=1))}"
