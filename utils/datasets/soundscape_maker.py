"""Clips of a DESED tree made of a divided soundbank, each from the seed, its part and its number.

So they may be made by any number of processes, in any order, and after a kill the missing ones
alone. Every sound is read once before, to know where in it there is sound.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from utils.audio import fit_length, read_audio, read_header
from utils.datasets.demo_folder import wav
from utils.datasets.mixtures import Progress, generator
from utils.datasets.sound_portions import Portion, Trim, active_portions
from utils.datasets.soundbank import Sound, Soundbank
from utils.datasets.soundscape_mixing import mix, moving_noise
from utils.datasets.soundscape_recipes import Material, Recipe, Style, draw
from utils.errors import AudioError, DataError

_HELD_BYTES = 2**27  # of sounds, and of backgrounds, in each process


@dataclass(frozen=True)
class Part:
    """One part of a DESED tree.

    Attributes:
        name: what its clips are for.
        prefix: first word of its files' names.
        audio: its folder of audio.
        pool: the sounds that it is mixed of.
        fewest: events of a clip at least; weak labels cannot say that there are none.
    """

    name: str
    prefix: str
    audio: str
    pool: str
    fewest: int = 0


PARTS = (
    Part("strong", "synthetic", "audio/train/synthetic21_train/soundscapes", "strong"),
    Part("weak", "weak", "audio/train/weak", "train", fewest=1),
    Part("unlabelled", "unlabelled", "audio/train/unlabel_in_domain", "train"),
    Part(
        "validation",
        "validation",
        "audio/validation/synthetic21_validation/soundscapes",
        "validation",
    ),
    Part("test", "test", "audio/validation/validation", "test"),
)
"""Strong training and validation clips stand where DESED has synthetic ones, the test clips where
it has its real validation clips."""


@dataclass(frozen=True)
class Stock:
    """What is known of one pool's files without reading them again.

    Attributes:
        sounds: all of the pool; materials name them by their place here.
        materials: of each class.
        backgrounds: of the pool; none: they are generated.
        lengths: samples of each background.
    """

    sounds: tuple[Sound, ...]
    materials: Mapping[str, tuple[Material, ...]]
    backgrounds: tuple[Sound, ...]
    lengths: tuple[int, ...]


@dataclass(frozen=True)
class Maker:
    """Makes any clip of a set from its path.

    Attributes:
        stocks: by pool.
        style: how clips are drawn.
        sample_rate: hertz of the clips.
        seed: of all that is drawn.
        held: sounds that a process keeps in memory.
    """

    stocks: Mapping[str, Stock]
    style: Style
    sample_rate: int
    seed: int
    held: int

    def recipe(self, part: Part, number: int) -> Recipe:
        """What a clip is mixed of.

        Raises:
            DataError: when its events find no room.
        """
        stock = self.stocks[part.pool]
        return draw(
            generator(self.seed, f"{part.name} {number}"),
            stock.materials,
            self.style,
            sample_rate=self.sample_rate,
            backgrounds=stock.lengths,
            fewest=part.fewest,
        )

    def samples(self, part: Part, number: int) -> np.ndarray:
        """A clip, float32 (samples,)."""
        stock, recipe = self.stocks[part.pool], self.recipe(part, number)
        read = _reader(self.held)
        sounds = [read(stock.sounds[one.sound].path, self.sample_rate) for one in recipe.events]
        if recipe.background is None:
            noise = np.random.default_rng(recipe.noise_seed)
            background = moving_noise(noise, recipe.length, sample_rate=self.sample_rate)
        else:
            whole = read(stock.backgrounds[recipe.background].path, self.sample_rate)
            background = fit_length(
                whole[recipe.background_start :], length=recipe.length, short="reflect"
            )
        return mix(
            background,
            [
                sound[one.source : one.source + one.length]
                for sound, one in zip(sounds, recipe.events, strict=True)
            ],
            onsets=[one.onset for one in recipe.events],
            snr_db=[one.snr_db for one in recipe.events],
            sample_rate=self.sample_rate,
        )

    def encode(self, path: str) -> bytes:
        """Content of a file of the set, wav of 16 bits.

        Args:
            path: relative to the set, as :func:`audio_paths` gives it.
        """
        place = PurePosixPath(path)
        part = next(part for part in PARTS if part.audio == str(place.parent))
        number = int(place.stem.removeprefix(f"{part.prefix}_"))
        return wav(self.samples(part, number), self.sample_rate)


def file_name(part: Part, number: int) -> str:
    """Name of a part's clip."""
    return f"{part.prefix}_{number:05d}.wav"


def prepare(
    bank: Soundbank,
    *,
    style: Style,
    trim: Trim,
    sample_rate: int,
    seed: int,
    skip_bad: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> tuple[Maker, tuple[str, ...]]:
    """Read every sound once, to know where in it there is sound.

    Args:
        bank: the sounds, divided.
        style: how clips are drawn.
        trim: what counts as sound.
        sample_rate: hertz of the clips; sounds of other rates are resampled.
        seed: of all that is drawn.
        skip_bad: leave out silent and broken files.
        jobs: processes; one for every core by default.
        progress: told of the files read.

    Returns:
        The maker of clips, and notes on what was left out.

    Raises:
        AudioError: for a silent or broken file, unless these are left out.
        DataError: when a class has no other sound in a part.
    """
    portions, wrong = _measure(bank.sounds, trim, sample_rate, jobs, progress)
    lengths, unread = _lengths(bank.backgrounds, sample_rate)
    wrong += unread
    if wrong and not skip_bad:
        raise AudioError(wrong[0])
    stocks = {}
    for name, pool in bank.pools.items():
        materials: dict[str, list[Material]] = {label: [] for label in bank.classes}
        for number, sound in enumerate(pool.sounds):
            if sound.path in portions:
                materials[sound.label].append(_material(number, sound, portions[sound.path]))
        for label, usable in materials.items():
            if not usable:
                raise DataError(
                    f"class '{label}' has no usable sound in the {name} part: {wrong[0]}"
                )
        behind = tuple(sound for sound in pool.backgrounds if sound.path in lengths)
        if pool.backgrounds and not behind:
            raise DataError(f"no background of the {name} part can be used: {wrong[0]}")
        stocks[name] = Stock(
            pool.sounds,
            {label: tuple(usable) for label, usable in materials.items()},
            behind,
            tuple(lengths[sound.path] for sound in behind),
        )
    longest = max(
        [end for here in portions.values() for _, end in here] + list(lengths.values()) + [1]
    )
    maker = Maker(stocks, style, sample_rate, seed, held=max(8, _HELD_BYTES // (4 * longest)))
    return maker, _left_out(wrong, len(bank.sounds) + len(bank.backgrounds))


def _material(number: int, sound: Sound, portions: Sequence[Portion]) -> Material:
    """A sound without onset or offset is one texture: its pauses belong to it."""
    whole = sound.onset and sound.offset
    kept = tuple(portions) if whole else ((portions[0][0], portions[-1][1]),)
    return Material(number, sound.label, kept, sound.onset, sound.offset)


def _measure(
    sounds: Sequence[Sound],
    trim: Trim,
    sample_rate: int,
    jobs: int | None,
    progress: Progress | None,
) -> tuple[dict[Path, tuple[Portion, ...]], list[str]]:
    """Portions of each usable sound, and what is wrong with the others."""
    from joblib import Parallel, cpu_count, delayed

    found: dict[Path, tuple[Portion, ...]] = {}
    wrong: dict[Path, str] = {}
    workers = Parallel(n_jobs=jobs or cpu_count(), return_as="generator", batch_size=8)
    calls = (delayed(_portions)(sound.path, trim, sample_rate) for sound in sounds)
    for done, (sound, result) in enumerate(zip(sounds, workers(calls), strict=True), start=1):
        if isinstance(result, str):
            wrong[sound.path] = result
        else:
            found[sound.path] = result
        if progress is not None:
            progress(done, len(sounds))
    return found, list(wrong.values())


def _portions(path: Path, trim: Trim, sample_rate: int) -> tuple[Portion, ...] | str:
    """Portions of a file, or what is wrong with it."""
    try:
        samples = read_audio(path, sample_rate=sample_rate)
    except AudioError as error:
        return str(error)
    found = active_portions(samples, sample_rate=sample_rate, trim=trim)
    return found or f"{path}: is silent; replace or remove it."


def _lengths(backgrounds: Sequence[Sound], sample_rate: int) -> tuple[dict[Path, int], list[str]]:
    """Samples of each background that can be opened, and what is wrong with the others."""
    lengths: dict[Path, int] = {}
    wrong = []
    for sound in backgrounds:
        try:
            rate, samples = read_header(sound.path)
        except AudioError as error:
            wrong.append(str(error))
        else:
            lengths[sound.path] = max(1, samples * sample_rate // rate)
    return lengths, wrong


def _left_out(wrong: Sequence[str], count: int) -> tuple[str, ...]:
    if not wrong:
        return ()
    return (
        f"{len(wrong)} of {count} recordings cannot be used and were left out; the first:"
        f" {wrong[0]}",
    )


@lru_cache(maxsize=1)
def _reader(held: int) -> Callable[[Path, int], np.ndarray]:
    """A reader that keeps the latest recordings; each process has one."""
    return lru_cache(maxsize=held)(lambda path, rate: read_audio(path, sample_rate=rate))
