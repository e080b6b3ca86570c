"""Check or pack submissions of DCASE task 1: ``python -m utils.cli.submission check|pack``."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.datasets import command
from utils.datasets.tau import SCENES
from utils.errors import UserError
from utils.evaluation.package import CheckedPackage, check_package, pack
from utils.evaluation.submission_forms import FORMS
from utils.evaluation.validator import Counted

if TYPE_CHECKING:
    from rich.console import Console

FAULTS = 1  # exit status where the checks find some


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: its words; None: those of the process.

    Returns:
        Exit status: 0; 1 where the checks find faults; 2 for what cannot be read; 130 when
        interrupted.
    """
    arguments = _parser().parse_args(argv)
    faults: list[str] = []

    def work(console: "Console") -> None:
        checked = _packed(arguments) if arguments.work == "pack" else _checked(arguments)
        console.print(checked.text(), soft_wrap=True)
        faults.extend(checked.problems)

    status = command.run(work, stopped="nothing was written.")
    return status or (FAULTS if faults else 0)


def _checked(arguments: argparse.Namespace) -> CheckedPackage:
    return check_package(
        arguments.path,
        form=FORMS[arguments.year],
        classes=SCENES,
        counted=_counted(arguments.model, arguments.label),
    )


def _packed(arguments: argparse.Namespace) -> CheckedPackage:
    if arguments.output.suffix != ".zip":
        raise UserError(f"{arguments.output}: the package is a zip; name a file that ends in .zip.")
    return pack(
        arguments.folders, target=arguments.output, form=FORMS[arguments.year], classes=SCENES
    )


def _counted(model: Path | None, label: str | None) -> Mapping[str, Counted] | Counted | None:
    """What is counted in a model file, by the label that it belongs to, if one is named."""
    if model is None:
        if label is not None:
            raise UserError("--label: says which system --model is of; name the model file too.")
        return None
    from utils.experiment.submission import file_figures

    figures, types = file_figures(model)
    counted = Counted(figures, types, model.name)
    return counted if label is None else {label: counted}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m utils.cli.submission",
        description="Check submissions of DCASE task 1, or pack systems as a zip.",
    )
    works = parser.add_subparsers(dest="work", required=True)
    check = works.add_parser("check", help="tell of each rule of a year whether it is kept")
    check.add_argument("path", type=Path, help="a zip, an unpacked one, or a system's folder")
    check.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="the .tflite file whose figures are told (default: what -m eval left beside the path)",
    )
    check.add_argument("--label", help="the system that the model is of, if there are several")
    joined = works.add_parser(
        "pack", help="join folders of -m eval: several systems, or the splits of 2024"
    )
    joined.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    joined.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.zip")
    for part in (check, joined):
        part.add_argument("--year", type=int, choices=sorted(FORMS), required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
