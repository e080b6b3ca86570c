"""A study whose runs are stand-ins of some milliseconds."""

import json
import sys
from pathlib import Path

import pytest

from utils import backend, datasets
from utils.cli import Script, main
from utils.cli.studies import StudyCommand
from utils.cli.study_check import Checked
from utils.cli.study_limits import Cost
from utils.datasets import Clip, DataSet, Fold
from utils.report.results import Results, write_results

SETS = """
sets:
  - set_id: toy
    task: toy
    model: {layers: [Flatten]}
    training: {epochs: 3, select: {metric: val_loss, mode: min}}
  - set_id: s
    description: two optimisers
    study:
      base: toy
      arms:
        sgd: {training: {optimizer: {SGD: {learning_rate: 0.1}}}}
        adam: {training: {optimizer: {Adam: {learning_rate: 0.001, global_clipnorm: 2.0}}}}
      seeds: [0, 1]
"""
STUB = """
import json, math, os, sys, time
from pathlib import Path
asked = json.loads(sys.argv[1])
marks, folder = Path(asked["marks"]), Path(asked["folder"])
told = [asked["set_id"], asked["seed"], asked["epochs"], os.getpid()]
began = time.time()
(marks / f"began-{os.getpid()}").touch()
while len(list(marks.glob("began-*"))) < asked["meet"] and time.time() < began + 60:
    time.sleep(0.01)
time.sleep(asked["sleep"])
rate, seed = asked["rate"], asked["seed"]
if rate == 13.0 and not (marks / "mended").exists():
    print("some words")
    print("error: model: the network has no output;\\nname one.")
    sys.exit(2)
folder.mkdir(parents=True, exist_ok=True)
if rate >= 100.0:
    (folder / "diverged.json").write_text("{}")
    print("error: the loss became nan")
    sys.exit(2)
least = 0.25 + (0.5 if "sgd" in asked["set_id"] else 0.0) + abs(math.log10(rate) + 2) + seed / 64
curve = [least + 0.125 * abs(epoch - 2) for epoch in range(1, asked["epochs"] + 1)]
curve = [math.nan] * len(curve) if rate == 14.0 else curve
rows = [f"{number},{value}" for number, value in enumerate(curve, 1)]
(folder / "history.csv").write_text("\\n".join(["epoch,val_loss", *rows]))
if asked["step"]:
    (folder / asked["step"]).mkdir(exist_ok=True)
    (folder / asked["step"] / "history.csv").write_text("epoch,val_loss\\n1,4.0\\n2,3.0")
    (folder / asked["step"] / "training.json").write_text('{"best_epoch": 1}')
if asked["log"]:
    steps = [f"{n},1,{seed + 4 / n},{n},{n / 100}" for n in range(1, 11)]
    header = "step,epoch,loss,gradient_norm,seconds"
    (folder / "steps.csv").write_text("\\n".join([header, *steps]))
time.sleep(asked["late"])
(folder / "stages.json").write_text(json.dumps({"training": {"seconds": 2.5}}))
if asked["whole"]:
    (folder / "parameters.yaml").write_text(asked["parameters"])
    (folder / "results.json").write_text(asked["results"])
threads = os.environ.get("TF_NUM_INTRAOP_THREADS")
with (marks / "made.jsonl").open("a") as stream:
    stream.write(json.dumps([*told, began, time.time(), threads]) + "\\n")
"""


def _never(job, run):
    raise AssertionError("a study runs no submission")


class Toy:
    """A task whose runs are told, by their learning rate, how they end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.behaviour = {"sleep": 0.0, "late": 0.0, "meet": 0, "log": False}
        self.gpus = 0
        self.costs: dict[str, Cost] = {}  # of networks by set id
        self.asked: list[list[str]] = []  # commands that ask whether networks can be built
        self.commands: list[list[str]] = []
        self.arguments = ["--data", str(folder)]

    def __call__(self, *arguments, data=True) -> int:
        given = [str(part) for part in (*arguments, *(self.arguments if data else ()))]
        return main(self.script, given)

    @property
    def script(self) -> Script:
        nothing = dict.fromkeys(("check", "develop", "predict", "score", "demo"))
        return Script(name="toy", title="", folder=self.folder, evaluate=_never, **nothing)

    def command(self, command, asked):
        """In place of the command of a run: the stand-in that is told what it is asked for."""
        self.commands.append(COMMAND(command, asked))
        told = {
            name: getattr(asked, name) for name in ("set_id", "seed", "epochs", "whole", "step")
        }
        told |= {"folder": str(asked.folder), "marks": str(self.folder), "rate": asked.rate}
        told["results"] = self.results(asked.set_id, asked.seed)
        file = {"limits": {"format": asked.limits.format}}
        told["parameters"] = json.dumps(asked.judging | file)  # which is YAML too
        return [sys.executable, "-S", "-c", STUB, json.dumps(told | self.behaviour)]

    def results(self, set_id, seed) -> str:
        """The results.json of a stand-in."""
        path = self.folder / "written.json"
        scores = {"overall": {"accuracy": 0.5 + seed / 8, "log_loss": None}}
        write_results(
            path,
            Results(
                set_id=set_id, description="", data="words", data_identity="", demo=False,
                seed=seed, commit="", versions={}, stages={}, scores=scores,
            ),
        )  # fmt: skip
        return path.read_text()

    def ask(self, command):
        """In place of the process that builds networks and looks for GPUs."""
        self.asked.append(command)
        return Checked(self.gpus, self.costs)

    def add(self, lines: str) -> None:
        """Add lines to the study."""
        with (self.folder / "task.yaml").open("a") as stream:
            stream.write(lines)

    def made(self) -> list[list]:
        """What the runs tell that came to their end; told once."""
        path = self.folder / "made.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        for mark in self.folder.glob("began-*"):
            mark.unlink()
        return sorted(json.loads(line) for line in lines)

    def names(self) -> list[tuple[str, int]]:
        return [(set_id, seed) for set_id, seed, *_ in self.made()]

    @property
    def outcome(self) -> dict:
        return json.loads((self.folder / "runs/s/latest/study.json").read_text())

    def arm(self, name: str) -> dict:
        return next(arm for arm in self.outcome["arms"] if arm["name"] == name)


COMMAND = StudyCommand._command


@pytest.fixture
def study(tmp_path, monkeypatch) -> Toy:
    """The task, its sets, and data of one clip."""
    toy = Toy(tmp_path)
    (tmp_path / "task.yaml").write_text(SETS)
    (tmp_path / "clip.wav").write_bytes(b"1")
    clip = Clip("clip.wav", tmp_path / "clip.wav", ("one",))
    fold = Fold("fold1", (clip,), (clip,), ())

    def load(settings, **given):
        return DataSet(given["name"] or "words", ("one", "two"), (fold,), notes=("Mind this.",))

    monkeypatch.setattr(datasets, "load", load)
    monkeypatch.setattr(backend, "start", lambda **given: ())
    monkeypatch.setattr("utils.cli.studies.ask", toy.ask)
    monkeypatch.setattr(
        StudyCommand, "_command", lambda command, asked: toy.command(command, asked)
    )
    return toy
