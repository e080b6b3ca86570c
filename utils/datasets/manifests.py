"""The data set ``svoice``: mixtures of speakers that JSON manifests list.

``tr/mix.json``, ``tr/s1.json``, ``tr/s2.json`` ..., the same in ``cv/`` (validation) and ``tt/``
(test), hold ``[[path, samples], ...]``: the layout of Nachmani, Adi, Wolf, "Voice Separation with
an Unknown Number of Multiple Speakers", ICML 2020 (arXiv 2003.01531), whose program pairs the lists
by sorting each for itself. Here a source belongs to the mixture whose name occurs in its own.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from utils.audio import read_header
from utils.config.schema import DatasetSettings, SpeakerSettings
from utils.datasets.base import Clip, DataSet, Fold
from utils.datasets.layout import choose_folds, listed, reading, require_folder
from utils.errors import ConfigError, DataError

FOLDERS = {
    "train": ("tr", "train"),
    "validation": ("cv", "valid", "validation"),
    "test": ("tt", "test"),
}
"""Names that a part's folder may have; the first is the original's."""

MIXTURES = "mix.json"
TOLERANCE_SECONDS = 0.1
"""Largest difference between the lengths of a mixture and of its sources."""

_SOURCES = re.compile(r"s([1-9]\d*)\.json")
_MIX_AROUND = re.compile(r"^(mix|mixture)[-_.]|[-_.](mix|mixture)$", re.IGNORECASE)
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class _Entry:
    """A file of a manifest: as it is written there, where it lies, its samples by the manifest."""

    listed: str
    path: Path
    samples: int

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return Path(self.listed).stem


@dataclass(frozen=True)
class _Part:
    """The manifests of a part: its folder, mixtures, and a list for each source."""

    folder: Path
    mixtures: tuple[_Entry, ...]
    sources: tuple[tuple[_Entry, ...], ...]

    @property
    def lists(self) -> tuple[tuple[_Entry, ...], ...]:
        """All lists, the mixtures first."""
        return self.mixtures, *self.sources


def load_svoice(settings: DatasetSettings, *, root: Path, folds: int | None, name: str) -> DataSet:
    """Read manifests, pair mixtures with their sources, and check their files.

    A source belongs to the mixture whose file name, without suffix and without ``mix`` at either
    end, occurs in the source's: word by word, the longest name if there are several. Where no name
    of a part does, and all its lists are equally long, files are paired by their place.

    Args:
        settings: folds, speakers.number (the least number of sources).
        root: folder of tr/, cv/ and tt/, which may be named train, valid or validation, and test.
            Paths in the manifests are absolute, relative to the manifest's folder, or to ``root``.
        folds: None, as the manifests give the parts.
        name: name of the result.

    Returns:
        One fold of clips with a file for each source and the length that the manifest states;
        classes ``speaker1`` ... by the number of lists.

    Raises:
        ConfigError: for parameters of the mixing of speakers.
        DataError: for a manifest that is missing or is none, parts with different numbers of lists,
            fewer lists than speakers, files that are missing, mixtures without a source, and files
            whose length or rate does not fit.
        AudioError: for a file that is no audio.
    """
    refuse_folds(folds, name="svoice")
    choose_folds(settings.folds, [1], source=root)
    with reading(root):
        require_folder(root)
        parts = {part: _read_part(root, part) for part in FOLDERS}
    _refuse_unread(settings.speakers)
    number = _number_of_sources(parts, settings.speakers.number, root)
    _require_files(parts, root)
    clips, notes, by_place = {}, [], []
    for part, lists in parts.items():
        sources, placed, unused = _paired(lists)
        clips[part] = _clips(lists, sources)
        by_place += [lists.folder.name] if placed else []
        notes += [f"{lists.folder.name}: {unused} sources are of no listed mixture."] * bool(unused)
    if by_place:
        notes.append(
            f"Files of {', '.join(by_place)} were paired by their place in the lists, as no name of"
            " a mixture occurs in those of its sources."
        )
    notes += _shared(clips, {part: lists.folder.name for part, lists in parts.items()})
    fold = Fold("fold1", clips["train"], clips["validation"], clips["test"])
    return DataSet(name, class_names(number), (fold,), tuple(notes), have_more=True)


def _refuse_unread(asked: SpeakerSettings) -> None:
    """Refuse to mix speakers otherwise: the files are mixed.

    Raises:
        ConfigError: for what would have no effect. Numbers of clips have none either, but stand in
            every set of speakers.
    """
    for name in ("level_db", "length", "overlap", "fresh"):
        if getattr(asked, name) != SpeakerSettings.model_fields[name].default:
            raise ConfigError(
                f"dataset.speakers.{name}: has no effect on manifests, whose files are mixed "
                "already; leave it out."
            )


def class_names(number: int) -> tuple[str, ...]:
    """Names of the outputs of a network that separates so many speakers."""
    return tuple(f"speaker{place + 1}" for place in range(number))


def refuse_folds(folds: int | None, *, name: str) -> None:
    """Refuse cross-validation.

    Raises:
        DataError: unless ``folds`` is None.
    """
    if folds is not None:
        raise DataError(
            f"training.folds: a '{name}' set has its speakers in three parts, and no folds; leave"
            " training.folds out."
        )


def _read_part(root: Path, part: str) -> _Part:
    """Manifests of a part."""
    there = [root / name for name in FOLDERS[part] if (root / name).is_dir()]
    if len(there) != 1:
        names = " or ".join(f"{name}/" for name in FOLDERS[part])
        found = f"both {there[0].name}/ and {there[1].name}/ are" if there else "no folder is"
        raise DataError(
            f"{root}: {found} there for the {part} part; one of {names} holds {MIXTURES}, s1.json,"
            " s2.json ..."
        )
    (folder,) = there
    numbers = sorted(
        int(match[1]) for path in folder.iterdir() if (match := _SOURCES.fullmatch(path.name))
    )
    expected = list(range(1, len(numbers) + 1))
    missing = [] if (folder / MIXTURES).is_file() else [MIXTURES]
    missing += [f"s{number}.json" for number in (expected or [1]) if number not in numbers]
    if missing:
        raise DataError(
            f"{folder}: {missing[0]} is missing; a part has {MIXTURES} and a list for each source,"
            " s1.json, s2.json ..."
        )
    lists = [_read_manifest(folder / f"s{number}.json", root) for number in numbers]
    return _Part(folder, _read_manifest(folder / MIXTURES, root), tuple(lists))


def _read_manifest(path: Path, root: Path) -> tuple[_Entry, ...]:
    """Entries of a manifest, each file once."""
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise DataError(f"{path}: is no JSON ({error}); make the manifest anew.") from error
    if not isinstance(content, list) or not content:
        raise DataError(f"{path}: holds no list [[path, samples], ...]; make the manifest anew.")
    entries: dict[str, _Entry] = {}
    for number, entry in enumerate(content, start=1):
        match entry:
            case [str(file), int(samples)] if file and samples > 0 and samples is not True:
                if file in entries:
                    raise DataError(f"{path}: '{file}' is listed twice; remove one entry.")
                entries[file] = _Entry(file, _found(file, path.parent, root), samples)
            case _:
                raise DataError(
                    f"{path}: entry {number} is {json.dumps(entry)[:80]}, not [path, samples];"
                    " correct it or make the manifest anew."
                )
    return tuple(entries.values())


def _found(file: str, folder: Path, root: Path) -> Path:
    """Where a listed file lies: relative to the manifest, else to the root. Absolute ones stay."""
    beside = folder / file
    return beside if beside.is_file() else root / file


def _number_of_sources(parts: Mapping[str, _Part], wanted: int, root: Path) -> int:
    """How many speakers the mixtures of all parts have."""
    numbers = {part.folder.name: len(part.sources) for part in parts.values()}
    if len(set(numbers.values())) > 1:
        told = ", ".join(f"{name} has {number}" for name, number in numbers.items())
        raise DataError(
            f"{root}: the parts have lists of different numbers of sources ({told}); a network"
            " separates one number of speakers."
        )
    number = next(iter(numbers.values()))
    if number < wanted:
        raise DataError(
            f"{root}: there are lists of {number} sources for {wanted} speakers"
            " (dataset.speakers.number); add the missing lists or lower the number."
        )
    return number


def _require_files(parts: Mapping[str, _Part], root: Path) -> None:
    entries = [entry for part in parts.values() for files in part.lists for entry in files]
    missing = [entry.listed for entry in entries if not entry.path.is_file()]
    if missing:
        raise DataError(
            f"{root}: {len(missing)} of {len(entries)} listed files are missing, the first"
            f" {missing[0]}; paths are absolute, or relative to the manifest's folder or to --data."
        )


def _paired(part: _Part) -> tuple[list[tuple[_Entry, ...]], bool, int]:
    """Sources of every mixture; whether they were paired by place; how many are of no mixture."""
    found = [_by_name(part.mixtures, files) for files in part.sources]
    lengths = {len(files) for files in part.lists}
    if not any(any(pairs) for pairs in found):
        if len(lengths) > 1:
            counts = ", ".join(map(str, map(len, part.lists)))
            raise DataError(
                f"{part.folder}: no name of a mixture occurs in the names of the sources, and the"
                f" lists are of different lengths ({counts}); name the sources after the mixtures."
            )
        return list(zip(*part.sources, strict=True)), True, 0
    columns = []
    for number, pairs in enumerate(found, start=1):
        lacking = [entry.listed for entry, own in zip(part.mixtures, pairs, strict=True) if not own]
        if lacking:
            raise DataError(
                f"{part.folder / f's{number}.json'}: has no source for {len(lacking)} of"
                f" {len(pairs)} mixtures, the first {lacking[0]}; a source's name holds that of its"
                " mixture."
            )
        for entry, own in zip(part.mixtures, pairs, strict=True):
            if len(own) > 1:
                raise DataError(
                    f"{part.folder / f's{number}.json'}: {own[0].listed} and {own[1].listed} are"
                    f" both named after the mixture {entry.listed}; leave one."
                )
        columns.append([own[0] for own in pairs])
    unused = sum(map(len, part.sources)) - len(part.mixtures) * len(columns)
    return list(zip(*columns, strict=True)), False, unused


def _by_name(mixtures: Sequence[_Entry], sources: Sequence[_Entry]) -> list[tuple[_Entry, ...]]:
    """Sources of each mixture by their names; none at all where two mixtures have one name."""
    names = [_key(entry.name) for entry in mixtures]
    places = {name: place for place, name in enumerate(names)}
    pairs: list[tuple[_Entry, ...]] = [()] * len(mixtures)
    if len(places) < len(names):
        return pairs
    for source in sources:
        own = next((name for name in _parts_of(source.name) if name in places), None)
        if own is not None:
            pairs[places[own]] += (source,)
    return pairs


def _key(name: str) -> str:
    """A mixture's name without ``mix`` at either end, if anything else is left."""
    return _MIX_AROUND.sub("", name) or name


def _parts_of(name: str) -> Iterator[str]:
    """The name, then all that can be cut out of it between words, longest first."""
    yield name
    words = [match.span() for match in _WORDS.finditer(name)]
    spans = {(start, end) for (start, _), (_, end) in combinations(words, 2)} | set(words)
    for start, end in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
        yield name[start:end]


def _clips(part: _Part, sources: Sequence[tuple[_Entry, ...]]) -> tuple[Clip, ...]:
    """Clips of a part, their files checked."""
    paths = [Path(os.path.normpath(entry.path.absolute())) for entry in part.mixtures]
    above = Path(os.path.commonpath([path.parent for path in paths]))
    clips = []
    for path, mixture, own in zip(paths, part.mixtures, sources, strict=True):
        rate = _checked(mixture, own)
        clips.append(
            Clip(
                f"{part.folder.name}/{path.relative_to(above).as_posix()}",
                mixture.path,
                seconds=mixture.samples / rate,
                stems=tuple((source.path,) for source in own),
            )
        )
    return tuple(clips)


def _checked(mixture: _Entry, sources: Sequence[_Entry]) -> int:
    """Rate of a mixture whose sources fit it, and whose lengths are as the manifests say."""
    for first, second in combinations((mixture, *sources), 2):
        if os.path.realpath(first.path) == os.path.realpath(second.path):
            raise DataError(
                f"{first.path}: is listed as two sounds of the mixture {mixture.listed}; each has a"
                " file of its own."
            )
    rate, _ = read_header(mixture.path)
    for entry in (mixture, *sources):
        own_rate, samples = read_header(entry.path)
        if own_rate != rate:
            raise DataError(
                f"{entry.path}: has {own_rate} Hz, its mixture {mixture.listed} {rate} Hz; bring"
                " them to one rate."
            )
        if abs(samples - entry.samples) > TOLERANCE_SECONDS * rate:
            raise DataError(
                f"{entry.path}: has {samples} samples, its manifest says {entry.samples}; make the"
                " manifest anew."
            )
        if abs(entry.samples - mixture.samples) > TOLERANCE_SECONDS * rate:
            raise DataError(
                f"{entry.path}: lasts {entry.samples / rate:.2f} s, its mixture {mixture.listed}"
                f" {mixture.samples / rate:.2f} s; they must not differ by more than"
                f" {TOLERANCE_SECONDS:g} s."
            )
    return rate


def _shared(clips: Mapping[str, Sequence[Clip]], folders: Mapping[str, str]) -> Iterator[str]:
    """A sentence for every two parts that share files."""
    files = {
        part: {os.path.realpath(path) for clip in here for path in clip.files}
        for part, here in clips.items()
    }
    for first, second in combinations(files, 2):
        shared = files[first] & files[second]
        if shared:
            yield (
                f"{len(shared)} files are in both {folders[first]} and {folders[second]} (such as"
                f" {listed({Path(path).name for path in shared})}): scores may be too good."
            )
