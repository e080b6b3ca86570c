"""Songs and their stems: folders as MUSDB18-HQ has them, and tables as Spleeter reads them.

Sources: Rafii, Liutkus, Stöter, Mimilakis, Bittner, "MUSDB18-HQ, an uncompressed version of
MUSDB18" (2019), doi 10.5281/zenodo.3338373; Hennequin, Khlif, Voituret, Moussallam, "Spleeter: a
fast and efficient music source separation tool with pre-trained models", JOSS 5 (2020).
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from utils.config.schema import DatasetSettings
from utils.datasets.base import Clip, DataSet, Fold
from utils.datasets.kfold import complete
from utils.datasets.layout import SUFFIXES, clip_path, reading, require_folder
from utils.datasets.music_songs import Stems, check_songs, chosen_stems, left_out
from utils.datasets.split import split_validation
from utils.datasets.tables import Row, Table, read_table
from utils.errors import DataError

PUBLISHED = "musdb18hq"
MIXTURE = "mixture"
STEMS = ("vocals", "drums", "bass", "other")
"""The stems of MUSDB, in its order of targets."""

VALIDATION = frozenset(
    {
        "ANiMAL - Rockshow",
        "Actions - One Minute Smile",
        "Alexander Ross - Goodbye Bolero",
        "Clara Berry And Wooldog - Waltz For My Victims",
        "Fergessen - Nos Palpitants",
        "James May - On The Line",
        "Johnny Lokke - Promises & Lies",
        "Leaf - Summerghost",
        "Meaxic - Take A Step",
        "Patrick Talbot - A Reason To Leave",
        "Skelpolu - Human Mistakes",
        "Traffic Experiment - Sirens",
        "Triviul - Angelsaint",
        "Young Griffo - Pennies",
    }
)
"""Songs of train/ that the ``musdb`` package publishes as validation part (0.4, mus.yaml)."""

_COLUMN = "_path"
_MIX_COLUMN = "mix_path"
_ARCHIVE_REST = "__MACOSX"


def load_musdb(settings: DatasetSettings, *, root: Path, folds: int | None, name: str) -> DataSet:
    """Read songs that are folders of train/ and test/: mixture.wav and a file for each stem.

    The validation songs are those that MUSDB publishes, where they are there; else whole songs are
    drawn by ``validation.amount`` and ``validation.seed``, one at least. Files may be flac and
    others too.

    Args:
        settings: music.stems, folds, validation (method group or random).
        root: the folder of train/ and test/, or one that holds it as ``musdb18hq``.
        folds: folds of cross-validation, made of the songs of train/; None: one fold.
        name: name of the result.

    Returns:
        Songs as clips: ``train/SONG``, the mixture's path, its stems by class; no labels.

    Raises:
        DataError: without songs in train/ or test/, for a song that lacks files, or whose files
            have different rates or lengths, and where songs do not suffice to be divided.
        AudioError: for a file that is no audio.
    """
    folder = _find(root)
    parts = {part: _songs(folder / part) for part in ("train", "test")}
    songs = [song for part in parts.values() for song in part]
    stems = chosen_stems(settings, _known_stems(songs), source=folder)
    train = [_clip_of(song, "train", stems) for song in parts["train"]]
    test = [_clip_of(song, "test", stems) for song in parts["test"]]
    published = [clip for clip in train if clip.group in VALIDATION]
    if len(published) == len(train):
        published = []
    notes = (*left_out(stems, STEMS), *check_songs(train + test), *_partial(len(published)))
    rest = [clip for clip in train if clip not in published]
    fold = Fold("fold1", tuple(rest), tuple(published), tuple(test))
    used = {MIXTURE, *(stem for group in stems.values() for stem in group)}
    unused = any(not used.issuperset(song.files) for song in songs)
    data = DataSet(name, tuple(stems), (fold,), notes, have_more=unused)
    return _completed(data, settings, folds=folds, source=folder)


def load_spleeter(
    settings: DatasetSettings, *, root: Path, folds: int | None, name: str
) -> DataSet:
    """Read songs from tables with the columns mix_path, NAME_path of each stem, and duration.

    Rows that share a file (a mixture, a stem) are one song, which stays together where parts are
    drawn: validation by ``validation.amount``, test by ``test_amount``, both by
    ``validation.seed``, one song at least for each. Without the column ``duration`` no lengths are
    stated.

    Args:
        settings: music (stems and tables), folds, test_amount, validation (method group or random).
        root: folder of the tables; the paths in them are relative to it.
        folds: folds of cross-validation, made of the songs of the training and validation tables;
            None: one fold.
        name: name of the result.

    Returns:
        Songs as clips: named by ``mix_path``, their stems by class; no labels.

    Raises:
        DataError: for a missing table, column or file, a song in two tables, a length that is no
            number, for files of different rates or lengths, and where songs do not suffice to be
            divided.
        AudioError: for a file that is no audio.
    """
    require_folder(root)
    music = settings.music
    table = read_table(root / music.train, required=[_MIX_COLUMN])
    known = [
        column.removesuffix(_COLUMN)
        for column in table.columns
        if column.endswith(_COLUMN) and column != _MIX_COLUMN
    ]
    if not known:
        raise DataError(f"{table.path}: there is no column of a stem, such as vocals{_COLUMN}.")
    stems = chosen_stems(settings, known, source=table.path)
    parts = [
        _clips_in(root, file, stems) if file else []
        for file in (music.train, music.validation, music.test)
    ]
    train, validation, test = _by_song(parts)
    notes = (*left_out(stems, known), *check_songs([*train, *validation, *test]))
    fold = Fold("fold1", train, validation, test)
    data = DataSet(name, tuple(stems), (fold,), notes, have_more=True)  # a table need not name all
    return _completed(data, settings, folds=folds, source=table.path)


@dataclass(frozen=True)
class _Folder:
    """A song of MUSDB's form.

    Attributes:
        path: its folder.
        files: its audio files by name without suffix.
    """

    path: Path
    files: Mapping[str, Path]

    def file(self, stem: str) -> Path:
        """File of a stem; where there is none, the one that is lacking."""
        return self.files.get(stem, self.path / f"{stem}.wav")


def _find(root: Path) -> Path:
    with reading(root):
        require_folder(root)
        for folder in (root, root / PUBLISHED):
            if (folder / "train").is_dir():
                return folder
    raise DataError(
        f"{root}: neither train nor {PUBLISHED}/train is there; --data names a folder with"
        f" train/SONG/{MIXTURE}.wav and test/SONG/{MIXTURE}.wav."
    )


def _songs(folder: Path) -> list[_Folder]:
    """Songs of a part, sorted by name."""
    with reading(folder):
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        places = [
            entry
            for entry in entries
            if entry.name[0] != "." and entry.name != _ARCHIVE_REST and entry.is_dir()
        ]
        songs = [_Folder(place, dict(_audio_files(place))) for place in places]
    if songs:
        return songs
    if any(entry.name.endswith(".stem.mp4") for entry in entries):
        raise DataError(
            f"{folder}: holds the compressed songs of MUSDB18 (.stem.mp4), which are not read;"
            " take MUSDB18-HQ."
        )
    raise DataError(
        f"{folder}: holds no songs, folders with {MIXTURE}.wav and its stems; complete the data"
        " set."
    )


def _audio_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Names without suffix, and files; of several files of a name the wav comes last."""
    found = [
        path
        for path in folder.iterdir()
        if path.name[0] != "." and path.suffix.lower() in SUFFIXES and path.is_file()
    ]
    for path in sorted(found, key=lambda path: (-SUFFIXES.index(path.suffix.lower()), path.name)):
        yield path.stem, path


def _known_stems(songs: Sequence[_Folder]) -> list[str]:
    """MUSDB's stems, and what else the songs have."""
    found = {name for song in songs for name in song.files}
    return [*STEMS, *sorted(found - {MIXTURE, *STEMS})]


def _clip_of(song: _Folder, part: str, stems: Stems) -> Clip:
    return Clip(
        name=f"{part}/{song.path.name}",
        path=song.file(MIXTURE),
        group=song.path.name,
        stems=tuple(tuple(song.file(stem) for stem in names) for names in stems.values()),
    )


def _partial(count: int) -> tuple[str, ...]:
    if count in (0, len(VALIDATION)):
        return ()
    return (
        f"{count} of the {len(VALIDATION)} validation songs of MUSDB are there, and are the"
        " validation part.",
    )


def _clips_in(root: Path, file: str, stems: Stems) -> list[Clip]:
    """Songs of a table, in the order of its rows."""
    columns = [stem + _COLUMN for names in stems.values() for stem in names]
    table = read_table(root / file, required=[_MIX_COLUMN, *columns])
    clips: dict[str, Clip] = {}
    for row in table.rows:
        name = str(PurePosixPath(row[_MIX_COLUMN]))
        if name in clips:
            raise table.error(row, f"'{name}' is listed twice; remove one row.")
        paths = (
            tuple(clip_path(root, row[stem + _COLUMN]) for stem in names)
            for names in stems.values()
        )
        clips[name] = Clip(
            name=name,
            path=clip_path(root, name),
            seconds=_seconds(table, row),
            stems=tuple(paths),
        )
    return list(clips.values())


def _seconds(table: Table, row: Row) -> float | None:
    text = row.values.get("duration", "")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise table.error(row, f"duration '{text}' is no length in seconds.")
    return seconds


def _by_song(parts: Sequence[Sequence[Clip]]) -> list[tuple[Clip, ...]]:
    """The clips of each part with their groups: clips that share a file have the same.

    A group is named after the first of its clips.
    """
    song_of: dict[Path, str] = {}
    joined: dict[str, str] = {}

    def first(name: str) -> str:
        while joined[name] != name:
            name = joined[name]
        return name

    for clip in (clip for part in parts for clip in part):
        joined.setdefault(clip.name, clip.name)
        for path in set(clip.files):
            other = first(song_of.setdefault(path.resolve(), clip.name))
            own = first(clip.name)
            joined[max(own, other)] = min(own, other)
    return [tuple(replace(clip, group=first(clip.name)) for clip in part) for part in parts]


def _completed(
    data: DataSet, settings: DatasetSettings, *, folds: int | None, source: Path
) -> DataSet:
    """Draw the parts that lack, by whole songs: a song is a group, so both methods do the same.

    For that time every song has one and the same label: parts are balanced in nothing else.
    """
    labelled = _labelled(data, ("song",))
    (fold,) = labelled.folds
    lacking = [part for part in ("test", "validation") if not getattr(fold, part)]
    if lacking or folds is not None:
        settings = _by_whole_songs(settings)
    if lacking and folds is None:
        settings = _one_at_least(fold.train, lacking, settings, source)
    return _labelled(complete(labelled, settings, folds=folds, source=source), ())


def _by_whole_songs(settings: DatasetSettings) -> DatasetSettings:
    """The settings with the method that keeps songs whole."""
    method = settings.validation.method
    if method not in ("group", "random"):
        raise DataError(
            f"dataset.validation.method: '{method}' does not apply to songs, which have no city;"
            " choose 'group' or 'random', whole songs either way."
        )
    by_song = settings.validation.model_copy(update={"method": "group"})
    return settings.model_copy(update={"validation": by_song})


def _one_at_least(
    train: Sequence[Clip], lacking: Sequence[str], settings: DatasetSettings, source: Path
) -> DatasetSettings:
    """The settings with amounts that draw a song or more for each part that lacks."""
    songs, needed = len({clip.group for clip in train}), 1 + len(lacking)
    if songs < needed:
        raise DataError(
            f"{source}: of {songs} training songs some are to be drawn for"
            f" {' and for '.join(lacking)}, which takes {needed} or more; add songs."
        )
    test_amount, validation = settings.test_amount, settings.validation
    if "test" in lacking:
        test_amount = _enough(test_amount, train)
        drawn = validation.model_copy(update={"amount": test_amount})
        train, _ = split_validation(train, drawn)
    if "validation" in lacking:
        amount = _enough(validation.amount, train)
        validation = validation.model_copy(update={"amount": amount})
    changed = {"test_amount": test_amount, "validation": validation}
    return settings.model_copy(update=changed)


def _enough(amount: float, clips: Sequence[Clip]) -> float:
    """The share, or that of the smallest song where less than half of it is asked for."""
    smallest = min(Counter(clip.group for clip in clips).values()) / len(clips)
    return amount if 2.0 * amount > smallest else smallest


def _labelled(data: DataSet, labels: tuple[str, ...]) -> DataSet:
    def of(clips: Sequence[Clip]) -> tuple[Clip, ...]:
        return tuple(replace(clip, labels=labels) for clip in clips)

    folds = (Fold(f.name, of(f.train), of(f.validation), of(f.test)) for f in data.folds)
    return replace(data, folds=tuple(folds), held_out=of(data.held_out))
