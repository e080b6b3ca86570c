"""Run a study: search each arm's learning rate, run every arm with every seed, compare them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from utils.cli.runs import Runs, beside, determining, stated
from utils.cli.study_check import Checked, ask, counted
from utils.cli.study_limits import bounds, decisive, reasons_against, uncounted_notes
from utils.cli.study_notes import (
    changes_text,
    compression_notes,
    edge_notes,
    pairing_notes,
    refuse_equal,
    search_notes,
    telling,
    without_rate,
)
from utils.cli.study_outcome import publish
from utils.cli.study_processes import Processes, shares
from utils.cli.study_progress import StudyProgress
from utils.cli.study_runs import (
    Asked,
    asked_run,
    clip_norm,
    last_words,
    next_to_start,
    script_command,
    written_rate,
)
from utils.cli.study_search import best_rate, rates_beyond, require_more_than_warmup
from utils.config.study_section import RATES, StudySettings, rate_text
from utils.files import digest
from utils.report.study import LeftOut, Study, StudyArm, StudyRun
from utils.run import Run, Source, open_run

if TYPE_CHECKING:
    from utils.config import Resolved

LOGS, COSTS = "logs", "costs.json"  # in the study's folder
_LOOK_SECONDS = 0.1  # between two looks at the processes

Resolve = Callable[..., "Resolved"]
"""Resolves a set by its id and by overrides besides those of the command."""


def run_study(runs: Runs, resolved: "Resolved", resolve: Resolve) -> int:
    """Run what is not done of a study, then compare its arms.

    Each run is a process of its own, so arms share nothing but the features on disk. What one says
    goes to a file; when one fails, the others go on.

    Args:
        runs: of the command.
        resolved: the study.
        resolve: for its arms.

    Returns:
        Exit status: 2 where a run failed otherwise than by divergence, or none was done; else 0.

    Raises:
        UserError: for a study that cannot be run, or a folder that cannot be written.
    """
    command = StudyCommand(runs, resolved, resolve)
    command.check()
    with command.opened() as run:
        command = command.affordable(run)
        command.announce(run)
        searched = command.search(run)
        arms = command.repeat(run, searched)
        study = command.compare(run, arms)
    failed = [one for arm in arms for one in (*arm.searched, *arm.runs) if one.state == "failed"]
    for one in failed:
        run.say(f"{one.set_id}, seed {one.seed}: {one.problem}", style="red")
    return 2 if failed or study.best is None else 0


@dataclass(frozen=True)
class StudyCommand:
    """A study as a command asks for it.

    Attributes:
        runs: of the command.
        resolved: the study.
        resolve: resolves its arms.
        left_out: arms that are not run, as they cost too much.
        checked: what the process found that built the arms' networks; None: not asked yet.
        uncounted: notes on what the networks cost.
    """

    runs: Runs
    resolved: "Resolved"
    resolve: Resolve
    left_out: tuple[LeftOut, ...] = ()
    checked: Checked | None = None
    uncounted: tuple[str, ...] = ()

    @cached_property
    def settings(self) -> StudySettings:
        """The section ``study``."""
        study = self.resolved.settings.study
        if study is None:
            raise ValueError(f"{self.study_id} is no study")
        return study

    @property
    def study_id(self) -> str:
        """Id of the study."""
        return self.resolved.settings.set_id

    @cached_property
    def arms(self) -> "dict[str, Resolved]":
        """The arms that are run, with the learning rates that they are written with."""
        out = {one.name for one in self.left_out}
        names = [name for name in self.settings.arms if name not in out]
        return {name: self.resolve(f"{self.study_id}/{name}") for name in names}

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those of the command, or of the study."""
        return tuple(self.runs.arguments.seed or self.settings.seeds)

    @cached_property
    def judged(self) -> tuple[str, Literal["min", "max"]]:
        """Column of history.csv that is compared, and which way it is better."""
        select = self.resolved.settings.training.select
        return self.settings.judged(select.metric, select.mode)

    @cached_property
    def cores(self) -> int:
        """Cores that this process may use."""
        from joblib import cpu_count

        return int(cpu_count())

    @cached_property
    def gpus(self) -> int:
        """GPUs that TensorFlow sees; every arm's network is built on the way.

        Raises:
            UserError: for arms whose network or training cannot be.
        """
        return (self.checked or self._ask()).gpus

    def _ask(self, *options: str) -> Checked:
        """What the process says that builds every arm's network."""
        set_ids = [arm.settings.set_id for arm in self.arms.values()]
        return ask(script_command(self.runs, set_ids, ("--check_only", *options)))

    def at_once(self, runs: int) -> int:
        """How many of these runs go at the same time: on a GPU one, if nothing else is said."""
        usual = 1 if self.gpus else min(self.cores, max(2, self.cores // 2))
        return min(runs, self.settings.jobs or usual)

    def check(self) -> None:
        """Refuse what would fail, or be for nothing, only after runs were made.

        Raises:
            UserError: for arms that are the same, and a search that is all warm-up.
        """
        told = {name: telling(arm, self.settings.rates(name)) for name, arm in self.arms.items()}
        refuse_equal(self.study_id, told)
        for name, arm in self.arms.items():
            require_more_than_warmup(self.settings, name, arm)
        for arm in self.arms.values():
            self.runs.data(arm)

    def opened(self) -> Run:
        """The study's folder, for this process alone: ``<runs>/<study>/<data>-<digest>``.

        Raises:
            UserError: when it cannot be written, or another process runs the study.
        """
        settings, data = self.resolved.settings, self.runs.data(self.resolved)[1]
        decides = {
            "arms": {name: determining(arm) for name, arm in self.arms.items()},
            "data": [self.runs.data(arm)[1].identity for arm in self.arms.values()],
            "search": {name: self.settings.rates(name) for name in self.arms},
            "epochs": self.settings.search and self.settings.search.epochs,
            "widen": self.settings.search and self.settings.search.widen,
            "seeds": self.seeds,
            "judged": self.judged,
            **decisive(self.settings.under, self.arms),
        }
        runs = beside(self.runs.script, settings.paths.runs)
        return open_run(
            runs / self.study_id / f"{data.name}-{digest(decides)}",
            parameters=stated(self.resolved),
            data=data.name,
            identity=data.identity,
            source=Source.of(self.runs.script.folder),
            console=self.runs.console,
            busy="runs this study",
        )

    def affordable(self, run: Run) -> "StudyCommand":
        """The study without the arms whose networks cost more than ``study.under`` allows.

        What they cost is kept in the study's folder, so that it is counted once.

        Raises:
            UserError: where no arm is left, or not the baseline; for what cannot be built.
        """
        if self.settings.under is None:
            return self
        set_ids = [arm.settings.set_id for arm in self.arms.values()]
        anew = self.runs.arguments.overwrite
        costs, checked = counted(run.folder / COSTS, set_ids, anew=anew, ask=self._ask)
        reasons = reasons_against(self.settings, self.arms, costs)
        out = tuple(LeftOut(name, self._changes(name), told) for name, told in reasons.items())
        notes = uncounted_notes(self.arms, costs)
        return replace(self, left_out=out, checked=checked, uncounted=notes)

    def announce(self, run: Run) -> None:
        """Say what is about to be run, and what a reader must know of it."""
        arms, seeds = len(self.arms), len(self.seeds)
        short = sum(len(self.settings.rates(name)) for name in self.arms)
        run.say(f"\nstudy {self.study_id}: {arms} arms by {seeds} seeds", style="bold")
        if short:
            run.say(f"{short} short runs, or some more, first search the learning rates")
        for one in self.left_out:
            run.say(one.sentence, style="yellow")
        run.say(f"what the runs print: {run.folder / LOGS}")
        for note in self.notes:
            run.say(f"note: {note}", style="yellow")

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Of the data, and of what the arms do not share."""
        told = [note for arm in self.arms.values() for note in self.runs.data(arm)[1].notes]
        searched = any(self.settings.rates(name) for name in self.arms)
        return (
            *dict.fromkeys(told), *pairing_notes(self.arms),
            *(search_notes(self.seeds[0]) if searched else ()),
            *compression_notes(self.arms, whole=self.settings.whole), *self.uncounted,
        )  # fmt: skip

    def search(self, run: Run) -> dict[str, tuple[StudyRun, ...]]:
        """Make the short runs; give them by arm, none where an arm is not searched."""
        found: dict[str, tuple[StudyRun, ...]] = dict.fromkeys(self.arms, ())
        search, mode = self.settings.search, self.judged[1]
        if search is None:
            return found
        listed = {name: self.settings.rates(name) for name in self.arms}
        wanted, what = listed, "search"
        while any(wanted.values()):
            asked = [
                self._asked(name, self.seeds[0], rate, f"training.epochs={search.epochs}")
                for name, rates in wanted.items()
                for rate in rates
            ]
            for one, made in self._make(run, asked, what).items():
                found[one.arm] += (made,)
            left = {name: search.widen + len(listed[name]) - len(found[name]) for name in found}
            wanted = {
                name: rates_beyond(runs, mode, most=left[name]) for name, runs in found.items()
            }
            what = "search, beyond its ends"
        return found

    def repeat(self, run: Run, searched: dict[str, tuple[StudyRun, ...]]) -> tuple[StudyArm, ...]:
        """Make the runs of all seeds with the best learning rates.

        An arm is left out where every rate diverged, and where a run of its search failed: its best
        rate is not known then.
        """
        mode = self.judged[1]
        taken: dict[str, float | None] = {}
        for name, arm in self.arms.items():
            best = best_rate(searched[name], mode)
            if not searched[name]:
                taken[name] = written_rate(arm)
            elif best is not None and all(one.state != "failed" for one in searched[name]):
                taken[name] = best.learning_rate
        asked = [
            self._asked(name, seed, rate if searched[name] else None)
            for seed in self.seeds
            for name, rate in taken.items()
        ]
        found = self._make(run, asked, "arms") if asked else {}
        return tuple(
            StudyArm(
                name=name,
                changes=self._changes(name),
                mode=mode,
                learning_rate=taken.get(name),
                clip_norm=clip_norm(arm),
                searched=searched[name],
                runs=tuple(one for key, one in found.items() if key.arm == name),
            )
            for name, arm in self.arms.items()
        )

    def _changes(self, name: str) -> str:
        """What an arm changes; where its learning rate is searched, without the written one."""
        own = {key: value for key, value in self.settings.arms[name].items() if key != RATES}
        return changes_text(without_rate(own) if self.settings.rates(name) else own)

    def _asked(self, arm: str, seed: int, rate: float | None, *overrides: str) -> Asked:
        """A run of an arm, by default with the written rate; with overrides one of the search."""
        at = "" if rate is None else f"@{rate_text(rate)}"
        resolved = self.resolve(f"{self.study_id}/{arm}{at}", *overrides)
        folds = [fold.name for fold in self.runs.data(resolved)[1].folds]
        folder, training = self.runs.folder_and_training(resolved, seed)
        return asked_run(
            resolved, arm=arm, seed=seed, folder=folder, folds=folds, overrides=overrides,
            whole=self.settings.whole and not overrides, training=training,
        )  # fmt: skip

    def _make(self, run: Run, asked: Sequence[Asked], what: str) -> dict[Asked, StudyRun]:
        """Make the runs that are not there, so many at a time; give all in the order asked for."""
        metric, mode = self.judged
        run.say(f"\n{what}", style="bold")
        anew = self.runs.arguments.overwrite
        waiting = [one for one in asked if anew or not one.is_over]
        found = {one: self._outcome(one, 0, run.folder) for one in asked if one not in waiting}
        # by all that are asked for: the last digits of a loss hang on the number of threads
        at_once = self.at_once(len(asked)) if waiting else 1
        if waiting:
            run.say(f"{at_once} at a time, {self.cores // at_once or 1} of {self.cores} cores each")
        progress = StudyProgress(run.console, asked, metric=metric, mode=mode)
        processes = Processes[Asked](at_once, shares(at_once, self.cores))
        is_reported = False
        with progress, processes:
            for one, outcome in found.items():
                progress.over(one, outcome)
            while waiting or processes.running:
                while processes.has_room and (
                    chosen := next_to_start(waiting, processes.running, anew=anew)
                ):
                    waiting.remove(chosen)
                    if anew:
                        chosen.forget()
                    log = run.folder / LOGS / chosen.log_name
                    processes.start(chosen, self._command(chosen), log)
                    progress.began(chosen)
                for one, status in processes.ended():
                    found[one] = self._outcome(one, status, run.folder)
                    progress.over(one, found[one])
                    run.log(f"{what}: {one.set_id}, seed {one.seed}: {found[one].state}")
                # a metric that is none is told after the first epoch, not after the first run
                is_reported = is_reported or any(one.curve(metric) for one in processes.running)
                progress.draw(processes.running)
                time.sleep(_LOOK_SECONDS if processes.running else 0.0)
        return {one: found[one] for one in asked}

    def _outcome(self, asked: Asked, status: int, folder: Path) -> StudyRun:
        """What became of a run that is over."""
        metric = self.judged[0]
        if asked.has_diverged:
            return asked.outcome(metric, state="diverged", problem="the loss became no number")
        if status == 0 and asked.is_over:
            done = asked.outcome(metric, state="done")
            if done.end == "done":
                return done
            return replace(done, state=done.end, problem=f"{metric} is no number after any epoch")
        problem = last_words(folder / LOGS / asked.log_name, status)
        return asked.outcome(metric, state="failed", problem=problem)

    def _command(self, asked: Asked) -> list[str]:
        """The command of a run."""
        options = ["--seed", str(asked.seed)]
        options += [] if asked.whole else ["--until_trained"]
        for option in ("overwrite", "tensorboard"):
            options += [f"--{option}"] if getattr(self.runs.arguments, option) else []
        return script_command(self.runs, [asked.set_id], options, asked.overrides)

    def compare(self, run: Run, arms: tuple[StudyArm, ...]) -> Study:
        """Write and print what the study came to."""
        metric, mode = self.judged
        settings = self.resolved.settings
        study = Study(
            study_id=self.study_id,
            description=settings.description,
            base=self.settings.base,
            data=run.data,
            data_identity=run.identity,
            demo=run.is_demo,
            commit=run.source.commit,
            metric=metric,
            mode=mode,
            seeds=self.seeds,
            baseline=self.settings.baseline,
            arms=arms,
            notes=(*self.notes, *edge_notes(arms)),
            left_out=self.left_out,
            bounds=bounds(self.settings.under),
        )
        publish(run, study, told=edge_notes(arms), facts={"cores": str(self.cores)})
        return study
