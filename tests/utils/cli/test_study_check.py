"""The process that builds a study's networks: what it answers, and what becomes of that."""

import argparse
import io
import json
import sys

import pytest
from rich.console import Console

from utils.cli.runs import Plan, Runs
from utils.cli.study_check import Checked, answer, ask
from utils.errors import ConfigError, UserError


def saying(text, status=0):
    return [sys.executable, "-S", "-c", f"import sys; {text}; sys.exit({status})"]


def test_the_last_line_tells_how_many_gpus_there_are():
    told = json.dumps({"problems": {}, "gpus": 2})
    assert ask(saying(f"print('demo'); print({told!r})")) == Checked(2)


def test_every_arm_that_cannot_be_built_is_named():
    told = json.dumps({"problems": {"s/a": "model: no.", "s/b": "loss: no."}, "gpus": 0})
    with pytest.raises(UserError, match=r"^set s/a: model: no\.\nset s/b: loss: no\.$"):
        ask(saying(f"print({told!r})"))


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("sys.stderr.write('x\\nerror: no data.\\n')", 2, "status 2 and said: no data."),
        ("print('{}')", 1, "status 1 and said: {}"),
        ("pass", 0, "status 0 and said: nothing"),
    ],
)
def test_a_process_that_cannot_answer_is_told(text, status, words):
    with pytest.raises(UserError) as error:
        ask(saying(text, status))
    assert words in str(error.value)


def test_the_answer_has_the_problems_of_all_sets(monkeypatch):
    class OneSet:
        def __init__(self, set_id):
            self.settings = argparse.Namespace(set_id=set_id, seed=0)

    def check(job):
        if job != "good":
            raise ConfigError(f"model: {job} has no output.")

    monkeypatch.setattr("utils.backend.start", lambda **given: ("one GPU",))
    monkeypatch.setattr(Runs, "job", lambda runs, one, seed, notes: one.settings.set_id)
    console = Console(file=io.StringIO(), width=20)
    runs = Runs(argparse.Namespace(check=check), argparse.Namespace(count_costs=False), console)
    assert answer(runs, [Plan(OneSet(name)) for name in ("bad", "good", "worse")]) == 0
    assert json.loads(console.file.getvalue()) == {
        "problems": {
            "bad": "model: bad has no output.", "worse": "model: worse has no output.",
        },
        "gpus": 1,
        "costs": {},
    }  # fmt: skip
