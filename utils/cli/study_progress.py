"""Where a study stands, on the console: a line for each run that is over, and those that run."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from utils.cli.study_runs import Asked
from utils.report.measures import MISSING
from utils.report.study import StudyRun

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_LABEL = 22  # most characters of an arm and its rate
_DRAWS_A_SECOND = 2.0


class StudyProgress(AbstractContextManager["StudyProgress"]):
    """Prints a line for each run that is over; on a terminal those that run stand below.

    Args:
        console: where to print.
        asked: all runs that are waited for.
        metric: column of history.csv that is compared.
        mode: which way it is better.
    """

    def __init__(
        self, console: "Console", asked: Sequence[Asked], *, metric: str, mode: str
    ) -> None:
        self.console, self.metric, self.mode = console, metric, mode
        self._count, self._over = len(asked), 0
        self._width = max((len(_label(one)) for one in asked), default=0)
        self._began: dict[Asked, float] = {}
        self._live: Any = None
        self._shown = 0.0

    def __enter__(self) -> "StudyProgress":
        """Begin to draw."""
        if self.console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self.console, auto_refresh=False, transient=True)
        (self._live or nullcontext()).__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the lines alone."""
        if self._live is not None:
            self._live.stop()

    def began(self, asked: Asked) -> None:
        """A run was started."""
        self._began[asked] = time.monotonic()

    def over(self, asked: Asked, run: StudyRun) -> None:
        """Print the line of a run that is over; one that was never started was found."""
        self._over += 1
        state = run.state if asked in self._began or run.state != "done" else "found"
        best = run.best(self.mode)
        value = f"{self.metric} {best[0]:.4g}" if best else ""
        line = (
            f"{self._over:>{len(str(self._count))}}/{self._count}  {self._name(asked)}  "
            f"seed {asked.seed}  {state:<8}  {len(run.curve)}/{asked.epochs}  {value}  "
            f"{self._seconds(asked)}"
        )
        self._print(line.rstrip(), "yellow" if run.state == "diverged" else None)
        if run.state == "failed":
            self._print(f"    {run.problem}", "red")

    def draw(self, running: Sequence[Asked]) -> None:
        """Show how far the runs are that have begun, now and then."""
        if self._live is None or time.monotonic() - self._shown < 1 / _DRAWS_A_SECOND:
            return
        self._shown = time.monotonic()
        self._live.update(self._picture(running), refresh=True)

    def _picture(self, running: Sequence[Asked]) -> "RenderableType":
        from rich.text import Text

        lines = [self._running_line(asked) for asked in running]
        lines.append(f"{self._over} of {self._count} runs over, {len(running)} run")
        return Text("\n".join(lines), style="dim", overflow="ellipsis", no_wrap=True)

    def _running_line(self, asked: Asked) -> str:
        curve = asked.curve(self.metric)
        best = (min if self.mode == "min" else max)(curve, default=None)
        value = MISSING if best is None else f"{best:.4g}"
        return (
            f"  {self._name(asked)}  seed {asked.seed}  epoch {len(curve)}/{asked.epochs}  "
            f"{self.metric} {value}  {self._seconds(asked)}"
        )

    def _name(self, asked: Asked) -> str:
        return f"{_label(asked):<{self._width}}"

    def _seconds(self, asked: Asked) -> str:
        began = self._began.get(asked)
        return "" if began is None else f"{time.monotonic() - began:,.0f} s"

    def _print(self, text: str, style: str | None) -> None:
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _label(asked: Asked) -> str:
    """An arm as it is told: with its learning rate where that is another than the written one."""
    arm, at, rate = asked.set_id.rpartition("/")[2].partition("@")
    room = _LABEL - len(at + rate)
    return f"{arm if len(arm) <= room else arm[: room - 1] + '…'}{at}{rate}"
