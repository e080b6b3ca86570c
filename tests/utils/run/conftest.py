"""A run folder to work in."""

from contextlib import ExitStack

import pytest
from rich.console import Console

from utils.run import Source, open_run, run_folder


@pytest.fixture
def console(tmp_path):
    with (tmp_path / "console.txt").open("w") as stream:
        yield Console(file=stream, width=100)


@pytest.fixture
def start(tmp_path, console):
    """Open a run; all are closed at the end of the test."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(run_in(tmp_path, console, **changes))


def run_in(tmp_path, console, **changes):
    decides = {"determining": {"epochs": 3}, "data": "demo", "identity": "abc", "seed": 0}
    decides |= {name: changes.pop(name) for name in tuple(changes) if name in decides}
    arguments = {
        "parameters": {"epochs": 3, "limit": 1}, "data": decides["data"],
        "identity": decides["identity"], "source": Source("abc", {"numpy": "2"}),
        "console": console,
    }  # fmt: skip
    folder = run_folder(tmp_path / "runs", changes.pop("set_id", "task1a"), **decides)
    return open_run(folder, **(arguments | changes))
