import os

import pytest

from utils.backend import start

NAME = "TF_NUM_INTRAOP_THREADS"


@pytest.mark.parametrize(
    ("threads", "found", "left"),
    [
        ("between", None, "1"),
        ("between", "4", "4"),  # what the user or a study set stays
        ("within", None, None),
    ],
)
def test_threads_of_an_operation(monkeypatch, threads, found, left):
    monkeypatch.setenv(NAME, found or "")
    if found is None:
        monkeypatch.delenv(NAME)
    start(threads=threads)
    assert os.environ.get(NAME) == left
