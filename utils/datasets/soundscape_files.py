"""Soundscapes as files: a DESED tree of audio and tables, mixed of a divided soundbank."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from utils.datasets.base import Event
from utils.datasets.demo_folder import whole_folder, write_missing
from utils.datasets.event_tables import write_durations, write_names, write_strong, write_weak
from utils.datasets.mixtures import Progress
from utils.datasets.soundscape_maker import PARTS, Maker, Part, file_name
from utils.datasets.soundscape_recipes import Recipe
from utils.files import digest, read_json, write_csv, write_json

CODE_VERSION = 1
"""Raised whenever drawing or mixing changes its numbers: half-written sets of before then lapse."""

RECIPES = "soundscapes.csv"
"""Table of what each clip is mixed of, in the folder of the set."""

SETTINGS = "soundscapes.json"
"""The settings that a set was made with, beside it."""

_RECIPE_COLUMNS = (
    "folder", "filename", "event_label", "onset", "offset", "snr_db", "source", "source_onset",
)  # fmt: skip
_GENERATED = "generated"


@dataclass(frozen=True)
class Sizes:
    """Number of clips of each part.

    Attributes:
        strong: training clips with onsets and offsets.
        weak: training clips with labels alone.
        unlabelled: training clips without labels.
        validation: validation clips with onsets and offsets.
        test: test clips with onsets and offsets.
    """

    strong: int = 1000
    weak: int = 500
    unlabelled: int = 2000
    validation: int = 200
    test: int = 400


def write_set(
    folder: Path,
    maker: Maker,
    sizes: Sizes,
    *,
    told: Mapping[str, object],
    jobs: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Write a set into a folder that appears once it is complete.

    After a kill the same call goes on where it was; what another call left is thrown away.

    Args:
        folder: absent or empty.
        maker: makes the clips.
        sizes: how many clips each part has.
        told: what :data:`SETTINGS` keeps for people.
        jobs: processes; one for every core by default.
        progress: told of the audio files written.

    Raises:
        DataError: when the events of a clip find no room.
        UserError: when the folder cannot be written.
    """
    identity = digest([told, _identity(maker, sizes)])
    with whole_folder(folder) as beside:
        begun = beside / SETTINGS
        if not begun.is_file() or read_json(begun)["identity"] != identity:
            shutil.rmtree(beside)
            write_json(begun, {"identity": identity, **told})
        fill(beside, maker, sizes, jobs=jobs, progress=progress)


def fill(
    folder: Path,
    maker: Maker,
    sizes: Sizes,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Write a set: tables first, then the audio that is not there yet.

    Args:
        folder: where to.
        maker: makes the clips.
        sizes: how many clips each part has; one without clips is left out.
        jobs: processes; one for every core by default.
        progress: told of the audio files written.

    Raises:
        DataError: when the events of a clip find no room.
        UserError: when a table cannot be written.
    """
    recipes = {
        part: [maker.recipe(part, number) for number in range(getattr(sizes, part.name))]
        for part in PARTS
        if getattr(sizes, part.name)
    }
    for part, here in recipes.items():
        (folder / part.audio).mkdir(parents=True, exist_ok=True)
        _write_tables(folder / "metadata", part, here, maker.sample_rate)
    write_csv(folder / RECIPES, _RECIPE_COLUMNS, _recipe_rows(recipes, maker))
    write_missing(folder, audio_paths(sizes), maker.encode, jobs=jobs, progress=progress)


def audio_paths(sizes: Sizes) -> list[str]:
    """All audio files of a set, relative to it."""
    return [
        f"{part.audio}/{file_name(part, number)}"
        for part in PARTS
        for number in range(getattr(sizes, part.name))
    ]


def _identity(maker: Maker, sizes: Sizes) -> str:
    """Digest of all that decides what a set holds, but for the places of the sounds."""
    stocks = {
        name: [
            [(sound.name, sound.path.stat().st_size) for sound in stock.sounds + stock.backgrounds],
            [asdict(one) for label in stock.materials.values() for one in label],
            list(stock.materials),
            stock.lengths,
        ]
        for name, stock in maker.stocks.items()
    }
    numbers = [CODE_VERSION, maker.sample_rate, maker.seed]
    return digest([numbers, asdict(maker.style), asdict(sizes), stocks])


def _write_tables(folder: Path, part: Part, recipes: Sequence[Recipe], sample_rate: int) -> None:
    """Metadata of one part."""
    names = [file_name(part, number) for number in range(len(recipes))]
    strong = list(_strong_rows(names, recipes, sample_rate))
    durations = [
        (name, recipe.length / sample_rate) for name, recipe in zip(names, recipes, strict=True)
    ]
    if part.name == "strong":
        write_strong(folder / "train" / "synthetic21_train" / "soundscapes.tsv", strong)
    elif part.name == "weak":
        labels = [recipe.labels for recipe in recipes]
        write_weak(folder / "train" / "weak.tsv", zip(names, labels, strict=True))
    elif part.name == "unlabelled":
        write_names(folder / "train" / "unlabel_in_domain.tsv", names)
    elif part.name == "validation":
        place = folder / "validation" / "synthetic21_validation"
        write_strong(place / "soundscapes.tsv", strong)
        write_durations(place / "durations.tsv", durations)
    else:
        write_strong(folder / "validation" / "validation.tsv", strong)
        write_durations(folder / "validation" / "validation_durations.tsv", durations)


def _strong_rows(
    names: Sequence[str], recipes: Sequence[Recipe], sample_rate: int
) -> Iterator[tuple[str, Event | None]]:
    for name, recipe in zip(names, recipes, strict=True):
        for event in recipe.labelled(sample_rate) or (None,):
            yield name, event


def _recipe_rows(recipes: Mapping[Part, Sequence[Recipe]], maker: Maker) -> Iterator[list[str]]:
    """What each clip is mixed of: its background in a row without a label, then its events."""
    rate = maker.sample_rate
    for part, here in recipes.items():
        stock = maker.stocks[part.pool]
        for number, recipe in enumerate(here):
            clip = [part.audio, file_name(part, number)]
            source = _GENERATED
            if recipe.background is not None:
                source = stock.backgrounds[recipe.background].name
            whole = [f"{0:.6f}", f"{recipe.length / rate:.6f}"]
            yield [*clip, "", *whole, "", source, f"{recipe.background_start / rate:.6f}"]
            for placed, event in zip(recipe.events, recipe.labelled(rate), strict=True):
                yield [
                    *clip,
                    event.label,
                    f"{event.onset:.6f}",
                    f"{event.offset:.6f}",
                    f"{placed.snr_db:.3f}",
                    stock.sounds[placed.sound].name,
                    f"{placed.source / rate:.6f}",
                ]
