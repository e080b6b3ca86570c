"""Find the runs that a set's network learns from, or say how to make them."""

import os
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from utils import config
from utils.config import Catalogue, Resolved
from utils.config.data_sections import ValidationSettings
from utils.config.places import nearest
from utils.errors import ConfigError, UserError
from utils.experiment.teachers import ALL_DATA, SETTING, Teacher, model_identity

if TYPE_CHECKING:
    from utils.cli.runs import Plan, Runs

SHARED = ("dataset", "training.folds", "paths")
"""Overrides that hold for teachers too: they decide which clips there are, and where things lie."""

Find = Callable[[str, Sequence[str]], Resolved]
"""Resolves a set with overrides."""


def with_teachers(
    student: Resolved,
    catalogue: Catalogue,
    find: Find,
    *,
    overrides: Sequence[str],
    folder: Path = Path(),
    students: tuple[str, ...] = (),
) -> Resolved:
    """A set with its teachers, and these with theirs.

    Args:
        student: the set.
        catalogue: of all sets.
        find: resolves one of them.
        overrides: of the command; a teacher is as its set says, but for those of ``SHARED``.
        folder: of the script, where relative folders of teachers begin.
        students: that the set is a teacher of.

    Raises:
        ConfigError: for a teacher that is no set and no folder (one that is just missing is refused
            where it is needed), or has no network of its own.
    """
    settings, students = student.settings, (*students, student.settings.set_id)
    if settings.training.distillation is None:
        return student
    shared = [text for text in overrides if _is_shared(text)]
    found: list[Resolved | str] = []
    for name in settings.training.distillation.teachers:
        told = f"set {settings.set_id}: {SETTING}: {name}"
        if name in students:
            chain = " <- ".join((*students, name))
            raise ConfigError(f"{told} learns from itself: {chain}; leave it out.")
        if not catalogue.has(name) and os.sep in name:
            study = name.rpartition("/")[0]
            near = nearest(study, filter(catalogue.is_study, catalogue.set_ids()))
            if near and not _folder(name, folder).exists():
                raise ConfigError(f"{told} is neither a folder nor an arm of a study.{near}")
            found.append(name)
            continue
        try:
            teacher = find(name, shared)
        except ConfigError as error:
            raise ConfigError(f"{told}: {error}") from error
        if teacher.settings.ensemble or teacher.settings.study is not None:
            kind, parts = (
                ("an ensemble", "members") if teacher.settings.ensemble else ("a study", "arms")
            )
            raise ConfigError(f"{told} is {kind}; name its {parts}.")
        found.append(
            with_teachers(
                teacher, catalogue, find, overrides=shared, folder=folder, students=students
            )
        )
    return replace(student, teachers=tuple(found))


def _folder(name: str, folder: Path) -> Path:
    """The folder of a run that is named itself; a link, such as ``latest``, is followed."""
    return (folder / Path(name).expanduser()).resolve()


def _is_shared(override: str) -> bool:
    return all(
        any(path == one or path.startswith(f"{one}.") for one in SHARED)
        for path in config.overridden(override)
    )


def teachers_of(runs: "Runs", student: Resolved, seed: int) -> tuple[Teacher, ...]:
    """Runs that a run of a set learns from; they may be missing.

    A teacher of a set that the command runs is itself one of these runs, with all overrides, where
    the command names it. A teacher's teachers are as they were when that run was made.

    Args:
        runs: of the command.
        student: the set, with its teachers.
        seed: of its run, and of theirs.

    Raises:
        UserError: for a teacher with other data, or one whose own teacher is missing.
    """
    return tuple(_teacher(runs, student, one, seed) for one in student.teachers)


def _teacher(runs: "Runs", student: Resolved, one: Resolved | str, seed: int) -> Teacher:
    if isinstance(one, str):
        return Teacher(one, _folder(one, runs.script.folder))
    one = _comparable(runs, student, one)
    return Teacher(one.settings.set_id, runs.folder(one, seed), _command(runs, one, seed))


def _comparable(runs: "Runs", student: Resolved, one: Resolved) -> Resolved:
    """A teacher as the command has it, if that is of the student's data."""
    set_id = one.settings.set_id
    if _is_asked(runs, student):
        one = runs.asked.get(set_id, one)
    if runs.data(one)[1].identity != runs.data(student)[1].identity:
        raise UserError(
            f"set {student.settings.set_id}: its teacher {set_id} learns from other clips, or from "
            "another division of them; give both the same dataset and training.folds."
        )
    return one


def _is_asked(runs: "Runs", one: Resolved) -> bool:
    """Whether the command runs a set just so, not another version of it."""
    return runs.asked.get(one.settings.set_id) == one


def _command(runs: "Runs", one: Resolved, seed: int) -> str:
    """The command that makes the run of a teacher, as far as it differs from the usual one."""
    asked, set_id = runs.arguments, one.settings.set_id
    overrides = asked.override if _is_asked(runs, one) else filter(_is_shared, asked.override)
    options = {"--data": asked.data, "-p": asked.param_file}
    words = ["python", f"{runs.script.name}.py", "-s", set_id, "--seed", str(seed)]
    words += [str(word) for pair in options.items() if pair[1] is not None for word in pair]
    changed = list(overrides)
    return shlex.join([*words, *(["--override", *changed] if changed else [])])


def identities(runs: "Runs", student: Resolved, seed: int) -> list[list[str]]:
    """What the networks are that a run of a set learns from, by teacher and fold.

    Raises:
        UserError: for a run that is missing or of other data; it says how to make it.
    """
    places = _places(runs, student)
    found = (_required(runs, student, one, seed, places) for one in student.teachers)
    return [[model_identity(teacher.model(place)) for place in places] for teacher in found]


def require_before(runs: "Runs", plans: "Sequence[Plan]") -> None:
    """Refuse a command before its first run where a later one would lack a teacher.

    Raises:
        UserError: for a teacher that is neither there nor made by an earlier set of the command,
            and, where all labelled clips are learnt, one that divided them in another way.
    """
    coming: set[tuple[str, int]] = set()
    for plan in plans:
        for arm in plan.arms:
            _refuse_hidden(runs, arm.settings.set_id, arm)
        for one, seed in _in_order(runs, plan):
            places = [*_places(runs, one), *([ALL_DATA] if _submits(runs) else [])]
            for teacher in one.teachers:
                _require_one(runs, one, teacher, seed, places, coming)
            if not plan.is_study:  # whose runs may have other rates, or end with their training
                coming.add((one.settings.set_id, seed))


def _require_one(
    runs: "Runs",
    student: Resolved,
    teacher: Resolved | str,
    seed: int,
    places: Sequence[str],
    coming: Collection[tuple[str, int]],
) -> None:
    """Refuse a teacher that is not there and is not coming, or that learnt other clips."""
    submits = _submits(runs)
    if isinstance(teacher, Resolved):
        _comparable(runs, student, teacher)
        if submits:
            validation = teacher.settings.dataset.validation
            _require_division(student, teacher.settings.set_id, validation)
        if (teacher.settings.set_id, seed) in coming:
            return
    found = _required(runs, student, teacher, seed, places)
    if submits and isinstance(teacher, str):
        _require_division(student, teacher, found.validation)


def _require_division(student: Resolved, name: str, validation: ValidationSettings) -> None:
    """Refuse a teacher that learnt clips by which its student is chosen, of all labelled ones."""
    if validation != student.settings.dataset.validation:
        raise UserError(
            f"set {student.settings.set_id}: its teacher {name} divides the clips of the network "
            "that learns all labelled ones by another dataset.validation; give both the same."
        )


def _refuse_hidden(runs: "Runs", arm: str, student: Resolved) -> None:
    """Refuse a teacher of an arm that the command makes with overrides of its own.

    Arms are run by commands of their own, which know nothing of the other sets of this one.
    """
    for one in student.teachers:
        if not isinstance(one, Resolved):
            continue
        name = one.settings.set_id
        if not runs.are_alike(one, runs.asked.get(name, one)):
            raise UserError(
                f"set {arm}: its teacher {name} is a set of this command, which --override "
                "changes; arms look for their teachers as their sets say. Write what it changes "
                f"into a set, and name that in {SETTING}, or run {name} without --override first."
            )
        _refuse_hidden(runs, arm, one)


def _in_order(runs: "Runs", plan: "Plan") -> Iterator[tuple[Resolved, int]]:
    """Sets and seeds of a plan as they are run."""
    study = plan.resolved.settings.study
    for one in plan.arms or plan.members or (() if study else (plan.resolved,)):
        for seed in runs.arguments.seed or (study.seeds if study else [one.settings.seed]):
            yield one, seed


def _required(
    runs: "Runs", student: Resolved, one: Resolved | str, seed: int, places: Sequence[str]
) -> Teacher:
    """A run that is finished and of the student's data, with a network in each place."""
    teacher = _teacher(runs, student, one, seed)
    teacher.require(identity=runs.data(student)[1].identity, places=places)
    return teacher


def _places(runs: "Runs", student: Resolved) -> list[str]:
    """Sub-folders of the folds of a run."""
    folds = runs.data(student)[1].folds
    return [fold.name for fold in folds] if len(folds) > 1 else [""]


def _submits(runs: "Runs") -> bool:
    """Whether each set of the command trains a network on all labelled clips too."""
    return runs.script.submits and runs.arguments.mode == "eval"
