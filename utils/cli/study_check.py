"""What is wrong with a study's arms, told by a process of its own before any of them is run.

TensorFlow is needed to build a network and to look for GPUs. The process that runs a study does
without: it would hold memory of the GPU that its runs need.
"""

import json
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils import backend
from utils.cli.runs import Plan, Runs
from utils.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console


def answer(runs: Runs, plans: Sequence[Plan]) -> int:
    """Build the networks of sets; print as one line of JSON what is wrong and how many GPUs are.

    Args:
        runs: of the command.
        plans: sets with networks of their own.

    Returns:
        Exit status 0, also where something is wrong.
    """
    problems: dict[str, str] = {}
    for one in (plan.resolved for plan in plans):
        try:
            runs.script.check(runs.job(one, one.settings.seed, notes=False))
        except UserError as error:
            problems[one.settings.set_id] = str(error)
    _print(runs.console, {"problems": problems, "gpus": len(backend.start(deterministic=False))})
    return 0


def _print(console: "Console", content: object) -> None:
    console.print(json.dumps(content), markup=False, highlight=False, soft_wrap=True)


def ask(command: Sequence[str]) -> int:
    """Let a process build the networks of sets.

    Args:
        command: of a script, with ``--check_only``.

    Returns:
        Number of GPUs that TensorFlow sees.

    Raises:
        UserError: naming each set whose network cannot be built or compiled, and why.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["nothing"]
        raise UserError(
            f"the arms could not be checked: the process ended with status {done.returncode} and "
            f"said: {said[-1].removeprefix('error: ')}"
        )
    found = json.loads(lines[-1])
    if found["problems"]:
        told = [f"set {set_id}: {problem}" for set_id, problem in found["problems"].items()]
        raise UserError("\n".join(told))
    return int(found["gpus"])
