"""Command: isolated sounds -> soundscapes with labels, in the layout of DESED."""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from utils.config.schema import ColumnSettings, DatasetSettings, ValidationSettings
from utils.console import bar
from utils.datasets.command import names_in, require_new, require_rate, run
from utils.datasets.sound_portions import Trim
from utils.datasets.soundbank import POOLS, Sound, Soundbank, divide
from utils.datasets.soundbank_layouts import find_backgrounds, find_clips, find_folders
from utils.datasets.soundscape_files import Sizes, write_set
from utils.datasets.soundscape_maker import prepare
from utils.datasets.soundscape_recipes import Style
from utils.datasets.urban import PRESETS
from utils.errors import DataError, UserError

if TYPE_CHECKING:
    from rich.console import Console

Kind = TypeVar("Kind", Sizes, Style, Trim)

SOUNDBANK, GENERATED = "soundbank", "generated"

COUNTS = {
    "strong": "training clips with onsets and offsets",
    "weak": "training clips with labels of the whole clip",
    "unlabelled": "training clips without labels",
    "validation": "validation clips",
    "test": "test clips, in the place of DESED's real validation clips",
}
"""Fields of ``Sizes``."""

NUMBERS = {
    "seconds": "length of a clip",
    "sample_rate": "hertz of the clips; sounds of other rates are resampled",
    "overlap": "most events at the same time",
    "held_out": "share of the source recordings for validation and test, where no parts are given",
    "strong_sources": "share of the training recordings that strongly labelled clips are made of;"
    " weak and unlabelled clips are made of all",
    "threshold_db": "sound reaches as far as it is less than this below its loudest",
    "gap_seconds": "shorter pauses belong to a sound",
    "shortest_seconds": "shorter sounds are labelled as so long",
    "seed": "the same seed gives the same files",
}
PAIRS = {
    "events": "fewest and most events of a clip",
    "event_seconds": "bounds of the length that longer sounds are cut to",
    "snr_db": "bounds of an event's level over the background, decibels",
}
"""Options of two numbers."""

DEFAULTS: dict[str, Any] = {
    **asdict(Sizes()), **asdict(Style()), **asdict(Trim()),
    "sample_rate": 16_000, "held_out": 0.2, "strong_sources": 1.0, "seed": 0,
}  # fmt: skip
"""Values of the options that are numbers."""

EPILOG = """\
SOURCE is a soundbank: foreground/LABEL/*.wav and background/KIND/*.wav, in SOURCE or, divided, in
SOURCE/audio/train/soundbank and SOURCE/audio/validation/soundbank. LABEL_nOn, LABEL_nOff and
LABEL_nOn_nOff hold sounds without onset or offset of their own. With --set it is a data set of one
class a clip: csv, esc10, esc50, urbansound8k or urbansound_labelled. Without backgrounds, noise is
generated. OUT is a DESED tree (audio/, metadata/); soundscapes.csv tells what was mixed.

examples:
  python -m utils.datasets.soundscapes DESED soundscapes --strong 5000 --weak 1500
  python -m utils.datasets.soundscapes ESC-50-master soundscapes --set esc10 --validation_folds 5
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments; None takes those of the process.

    Returns:
        Exit status: 0; 2 for what the user can mend; 130 when interrupted.
    """
    arguments = _parser().parse_args(argv)
    return run(
        lambda console: make_set(arguments, console),
        stopped="the same command goes on where it was",
    )


def make_set(arguments: argparse.Namespace, console: "Console") -> None:
    """Write the set that the arguments describe.

    Args:
        arguments: as the parser of this command gives them.
        console: where notes and progress are shown.

    Raises:
        UserError: for sounds or arguments that allow no such set, and for a folder that is not
            empty or cannot be written.
    """
    output: Path = arguments.output
    require_new(output)
    options = _checked(arguments)
    style, trim = _fields(Style, options), _fields(Trim, options)
    sizes = _fields(Sizes, options)
    bank = _read_bank(arguments, options)
    with bar(console, "reading sounds") as progress:
        maker, notes = prepare(
            bank,
            style=style,
            trim=trim,
            sample_rate=options["sample_rate"],
            seed=options["seed"],
            skip_bad=arguments.skip_bad,
            jobs=arguments.jobs,
            progress=progress,
        )
    for note in bank.notes + notes:
        console.print(note, soft_wrap=True)
    told = {"source": arguments.source.resolve().name, "classes": bank.classes, "options": options}
    with bar(console, "mixing clips") as progress:
        write_set(output, maker, sizes, told=told, jobs=arguments.jobs, progress=progress)
    counts = ", ".join(f"{count} {name}" for name, count in asdict(sizes).items())
    console.print(f"{output}: {counts} clips of {len(bank.classes)} classes.", soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m utils.datasets.soundscapes",
        description="Mix isolated sounds into labelled soundscapes: a set in the layout of DESED,"
        " of sounds of your own.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", type=Path, help="folder of the sounds")
    parser.add_argument("output", metavar="OUT", type=Path, help="folder to write, absent or empty")
    for name, meaning in (COUNTS | PAIRS | NUMBERS).items():
        default = DEFAULTS[name]
        parser.add_argument(
            f"--{name}",
            type=_pair if name in PAIRS else type(default),
            default=default,
            metavar="LOW,HIGH" if name in PAIRS else "N" if isinstance(default, int) else "X",
            help=f"{meaning} (default: {_shown(default)})",
        )
    parser.add_argument(
        "--set",
        choices=(SOUNDBANK, "csv", *PRESETS),
        default=SOUNDBANK,
        help="what SOURCE is (default: %(default)s)",
    )
    for pool in POOLS:
        parser.add_argument(
            f"--{pool}_folds",
            type=_whole_numbers,
            default=(),
            metavar="N,N",
            help=f"folds of the data set for {pool} clips",
        )
    parser.add_argument("--table", default="meta.csv", help="csv: its table (default: %(default)s)")
    parser.add_argument(
        "--audio_folder", default="audio", help="csv: its audio (default: %(default)s)"
    )
    parser.add_argument(
        "--columns",
        default="filename,label",
        help="csv: columns FILE,LABEL,FOLD,RECORDING; the last two may be left out"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "--backgrounds",
        metavar="DIR",
        help=f"folder of backgrounds, or '{GENERATED}' (default: those of the soundbank, else"
        f" {GENERATED})",
    )
    parser.add_argument("--classes", help="classes to take, with commas (default: all)")
    parser.add_argument("--skip_bad", action="store_true", help="leave out silent and broken files")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: all cores)")
    return parser


def _pair(text: str) -> tuple[float, float]:
    """Two numbers with a comma between them."""
    low, high = (float(number) for number in text.split(","))
    return low, high


def _whole_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them."""
    return tuple(int(number) for number in text.split(","))


def _shown(value: Any) -> str:
    return ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else f"{value:g}"


def _checked(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that are numbers, each within its bounds.

    Raises:
        UserError: for one that is not.
    """
    options = {name: getattr(arguments, name) for name in DEFAULTS}
    for name, value in options.items():
        if not all(map(math.isfinite, value if name in PAIRS else [value])):
            raise UserError(f"--{name}: a number is needed, received {_shown(value)}.")
        if name in COUNTS and value < 0:
            raise UserError(f"--{name}: 0 clips or more are needed, received {value}.")
        if name == "strong_sources" and not 0.0 < value <= 1.0:
            raise UserError(f"--{name}: a share above 0 up to 1 is needed, received {value:g}.")
        if name == "held_out" and not 0.0 < value < 1.0:
            raise UserError(f"--{name}: a share between 0 and 1 is needed, received {value:g}.")
    if not any(options[name] for name in COUNTS):
        raise UserError("--strong: no part has any clips; ask for some.")
    require_rate(options["sample_rate"])
    if any(number != round(number) for number in options["events"]):
        raise UserError(
            f"--events: whole numbers are needed, received {_shown(options['events'])}."
        )
    options["events"] = tuple(map(int, options["events"]))
    return options


def _fields(kind: type[Kind], options: Mapping[str, Any]) -> Kind:
    """A dataclass of the options that are its fields."""
    names = [field.name for field in fields(kind)]
    try:
        return kind(**{name: options[name] for name in names})
    except DataError as error:
        raise UserError(f"--{error}") from error


def _read_bank(arguments: argparse.Namespace, options: Mapping[str, Any]) -> Soundbank:
    """The sounds of each part."""
    source: Path = arguments.source
    if not source.is_dir():
        raise UserError(f"{source}: there is no such folder; name the folder of the sounds.")
    folds = {pool: getattr(arguments, f"{pool}_folds") for pool in POOLS}
    if arguments.set == SOUNDBANK:
        if any(folds.values()):
            raise UserError("--train_folds: a soundbank has no folds; see --set.")
        found = find_folders(source)
    else:
        found = find_clips(_settings(arguments), source, folds=folds)
    backgrounds: tuple[Sound, ...] | None = None
    if arguments.backgrounds is not None:
        generated = arguments.backgrounds == GENERATED
        backgrounds = () if generated else find_backgrounds(Path(arguments.backgrounds))
    return divide(
        found,
        held_out=options["held_out"],
        strong=options["strong_sources"],
        seed=options["seed"],
        classes=names_in(arguments.classes) if arguments.classes is not None else None,
        backgrounds=backgrounds,
    )


def _settings(arguments: argparse.Namespace) -> DatasetSettings:
    """The data set that the arguments name.

    The validation part that a loader draws is of no use here; by the method 'random' every data set
    has one.
    """
    validation = ValidationSettings(method="random", amount=0.1)
    if arguments.set != "csv":
        return DatasetSettings(name=arguments.set, validation=validation)
    names = names_in(arguments.columns)
    if not 2 <= len(names) <= 4 or not all(names[:2]):
        raise UserError(
            "--columns: expected FILE,LABEL, FILE,LABEL,FOLD or FILE,LABEL,FOLD,RECORDING, received"
            f" '{arguments.columns}'."
        )
    file, label, fold, recording = (*names, "", "")[:4]
    return DatasetSettings(
        name="csv",
        metadata=arguments.table,
        audio_folder=arguments.audio_folder,
        columns=ColumnSettings(
            filename=file, label=label, fold=fold or None, group=recording or None
        ),
        validation=validation,
    )


if __name__ == "__main__":
    sys.exit(main())
