"""What a task script tells the command line about itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from utils.config.schema import Settings
from utils.experiment import Job, Member
from utils.inference import Predictor
from utils.report.results import Results
from utils.run import Run
from utils.targets import TargetKind

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Answers:
    """Answers that are to be scored without any model.

    Attributes:
        path: a file of answers, or a folder of detection tables.
        truth: a file of right answers in the same layout; None: those of the data set's test part.
            Of detection tables the true events.
        settings: the set as it is scored, with the seed of the command.
        job: gives the data set, the demo's where the command names none.
        console: where to print.
        durations: seconds of the files that detection tables are about; else None.
        output: file for the scores; None: they are printed only.
    """

    path: Path
    truth: Path | None
    settings: Settings
    job: Callable[[], Job]
    console: "Console"
    durations: Path | None = None
    output: Path | None = None


@dataclass(frozen=True)
class Script:
    """A task script: its name, which is also its default set, and what its modes do.

    Attributes:
        name: name without ``.py``.
        title: one line for ``--help``.
        folder: where task.yaml and the script lie.
        check: builds and compiles a set's network, so that a later set's mistake is not told after
            an earlier one was trained.
        develop: trains, scores and reports one set.
        evaluate: the same, and answers the unlabelled clips and writes the submission; None where
            no challenge has such clips.
        predict: tells what a model says about audio files, and writes it to a file.
        score: scores answers without any model.
        score_takes: what these are: a file of answers, scored by the data set's labels, with
            ``answers`` by a file of right ones too; or a folder of detection tables with its ground
            truth and durations, which come by options of their own; or a folder of separated files,
            scored by the data set's stems.
        demo: generates demo data in a folder from a seed, or finds it; gives the data set's folder.
        target: what the task predicts of a clip.
        combine: scores the ensemble of sets that were run; None where a task has no ensembles.
        predicted: where ``predict`` writes without ``-o``.
        demo_names: values of ``dataset.name`` that can read the demo; empty: not checked.
        submits: whether ``evaluate`` trains a network on all labelled clips after the folds.
    """

    name: str
    title: str
    folder: Path
    check: Callable[[Job], object]
    develop: Callable[[Job, Run], Results]
    evaluate: Callable[[Job, Run], Results] | None
    predict: Callable[[Predictor, Sequence[Path], Path, "Console"], None]
    score: Callable[[Answers], None]
    demo: Callable[..., Path]
    score_takes: Literal["labels", "answers", "detections", "stems"] = "labels"
    target: TargetKind = "single_label"
    combine: Callable[[Job, Run, Sequence[Member]], Results] | None = None
    predicted: Path = Path("predictions.csv")
    demo_names: tuple[str, ...] = ()
    submits: bool = False
