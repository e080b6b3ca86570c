"""The arguments of all task scripts, close to those of the DCASE baselines."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from utils.cli.script import Script

VERSION = "0.1.0"

EPILOG = """examples:
  python {name}.py                                  everything, on generated demo data
  python {name}.py --data DIR                       everything, on the real data set in DIR
  python {name}.py -s {name} --override training.epochs=5
  python {name}.py -m predict recording.wav folder/ what the latest model says about own audio
"""
SCORE_EXAMPLE = """  python {name}.py -m score --detections DIR --ground_truth FILE --durations FILE
"""
SCORED = {
    "labels": "a file of answers",
    "answers": "a file of answers",
    "detections": "a folder of detection tables of any system, as JSON",
    "stems": "a folder of separated files of any system, NAME/STEM.wav",
}
SCORE_OPTIONS = {
    "labels": {},
    "answers": {
        "ground_truth": (
            "FILE", "right answers in the layout of the answers, in place of a data set",
        ),
    },
    "detections": {
        "detections": ("DIR", "a folder of tables of detected events, one for each threshold"),
        "ground_truth": (
            "FILE", "a table of the true events (filename, onset, offset, event_label)",
        ),
        "durations": (
            "FILE", "a table of the seconds of all files (filename, duration), of those without "
            "events too",
        ),
    },
    "stems": {},
}  # fmt: skip
"""What -m score takes: by ``Script.score_takes`` the options, what each names and what that is."""

_PRINTED = ("labels", "answers")  # whose scores are told on the console alone


def parse(script: Script, argv: list[str] | None) -> argparse.Namespace:
    """Read the command line.

    Args:
        script: whose arguments these are.
        argv: arguments; None takes those of the process.
    """
    parser = argparse.ArgumentParser(
        prog=f"{script.name}.py",
        description=script.title,
        epilog=_examples(script),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _what(parser, script)
    _how(parser)
    _show(parser)
    arguments = parser.parse_args(argv)
    for problem in _contradictions(arguments, script):
        parser.error(problem)
    return arguments


def _examples(script: Script) -> str:
    scored = SCORE_EXAMPLE if script.score_takes == "detections" else ""
    return (EPILOG + scored).format(name=script.name)


def _contradictions(arguments: argparse.Namespace, script: Script) -> Iterator[str]:
    """What is asked for but would have no effect, and what lacks."""
    mode, files = arguments.mode, arguments.files
    runs = len(arguments.parameter_set) * len(arguments.seed or [0])
    if mode in ("predict", "score") and runs > 1:
        yield f"-m {mode} takes one set and one seed"
    if mode == "score":
        if script.score_takes == "detections":
            yield from _detection_tables(arguments)
        elif len(files) != 1:
            what = SCORED[script.score_takes]
            one = what.removeprefix("a ")
            yield f"-m score takes one {one}" if files else f"-m score needs {what}"
    elif mode == "predict" and not files:
        yield "-m predict needs audio files or folders"
    elif mode != "predict" and files:
        yield f"{files[0]}: files are for {_takers(script)}; a data set is --data DIR"
    yield from _options_of_other_modes(arguments, script, runs)


def _detection_tables(arguments: argparse.Namespace) -> Iterator[str]:
    """What is wrong where detection tables are to be scored."""
    if arguments.files:
        yield f"{arguments.files[0]}: -m score takes --detections DIR, no files"
    for option, (metavar, what) in SCORE_OPTIONS["detections"].items():
        if getattr(arguments, option) is None:
            yield f"-m score needs --{option} {metavar}, {what}"


def _options_of_other_modes(
    arguments: argparse.Namespace, script: Script, runs: int
) -> Iterator[str]:
    mode = arguments.mode
    its_modes = {option: "score" for option in SCORE_OPTIONS[script.score_takes]}
    for option, its_mode in (its_modes | {"model": "predict"}).items():
        if getattr(arguments, option) is not None and mode != its_mode:
            yield f"--{option} is for -m {its_mode}"
    if arguments.ground_truth is not None and arguments.data is not None:
        yield "--ground_truth takes the place of --data; leave one out"
    writes = {
        "score": script.score_takes not in _PRINTED, "dev": script.evaluate is not None
    }.get(mode, True)  # fmt: skip
    if arguments.output is not None and (runs > 1 or not writes or arguments.show_model):
        yield "-o needs one set, one seed, and a mode that writes answers"
    trains = mode in ("dev", "eval") and not arguments.show_model
    for option in ("overwrite", "check_limits", "tensorboard"):
        if getattr(arguments, option) and not trains:
            yield f"--{option} needs a run (-m dev or -m eval)"


def _what(parser: argparse.ArgumentParser, script: Script) -> None:
    modes = {
        "dev": "train, test, export, report (default)",
        "eval": "answer the unlabelled clips too and write the submission",
        "predict": "what a model says of own audio",
        "score": SCORED[script.score_takes],
    }
    if script.evaluate is None:
        del modes["eval"]
    parser.add_argument(
        "-m", "--mode", choices=tuple(modes), default="dev",
        help="; ".join(f"{mode}: {told}" for mode, told in modes.items()),
    )  # fmt: skip
    parser.add_argument("files", nargs="*", type=Path, help=f"for {_takers(script)}")
    parser.add_argument(
        "-s", "--parameter_set", metavar="ID[,ID]", default=script.name, type=_names,
        help=f"sets of task.yaml, run one after the other and compared (default {script.name}); "
        "of a study STUDY/ARM is one arm, STUDY/ARM@RATE the same with another learning rate",
    )  # fmt: skip
    parser.add_argument(
        "-p", "--param_file", metavar="FILE", type=Path, help="a YAML file laid over task.yaml"
    )
    parser.add_argument(
        "--override", metavar="KEY=VALUE", nargs="+", action="extend", default=[],
        help="change single parameters, as in training.epochs=5",
    )  # fmt: skip
    parser.add_argument(
        "--data", metavar="DIR", type=Path, help="the data set; without it demo data is generated"
    )
    parser.add_argument(
        "--model", metavar="FILE", type=Path, help="for -m predict: a .keras or .tflite file"
    )
    parser.set_defaults(detections=None, durations=None, ground_truth=None)
    for option, (metavar, what) in SCORE_OPTIONS[script.score_takes].items():
        parser.add_argument(f"--{option}", metavar=metavar, type=Path, help=f"for -m score: {what}")
    outputs = "" if script.evaluate is None else "system output of dev and eval, "
    scores = "" if script.score_takes in _PRINTED else ", scores of score"
    parser.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        type=Path,
        help=f"file or folder for the answers: {outputs}answers of predict{scores}",
    )


def _takers(script: Script) -> str:
    """The modes that take files."""
    return "-m predict" if script.score_takes == "detections" else "-m predict and -m score"


def _how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", metavar="N[,N]", type=_seeds,
        help="seeds, each a run of its own; of a study in place of its own",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="start anew instead of going on")
    for option in ("until_trained", "check_only", "count_costs"):  # of the processes of a study
        parser.add_argument(f"--{option}", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--tensorboard", action="store_true", help="write TensorBoard logs")
    parser.add_argument(
        "--check_limits", action="store_true", help="exit status 1 when a challenge limit is broken"
    )
    parser.add_argument(
        "--download_dataset",
        metavar="PATH",
        type=Path,
        help="fetch the set's data and exit; with -m eval its evaluation data",
    )


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--show_sets", action="store_true", help="list the sets and exit")
    parser.add_argument("--show_parameters", action="store_true", help="print the set as resolved")
    parser.add_argument("--show_results", action="store_true", help="list finished runs and exit")
    parser.add_argument("--show_model", action="store_true", help="print the network's layers")
    parser.add_argument("-v", "--version", action="version", version=f"%(prog)s {VERSION}")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("name at least one set")
    return names


def _seeds(text: str) -> list[int]:
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        seeds = [-1]
    if min(seeds) < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: seeds are whole numbers from 0, as in 0,1,2")
    return seeds
