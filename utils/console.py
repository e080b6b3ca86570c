"""The terminal: every console of the project is made here."""

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
