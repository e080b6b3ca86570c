"""The code and the packages that make a result."""

import importlib.metadata
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "librosa", "soundfile", "soxr", "numpy",
            "scipy", "sed_eval", "scikit-learn")  # fmt: skip


@dataclass(frozen=True)
class Source:
    """The code and the packages that make a result.

    Attributes:
        commit: of the code, with ``+changes`` where files differ from it; empty without git.
        versions: of Python and of the packages that results depend on.
    """

    commit: str
    versions: dict[str, str]

    @classmethod
    def of(cls, folder: Path) -> "Source":
        """Look at the code in a folder and at the installed packages."""
        return cls(commit(folder), versions())


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit(folder: Path) -> str:
    """Commit of the code in ``folder``, with ``+changes`` where files differ; empty without git."""
    try:
        head = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{head}+changes" if changed else head


def _git(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()
