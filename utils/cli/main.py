"""Run a task script: read the arguments, check the sets, then do what the mode says."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from utils import backend, config
from utils.cli import fetch, show
from utils.cli.arguments import parse
from utils.cli.runs import Plan, Runs, beside
from utils.cli.script import Answers, Script
from utils.cli.studies import run_study
from utils.cli.study_check import answer
from utils.cli.study_processes import end_with_parent
from utils.cli.teachers import with_teachers
from utils.console import terminal
from utils.errors import ConfigError, UserError
from utils.experiment.needs import OF_MASKS
from utils.report import limits

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from utils.config import Resolved
    from utils.inference import Predictor

OF_USE = ("separation.add_up", "separation.overlap")
"""What a network that separates can be used with; those of masks have more."""


def main(script: Script, argv: list[str] | None = None) -> int:
    """Run a task script.

    Args:
        script: the task.
        argv: arguments; None takes those of the process.

    Returns:
        Exit status: 0; 1 for broken limits with ``--check_limits``; 2 for what the user can mend,
        and for a study of which a run failed otherwise than by divergence; 130 when interrupted.
    """
    end_with_parent()
    arguments = parse(script, argv)
    console = terminal()
    try:
        return _dispatch(script, arguments, console)
    except UserError as error:
        terminal(errors=True).print(f"error: {error}", soft_wrap=True, style="red")
        return 2
    except KeyboardInterrupt:
        again = "without --overwrite " if arguments.overwrite else ""
        terminal(errors=True).print(f"\nstopped; the same command {again}goes on from here")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _dispatch(script: Script, arguments: "argparse.Namespace", console: "Console") -> int:
    catalogue = config.load(script.folder / "task.yaml", arguments.param_file)
    if arguments.show_sets:
        show.sets(console, catalogue, script.name)
        return 0
    resolve = _resolver(script, arguments, catalogue)
    plans = [_plan(resolve, set_id) for set_id in arguments.parameter_set]
    resolved = [plan.resolved for plan in plans]
    every = [one for plan in plans if not plan.is_study for one in (*plan.members, plan.resolved)]
    for key in () if arguments.check_only else ("deterministic", "threads"):
        if len({getattr(one.settings.training, key) for one in every}) > 1:
            raise UserError(
                f"training.{key} differs between these sets, and holds for the whole process; "
                "run them one by one."
            )
    if arguments.show_parameters:
        show.parameters(console, resolved)
    elif arguments.show_results:
        folders = {beside(script, one.settings.paths.runs) for one in resolved}
        set_ids = catalogue.set_ids(script.name)
        show.results(console, folders, set_ids, studies=list(filter(catalogue.is_study, set_ids)))
    elif arguments.download_dataset is not None:
        for one in resolved:
            name, evaluation = one.settings.dataset.name, arguments.mode == "eval"
            fetch.data_set(console, name, arguments.download_dataset, evaluation=evaluation)
    elif arguments.mode == "predict":
        _predict(script, arguments, resolved[0], console)
    else:
        _refuse_study(plans, arguments)
        return _run(plans, Runs(script, arguments, console), resolve)
    return 0


def _resolver(
    script: Script, arguments: "argparse.Namespace", catalogue: "config.Catalogue"
) -> "Callable[..., Resolved]":
    """What resolves a set of the command, with more overrides if need be, and its teachers."""
    elsewhere = (arguments.data, arguments.download_dataset, arguments.detections)
    on_demo = all(place is None for place in elsewhere)

    def find(set_id: str, overrides: "Sequence[str]") -> "Resolved":
        one = catalogue.resolve(set_id, overrides=overrides, demo=on_demo)
        if one.task not in (None, script.name):
            raise UserError(f"set {set_id} belongs to {one.task}.py; run it there.")
        return one

    def resolve(set_id: str, *more: str) -> "Resolved":
        given = [*arguments.override, *more]
        one = find(set_id, given)
        return with_teachers(one, catalogue, find, overrides=given, folder=script.folder)

    return resolve


def _plan(resolve: "Callable[[str], Resolved]", set_id: str) -> Plan:
    """A set and, for an ensemble, its members.

    Raises:
        UserError: for an ensemble of ensembles, of itself, or of a set twice.
    """
    one = resolve(set_id)
    names = one.settings.ensemble
    if len(set(names)) < len(names):
        raise UserError(f"set {set_id}: its ensemble names a set twice; name each once.")
    if set_id in names:
        raise UserError(f"set {set_id}: its ensemble names the set itself; leave it out.")
    members = tuple(_member(resolve, set_id, name) for name in names)
    for member in members:
        kind = "an ensemble" if member.settings.ensemble else "a study"
        if member.settings.ensemble or member.settings.study is not None:
            raise UserError(
                f"set {set_id}: its member {member.settings.set_id} is {kind} itself; name "
                "that one's sets."
            )
    return Plan(one, members)


def _with_arms(plan: Plan, resolve: "Callable[..., Resolved]") -> Plan:
    """A plan with its arms, where it is a study."""
    study, set_id = plan.resolved.settings.study, plan.resolved.settings.set_id
    arms = study.arms if study is not None else ()
    return replace(plan, arms=tuple(resolve(f"{set_id}/{name}") for name in arms))


def _member(resolve: "Callable[[str], Resolved]", set_id: str, name: str) -> "Resolved":
    try:
        return resolve(name)
    except ConfigError as error:
        raise ConfigError(f"set {set_id}, member {name} of its ensemble: {error}") from error


def _refuse_study(plans: list[Plan], arguments: "argparse.Namespace") -> None:
    """Refuse what a study cannot do, or what would have no effect on it."""
    options = ("show_model", "check_limits", "output")
    asked = [f"--{option}" for option in options if getattr(arguments, option)]
    asked += [f"-m {arguments.mode}"] if arguments.mode != "dev" else []
    for plan in plans:
        if plan.is_study and asked:
            raise UserError(f"{asked[0]} is for one network: {_arms_of(plan.resolved)}.")


def _arms_of(resolved: "Resolved") -> str:
    """What to name instead of a study."""
    study, set_id = resolved.settings.study, resolved.settings.set_id
    arms = ", ".join(f"{set_id}/{name}" for name in (study.arms if study else ()))
    return f"set {set_id} is a study; name one of its arms with -s: {arms}"


def _run(plans: list[Plan], runs: Runs, resolve: "Callable[..., Resolved]") -> int:
    """Show, score or run the sets."""
    arguments = runs.arguments
    seed = (arguments.seed or [plans[0].resolved.settings.seed])[0]
    if arguments.show_model:
        for plan in plans:
            for one in plan.members or (plan.resolved,):
                show.model(runs.console, runs.job(one, seed))
        return 0
    if arguments.mode == "score":
        runs.script.score(
            Answers(
                path=arguments.detections or arguments.files[0],
                truth=arguments.ground_truth,
                settings=plans[0].resolved.settings.model_copy(update={"seed": seed}),
                job=lambda: runs.job(plans[0].resolved, seed),
                console=runs.console,
                durations=arguments.durations,
                output=arguments.output,
            )
        )
        return 0
    if arguments.check_only:
        return answer(runs, plans)
    runs.check([_with_arms(plan, resolve) for plan in plans])
    statuses = [0]
    for plan in plans:
        if plan.is_study:
            statuses.append(run_study(runs, plan.resolved, resolve))
        else:
            runs.of(plan)
    runs.compare()
    if any(statuses):
        return max(statuses)
    passed = all(limits.all_passed(one.limits) for one in runs.finished.values())
    return 1 if arguments.check_limits and not passed else 0


def _predict(
    script: Script, arguments: "argparse.Namespace", resolved: "Resolved", console: "Console"
) -> None:
    from utils.inference import load_predictor

    model = arguments.model or _latest_model(script, resolved)
    files = list(fetch.audio_files(arguments.files))
    backend.start()
    predictor = load_predictor(model)
    _use_as_asked(predictor, arguments.override, resolved)
    console.print(f"model: {model} (data: {predictor.data})", markup=False, soft_wrap=True)
    if arguments.model is None and model.parent.name.startswith("fold"):
        console.print("It is the first of several folds; --model names another.", style="yellow")
    if predictor.data == "demo":
        console.print("It was trained on generated demo data, not on recordings.", style="yellow")
    script.predict(predictor, files, arguments.output or script.predicted, console)


def _use_as_asked(predictor: "Predictor", overrides: list[str], resolved: "Resolved") -> None:
    """Lay overrides of how a model is used over its metadata; refuse those without effect."""
    metadata, open_to = predictor.metadata, ["paths"]
    if metadata is not None and metadata.separation is not None:
        masks = metadata.features.get("kind") == "magnitude"
        open_to += [*OF_USE, *(OF_MASKS if masks else ())]
    used = {}
    for key in (key for text in overrides for key in config.overridden(text)):
        section, _, name = key.partition(".")
        if section == "paths":
            continue
        if key not in open_to:
            raise UserError(
                f"--override {key}: the model was made with its parameters, which its metadata "
                f"tells; with -m predict there is an effect of {', '.join(open_to)}."
            )
        used[name] = getattr(resolved.settings.separation, name)
    if metadata is not None and used:
        whole = {**(metadata.separation or {}), **used}
        predictor.metadata = replace(metadata, separation=whole)


def _latest_model(script: Script, resolved: "Resolved") -> Path:
    """The model of the set's last run; of several folds the first."""
    set_id = resolved.settings.set_id
    if resolved.settings.ensemble:
        raise UserError(
            f"set {set_id} is an ensemble of {', '.join(resolved.settings.ensemble)}; predict with "
            "one of these, or name a file with --model."
        )
    if resolved.settings.study is not None:
        raise UserError(f"{_arms_of(resolved)}; or name a file with --model.")
    latest = beside(script, resolved.settings.paths.runs) / set_id / "latest"
    for candidate in (latest / "model.keras", *sorted(latest.glob("fold*/model.keras"))):
        if candidate.exists():
            return candidate
    study, _, arm = set_id.rpartition("/")
    arm = arm.partition("@")[0]
    beside_it = latest.parents[1]
    places = [*beside_it.glob(arm), *sorted(beside_it.glob(f"{arm}@*"))] if study else []
    told = [f"{study}/{place.name}" for place in places if (place / "latest").exists()]
    raise UserError(
        f"set {set_id} has no trained model yet; train one with `python {script.name}.py -s "
        f"{set_id}`, or name a file with --model."
        + (f" With another learning rate there is one: {', '.join(told)}." if told else "")
    )
