"""What songs are made of: which stems make a class, and whether their files fit together."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from utils.audio import Facts, read_facts
from utils.config.schema import DatasetSettings
from utils.datasets.base import Clip
from utils.datasets.tables import nearest
from utils.errors import DataError

TOLERANCE_SECONDS = 0.1
"""Longest difference in length of a song's files: programs render up to so much more or less."""

Stems = dict[str, tuple[str, ...]]
"""By class, in order, the stems whose sum it is."""


def chosen_stems(settings: DatasetSettings, known: Sequence[str], *, source: Path) -> Stems:
    """What is to be separated, by ``dataset.music.stems``.

    Args:
        settings: music.stems and classes.
        known: the stems that there are, in their order; without a setting each is a class.
        source: folder or table that has them, named in messages.

    Raises:
        DataError: for a class without stems, a stem that is not known or in two classes, and for
            ``dataset.classes`` that say otherwise.
    """
    given = {str(name): tuple(map(str, stems)) for name, stems in settings.music.stems.items()}
    chosen = given or {name: (name,) for name in known}
    classes: dict[str, str] = {}
    for name, stems in chosen.items():
        if not stems:
            raise DataError(f"dataset.music.stems: '{name}' has no stems; name one at least.")
        for stem in stems:
            if stem not in known:
                raise DataError(
                    f"{source}: there is no stem '{stem}', which dataset.music.stems names."
                    f" {nearest(stem, known)}"
                )
            if stem in classes:
                raise DataError(
                    f"dataset.music.stems: '{stem}' is named twice, by '{classes[stem]}' and by"
                    f" '{name}'; what is separated is separate."
                )
            classes[stem] = name
    if settings.classes is not None and tuple(settings.classes) != tuple(chosen):
        raise DataError(
            f"dataset.classes: the classes of songs are those of dataset.music.stems"
            f" ({', '.join(chosen)}); leave dataset.classes out."
        )
    return chosen


def left_out(stems: Stems, known: Sequence[str]) -> tuple[str, ...]:
    """A note on the stems that belong to no class; none where stems beside the known ones do.

    Args:
        stems: by class.
        known: the stems that make up a mixture.
    """
    used = {stem for parts in stems.values() for stem in parts}
    others = [stem for stem in known if stem not in used]
    if not others or not used <= set(known):
        return ()
    return (
        f"dataset.music.stems leaves out {', '.join(others)}: unless other stems contain them, what"
        " they add to the mixtures belongs to no class.",
    )


def check_songs(clips: Sequence[Clip]) -> tuple[str, ...]:
    """Require that the files of each song are there and fit together, by their headers.

    Args:
        clips: songs with stems.

    Returns:
        Notes that count songs whose stems differ in length a little, mono files among stereo files,
        and songs whose stated length is not that of the mixture.

    Raises:
        DataError: for missing files, stems of another rate, or of a length that differs by more
            than ``TOLERANCE_SECONDS``.
        AudioError: for a file that is no audio.
    """
    _refuse_missing(clips)
    facts: dict[Path, Facts] = {}
    uneven = []
    for clip in clips:
        facts |= {path: read_facts(path) for path in clip.files if path not in facts}
        song = {path: facts[path] for path in clip.files}
        _refuse_rates(song)
        _refuse_lengths(song)
        if len({one.frames for one in song.values()}) > 1:
            uneven.append(clip.name)
    return (*_uneven(uneven, len(clips)), *_mono(facts), *_misstated(clips, facts))


def _refuse_missing(clips: Sequence[Clip]) -> None:
    files = {path: clip for clip in clips for path in clip.files}
    missing = [path for path in files if not path.is_file()]
    if missing:
        kind = "the mixture" if missing[0] == files[missing[0]].path else "a stem"
        raise DataError(
            f"{missing[0]}: is missing, {kind} of song '{_song(files[missing[0]])}'"
            f" ({len(missing)} of {len(files)} files of songs are missing); restore it or take the"
            " song out."
        )


def _song(clip: Clip) -> str:
    return clip.group or clip.name


def _refuse_rates(song: Mapping[Path, Facts]) -> None:
    mixture, *stems = song
    for stem in stems:
        if song[stem].sample_rate != song[mixture].sample_rate:
            raise DataError(
                f"{stem}: has {song[stem].sample_rate} Hz, {_beside(stem, mixture)} has"
                f" {song[mixture].sample_rate} Hz; bring all files of a song to one rate."
            )


def _refuse_lengths(song: Mapping[Path, Facts]) -> None:
    """Require that the shortest and the longest file of a song are nearly as long."""
    lengths = {path: one.frames / one.sample_rate for path, one in song.items()}
    shortest, longest = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
    if lengths[longest] - lengths[shortest] > TOLERANCE_SECONDS:
        raise DataError(
            f"{shortest}: lasts {lengths[shortest]:.3f} s, {_beside(shortest, longest)}"
            f" {lengths[longest]:.3f} s; files of a song may differ by {TOLERANCE_SECONDS:g} s, so"
            " export them anew, from one start to one end."
        )


def _beside(path: Path, other: Path) -> PurePath:
    """Another file of the song, by its name where that says enough."""
    return PurePath(other.name) if other.parent == path.parent else other


def _uneven(songs: Sequence[str], total: int) -> tuple[str, ...]:
    if not songs:
        return ()
    return (
        f"In {len(songs)} of {total} songs (such as {min(songs)}) the mixture and the stems differ"
        f" in length, by up to {TOLERANCE_SECONDS:g} s: what a file lacks counts as silence.",
    )


def _mono(facts: Mapping[Path, Facts]) -> tuple[str, ...]:
    mono = [path for path, one in facts.items() if one.channels == 1]
    if len(mono) in (0, len(facts)):
        return ()
    return (
        f"{len(mono)} of {len(facts)} files of songs are mono, others stereo: a mono file is read"
        " as two equal channels.",
    )


def _misstated(clips: Sequence[Clip], facts: Mapping[Path, Facts]) -> tuple[str, ...]:
    """A note on songs that last longer or shorter than the data set states."""
    wrong = []
    for clip in clips:
        length = facts[clip.path].frames / facts[clip.path].sample_rate
        if clip.seconds is not None and abs(clip.seconds - length) > TOLERANCE_SECONDS:
            wrong.append(clip.name)
    if not wrong:
        return ()
    return (
        f"The stated length of {len(wrong)} of {len(clips)} songs (such as {min(wrong)}) is not"
        f" that of the mixture, by more than {TOLERANCE_SECONDS:g} s.",
    )
