"""The data set ``words``: isolated words of many speakers, mixed into overlapped clips.

Validation and test clips are mixed once, as files; training words are mixed afresh in each epoch,
unless the settings say otherwise. No speaker is in two parts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.config.schema import AudioSettings, DatasetSettings, MixingSettings
from utils.datasets.base import Clip, DataSet, Fold
from utils.datasets.layout import choose_folds
from utils.datasets.mixtures import Part, draw_part, generator, kept
from utils.datasets.speaker_parts import take_speakers
from utils.datasets.word_files import read_words, require_words
from utils.errors import DataError


def load_words(
    settings: DatasetSettings,
    *,
    audio: AudioSettings,
    root: Path,
    cache: Path,
    folds: int | None,
    name: str,
) -> DataSet:
    """Read isolated words and mix the clips of ``settings.mixing`` from them.

    Without folds: one fold of training words (mixtures, unless ``mixing.fresh``), validation and
    test mixtures. With folds: the speakers of train and validation are divided into so many parts;
    fold k tests on mixtures of part k, validates on ``validation.amount`` of the other speakers and
    trains on the rest; mixtures of the test speakers, the same as without folds, are held out. All
    is drawn from ``mixing.seed``.

    Args:
        settings: metadata, audio_folder, columns, classes, folds, test_amount, validation.amount,
            mixing.
        audio: rate and length, how shorter recordings are extended, what happens to bad ones.
        root: folder of the table, or of a folder for each word.
        cache: the mixtures lie below it.
        folds: number of parts for cross-validation; None: one fold of the parts as they are.
        name: name of the result.

    Raises:
        DataError: when something is missing, unusable or contradicts itself, or words or speakers
            are too few.
    """
    words = read_words(settings, audio=audio, root=root, cache=cache)
    chosen = choose_folds(settings.folds, range(1, (folds or 1) + 1), source=root)
    mixer = _Mixer(words.classes, settings.mixing, audio, cache)
    notes = words.notes
    held_out: tuple[Clip, ...] = ()
    if folds is None:
        made = [mixer.fold("fold1", words.parts, purpose="")]
    else:
        known = words.parts["train"] + words.parts["validation"]
        divisions = divide(known, folds, settings)
        made = [
            mixer.fold(f"fold{number}", divisions[number - 1], purpose=f"fold{number}")
            for number in chosen
        ]
        notes += (f"{folds} folds of whole speakers were drawn (seed {settings.mixing.seed}).",)
        held_out = mixer.write("held_out", [mixer.part("test", words.parts["test"])])["test"]
    return DataSet(
        name=name,
        classes=words.classes,
        folds=tuple(made),
        notes=notes,
        held_out=held_out,
        mixing=settings.mixing if settings.mixing.fresh else None,
    )


def divide(
    clips: Sequence[Clip], folds: int, settings: DatasetSettings
) -> list[dict[str, tuple[Clip, ...]]]:
    """Recordings of train, validation and test for each fold of a cross-validation, by speaker.

    Args:
        clips: recordings of all development speakers.
        folds: number of folds.
        settings: validation.amount, mixing.

    Raises:
        DataError: when there are too few speakers.
    """
    mixing = settings.mixing
    needed = 1 if mixing.repeat_speakers else mixing.words
    sizes = Counter(str(clip.group) for clip in clips)
    # of two folds, one tests on half of the speakers or more, and the rest gives two parts
    least = needed * (folds if folds > 2 else 4)
    if len(sizes) < least:
        raise DataError(
            f"training.folds: {len(sizes)} development speakers are too few for {folds} folds of"
            f" {needed} speakers or more, with as many for validation and training, {least} in all;"
            " change the number of folds, add speakers, mix fewer words or let speakers repeat."
        )
    divisions = []
    rng = generator(mixing.seed, "folds")
    for number, tested in enumerate(_deal(sizes, folds, needed, rng), start=1):
        rest = [clip for clip in clips if clip.group not in tested]
        rng = generator(mixing.seed, f"fold{number} validation speakers")
        amount = settings.validation.amount
        taken = take_speakers(rest, amount, at_least=needed, left=needed, rng=rng)
        divisions.append(
            {
                "train": tuple(clip for clip in rest if clip.group not in taken),
                "validation": tuple(clip for clip in rest if clip.group in taken),
                "test": tuple(clip for clip in clips if clip.group in tested),
            }
        )
    return divisions


def _deal(
    sizes: Mapping[str, int], parts: int, needed: int, rng: np.random.Generator
) -> list[set[str]]:
    """Speakers of parts of about the same number of recordings, ``needed`` speakers or more each.

    Speakers, those of most recordings first and otherwise in random order, go to the part that has
    the fewest recordings; the last ones to those parts that lack speakers. Beside each part, twice
    ``needed`` speakers are left.
    """
    most = len(sizes) - 2 * needed
    order = sorted(rng.permutation(sorted(sizes)).tolist(), key=lambda speaker: -sizes[speaker])
    dealt: list[set[str]] = [set() for _ in range(parts)]
    totals = [0] * parts
    for place, speaker in enumerate(order):
        lacking = [part for part in range(parts) if len(dealt[part]) < needed]
        last = sum(needed - len(dealt[part]) for part in lacking) >= len(order) - place
        fitting = [part for part in range(parts) if len(dealt[part]) < most]
        part = min(lacking if last else fitting, key=lambda part: totals[part])
        dealt[part].add(speaker)
        totals[part] += sizes[speaker]
    return dealt


@dataclass(frozen=True)
class _Mixer:
    """What all mixtures of one data set share."""

    classes: tuple[str, ...]
    mixing: MixingSettings
    audio: AudioSettings
    cache: Path

    def fold(self, name: str, parts: Mapping[str, tuple[Clip, ...]], *, purpose: str) -> Fold:
        """Mix the parts of one fold; training words stay as they are if mixing is fresh."""
        require_words(parts["train"], self.classes, title=f"{name}: the train part")
        train = self.part("train", parts["train"], purpose=purpose)
        if self.mixing.fresh:
            # drawn all the same: words that cannot be mixed are found now, not in the first epoch
            mixed, first = [], 0
        else:
            mixed, first = [train], len(train.labels)
        mixed.append(self.part("validation", parts["validation"], purpose=purpose, first=first))
        mixed.append(self.part("test", parts["test"], purpose=purpose))
        clips = self.write(name, mixed)
        return Fold(name, clips.get("train", parts["train"]), clips["validation"], clips["test"])

    def part(
        self, name: str, words: tuple[Clip, ...], *, purpose: str = "", first: int = 0
    ) -> Part:
        """Draw the mixtures of a part."""
        return draw_part(
            name,
            words,
            getattr(self.mixing, name),
            classes=self.classes,
            mixing=self.mixing,
            purpose=purpose,
            first=first,
        )

    def write(self, title: str, parts: Sequence[Part]) -> dict[str, tuple[Clip, ...]]:
        """Clips of parts, their files written now or found."""
        return kept(parts, classes=self.classes, audio=self.audio, cache=self.cache, title=title)
