"""Processes side by side: how many, what they are told, and that none outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from utils.cli.study_processes import Processes, shares
from utils.cli.study_runs import last_words

PROJECT = Path(__file__).resolve().parents[3]
PYTHON = (sys.executable, "-S", "-c")


def wait_for(condition, seconds=60.0):
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "waited for nothing"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and is not waited for by its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_each_is_told_once_with_its_status_and_its_words(tmp_path):
    log = tmp_path / "deep" / "log.txt"
    with Processes[str](2, {"OWN": "yes"}) as processes:
        says = "import os; print(os.environ['OWN'], os.environ['COLUMNS'], flush=True); os._exit(3)"
        processes.start("one", (*PYTHON, says), log)
        assert (processes.running, processes.has_room) == (("one",), True)
        found = []
        wait_for(lambda: found.extend(processes.ended()) or found)
        assert found == [("one", 3)]
        assert processes.running == ()
        processes.start("two", (*PYTHON, "import os; os.write(2, b'error')"), log)
        wait_for(lambda: processes.ended())
        wait_for(lambda: log.read_text() == "error")  # not what another one said before


def test_what_still_runs_at_the_end_is_ended_with_what_it_started(tmp_path):
    inner = f"{PYTHON[0]!r}, '-S', '-c', 'import time; time.sleep(60)'"
    says = f"import subprocess, time; print(subprocess.Popen([{inner}]).pid, flush=True); "
    log = tmp_path / "log.txt"
    with pytest.raises(KeyboardInterrupt), Processes[int](1) as processes:
        processes.start(1, (*PYTHON, f"{says}time.sleep(60)"), log)
        assert not processes.has_room
        wait_for(lambda: log.exists() and log.read_text().endswith("\n"))
        raise KeyboardInterrupt
    started = int(log.read_text())
    wait_for(lambda: not is_alive(started))


def test_a_process_that_does_not_listen_is_made_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr("utils.cli.study_processes._PATIENCE_SECONDS", 0.2)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    )
    log = tmp_path / "log.txt"
    with Processes[int](1) as processes:
        processes.start(1, (*PYTHON, f"{deaf}; time.sleep(60)"), log)
        wait_for(lambda: log.exists() and log.read_text())
        start = time.monotonic()
        processes.end(1)
        assert processes.running == ()
    assert time.monotonic() - start < 30


PARENT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {project!r})
from utils.cli.study_processes import Processes
child = (
    "import os, sys, time; sys.path.insert(0, {project!r}); "
    "from utils.cli.study_processes import end_with_parent; end_with_parent(); "
    "assert 'ENDS_WITH_ITS_PARENT' not in os.environ; print(os.getpid(), flush=True); "
    "time.sleep(100)"
)
with Processes(1) as processes:
    processes.start(1, (sys.executable, "-c", child), Path({log!r}))
    time.sleep(100)
"""


def test_a_process_ends_with_its_parent_however_that_ends(tmp_path):
    log = tmp_path / "log.txt"
    program = PARENT.format(project=str(PROJECT), log=str(log))
    parent = subprocess.Popen([sys.executable, "-c", program])
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"))
    child = int(log.read_text())
    assert is_alive(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not is_alive(child))


def test_a_process_of_a_user_does_not_look_at_its_input():
    from utils.cli.study_processes import end_with_parent

    end_with_parent()  # the test goes on though nobody writes to it


@pytest.mark.parametrize(
    ("at_once", "cores", "threads"), [(1, 8, None), (2, 8, "4"), (3, 8, "2"), (4, 2, "1")]
)
def test_cores_are_divided(at_once, cores, threads):
    found = shares(at_once, cores)
    names = {"TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"}
    assert found == ({} if threads is None else dict.fromkeys(names, threads))


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("a\nerror: one\nb\nerror: task.yaml:3: x: is\n  wrong.\n", 2, "task.yaml:3: x: is wrong."),
        ("Traceback\nKeyError: 'x'\n", 1, "ended with status 1; see "),
        ("error: earlier\n", -9, "ended with signal 9; see "),
        (None, 127, "ended with status 127; see "),
    ],
)
def test_the_last_words_are_the_error_or_where_to_look(tmp_path, text, status, words):
    log = tmp_path / "log.txt"
    if text is not None:
        log.write_text(text)
    assert last_words(log, status).startswith(words)
