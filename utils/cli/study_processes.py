"""Processes of a study: so many at a time, each in a group of its own, none without its parent."""

import os
import signal
import subprocess
import threading
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from utils.backend import THREADS
from utils.files import writing

K = TypeVar("K", bound=Hashable)

_MARK = "ENDS_WITH_ITS_PARENT"  # environment of a process whose standard input is its parent's life
_PATIENCE_SECONDS = 10.0  # between asking a process to end and making it
_WIDTH = "100"  # of what it prints, in characters


@dataclass
class Processes(Generic[K]):
    """Commands that run at the same time.

    Use it in a ``with`` block: whatever still runs at its end is ended, also after an error.

    Attributes:
        at_once: most processes at a time.
        environment: variables that they have besides this one's.
    """

    at_once: int
    environment: Mapping[str, str] = field(default_factory=dict)
    _running: "dict[K, subprocess.Popen[bytes]]" = field(default_factory=dict)

    @property
    def running(self) -> tuple[K, ...]:
        """Keys of the processes that were started and not told of yet."""
        return tuple(self._running)

    @property
    def has_room(self) -> bool:
        """Whether one more may be started."""
        return len(self._running) < self.at_once

    def start(self, key: K, command: Sequence[str], log: Path) -> None:
        """Start a command.

        Args:
            key: what it is told by.
            command: program and arguments.
            log: receives what it prints, in place of what an earlier one printed.
        """
        with writing(log):
            log.parent.mkdir(parents=True, exist_ok=True)
            stream = log.open("wb")
        with stream:
            self._running[key] = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=os.environ | {"COLUMNS": _WIDTH, _MARK: "1"} | dict(self.environment),
                start_new_session=True,  # Ctrl-C is the parent's affair
            )

    def ended(self) -> list[tuple[K, int]]:
        """Key and exit status of each process that ended since the last call."""
        found = [(k, status) for k, p in self._running.items() if (status := p.poll()) is not None]
        for key, _ in found:
            _close(self._running.pop(key))
        return found

    def end(self, key: K) -> None:
        """End a process and those that it started."""
        process = self._running.pop(key)
        _signal(process, signal.SIGTERM)
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
        _close(process)

    def __enter__(self) -> "Processes[K]":
        """Use it in a ``with`` block."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End what still runs: all are asked at once, then waited for."""
        for process in self._running.values():
            _signal(process, signal.SIGTERM)
        for key in self.running:
            self.end(key)


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to a process and its children, if it still runs."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):  # it ended just now
            os.killpg(process.pid, number)


def _close(process: "subprocess.Popen[bytes]") -> None:
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def shares(at_once: int, cores: int) -> dict[str, str]:
    """Environment that divides the cores among processes that run at the same time.

    TensorFlow reads its numbers of threads from it when it starts.

    Args:
        at_once: number of processes; one has all cores, as it would have by itself.
        cores: of the machine.
    """
    if at_once == 1:
        return {}
    names = (THREADS, "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return dict.fromkeys(names, str(max(1, cores // at_once)))


def end_with_parent() -> None:
    """In a process of :class:`Processes`: end soon after the parent was killed; else do nothing."""
    if os.environ.pop(_MARK, None) is None:
        return

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
