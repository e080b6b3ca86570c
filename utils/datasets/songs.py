"""Command: generated songs and their stems, as many as wanted, in the layout of MUSDB18-HQ."""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from utils.console import bar
from utils.datasets.command import add_options, require_new, run
from utils.datasets.demo_music import MusicSize, write_songs
from utils.datasets.mixture_folders import new_folder
from utils.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

SHORTEST_SECONDS = 5.0
OPTIONS = {
    "train": (int, "training songs, some of which become validation songs"),
    "test": (int, "test songs"),
    "seconds": (float, "length of a song"),
    "seed": (int, "the same seed and numbers give the same files"),
}
EPILOG = """\
Songs as those of the demo of task_separation: singers, drums, a bass and other instruments, none of
which is in two songs. A song takes about 17 MB for 20 s.

example:
  python -m utils.datasets.songs songs --train 100 --test 20
  python task_separation.py --data songs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments; None takes those of the process.

    Returns:
        Exit status: 0; 2 for what the user can mend; 130 when interrupted.
    """
    parser = argparse.ArgumentParser(
        prog="python -m utils.datasets.songs",
        description="Generate songs with their stems: a set in the layout of MUSDB18-HQ, of any"
        " size.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("output", metavar="OUT", type=Path, help="folder to write, absent or empty")
    defaults = {**asdict(MusicSize()), "seed": 0}
    add_options(parser, {name: (*told, defaults[name]) for name, told in OPTIONS.items()})
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: all cores)")
    arguments = parser.parse_args(argv)
    return run(lambda console: write_set(arguments, console), stopped="nothing was written")


def write_set(arguments: argparse.Namespace, console: "Console") -> None:
    """Write the songs that the arguments ask for.

    Args:
        arguments: as the parser of this command gives them.
        console: where progress is shown.

    Raises:
        UserError: for numbers that allow no songs, and for a folder that is not empty or cannot be
            written.
    """
    folder: Path = arguments.output
    size = _size(arguments)
    require_new(folder)
    with bar(console, "playing songs") as progress, new_folder(folder) as beside:
        write_songs(beside, seed=arguments.seed, size=size, jobs=arguments.jobs, progress=progress)
    console.print(
        f"{folder}: {size.train} songs for training, {size.test} for test, of {size.seconds:g} s.",
        soft_wrap=True,
    )


def _size(arguments: argparse.Namespace) -> MusicSize:
    least = {"train": 2, "test": 1, "seconds": SHORTEST_SECONDS, "seed": 0}
    for name, lowest in least.items():
        value = getattr(arguments, name)
        if not lowest <= value < math.inf:
            raise UserError(f"--{name}: {lowest:g} or more are needed, received {value:g}.")
    return MusicSize(arguments.train, arguments.test, arguments.seconds)


if __name__ == "__main__":
    sys.exit(main())
