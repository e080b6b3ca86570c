import json
import os
import platform
import subprocess
import sys

import pytest

from utils.backend import ONEDNN, THREADS, set_environment

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


@pytest.mark.parametrize(
    ("machine", "given", "found"),
    [("x86_64", None, "1"), ("AMD64", None, "1"), ("x86_64", "0", "0"), ("arm64", None, None)],
)
def test_convolutions_of_onednn_are_asked_for_on_x86(monkeypatch, machine, given, found):
    """Of itself TensorFlow takes them where there are instructions for networks alone."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.delenv(ONEDNN, raising=False)
    if given is not None:
        monkeypatch.setenv(ONEDNN, given)
    set_environment()
    assert os.environ.get(ONEDNN) == found


QUIET = """
import os, json
from utils.backend import quiet_stderr
with quiet_stderr():
    os.write(2, b"noise")
try:
    with quiet_stderr():
        os.write(2, b"what went wrong")
        raise ValueError
except ValueError:
    print(json.dumps("raised"))
"""


def test_native_noise_is_kept_back_unless_it_explains_an_error():
    answer = subprocess.run(
        [sys.executable, "-c", QUIET], capture_output=True, text=True, check=True
    )
    assert json.loads(answer.stdout) == "raised"
    assert answer.stderr == "what went wrong"
