"""What the commands that write data sets share: their exit status, their folder, their options."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from utils.console import terminal
from utils.errors import UserError
from utils.files import writing

if TYPE_CHECKING:
    from rich.console import Console

LOWEST_RATE = 1000
"""Hertz of the files that are written."""

_SHOWN = {int: "N", float: "X", str: "NAME"}


def run(work: Callable[["Console"], None], *, stopped: str) -> int:
    """Do the work of a command.

    Args:
        work: given the console.
        stopped: what is said after an interruption.

    Returns:
        Exit status: 0; 2 for what the user can mend; 130 when interrupted.
    """
    errors = terminal(errors=True)
    try:
        work(terminal())
    except UserError as error:
        errors.print(f"error: {error}", soft_wrap=True, style="red")
        return 2
    except KeyboardInterrupt:
        errors.print(f"\nstopped; {stopped}")
        return 130
    return 0


def require_new(folder: Path) -> None:
    """Refuse a place where something lies, and what no folder can be renamed to.

    Args:
        folder: to be written; absent or empty.

    Raises:
        UserError: for any other place.
    """
    with writing(folder):
        if folder.is_symlink() or folder.is_mount() or folder.resolve() == Path.cwd():
            raise UserError(
                f"{folder}: is the current folder, a link or a disk of its own, which cannot be"
                " replaced; name a folder that is not there yet."
            )
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise UserError(f"{folder}: is not empty; name a folder that is not there yet.")


def add_options(
    parser: argparse.ArgumentParser, options: Mapping[str, tuple[type, str, Any]]
) -> None:
    """Add options with one value.

    Args:
        parser: gets them.
        options: by name the type (int, float or str), the meaning and the default, which the help
            tells.
    """
    for name, (kind, meaning, default) in options.items():
        parser.add_argument(
            f"--{name}",
            type=kind,
            default=default,
            metavar=_SHOWN[kind],
            help=f"{meaning} (default: %(default)s)",
        )


def names_in(text: str) -> list[str]:
    """Names with commas between them."""
    return [name.strip() for name in text.split(",")]


def option_error(error: ValidationError, renamed: Mapping[str, str] | None = None) -> UserError:
    """What is wrong with an option, in a sentence.

    Args:
        error: of settings that the options are.
        renamed: options that have another name than their setting, by the setting.
    """
    first = error.errors()[0]
    problem = first["msg"][0].lower() + first["msg"][1:]
    if not first["loc"]:  # of two options together
        return UserError(f"--{first['ctx']['path'].rpartition('.')[2]}: {problem}.")
    name = str(first["loc"][0])
    return UserError(f"--{(renamed or {}).get(name, name)}: {problem}, received {first['input']}.")


def require_rate(sample_rate: int) -> None:
    """Refuse a rate that no set is written at.

    Raises:
        UserError: below :data:`LOWEST_RATE`.
    """
    if sample_rate < LOWEST_RATE:
        raise UserError(
            f"--sample_rate: {LOWEST_RATE} hertz or more are needed, received {sample_rate}."
        )
