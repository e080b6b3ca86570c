"""Where the parts of a DESED tree lie: a table and a folder of audio for each, under some names."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from utils.datasets.layout import files_in, reading, require_folder
from utils.errors import DataError

AUDIO = (".wav", ".flac", ".ogg")
COPIES = ("", "_16k", "_44k")
"""What follows the name of a folder and of its resampled copies; the plain one is preferred."""
ALIASES = {"audioset_strong": "strong_label_real"}
"""The strong labels of AudioSet (2022) have their table under another name than their audio."""
SYNTHETIC = "dcase_synth"
"""Where the recipes from 2022 on have a tree of the synthetic parts alone."""


@dataclass(frozen=True)
class AudioFolder:
    """A folder with audio.

    Attributes:
        path: the folder.
        files: names of its audio files.
        instead: the plain folder where this one is a resampled copy of it.
    """

    path: Path
    files: Collection[str]
    instead: Path | None


@dataclass(frozen=True)
class Place:
    """Where one part may lie.

    Attributes:
        trees: folders that hold ``audio`` and ``metadata``.
        stage: folder within both: ``train``, ``validation`` or ``eval``.
        part: its name, that of the audio folder.
    """

    trees: tuple[Path, ...]
    stage: str
    part: str

    @property
    def name(self) -> str:
        """Stage and part, the start of its clips' names."""
        return f"{self.stage}/{self.part}"

    @property
    def tables(self) -> tuple[Path, ...]:
        """Where its table may lie."""
        names = [self.part, *(alias for alias, part in ALIASES.items() if part == self.part)]
        return tuple(
            tree / "metadata" / self.stage / file
            for tree in self.trees
            for name in names
            for file in (f"{name}.tsv", f"{name}/soundscapes.tsv")
        )

    def table(self) -> Path | None:
        """Its table; None where there is none."""
        return next((path for path in self.tables if path.is_file()), None)

    def durations(self) -> Path | None:
        """The table of its clips' lengths; None where there is none."""
        files = (f"{self.part}_durations.tsv", f"{self.part}/durations.tsv")
        paths = (tree / "metadata" / self.stage / file for tree in self.trees for file in files)
        return next((path for path in paths if path.is_file()), None)

    def audio(self) -> AudioFolder | None:
        """The first folder that has audio files; None where none has.

        Raises:
            DataError: for a folder that may not be read.
        """
        for copy in COPIES:
            for plain in self._plain_folders():
                path = plain.with_name(plain.name + copy)
                files = _audio_in(path)
                if files:
                    return AudioFolder(path, files, plain if copy else None)
        return None

    def _plain_folders(self) -> Iterator[Path]:
        for tree in self.trees:
            folder = tree / "audio" / self.stage / self.part
            yield folder
            yield folder / "soundscapes"


def place_of(trees: tuple[Path, ...], stage: str, part: str) -> Place:
    """Place of a part, which may be told by the name of its table."""
    return Place(trees, stage, ALIASES.get(part, part))


def find_trees(root: Path) -> tuple[Path, ...]:
    """Folders that hold ``audio`` and ``metadata``: the data set's, then that of synthetic parts.

    Args:
        root: what the user named: the folder itself, or one above it as published archives unpack.

    Raises:
        DataError: when there is none, or it may not be read.
    """
    with reading(root):
        require_folder(root)
        for folder in (root, root / "dataset", root / "dcase" / "dataset"):
            if (folder / "metadata").is_dir():
                return folder, folder / SYNTHETIC
    raise DataError(
        f"{root}: there is no folder 'metadata'; --data names the folder of DESED that holds audio/"
        " and metadata/."
    )


def _audio_in(folder: Path) -> frozenset[str]:
    """Names of the audio files of a folder, hidden ones left out; none where there is no folder."""
    return frozenset(
        name for name in files_in(folder) if name.lower().endswith(AUDIO) and name[0] != "."
    )
