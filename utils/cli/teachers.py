"""Find the runs that a set's network learns from, or say how to make them."""

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from utils import config
from utils.config import Catalogue, Resolved
from utils.errors import ConfigError, UserError
from utils.experiment.teachers import SETTING, Teacher, model_identity

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
    students: tuple[str, ...] = (),
) -> Resolved:
    """A set with its teachers, and these with theirs.

    Args:
        student: the set.
        catalogue: of all sets.
        find: resolves one of them.
        overrides: of the command; a teacher is as its set says, but for those of ``SHARED``.
        students: that the set is a teacher of.

    Raises:
        ConfigError: for a teacher that is no set and no folder, or has no network of its own.
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
        found.append(with_teachers(teacher, catalogue, find, overrides=shared, students=students))
    return replace(student, teachers=tuple(found))


def _is_shared(override: str) -> bool:
    return all(
        any(path == one or path.startswith(f"{one}.") for one in SHARED)
        for path in config.overridden(override)
    )


def teachers_of(runs: "Runs", student: Resolved, seed: int) -> tuple[Teacher, ...]:
    """Runs that a run of a set learns from; they may be missing.

    A teacher that the command runs itself is that run, with all its overrides.

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
        return Teacher(one, runs.script.folder / Path(one).expanduser())
    set_id, one = one.settings.set_id, _comparable(runs, student, one)
    return Teacher(set_id, runs.folder(one, seed), _command(runs, set_id, seed))


def _comparable(runs: "Runs", student: Resolved, one: Resolved) -> Resolved:
    """A teacher as the command has it, if that is of the student's data."""
    set_id = one.settings.set_id
    one = runs.asked.get(set_id, one)
    if runs.data(one)[1].identity != runs.data(student)[1].identity:
        raise UserError(
            f"set {student.settings.set_id}: its teacher {set_id} learns from other clips, or from "
            "another division of them; give both the same dataset and training.folds."
        )
    return one


def _command(runs: "Runs", set_id: str, seed: int) -> str:
    """The command that makes the run of a teacher, as far as it differs from the usual one."""
    asked = runs.arguments
    overrides = asked.override if set_id in runs.asked else filter(_is_shared, asked.override)
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
    return [
        [model_identity(teacher.model(place)) for place in places]
        for teacher in (_required(runs, student, one, seed) for one in student.teachers)
    ]


def require_before(runs: "Runs", plans: "Sequence[Plan]") -> None:
    """Refuse a command before its first run where a later one would lack a teacher.

    Raises:
        UserError: for a teacher that is neither there nor made by an earlier set of the command.
    """
    coming: set[tuple[str, int]] = set()
    for plan in plans:
        for arm in plan.arms:
            _refuse_hidden(runs, arm.settings.set_id, arm)
        for one, seed in _in_order(runs, plan):
            for teacher in one.teachers:
                if isinstance(teacher, Resolved):
                    _comparable(runs, one, teacher)
                    if (teacher.settings.set_id, seed) in coming:
                        continue
                _required(runs, one, teacher, seed)
            if not plan.is_study:  # whose runs may have other rates, or end with their training
                coming.add((one.settings.set_id, seed))


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


def _required(runs: "Runs", student: Resolved, one: Resolved | str, seed: int) -> Teacher:
    """A run that is finished and of the student's data."""
    teacher = _teacher(runs, student, one, seed)
    identity = runs.data(student)[1].identity
    teacher.require(identity=identity, places=_places(runs, student))
    return teacher


def _places(runs: "Runs", student: Resolved) -> list[str]:
    """Sub-folders of the folds of a run."""
    folds = runs.data(student)[1].folds
    return [fold.name for fold in folds] if len(folds) > 1 else [""]
