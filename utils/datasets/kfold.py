"""Parts that a data set does not give itself: test, validation, or folds of cross-validation."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from utils.config.schema import DatasetSettings, ValidationSettings
from utils.datasets.base import Clip, DataSet, Fold
from utils.datasets.layout import choose_folds, unseen_devices
from utils.datasets.leaks import find_leaks
from utils.datasets.split import clips_by_group, names_by_class, split_validation
from utils.errors import DataError


def complete(
    data: DataSet, settings: DatasetSettings, *, folds: int | None, source: Path
) -> DataSet:
    """Give a data set the parts that it lacks, and look for leaks between all of them.

    Without cross-validation, an empty test part is drawn (``test_amount``, by the validation method
    and seed), then an empty validation part of what remains. With it, see :func:`divide`.

    Args:
        data: all of its folds, named ``foldN``; parts that it does not give itself are empty.
        settings: folds (which of them to keep), test_amount, validation.
        folds: folds of cross-validation; None: those of the data set.
        source: table or folder, named in messages.

    Raises:
        DataError: when a part stays empty, a file is in two parts, a wanted fold does not exist, or
            ``folds`` is wanted of a data set that has folds.
    """
    if folds is not None:
        data = divide(data, folds, settings.validation)
    numbered = {int(fold.name.removeprefix("fold")): fold for fold in data.folds}
    numbers = choose_folds(settings.folds, list(numbered), source=source)
    chosen = tuple(_filled(numbered[number], settings) for number in numbers)
    drawn = tuple(
        _drawn(fold, settings.validation, source)
        for number, fold in zip(numbers, chosen, strict=True)
        if not numbered[number].test
    )
    devices = set(unseen_devices(chosen))
    if data.held_out:
        devices |= set(unseen_devices([Fold("", _clips_of(chosen), (), data.held_out)]))
    return replace(
        data,
        folds=chosen,
        notes=data.notes + drawn + find_leaks(chosen, data.held_out),
        unseen_devices=tuple(sorted(devices)),
    )


def divide(data: DataSet, folds: int, validation: ValidationSettings) -> DataSet:
    """Divide the development clips into folds of cross-validation.

    Training and validation clips together are dealt into ``folds`` parts at random, by
    ``validation.seed``: whole groups where ``validation.method`` keeps groups, else single clips,
    either way with as equal shares of each class as can be; without regard to labels where clips
    have several. Fold k tests on part k; validation clips are taken out of the others as without
    cross-validation.

    Args:
        data: one fold; a test part, if it has one, is held out of all folds.
        folds: number of parts, 2 or more.
        validation: method, share, seed.

    Returns:
        The data set with ``fold1`` to ``foldK`` and a note on how they came about.

    Raises:
        DataError: for a data set that has folds of its own, for fewer groups or clips than folds,
            and for too few of them to take validation clips out.
    """
    if len(data.folds) != 1:
        raise DataError(
            f"training.folds: the data set '{data.name}' has its own {len(data.folds)} folds; leave"
            " training.folds out."
        )
    whole = data.folds[0]
    clips = whole.train + whole.validation
    part = _deal(clips, folds, validation)
    made = []
    for number in range(folds):
        rest = [clip for clip in clips if part[clip.name] != number]
        test = tuple(clip for clip in clips if part[clip.name] == number)
        try:
            train, held = split_validation(rest, validation)
        except DataError as error:
            raise DataError(
                f"training.folds: fold {number + 1} of {folds}, without its test part: {error}"
            ) from error
        made.append(Fold(f"fold{number + 1}", train, held, test))
    note = (
        f"{len(clips)} clips were divided at random into {folds} folds (seed {validation.seed},"
        f" method '{validation.method}')"
    )
    note += f"; {len(whole.test)} test clips are outside of all folds." if whole.test else "."
    return replace(data, folds=tuple(made), held_out=whole.test, notes=(*data.notes, note))


def _deal(clips: Sequence[Clip], folds: int, validation: ValidationSettings) -> dict[str, int]:
    """Part of each clip by its name, from 0."""
    draws = random.Random(validation.seed)  # noqa: S311 - a split, not a secret
    keeps_groups = validation.method != "random"
    count = len(clips_by_group(clips)) if keeps_groups else len(clips)
    if count < folds:
        raise DataError(
            f"training.folds: {folds} folds need {folds} {'groups' if keeps_groups else 'clips'} at"
            f" least, the development clips have {count}; lower training.folds."
        )
    if keeps_groups:
        return _deal_groups(clips_by_group(clips), folds, draws)
    order = []
    for names in names_by_class(clips):
        draws.shuffle(names)
        order += names
    return {name: place % folds for place, name in enumerate(order)}


def _deal_groups(groups: list[list[Clip]], folds: int, draws: random.Random) -> dict[str, int]:
    """Whole groups, the largest first, each to the part that lacks its classes most.

    The cost of a part is the sum over classes of the squared share that it holds of the class: a
    greedy walk that keeps the sum over all parts low keeps the parts alike.
    """
    totals = Counter(label for group in groups for clip in group for label in clip.labels)
    held: list[Counter[str]] = [Counter() for _ in range(folds)]
    sizes = [0] * folds
    part: dict[str, int] = {}
    draws.shuffle(groups)
    for group in sorted(groups, key=len, reverse=True):
        content = Counter(label for clip in group for label in clip.labels)
        costs = [
            sum(n * (2 * has[label] + n) / totals[label] ** 2 for label, n in content.items())
            for has in held
        ]
        number = min(range(folds), key=lambda place: (costs[place], sizes[place]))
        held[number] += content
        sizes[number] += len(group)
        part |= {clip.name: number for clip in group}
    return part


def _filled(fold: Fold, settings: DatasetSettings) -> Fold:
    """The fold with a test and a validation part."""
    train, validation, test = fold.train, fold.validation, fold.test
    if not test:
        amount = {"amount": settings.test_amount}
        train, test = split_validation(train, settings.validation.model_copy(update=amount))
    if not validation:
        train, validation = split_validation(train, settings.validation)
    return Fold(fold.name, train, validation, test)


def _drawn(fold: Fold, validation: ValidationSettings, source: Path) -> str:
    return (
        f"The test part was drawn: {len(fold.test)} of {len(fold.clips)} clips of {source.name}"
        f" (seed {validation.seed}, method '{validation.method}')."
    )


def _clips_of(folds: Sequence[Fold]) -> tuple[Clip, ...]:
    return tuple({clip.name: clip for fold in folds for clip in fold.clips}.values())
