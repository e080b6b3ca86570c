"""Run sets one after the other: their data, their folders, ensembles of them, the comparison."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils import backend, datasets
from utils.cli import fetch, show, teachers
from utils.cli.script import Script
from utils.errors import UserError
from utils.experiment import Job, Member, read_member
from utils.files import digest
from utils.run import AllTrained, Earlier, Run, Source, open_run, run_folder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console

    from utils.config import Resolved
    from utils.report.results import Results

DEMO_NOTE = (
    "No --data: running on generated demo data. It shows that everything works; its scores say "
    "nothing about real audio."
)
DETERMINING = (
    "dataset", "audio", "features", "augment", "feature_augment", "view_augment", "segments",
    "model", "models", "training", "compression", "export",
)  # fmt: skip
"""Sections that decide what is trained and exported; the others may change without a new run.

One that is null decides nothing.
"""
AFTER_TRAINING = ("compression", "export")
"""Those of them that have no say in the training."""
JUDGING = ("evaluation", "postprocess", "separation")
"""Sections that change what a trained network scores, and nothing of the network."""
_OF_SAFETY = {"checkpoint_epochs"}  # keys of training that decide nothing of the network
_OF_DATA = {"dataset", "audio", "segments"}  # sections that decide what is loaded


@dataclass(frozen=True)
class Plan:
    """A set as resolved, and the sets that it is an ensemble of.

    Attributes:
        resolved: the set.
        members: of an ensemble; empty for a set with a network of its own.
        arms: of a study, with the learning rates that they are written with.
    """

    resolved: "Resolved"
    members: tuple["Resolved", ...] = ()
    arms: tuple["Resolved", ...] = ()

    @property
    def is_study(self) -> bool:
        """Whether the set is a study, whose arms are run by processes of their own."""
        return self.resolved.settings.study is not None


@dataclass
class Runs:
    """The runs of one command.

    Attributes:
        script: the task.
        arguments: of the command line.
        console: where to print.
        finished: results by run folder, in the order of the runs.
        asked: sets of the command by their ids, members of ensembles too.
    """

    script: Script
    arguments: "argparse.Namespace"
    console: "Console"
    finished: "dict[Path, Results]" = field(default_factory=dict)
    asked: "dict[str, Resolved]" = field(default_factory=dict)
    _folders: dict[tuple[str, int], Path] = field(default_factory=dict)
    _read: dict[str, tuple[Path, datasets.DataSet]] = field(default_factory=dict)

    def check(self, plans: "Sequence[Plan]") -> None:
        """Build every set's network before the first of several is trained.

        Raises:
            UserError: for a network that cannot be built, and a teacher that would be missing.
        """
        sets = self.asked = {
            one.settings.set_id: one
            for plan in plans
            for one in plan.members or (plan.resolved,)
            if not plan.is_study
        }
        teachers.require_before(self, plans)
        for one in sets.values() if len(sets) > 1 else ():
            self.script.check(self.job(one, one.settings.seed, notes=False))

    def of(self, plan: Plan) -> None:
        """Run a set with every seed that the command names."""
        for seed in self.arguments.seed or [plan.resolved.settings.seed]:
            if plan.members:
                self._ensemble(plan, seed)
            else:
                self._single(plan.resolved, seed)

    def _single(self, resolved: "Resolved", seed: int) -> Path:
        """Run one set with one seed, once a command; give the run's folder."""
        key = resolved.settings.set_id, seed
        if key not in self._folders:
            self._announce(resolved, seed)
            found = teachers.teachers_of(self, resolved, seed)
            job = replace(self.job(resolved, seed), teachers=found)
            with self._open(resolved, job) as run:
                self._folders[key] = run.folder
                with suppress(AllTrained):
                    self.finished[run.folder] = self._mode(job, run)
        return self._folders[key]

    @property
    def _mode(self) -> "Callable[[Job, Run], Results]":
        asked = self.script.evaluate if self.arguments.mode == "eval" else None
        return asked or self.script.develop

    def _ensemble(self, plan: Plan, seed: int) -> None:
        """Run the members, then score what they say together."""
        if self.script.combine is None:
            raise UserError(f"{self.script.name}.py has no ensembles; leave `ensemble` out.")
        self._require_comparable(plan)
        seeds = [seed if self.arguments.seed else one.settings.seed for one in plan.members]
        folders = [self._single(*pair) for pair in zip(plan.members, seeds, strict=True)]
        members: list[Member] = [read_member(folder) for folder in folders]
        self._announce(plan.resolved, seed)
        job = self.job(plan.resolved, seed)
        with self._open(plan.resolved, job, [folder.name for folder in folders]) as run:
            self.finished[run.folder] = self.script.combine(job, run, members)
            run.make_latest()

    def _require_comparable(self, plan: Plan) -> None:
        """Refuse members that would predict different clips, before the first is trained."""
        first, *others = plan.members
        for member in (*others, plan.resolved):
            if self.data(member)[1].judged != self.data(first)[1].judged:
                pair = f"{first.settings.set_id} and {member.settings.set_id}"
                told = f"its members {pair}" if member in others else f"its member {pair}"
                raise UserError(
                    f"set {plan.resolved.settings.set_id}: {told} would predict different clips; "
                    "give them the same dataset and training.folds."
                )

    def _announce(self, resolved: "Resolved", seed: int) -> None:
        title = f"\n{resolved.settings.set_id}, seed {seed}"
        self.console.print(title, style="bold", markup=False, soft_wrap=True)

    def compare(self) -> None:
        """Print and write the comparison of several runs."""
        if len(self.finished) < 2:
            return
        first, results = next(iter(self.finished.items()))
        folder = first.parents[1 + results.set_id.count("/")] / "comparisons"
        show.comparison(
            self.console,
            list(self.finished.values()),
            folder / digest([str(path) for path in self.finished]),
        )

    def job(self, resolved: "Resolved", seed: int, *, notes: bool = True) -> Job:
        """Find the data, generated where none is given, tell its notes, and start TensorFlow."""
        settings = resolved.settings.model_copy(update={"seed": seed})
        root, data = self.data(resolved)
        for note in data.notes if notes else ():
            self.console.print(f"note: {note}", style="yellow", markup=False, soft_wrap=True)
        training = settings.training
        backend.start(deterministic=training.deterministic, threads=training.threads)
        return Job(
            settings=settings,
            networks=resolved.models,
            data=data,
            root=root,
            cache=beside(self.script, settings.paths.cache),
            console=self.console,
            target=self.script.target,
            output=self.arguments.output,
            demo_differences=resolved.demo_differences,
        )

    def folder(
        self, resolved: "Resolved", seed: int, members: "Sequence[str] | None" = None
    ) -> Path:
        """Folder of a run, made or not.

        Args:
            resolved: the set.
            seed: of the run.
            members: of an ensemble, names of its members' folders; None where the set has a
                network of its own.

        Raises:
            UserError: for a set whose teachers are missing.
        """
        if members is None:
            return self.folder_and_training(resolved, seed)[0]
        return self._folder(resolved, seed, {"members": members})

    def folder_and_training(self, resolved: "Resolved", seed: int) -> tuple[Path, str]:
        """Folder of the run of a set with its own network, and the identity of its training.

        Other runs whose networks would come out the same have that identity as well.

        Raises:
            UserError: for a set whose teachers are missing.
        """
        decides = determining(resolved)
        if resolved.teachers:
            decides["teachers"] = teachers.identities(self, resolved, seed)
        trained = {key: value for key, value in decides.items() if key not in AFTER_TRAINING}
        identity = digest([trained, seed, self.data(resolved)[1].identity])
        return self._folder(resolved, seed, decides), identity

    def _folder(self, resolved: "Resolved", seed: int, decides: dict[str, Any]) -> Path:
        settings, data = resolved.settings, self.data(resolved)[1]
        return run_folder(
            beside(self.script, settings.paths.runs),
            settings.set_id,
            determining=decides,
            data=data.name,
            identity=data.identity,
            seed=seed,
        )

    def are_alike(self, one: "Resolved", other: "Resolved") -> bool:
        """Whether two versions of a set are the same runs, if their teachers are."""
        return determining(one) == determining(other)

    def data(self, resolved: "Resolved") -> tuple[Path, datasets.DataSet]:
        """Folder of a set's data, and the data, read once a command for all sets that share it."""
        settings = resolved.settings
        asked = settings.model_dump(mode="json", include=_OF_DATA)
        key = digest([asked, settings.training.folds, settings.paths.demo, settings.paths.cache])
        if key not in self._read:
            root, name, asked_data = self.arguments.data, None, settings.dataset
            if root is None:
                asked_data = asked_data.model_copy(update={"subset": None})  # which it has not
                self._require_demo(settings.dataset.name)
                self.console.print(DEMO_NOTE, style="yellow")
                folder = beside(self.script, settings.paths.demo)
                root, name = fetch.demo_data(self.console, folder, self.script.demo), "demo"
            self._read[key] = (
                root,
                datasets.load(
                    asked_data,
                    audio=settings.audio,
                    root=root,
                    cache=beside(self.script, settings.paths.cache),
                    folds=settings.training.folds,
                    name=name,
                ),
            )
        return self._read[key]

    def _require_demo(self, name: str) -> None:
        readers = self.script.demo_names
        if readers and name not in readers:
            raise UserError(
                f"dataset.name: the generated demo is a '{readers[0]}' set; name the folder of the "
                f"'{name}' set with --data."
            )

    def _open(self, resolved: "Resolved", job: Job, members: list[str] | None = None) -> Run:
        seed, earlier = job.settings.seed, None
        if members is not None:
            folder = self.folder(resolved, seed, members)
        else:
            folder, identity = self.folder_and_training(resolved, seed)
            runs = beside(self.script, job.settings.paths.runs)
            earlier = Earlier(runs, prefix=folder.name.rpartition("-")[0], identity=identity)
        return open_run(
            folder,
            parameters=stated(resolved) | {"seed": seed},
            data=job.data.name,
            identity=job.data.identity,
            source=Source.of(self.script.folder),
            console=self.console,
            overwrite=self.arguments.overwrite,
            tensorboard=self.arguments.tensorboard,
            trainings=len(job.data.folds) if self.arguments.until_trained else None,
            earlier=earlier,
        )


def determining(resolved: "Resolved") -> dict[str, Any]:
    """What decides the folder of a run: what is trained and exported."""
    parameters = resolved.parameters()
    found = {key: parameters[key] for key in DETERMINING if parameters[key] is not None}
    kept = {key: value for key, value in found["training"].items() if key not in _OF_SAFETY}
    return found | {"training": kept}


def stated(resolved: "Resolved") -> dict[str, Any]:
    """What is told of a set in the folder of a run: all parameters but where folders lie."""
    return {key: value for key, value in resolved.parameters().items() if key != "paths"}


def beside(script: Script, setting: str) -> Path:
    """A folder of the settings: relative ones lie beside the script, not where it was called."""
    return script.folder / Path(setting).expanduser()
