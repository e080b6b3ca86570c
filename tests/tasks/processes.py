"""Task scripts in processes of their own, to be killed."""

import time

import pytest


def wait_for_epochs(runs, number, process):
    """Wait until a training wrote some rows of its history."""
    start = time.monotonic()
    while time.monotonic() - start < 120 and process.poll() is None:
        written = [path.read_text().count("\n") for path in runs.glob("*/history.csv")]
        if written and written[0] > number:
            return
        time.sleep(0.01)
    pytest.fail(f"no {number} epochs: {process.stdout.read().decode()}")
