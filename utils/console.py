"""The terminal: every console of the project is made here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def terminal(*, errors: bool = False) -> "Console":
    """Make a console that prints text as it is.

    Names of files, columns and classes hold whatever their owners like: ``[b]`` stays ``[b]`` and
    ``root:x:0`` becomes no emoji.

    Args:
        errors: print to standard error instead of standard output.
    """
    from rich.console import Console

    return Console(stderr=errors, markup=False, emoji=False, highlight=False)


@contextmanager
def bar(console: "Console", title: str) -> Iterator[Callable[[int, int], None]]:
    """Draw a bar that is gone when the block ends.

    Args:
        console: where.
        title: what is counted.

    Yields:
        What is to be called with the number of things done and of all.
    """
    from rich.progress import Progress

    with Progress(console=console, transient=True) as drawn:
        task = drawn.add_task(title, total=None)
        yield lambda done, total: drawn.update(task, completed=done, total=total)
