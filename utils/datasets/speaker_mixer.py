"""Command: utterances of many speakers -> mixtures with their sources, in the layout of SVoice."""

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
    SpeakerSettings,
    ValidationSettings,
)
from utils.console import bar
from utils.datasets.base import PARTS
from utils.datasets.command import (
    add_options,
    names_in,
    option_error,
    require_new,
    require_rate,
    run,
)
from utils.datasets.speaker_files import read_speakers
from utils.datasets.speaker_mixtures import TABLE, draw_part, write_new
from utils.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

SETTINGS = {
    "train": (int, "training clips"),
    "validation": (int, "validation clips"),
    "test": (int, "test clips"),
    "number": (int, "speakers in a clip"),
    "seed": (int, "the same seed gives the same files"),
    "level_db": (float, "largest change of a speaker's level to either side, decibels"),
    "length": (str, "min or max: a mixture ends with its shorter or its longer utterance"),
    "overlap": (float, "least share of the shorter utterance that is overlapped; of max only"),
}
"""Options that are fields of ``SpeakerSettings``: type and meaning."""

AMOUNTS = {
    "validation_amount": "share of the training utterances drawn for validation",
    "test_amount": "share of the utterances drawn for test",
}
AMOUNT = 0.15
"""Share of both where speakers are drawn."""

SAMPLE_RATE = 8000

EPILOG = """\
SOURCE holds utterances in wav, flac, ogg, mp3 or aiff. Their speakers are those of a table
(--table, --columns) in SOURCE; without a table those that LibriSpeech's form names at any depth, as
103/1240/103-1240-0000.flac, else the folders directly below SOURCE, else the file names up to the
first '-' or '_'. No speaker is in two parts: they are those of the table's split column, else whole
speakers are drawn.

TARGET gets tr/, cv/ and tt/, each with mix/, s1/, s2/ ... and the manifests mix.json, s1.json,
s2.json ..., which data set svoice reads. mixtures.csv tells speakers, utterances, levels, starts.

example:
  python -m utils.datasets.speaker_mixer LibriSpeech/train-clean-100 mixed --train 20000
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
        UserError: for utterances or arguments that allow no such set, and for a folder that is not
            empty or cannot be replaced.
    """
    target: Path = arguments.target
    require_new(target)
    settings, audio = _settings(arguments), _audio(arguments)
    with bar(console, "reading utterances") as progress:
        found = read_speakers(
            settings, audio=audio, root=arguments.source, cache=None, progress=progress
        )
    for note in found.notes:
        console.print(note, soft_wrap=True)
    parts = [draw_part(part, found.parts[part], settings.speakers) for part in PARTS]
    with bar(console, "mixing clips") as progress:
        write_new(target, parts, sample_rate=audio.sample_rate, progress=progress)
    sizes = ", ".join(f"{len(part.lengths)} {part.name}" for part in parts)
    console.print(
        f"{target}: {sizes} mixtures of {settings.speakers.number} speakers; see {TABLE}.",
        soft_wrap=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m utils.datasets.speaker_mixer",
        description="Mix utterances of different speakers: a set for separation in the layout of"
        " SVoice, of recordings of your own.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", type=Path, help="folder of the utterances")
    parser.add_argument(
        "target", metavar="TARGET", type=Path, help="folder to write, absent or empty"
    )
    default = SpeakerSettings()
    options = {name: (*told, getattr(default, name)) for name, told in SETTINGS.items()}
    options |= {name: (float, meaning, AMOUNT) for name, meaning in AMOUNTS.items()}
    options["sample_rate"] = (int, "hertz of the mixtures; others are resampled", SAMPLE_RATE)
    add_options(parser, options)
    parser.add_argument(
        "--table",
        default="speakers.csv",
        help="table in SOURCE, if it has one (default: %(default)s)",
    )
    parser.add_argument(
        "--columns",
        default="file,speaker,split",
        help="its columns in this order; without the third, speakers are drawn for the parts"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "--skip_bad", action="store_true", help="leave out silent and broken utterances"
    )
    return parser


def _settings(arguments: argparse.Namespace) -> DatasetSettings:
    """The arguments as the settings of a data set of speakers."""
    names = names_in(arguments.columns)
    if len(names) not in (2, 3) or not all(names):
        raise UserError(
            "--columns: expected FILE,SPEAKER or FILE,SPEAKER,SPLIT, received"
            f" '{arguments.columns}'."
        )
    try:
        speakers = SpeakerSettings(**{name: getattr(arguments, name) for name in SETTINGS})
        amounts = {name: getattr(arguments, name) for name in AMOUNTS}
        return DatasetSettings(
            name="speakers",
            metadata=arguments.table,
            audio_folder="",
            columns=ColumnSettings(
                **dict(zip(("filename", "group", "split"), names, strict=False))
            ),
            speakers=speakers,
            validation=ValidationSettings(amount=amounts["validation_amount"]),
            test_amount=amounts["test_amount"],
        )
    except ValidationError as error:
        raise option_error(error, {"amount": "validation_amount"}) from error


def _audio(arguments: argparse.Namespace) -> AudioSettings:
    """Rate, and what happens to utterances that cannot be used."""
    require_rate(arguments.sample_rate)
    return AudioSettings(
        sample_rate=arguments.sample_rate,
        on_bad_audio="skip" if arguments.skip_bad else "fail",
    )


if __name__ == "__main__":
    sys.exit(main())
