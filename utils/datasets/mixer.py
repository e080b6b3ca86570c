"""Command: isolated words -> a set of overlapped clips in the layout of DACON 235616."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from utils.config.schema import (
    AudioSettings,
    ColumnSettings,
    DatasetSettings,
    MixingSettings,
    ValidationSettings,
)
from utils.console import bar
from utils.datasets.base import PARTS
from utils.datasets.command import add_options, names_in, option_error, require_new, run
from utils.datasets.mixtures import draw_part, write_new
from utils.datasets.word_files import read_words
from utils.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

NUMBERS = {
    "train": (int, "training clips"),
    "validation": (int, "validation clips, which lie among the training files"),
    "test": (int, "test clips"),
    "words": (int, "words in a clip"),
    "seed": (int, "the same seed gives the same files"),
    "level_db": (float, "largest change of a word's level to either side, decibels"),
    "shift_seconds": (float, "largest circular shift of a word to either side"),
}
"""Options that are fields of ``MixingSettings``: type and meaning."""

AUDIO = AudioSettings(sample_rate=16_000, seconds=1.0)
"""Rate and length of the competition's files."""

AMOUNT = 0.1
"""Share of speakers for validation and for test where they are drawn, as in set task_dacon."""

EPILOG = """\
WORDS holds a table (--table) or a folder for each word with files SPEAKER_nohash_N.wav, as Speech
Commands. No speaker is in two parts: they are those of the table's split column or of the two lists
of Speech Commands, else speakers are drawn. Recordings of other rates and lengths are brought to
one second at 16 kHz.

example:
  python -m utils.datasets.mixer speech_commands_v0.01 overlapped --train 100000 --test 10000
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments; None takes those of the process.

    Returns:
        Exit status: 0; 2 for what the user can mend; 130 when interrupted.
    """
    arguments = _parser().parse_args(argv)
    return run(lambda console: write_set(arguments, console), stopped="nothing was written")


def write_set(arguments: argparse.Namespace, console: "Console") -> None:
    """Write the set that the arguments describe.

    Args:
        arguments: as the parser of this command gives them.
        console: where notes and progress are shown.

    Raises:
        UserError: for words or arguments that allow no such set, and for a folder that is not
            empty or cannot be replaced.
    """
    output: Path = arguments.output
    require_new(output)
    settings = _settings(arguments)
    audio = AUDIO.model_copy(update={"on_bad_audio": "skip"}) if arguments.skip_bad else AUDIO
    with bar(console, "reading words") as progress:
        words = read_words(
            settings, audio=audio, root=arguments.words_folder, cache=None, progress=progress
        )
    for note in words.notes:
        console.print(note, soft_wrap=True)
    mixing = settings.mixing
    parts = [
        draw_part(
            part,
            words.parts[part],
            getattr(mixing, part),
            classes=words.classes,
            mixing=mixing,
            first=mixing.train if part == "validation" else 0,
        )
        for part in PARTS
    ]
    with bar(console, "mixing clips") as progress:
        write_new(output, parts, classes=words.classes, audio=AUDIO, progress=progress)
    sizes = ", ".join(f"{len(part.labels)} {part.name}" for part in parts)
    console.print(f"{output}: {sizes} clips.", soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m utils.datasets.mixer",
        description="Mix isolated words into overlapped clips: a set in the layout of DACON 235616,"
        " of your own recordings.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words_folder", metavar="WORDS", type=Path, help="folder of the recordings")
    parser.add_argument("output", metavar="OUT", type=Path, help="folder to write, absent or empty")
    default = MixingSettings()
    add_options(parser, {name: (*told, getattr(default, name)) for name, told in NUMBERS.items()})
    parser.add_argument(
        "--repeat_words", action="store_true", help="a clip may hold one word twice"
    )
    parser.add_argument(
        "--repeat_speakers", action="store_true", help="a speaker may say two words of a clip"
    )
    parser.add_argument(
        "--table", default="words.csv", help="table in WORDS, if it has one (default: %(default)s)"
    )
    parser.add_argument(
        "--columns",
        default="file,word,speaker,split",
        help="its columns in this order; without the fourth, speakers are drawn for the parts"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "--classes", help="words to take and their order, with commas (default: all, sorted)"
    )
    parser.add_argument(
        "--skip_bad", action="store_true", help="leave out silent and broken recordings"
    )
    return parser


def _settings(arguments: argparse.Namespace) -> DatasetSettings:
    """The arguments as the settings of a data set of words."""
    names = names_in(arguments.columns)
    if len(names) not in (3, 4) or not all(names):
        raise UserError(
            f"--columns: expected FILE,WORD,SPEAKER or FILE,WORD,SPEAKER,SPLIT, received"
            f" '{arguments.columns}'."
        )
    fields = ("filename", "label", "group", "split")
    switches = {name: getattr(arguments, name) for name in ("repeat_words", "repeat_speakers")}
    try:
        mixing = MixingSettings(**{name: getattr(arguments, name) for name in NUMBERS}, **switches)
    except ValidationError as error:
        raise option_error(error) from error
    return DatasetSettings(
        name="words",
        metadata=arguments.table,
        audio_folder="",
        columns=ColumnSettings(**dict(zip(fields, names, strict=False))),
        classes=tuple(arguments.classes.split(",")) if arguments.classes is not None else None,
        mixing=mixing,
        validation=ValidationSettings(amount=AMOUNT),
        test_amount=AMOUNT,
    )


if __name__ == "__main__":
    sys.exit(main())
