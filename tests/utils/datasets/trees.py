"""Folders of empty files, for what looks at names alone."""

from pathlib import Path


def write_empty(root: Path, *names: str) -> None:
    """Make files that hold nothing, with the folders that they lie in."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
