"""What a task script is given: one checked set and one data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.config.schema import Settings
from utils.datasets import DataSet
from utils.experiment.teachers import Teacher
from utils.targets import TargetKind

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Job:
    """One set on one data set with one seed.

    Attributes:
        settings: the set as resolved and checked, with the run's seed.
        networks: the ``models`` block of task.yaml, for the builder.
        demo_differences: what the set's ``demo`` block changed; empty on real data.
        data: folds of clips.
        target: what the task predicts of a clip.
        root: folder of the data set.
        cache: folder of extracted features, shared by all runs.
        console: where to print.
        output: file that ``-o`` asks for.
        teachers: runs from whose networks the set's network learns.
    """

    settings: Settings
    networks: Mapping[str, Any]
    data: DataSet
    root: Path
    cache: Path
    console: "Console"
    target: TargetKind = "single_label"
    output: Path | None = None
    teachers: tuple[Teacher, ...] = ()
    demo_differences: dict[str, Any] = field(default_factory=dict)
