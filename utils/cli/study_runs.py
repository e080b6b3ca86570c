"""The runs that a study asks for, and what their folders tell of them."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from utils.cli.runs import JUDGING
from utils.config.export_section import LimitSettings
from utils.config.nodes import read_yaml
from utils.config.places import nearest_or_all
from utils.errors import ConfigError
from utils.experiment.compressing import networks
from utils.experiment.records import read_best_epoch, read_history
from utils.report.study import StudyRun, cost_of, overall_scores
from utils.run import DIVERGED, PARAMETERS, STAGES, TRAINING, record_of
from utils.training.steps import NAME, read_steps

if TYPE_CHECKING:
    from utils.cli.runs import Runs
    from utils.config import Resolved


@dataclass(frozen=True)
class Asked:
    """A run that a study asks for.

    Attributes:
        arm: name of the arm.
        rate: learning rate that the optimizer begins with; None where it states none.
        seed: of the run.
        set_id: of the arm with this rate.
        folder: of the run.
        folds: sub-folders of its folds; one without a name where there is one network.
        epochs: most epochs.
        overrides: that it has besides those of the command.
        whole: whether test, export and report belong to it.
        limits: by which it is judged; bytes and scores are told of the file that they name.
        step: the last of its compression, whose network is judged; "" without any.
        training: identity of its training, which runs that differ after it share.
        judging: what decides its scores besides, as its parameters.yaml tells it.
    """

    arm: str
    rate: float | None
    seed: int
    set_id: str
    folder: Path
    folds: tuple[str, ...]
    epochs: int
    overrides: tuple[str, ...] = ()
    whole: bool = True
    limits: LimitSettings = field(default_factory=LimitSettings, hash=False)
    step: str = ""
    training: str = ""
    judging: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def is_search(self) -> bool:
        """Whether it is one of the short runs."""
        return bool(self.overrides)

    @property
    def log_name(self) -> str:
        """Name of the file that receives what the run prints."""
        kind = "search-" if self.is_search else ""
        return f"{kind}{self.set_id.rpartition('/')[2]}-{self.seed}.txt"

    @property
    def _places(self) -> list[Path]:
        return [self.folder / name for name in self.folds]

    @property
    def has_diverged(self) -> bool:
        """Whether a loss was no number."""
        return any(any(place.glob(f"**/{DIVERGED}")) for place in self._places)

    @property
    def is_trained(self) -> bool:
        """Whether every fold's training is over."""
        return all(_training(place) is not None for place in self._places)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        done = self.is_trained and (not self.whole or self._is_judged)
        return done or self.has_diverged

    @property
    def _is_judged(self) -> bool:
        """Whether there are results, of the settings that are asked for now."""
        results, told = self.folder / "results.json", self.folder / PARAMETERS
        if not (results.exists() and told.exists()):
            return False
        if results.stat().st_mtime_ns < told.stat().st_mtime_ns:  # begun again, not finished
            return False
        parameters = read_yaml(told)
        file = (parameters.get("limits") or {}).get("format")  # of which validation scores are kept
        return file == self.limits.format and all(
            parameters.get(name) == value for name, value in self.judging.items()
        )

    def forget(self) -> None:
        """Remove what says that something is over; the rest goes with the run that starts anew."""
        for place in self._places:
            for name in (STAGES, "history.csv", DIVERGED, "results.json"):
                for file in place.glob(f"**/{name}"):
                    file.unlink()
        (self.folder / "results.json").unlink(missing_ok=True)

    def curve(self, metric: str) -> tuple[float, ...]:
        """The metric after each epoch so far, mean over the folds as far as all of them are.

        Raises:
            ConfigError: when there is no such column.
        """
        return _means([_column(place, metric) for place in self._places])

    def kept(self, metric: str) -> tuple[float, int] | None:
        """Value of the network after the last step of a compression, and its epoch there.

        Both are means over the folds, the epoch rounded.

        Returns:
            None without such a step, and where it is not over in every fold.

        Raises:
            ConfigError: when there is no such column.
        """
        folders = [place / self.step for place in self._places] if self.step else []
        if not folders or not all((folder / "training.json").exists() for folder in folders):
            return None
        epochs = [read_best_epoch(folder) for folder in folders]
        values = [
            _column(folder, metric)[epoch - 1]
            for folder, epoch in zip(folders, epochs, strict=True)
        ]
        return sum(values) / len(values), round(sum(epochs) / len(epochs))

    def outcome(
        self, metric: str, *, state: Literal["done", "diverged", "failed"], problem: str = ""
    ) -> StudyRun:
        """What became of the run.

        Args:
            metric: column of history.csv that is compared.
            state: of the run.
            problem: what it said, unless it is done.

        Raises:
            ConfigError: when there is no such column.
            UserError: for a results.json that is none.
        """
        steps = [read_steps(place / NAME) for place in self._places]
        seconds = [_training(place) for place in self._places]
        known = [one for one in seconds if one is not None]
        return StudyRun(
            arm=self.arm,
            learning_rate=self.rate,
            seed=self.seed,
            set_id=self.set_id,
            folder=str(self.folder),
            state=state,
            curve=self.curve(metric),
            losses=_means([[step.loss for step in rows] for rows in steps]),
            norms=_means([[step.gradient_norm for step in rows] for rows in steps]),
            step_seconds=_means([[step.seconds for step in rows] for rows in steps]),
            seconds=sum(known) if len(known) == len(seconds) else None,
            problem=problem,
            scores=overall_scores(self.folder) if self.whole else {},
            cost=cost_of(self.folder, self.limits) if self.whole else None,
            kept=self.kept(metric) if self.whole else None,
        )


def asked_run(
    resolved: "Resolved",
    *,
    arm: str,
    seed: int,
    folder: Path,
    folds: Sequence[str],
    overrides: Sequence[str] = (),
    whole: bool = True,
    training: str = "",
) -> Asked:
    """A run of an arm as resolved.

    Args:
        resolved: the arm, with its learning rate.
        arm: its name.
        seed: of the run.
        folder: of the run.
        folds: names of the data's folds.
        overrides: that it has besides those of the command.
        whole: whether test, export and report belong to it.
        training: identity of its training.
    """
    return Asked(
        arm=arm,
        rate=written_rate(resolved),
        seed=seed,
        set_id=resolved.settings.set_id,
        folder=folder,
        folds=tuple(folds) if len(folds) > 1 else ("",),
        epochs=resolved.settings.training.epochs,
        overrides=tuple(overrides),
        whole=whole,
        limits=resolved.settings.limits,
        step=last_step(resolved),
        training=training,
        judging={name: told for name in JUDGING if (told := resolved.parameters().get(name))},
    )


def next_to_start(
    waiting: Sequence[Asked], running: Iterable[Asked], *, anew: bool
) -> Asked | None:
    """The first run whose training is not under way in another, from which it will be taken over.

    Args:
        waiting: runs, in the order asked for.
        running: those that were started and are not over.
        anew: whether each run trains for itself.

    Returns:
        None where none waits, and where all are to wait for such a training.
    """
    under_way = {one.training for one in running if not one.is_trained and not anew}
    return next((one for one in waiting if one.training not in under_way), None)


def last_step(resolved: "Resolved") -> str:
    """The last step of a set's compression, after which its network is judged; "" without any."""
    _, *steps = networks(Path(), resolved.settings.compression)
    return steps[-1] if steps else ""


def script_command(
    runs: "Runs", set_ids: Sequence[str], options: Sequence[str], overrides: Sequence[str] = ()
) -> list[str]:
    """A command of the script that runs a study, with its parameters and data.

    Args:
        runs: of the command that runs the study.
        set_ids: what it is about.
        options: of the command line.
        overrides: besides those of the study's command.
    """
    script, arguments = runs.script, runs.arguments
    command = [sys.executable, str(script.folder / f"{script.name}.py")]
    command += ["-s", ",".join(set_ids), *options]
    for option, value in (("-p", arguments.param_file), ("--data", arguments.data)):
        command += [] if value is None else [option, str(value)]
    overrides = [*arguments.override, *overrides]
    return [*command, *(["--override", *overrides] if overrides else [])]


def written_rate(resolved: "Resolved") -> float | None:
    """Learning rate that a set's optimizer states; None where it states none."""
    (arguments,) = resolved.settings.training.optimizer.values()
    rate = (arguments or {}).get("learning_rate")
    return float(rate) if isinstance(rate, int | float) else None


def clip_norm(resolved: "Resolved") -> float | None:
    """Norm to which a set's gradients are clipped, all together; None: they are not.

    Norms of single variables (``clipnorm``) cannot be told from that of all together.
    """
    (arguments,) = resolved.settings.training.optimizer.values()
    norm = (arguments or {}).get("global_clipnorm")
    return None if norm is None else float(norm)


def last_words(log: Path, status: int) -> str:
    """What a process said that ended with a status other than 0: its error, else where to look."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    starts = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if starts and status > 0:
        return " ".join(" ".join(lines[starts[-1] :]).removeprefix("error: ").split())
    ended = f"signal {-status}" if status < 0 else f"status {status}"
    return f"ended with {ended}; see {log}."


def _training(place: Path) -> float | None:
    """Seconds of the training of a folder; None where it is not over."""
    entry = record_of(place).get(TRAINING)
    if entry is None or not (place / "history.csv").exists():
        return None
    return float(entry["seconds"])


def _column(folder: Path, metric: str) -> list[float]:
    """A column of history.csv; empty where there is none yet."""
    rows = read_history(folder) if (folder / "history.csv").exists() else []
    if rows and metric not in rows[0]:
        known = nearest_or_all(metric, rows[0])
        raise ConfigError(f"study.metric: no epoch reports '{metric}'.{known}")
    return [row[metric] for row in rows]


def _means(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Means of rows, place by place, as far as all of them go."""
    return tuple(sum(values) / len(values) for values in zip(*rows, strict=False))
