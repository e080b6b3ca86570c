"""Run a task script: read the arguments, check the sets, then do what the mode says."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from utils import backend, config, datasets
from utils.cli import show
from utils.cli.arguments import parse
from utils.cli.script import Script
from utils.datasets import demo
from utils.errors import UserError
from utils.experiment import Job
from utils.files import digest
from utils.report import limits
from utils.run import open_run

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from utils.config import Catalogue, Resolved
    from utils.report.results import Results

DEMO_SEED = 0  # of the generated audio alone, so that runs of all seeds share it
AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".au", ".w64", ".opus"}


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
    if arguments.show_parameters:
        show.parameters(console, list(resolved.values()))
        return 0
    if arguments.show_results:
        runs = {_folder(script, one.settings.paths.runs) for one in resolved.values()}
        show.results(console, runs, catalogue.set_ids(script.name))
        return 0
    if arguments.download_dataset is not None:
        for one in resolved.values():
            folder = datasets.download(one.settings.dataset.name, arguments.download_dataset)
            console.print(f"{one.settings.dataset.name} lies in {folder}; use it with --data")
        return 0
    if arguments.mode == "predict":
        return _predict(script, arguments, next(iter(resolved.values())), console)
    return _run_sets(script, arguments, catalogue, resolved, console)


def _run_sets(
    script: Script,
    arguments: "argparse.Namespace",
    catalogue: "Catalogue",
    resolved: "dict[str, Resolved]",
    console: "Console",
) -> int:
    if arguments.mode == "score" and len(arguments.files) != 1:
        raise UserError("-m score takes one file of answers.")
    finished: list[Results] = []
    for one in resolved.values():
        for seed in arguments.seed or [one.settings.seed]:
            with _job(script, arguments, one, seed, console) as job:
                if arguments.show_model:
                    show.model(console, job)
                elif arguments.mode == "score":
                    script.score(job, arguments.files[0])
                elif arguments.mode == "eval":
                    script.evaluate(job, arguments.output)
                else:
                    finished.append(script.develop(job))
    if len(finished) > 1:
        folder = _folder(script, next(iter(resolved.values())).settings.paths.runs)
        name = digest([[run.set_id, run.data_identity, run.seed] for run in finished], 6)
        show.comparison(console, finished, folder / "comparisons" / f"{script.name}-{name}")
    if arguments.check_limits and not all(limits.all_passed(run.limits) for run in finished):
        return 1
    return 0


@contextmanager
def _job(
    script: Script,
    arguments: "argparse.Namespace",
    resolved: "Resolved",
    seed: int,
    console: "Console",
) -> Iterator[Job]:
    settings = resolved.settings.model_copy(update={"seed": seed})
    parameters = resolved.parameters() | {"seed": seed}
    root = arguments.data
    if root is None:
        console.print(
            "No --data: running on generated demo data. It shows that everything works; its "
            "scores say nothing about real audio.",
            style="yellow",
        )
        root = _demo(script, settings.paths.demo, console)
    data = datasets.load(
        settings.dataset, root=root, name="demo" if arguments.data is None else None
    )
    for note in data.notes:
        console.print(f"note: {note}", style="yellow", markup=False)
    backend.start()
    with open_run(
        runs=_folder(script, settings.paths.runs),
        set_id=settings.set_id,
        parameters={key: value for key, value in parameters.items() if key != "paths"},
        data=data.name,
        identity=data.identity,
        seed=seed,
        console=console,
        overwrite=arguments.overwrite and arguments.mode == "dev",
        tensorboard=arguments.tensorboard,
    ) as run:
        yield Job(
            settings=settings,
            networks=resolved.models,
            parameters=parameters,
            data=data,
            root=root,
            cache=_folder(script, settings.paths.cache),
            project=script.folder,
            run=run,
            demo_differences=resolved.demo_differences,
        )


def _demo(script: Script, folder: str, console: "Console") -> Path:
    from rich.progress import Progress

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("generating demo clips", total=None)
        return demo.make(
            _folder(script, folder),
            seed=DEMO_SEED,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _predict(
    script: Script, arguments: "argparse.Namespace", resolved: "Resolved", console: "Console"
) -> int:
    from utils.inference import FilePredictor, load_predictor

    model = arguments.model or _latest_model(script, resolved)
    files = list(_audio_files(arguments.files))
    backend.start()
    predictor = FilePredictor.of(load_predictor(model))
    console.print(f"model: {model}", markup=False, soft_wrap=True)
    script.predict(predictor, files, arguments.output)
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


def _audio_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = [f for f in sorted(path.rglob("*")) if f.suffix.lower() in AUDIO_SUFFIXES]
            if not found:
                raise UserError(
                    f"{path}: holds no audio files ({', '.join(sorted(AUDIO_SUFFIXES))})."
                )
            yield from found
        elif path.exists():
            yield path
        else:
            raise UserError(f"{path}: there is no such file or folder.")


def _folder(script: Script, setting: str) -> Path:
    """A folder of the settings: relative ones lie beside the script, not where it was called."""
    return script.folder / Path(setting).expanduser()
