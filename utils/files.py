"""Files that are written whole or not at all, and short identities for what determines a result."""

import csv
import hashlib
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, SupportsFloat

from utils.errors import UserError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failed write (full disk, read-only folder) into one clear sentence.

    Args:
        path: what is being written, named in the message.

    Raises:
        UserError: when the operating system refuses.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"{path}: cannot be written ({reason}); free some space or choose another folder."
        ) from error


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Let a file be written beside ``path`` and rename it to ``path`` once it is complete.

    A reader sees the old file or the new one, never a part; after an error or a kill nothing of
    that name has changed. Processes that write the same file do not meet.

    Args:
        path: the file to replace; its folder is made if needed.

    Yields:
        Where to write; it ends as ``path`` does, by which some libraries choose the format.
    """
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that is whole or not at all, as :func:`written_beside` says.

    Args:
        path: the file to replace; its folder is made if needed.

    Yields:
        A binary file object.
    """
    with written_beside(path) as beside, beside.open("wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes whole or not at all."""
    with whole_file(path) as stream:
        stream.write(content)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], *, separator: str = ","
) -> None:
    """Write a table with a header line, whole or not at all; lines end in a line feed."""
    table = io.StringIO()
    writer = csv.writer(table, delimiter=separator, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, table.getvalue())


def or_none(value: SupportsFloat) -> float | None:
    """Plain float, or None for NaN, which JSON cannot hold."""
    return None if math.isnan(value) else float(value)


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON, keys in the given order, whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; a file that is not JSON is an error that names it.

    Raises:
        UserError: when the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read as JSON ({error}); delete it to make it anew."
        ) from error


def digest(content: Any, length: int = 10) -> str:
    """Hexadecimal identity of plain data: equal content gives equal text on every machine.

    Args:
        content: anything that JSON can hold; paths and other objects are taken as text.
        length: number of hexadecimal digits.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:length]
