"""Features in the making: rows in a file, and a journal of those done, so that work resumes.

Rows are written by several processes at once, by ``pwrite`` at their own place. The journal is
written by one. A row counts as done when the journal has a whole line for it, the row's check sum
agrees and the clip's file is still as it was, so neither a kill at any moment nor a loss of power
nor a repaired file leaves a wrong row.
"""

import io
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from utils.features.store import FEATURES, BadClip, FeatureStore, FileState, write_clips
from utils.files import write_text, writing

_TAKEN = 256  # rows copied from finished features between two entries in the journal


@dataclass(frozen=True)
class Outcome:
    """What became of one row.

    Attributes:
        row: place in the array.
        checksum: CRC-32 of the row's bytes; 0 for a bad clip.
        bad: why the clip cannot be used; empty for a good one.
    """

    row: int
    checksum: int = 0
    bad: str = ""


@dataclass(frozen=True)
class RowFile:
    """A ``.npy`` file of float32 (clips, *shape), written row by row.

    Attributes:
        path: the file.
        clips: number of rows.
        shape: shape of one row.
    """

    path: Path
    clips: int
    shape: tuple[int, ...]

    @property
    def header(self) -> bytes:
        """What stands before the first row."""
        stream = io.BytesIO()
        content = {"descr": "<f4", "fortran_order": False, "shape": (self.clips, *self.shape)}
        np.lib.format.write_array_header_1_0(stream, content)
        return stream.getvalue()

    @property
    def row_bytes(self) -> int:
        """Length of one row."""
        return 4 * int(np.prod(self.shape))

    def is_allocated(self) -> bool:
        """Whether the file is there with its header and full length."""
        if not self.path.exists():
            return False
        header = self.header
        with self.path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            whole = size == len(header) + self.clips * self.row_bytes
            return whole and stream.read(len(header)) == header

    def allocate(self) -> None:
        """Make the file in its full length, so that a full disk is noticed now.

        Raises:
            UserError: when the disk is full or the folder read-only; nothing is left behind.
        """
        with writing(self.path):
            try:
                with self.path.open("wb") as stream:
                    header = self.header
                    stream.write(header)
                    stream.flush()
                    length = self.clips * self.row_bytes
                    os.posix_fallocate(stream.fileno(), len(header), length)
            except OSError:
                self.path.unlink(missing_ok=True)
                raise

    def write(self, row: int, features: np.ndarray) -> int:
        """Write one row; processes may write different rows at once.

        Returns:
            The row's check sum.

        Raises:
            UserError: when the operating system refuses.
        """
        content = np.ascontiguousarray(features, dtype="<f4").tobytes()
        place = len(self.header) + row * self.row_bytes
        with writing(self.path):
            file = os.open(self.path, os.O_WRONLY)
            try:
                written = 0
                while written < len(content):
                    written += os.pwrite(file, content[written:], place + written)
            finally:
                os.close(file)
        return zlib.crc32(content)

    def checksum(self, row: int) -> int:
        """CRC-32 of what stands in a row."""
        with self.path.open("rb") as stream:
            stream.seek(len(self.header) + row * self.row_bytes)
            return zlib.crc32(stream.read(self.row_bytes))


class Unfinished:
    """A folder of features in the making; only one process at a time may hold it.

    Attributes:
        folder: the folder, made if needed.
        files: for every row, the state of the clip's file; None for a missing file.
        file: rows.
        done: outcome of every row that is done.
    """

    def __init__(
        self, folder: Path, *, files: Sequence[FileState | None], shape: tuple[int, ...]
    ) -> None:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.files = files
        self.file = RowFile(folder / FEATURES, len(files), shape)
        self._journal = folder / "journal.jsonl"
        self.done: dict[int, Outcome] = {}
        if self.file.is_allocated():
            kept = self._recorded()
        else:
            kept = []
            self.file.allocate()
        write_text(self._journal, self._as_lines(kept))
        self.done.update((outcome.row, outcome) for outcome in kept)

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Note rows as done."""
        with writing(self._journal), self._journal.open("a", encoding="utf-8") as stream:
            stream.write(self._as_lines(outcomes))
        self.done.update((outcome.row, outcome) for outcome in outcomes)

    def take_over(self, store: FeatureStore) -> None:
        """Copy the usable rows of finished features whose files have not changed since.

        Args:
            store: features of the same clips by the same parameters.
        """
        rows = [
            row
            for row in sorted(store.row_of.values())
            if row not in self.done and store.files[row] == self.files[row]
        ]
        for first in range(0, len(rows), _TAKEN):
            some = rows[first : first + _TAKEN]
            self.record([Outcome(row, self.file.write(row, store.array[row])) for row in some])

    def finish(self, destination: Path, names: list[str]) -> None:
        """Turn the folder into finished features by one rename.

        Args:
            destination: the folder's final name.
            names: clip name of every row.
        """
        bad = [
            BadClip(names[row], self.done[row].bad)
            for row in range(len(names))
            if self.done[row].bad
        ]
        with writing(self.folder):
            write_clips(self.folder, names, self.files, bad)
            with self.file.path.open("rb+") as stream:
                os.fsync(stream.fileno())
            self.folder.rename(destination)
            (destination / self._journal.name).unlink()

    def _as_lines(self, outcomes: Sequence[Outcome]) -> str:
        """Journal text, one JSON line each: the outcome, and the file it came from."""
        return "".join(
            json.dumps([asdict(outcome), self.files[outcome.row]]) + "\n" for outcome in outcomes
        )

    def _recorded(self) -> list[Outcome]:
        """Outcomes in the journal that still hold; a bad clip is read again.

        Lines that a kill or a lost block left broken do not count.
        """
        if not self._journal.exists():
            return []
        outcomes = []
        for line in self._journal.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                content, state = json.loads(line)
                outcome, file = Outcome(**content), state and FileState(*state)
            except (ValueError, TypeError):
                continue
            if not outcome.bad and self._agrees(outcome, file):
                outcomes.append(outcome)
        return outcomes

    def _agrees(self, outcome: Outcome, file: FileState | None) -> bool:
        """Whether the clip's file is still the one it was, and its row what the journal says."""
        row = outcome.row
        inside = 0 <= row < self.file.clips
        return inside and file == self.files[row] and self.file.checksum(row) == outcome.checksum
