"""What the commands that write data sets share: their exit status, their folder, their progress."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from utils.console import terminal
from utils.datasets.mixtures import Progress
from utils.errors import UserError
from utils.files import writing

if TYPE_CHECKING:
    from rich.console import Console


def run(work: Callable[["Console"], None], *, stopped: str) -> int:
    """Do the work of a command.

    Args:
        work: given the console.
        stopped: what is said after an interruption.

    Returns:
        Exit status: 0; 2 for what the user can mend; 130 when interrupted.
    """
    errors = terminal(errors=True)
    try:
        work(terminal())
    except UserError as error:
        errors.print(f"error: {error}", soft_wrap=True, style="red")
        return 2
    except KeyboardInterrupt:
        errors.print(f"\nstopped; {stopped}")
        return 130
    return 0


def require_new(folder: Path) -> None:
    """Refuse a place where something lies, and what no folder can be renamed to.

    Args:
        folder: to be written; absent or empty.

    Raises:
        UserError: for any other place.
    """
    with writing(folder):
        if folder.is_symlink() or folder.is_mount() or folder.resolve() == Path.cwd():
            raise UserError(
                f"{folder}: is the current folder, a link or a disk of its own, which cannot be"
                " replaced; name a folder that is not there yet."
            )
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise UserError(f"{folder}: is not empty; name a folder that is not there yet.")


@contextmanager
def progress_bar(console: "Console", title: str) -> Iterator[Progress]:
    """A progress bar that is gone once the work is done.

    Args:
        console: where it is shown.
        title: what is done.
    """
    from rich.progress import Progress as Bar

    with Bar(console=console, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
