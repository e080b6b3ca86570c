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


def parse(script: Script, argv: list[str] | None) -> argparse.Namespace:
    """Read the command line.

    Args:
        script: whose arguments these are.
        argv: arguments; None takes those of the process.
    """
    parser = argparse.ArgumentParser(
        prog=f"{script.name}.py",
        description=script.title,
        epilog=EPILOG.format(name=script.name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _what(parser, script)
    _how(parser)
    _show(parser)
    arguments = parser.parse_args(argv)
    for problem in _contradictions(arguments):
        parser.error(problem)
    return arguments


def _contradictions(arguments: argparse.Namespace) -> Iterator[str]:
    """What is asked for but would have no effect."""
    mode, files = arguments.mode, arguments.files
    runs = len(arguments.parameter_set) * len(arguments.seed or [0])
    if mode in ("predict", "score"):
        if not files:
            what = "audio files or folders" if mode == "predict" else "a file of answers"
            yield f"-m {mode} needs {what}"
        if runs > 1:
            yield f"-m {mode} takes one set and one seed"
    elif files:
        yield f"{files[0]}: files are for -m predict and -m score; a data set is --data DIR"
    if mode == "score" and len(files) > 1:
        yield "-m score takes one file of answers"
    yield from _options_of_other_modes(arguments, runs)


def _options_of_other_modes(arguments: argparse.Namespace, runs: int) -> Iterator[str]:
    mode = arguments.mode
    for option, its_mode in (("ground_truth", "score"), ("model", "predict")):
        if getattr(arguments, option) is not None and mode != its_mode:
            yield f"--{option} is for -m {its_mode}"
    if arguments.ground_truth is not None and arguments.data is not None:
        yield "--ground_truth takes the place of --data; leave one out"
    if arguments.output is not None and (runs > 1 or mode == "score" or arguments.show_model):
        yield "-o needs one set, one seed, and a mode that writes answers"
    trains = mode in ("dev", "eval") and not arguments.show_model
    for option in ("overwrite", "check_limits", "tensorboard"):
        if getattr(arguments, option) and not trains:
            yield f"--{option} needs a run (-m dev or -m eval)"


def _what(parser: argparse.ArgumentParser, script: Script) -> None:
    parser.add_argument(
        "-m", "--mode", choices=("dev", "eval", "predict", "score"), default="dev",
        help="dev: train, test, export, report (default); eval: answer the unlabelled clips too "
        "and write the submission; predict: label own audio; score: score a file of answers",
    )  # fmt: skip
    parser.add_argument("files", nargs="*", type=Path, help="for -m predict and -m score")
    parser.add_argument(
        "-s", "--parameter_set", metavar="ID[,ID]", default=script.name, type=_names,
        help=f"sets of task.yaml, run one after the other and compared (default {script.name})",
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
    parser.add_argument(
        "--ground_truth",
        metavar="FILE",
        type=Path,
        help="for -m score: right answers in the layout of the answers, in place of a data set",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        type=Path,
        help="file for the answers: system output of dev and eval, labels of predict",
    )


def _how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", metavar="N[,N]", type=_seeds, help="seeds, each a run of its own")
    parser.add_argument("--overwrite", action="store_true", help="start anew instead of going on")
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
