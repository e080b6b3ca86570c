"""What is wrong with a study's arms and what they cost, told by a process of its own.

TensorFlow is needed to build a network and to look for GPUs. The process that runs a study does
without: it would hold memory of the GPU that its runs need.
"""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils import backend
from utils.cli.runs import Plan, Runs
from utils.cli.study_limits import Cost, cost_from, cost_of, read_costs, write_costs
from utils.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Checked:
    """What the process found.

    Attributes:
        gpus: number of GPUs that TensorFlow sees.
        costs: of the sets' networks by set id, where that was asked for.
    """

    gpus: int
    costs: Mapping[str, Cost] = field(default_factory=dict)


def answer(runs: Runs, plans: Sequence[Plan]) -> int:
    """Build the networks of sets; print as one line of JSON what is wrong and how many GPUs are.

    With ``--count_costs`` what the networks cost, too.

    Args:
        runs: of the command.
        plans: sets with networks of their own.

    Returns:
        Exit status 0, also where something is wrong.
    """
    problems: dict[str, str] = {}
    costs: dict[str, dict[str, Any]] = {}
    for one in (plan.resolved for plan in plans):
        try:
            job = runs.job(one, one.settings.seed, notes=False)
            runs.script.check(job)
            if runs.arguments.count_costs:
                costs[one.settings.set_id] = asdict(cost_of(job))
        except UserError as error:
            problems[one.settings.set_id] = str(error)
    gpus = len(backend.start(deterministic=False))
    _print(runs.console, {"problems": problems, "gpus": gpus, "costs": costs})
    return 0


def _print(console: "Console", content: object) -> None:
    console.print(json.dumps(content), markup=False, highlight=False, soft_wrap=True)


def ask(command: Sequence[str]) -> Checked:
    """Let a process build the networks of sets.

    Args:
        command: of a script, with ``--check_only``, and ``--count_costs`` where costs are needed.

    Returns:
        What it found.

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
    costs = {set_id: cost_from(cost) for set_id, cost in found.get("costs", {}).items()}
    return Checked(int(found["gpus"]), costs)


def counted(
    path: Path, set_ids: Sequence[str], *, anew: bool, ask: Callable[[str], Checked]
) -> tuple[Mapping[str, Cost], Checked | None]:
    """What networks cost, counted where a file does not hold it.

    Args:
        path: the file, in a study's folder.
        set_ids: of the networks.
        anew: whether to count in any case.
        ask: lets a process count, by an option.

    Returns:
        The costs, and what else that process found; None where there was none.

    Raises:
        UserError: for a network that cannot be built.
    """
    kept = None if anew else read_costs(path, set_ids)
    if kept is not None:
        return kept, None
    checked = ask("--count_costs")
    write_costs(path, checked.costs)
    return checked.costs, checked
