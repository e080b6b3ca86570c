"""What a task script is given: one checked set, one data set, one run folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.config.schema import Settings
from utils.datasets import DataSet
from utils.run import Run


@dataclass(frozen=True)
class Job:
    """One set on one data set with one seed.

    Attributes:
        settings: the set as resolved and checked.
        networks: the ``models`` block of task.yaml, for the builder.
        parameters: the set as plain data, shown in the report.
        demo_differences: what the set's ``demo`` block changed; empty on real data.
        data: folds of clips.
        root: folder of the data set.
        cache: folder of extracted features, shared by all runs.
        project: folder of the code, whose commit the results name.
        run: the run folder.
    """

    settings: Settings
    networks: Mapping[str, Any]
    parameters: dict[str, Any]
    data: DataSet
    root: Path
    cache: Path
    project: Path
    run: Run
    demo_differences: dict[str, Any] = field(default_factory=dict)
