"""What comes from outside the run: downloaded data sets, the generated demo, the user's files."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils import datasets
from utils.console import bar
from utils.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

DEMO_SEED = 0  # of the generated audio alone, so that runs of all seeds share it
AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".au", ".w64", ".opus"}


def data_set(console: "Console", name: str, folder: Path, *, evaluation: bool) -> None:
    """Download a data set with a bar for each package; say where it lies.

    Args:
        console: where to print.
        name: ``dataset.name`` of a set.
        folder: where the data set's folder is made.
        evaluation: fetch the evaluation set that belongs to it instead.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    wanted = datasets.evaluation_release(name) if evaluation else name
    columns = ("{task.description}", BarColumn(bar_width=16), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=console) as bar:
        tasks: dict[str, int] = {}

        def advance(file: str, there: int, whole: int) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(file, total=whole)
            bar.update(tasks[file], completed=there)  # type: ignore[arg-type]

        place = datasets.download(wanted, folder, progress=advance)
    console.print(
        f"{wanted} lies in {place}; use it with --data {folder}",
        markup=False,
        soft_wrap=True,
    )


def demo_data(console: "Console", folder: Path, make: Callable[..., Path]) -> Path:
    """Generate a script's demo data, or find it; give the data set's folder."""
    with bar(console, "generating demo clips") as progress:
        return make(folder, seed=DEMO_SEED, progress=progress)


def audio_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as they are, and every audio file below folders, but for hidden ones.

    Raises:
        UserError: for a path that is not there, and a folder without audio.
    """
    for path in paths:
        if path.is_dir():
            found = [
                file
                for file in sorted(path.rglob("*"))
                if file.suffix.lower() in AUDIO_SUFFIXES and not file.name.startswith(".")
            ]
            if not found:
                kinds = ", ".join(sorted(AUDIO_SUFFIXES))
                raise UserError(f"{path}: holds no audio files ({kinds}).")
            yield from found
        elif path.exists():
            yield path
        else:
            raise UserError(f"{path}: there is no such file or folder.")
