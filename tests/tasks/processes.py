"""Task scripts in processes of their own, to be killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]

# Runs a script that kills itself, as `kill -9` does, when the rows of an epoch are written and the
# checkpoint is not; what a process of its own leaves behind is all that the next one finds.
KILLS_ITSELF = """
import os, runpy, signal, sys
from utils.training import callbacks

def write_and_die(path, rows, write=callbacks.write_history):
    write(path, rows)
    if len(rows) == last:
        os.kill(os.getpid(), signal.SIGKILL)

callbacks.write_history = write_and_die
last, sys.argv = int(sys.argv[1]), sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def kill_in_epoch(epoch, script, *arguments, runs):
    """Run a script until a training comes to the end of this epoch, from 1, and dies there.

    ``runs`` is the folder of the set's runs; one is there then, with as many epochs.
    """
    died = subprocess.run(
        [sys.executable, "-c", KILLS_ITSELF, str(epoch), PROJECT / script, *map(str, arguments)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    (history,) = runs.glob("*/history.csv")
    assert len(history.read_text().splitlines()) == epoch + 1


def kill_when(happened, script, *arguments):
    """Run a script and kill it, whatever it does, once something is so; give what it printed."""
    command = [sys.executable, PROJECT / script, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    start = time.monotonic()
    while time.monotonic() - start < 120 and process.poll() is None:
        if happened():
            os.kill(process.pid, signal.SIGKILL)
            return process.communicate()[0].decode()
        time.sleep(0.01)
    process.kill()
    pytest.fail(f"nothing to kill: {process.communicate()[0].decode()}")
