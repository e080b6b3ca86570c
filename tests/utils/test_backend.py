import subprocess
import sys

import pytest

from utils.backend import THREADS

ASK = """
import sys
from utils.backend import start
start(threads=sys.argv[1])
import tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads())
tf.zeros(1)
start(threads="between")  # too late, and no error
print(tf.config.threading.get_intra_op_parallelism_threads())
"""


@pytest.mark.parametrize(
    ("threads", "given", "found"),
    [
        ("between", {}, "1"),
        ("between", {THREADS: "4"}, "0"),  # 0: as the environment says
        ("within", {}, "0"),
    ],
)
def test_threads_of_an_operation(monkeypatch, threads, given, found):
    monkeypatch.delenv(THREADS, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-c", ASK, threads]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.split() == [found, found]
