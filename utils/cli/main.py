"""Run a task script: read the arguments, check the sets, then do what the mode says."""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from utils import backend, config, datasets
from utils.cli import fetch, show
from utils.cli.arguments import parse
from utils.cli.script import Script
from utils.errors import UserError
from utils.experiment import Job
from utils.files import digest
from utils.report import limits
from utils.run import Source, open_run

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from utils.config import Resolved
    from utils.report.results import Results
    from utils.run import Run

DEMO_NOTE = (
    "No --data: running on generated demo data. It shows that everything works; its scores say "
    "nothing about real audio."
)
DETERMINING = ("dataset", "audio", "features", "augment", "model", "models", "training", "export")
"""Sections that decide what is trained and exported; the others may change without a new run."""


def main(script: Script, argv: list[str] | None = None) -> int:
    """Run a task script.

    Args:
        script: the task.
        argv: arguments; None takes those of the process.

    Returns:
        Exit status: 0; 1 for broken limits with ``--check_limits``; 2 for what the user can mend;
        130 when interrupted.
    """
    arguments = parse(script, argv)
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    try:
        return _dispatch(script, arguments, console)
    except UserError as error:
        Console(stderr=True, highlight=False).print(
            f"error: {error}", markup=False, soft_wrap=True, style="red"
        )
        return 2
    except KeyboardInterrupt:
        Console(stderr=True).print("\nstopped; the same command goes on from here")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _dispatch(script: Script, arguments: "argparse.Namespace", console: "Console") -> int:
    catalogue = config.load(script.folder / "task.yaml", arguments.param_file)
    if arguments.show_sets:
        show.sets(console, catalogue, script.name)
        return 0
    on_demo = arguments.data is None and arguments.download_dataset is None
    resolved = {
        set_id: catalogue.resolve(set_id, overrides=arguments.override, demo=on_demo)
        for set_id in arguments.parameter_set
    }
    for set_id, one in resolved.items():
        if one.task not in (None, script.name):
            raise UserError(f"set {set_id} belongs to {one.task}.py; run it there.")
    if len({one.settings.training.deterministic for one in resolved.values()}) > 1:
        raise UserError(
            "training.deterministic differs between these sets, and holds for the whole process; "
            "run them one by one."
        )
    if arguments.show_parameters:
        show.parameters(console, list(resolved.values()))
        return 0
    if arguments.show_results:
        runs = {_folder(script, one.settings.paths.runs) for one in resolved.values()}
        show.results(console, runs, catalogue.set_ids(script.name))
        return 0
    if arguments.download_dataset is not None:
        for one in resolved.values():
            name, evaluation = one.settings.dataset.name, arguments.mode == "eval"
            fetch.data_set(console, name, arguments.download_dataset, evaluation=evaluation)
        return 0
    if arguments.mode == "predict":
        return _predict(script, arguments, next(iter(resolved.values())), console)
    return _run_sets(script, arguments, resolved, console)


def _run_sets(
    script: Script,
    arguments: "argparse.Namespace",
    resolved: "dict[str, Resolved]",
    console: "Console",
) -> int:
    finished: list[Results] = []
    folders: list[str] = []
    for one in resolved.values():
        for seed in arguments.seed or [one.settings.seed]:
            job = _job(script, arguments, one, seed, console)
            if arguments.show_model:
                show.model(console, job)
            elif arguments.mode == "score":
                script.score(job, arguments.files[0])
            else:
                with _run(script, arguments, one, job) as run:
                    mode = script.evaluate if arguments.mode == "eval" else script.develop
                    finished.append(mode(job, run))
                    folders.append(str(run.folder))
    if len(finished) > 1:
        runs = _folder(script, next(iter(resolved.values())).settings.paths.runs)
        show.comparison(console, finished, runs / "comparisons" / digest(folders))
    if arguments.check_limits and not all(limits.all_passed(one.limits) for one in finished):
        return 1
    return 0


def _job(
    script: Script,
    arguments: "argparse.Namespace",
    resolved: "Resolved",
    seed: int,
    console: "Console",
) -> Job:
    """Find the data, generated where none is given, and start TensorFlow."""
    settings = resolved.settings.model_copy(update={"seed": seed})
    root, name = arguments.data, None
    if root is None:
        console.print(DEMO_NOTE, style="yellow")
        root, name = fetch.demo_data(console, _folder(script, settings.paths.demo)), "demo"
    data = datasets.load(settings.dataset, root=root, name=name)
    for note in data.notes:
        console.print(f"note: {note}", style="yellow", markup=False, soft_wrap=True)
    backend.start(deterministic=settings.training.deterministic)
    return Job(
        settings=settings,
        networks=resolved.models,
        data=data,
        root=root,
        cache=_folder(script, settings.paths.cache),
        console=console,
        output=arguments.output,
        demo_differences=resolved.demo_differences,
    )


def _run(script: Script, arguments: "argparse.Namespace", resolved: "Resolved", job: Job) -> "Run":
    parameters = resolved.parameters() | {"seed": job.settings.seed}
    return open_run(
        runs=_folder(script, job.settings.paths.runs),
        set_id=job.settings.set_id,
        parameters={key: value for key, value in parameters.items() if key != "paths"},
        determining={key: parameters[key] for key in DETERMINING},
        data=job.data.name,
        identity=job.data.identity,
        seed=job.settings.seed,
        source=Source.of(script.folder),
        console=job.console,
        overwrite=arguments.overwrite,
        tensorboard=arguments.tensorboard,
    )


def _predict(
    script: Script, arguments: "argparse.Namespace", resolved: "Resolved", console: "Console"
) -> int:
    from utils.inference import FilePredictor, load_predictor

    model = arguments.model or _latest_model(script, resolved)
    files = list(fetch.audio_files(arguments.files))
    backend.start()
    predictor = FilePredictor.of(load_predictor(model))
    console.print(f"model: {model} (data: {predictor.data})", markup=False, soft_wrap=True)
    if predictor.data == "demo":
        console.print("It was trained on generated demo data, not on recordings.", style="yellow")
    script.predict(predictor, files, arguments.output or Path("predictions.csv"), console)
    return 0


def _latest_model(script: Script, resolved: "Resolved") -> Path:
    set_id = resolved.settings.set_id
    latest = _folder(script, resolved.settings.paths.runs) / set_id / "latest"
    for candidate in (latest / "model.keras", *sorted(latest.glob("fold*/model.keras"))):
        if candidate.exists():
            return candidate
    raise UserError(
        f"set {set_id} has no trained model yet; train one with `python {script.name}.py -s "
        f"{set_id}`, or name a file with --model."
    )


def _folder(script: Script, setting: str) -> Path:
    """A folder of the settings: relative ones lie beside the script, not where it was called."""
    return script.folder / Path(setting).expanduser()
