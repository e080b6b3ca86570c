"""What a study left, and a stand-in for the processes of its runs."""

import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from utils.cli.study_processes import K, Processes


def outcome(runs: Path, study: str = "optimizers") -> dict:
    """What the latest run of a study found."""
    return json.loads((runs / study / "latest/study.json").read_text())


def arms_of(found: dict) -> dict:
    """Arms of a study by name."""
    return {arm["name"]: arm for arm in found["arms"]}


class InThisProcess(Processes[K]):
    """Runs one after the other without a process each: TensorFlow takes longer to start."""

    script = None

    def start(self, key, command, log):
        """Run it to its end."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as stream, redirect_stdout(stream), redirect_stderr(stream):
            self._running[key] = InThisProcess.script(*command[2:])

    def ended(self):
        """All that were started, with what each returned."""
        found = list(self._running.items())
        self._running.clear()
        return found


def in_this_process(monkeypatch, script):
    """From here on the runs of a study are calls of this script."""
    monkeypatch.setattr(InThisProcess, "script", staticmethod(script))
    monkeypatch.setattr("utils.cli.studies.Processes", InThisProcess)
