"""The baseline against small networks, each as float32, int8, int8 trained further, and pruned.

    python -m benchmarks.scene_sets {demo,esc10,tau2022} DIR

Runs task1a.py on the scenes in DIR (``demo``: the folder that ``python task1a.py`` generated) with
the sets of scene_sets.yaml, with three seeds: each, and then as NAME_pruned, which takes over the
training, where that is done by then, and goes on to half of the weights zero; as many at a time as
there are cores, which share them. Then prints a Markdown row for every file: scores over all folds,
what it loses to float32 of the same run, how many validation clips at least get the same class from
the file and the simulation that it was trained by, and milliseconds for a clip on one thread,
measured once nothing else runs. Finished runs are found again, so that the command can be cut off.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.runs import finished, spread
from utils.cli.study_processes import Processes, shares
from utils.experiment.quantisation import FACTS, QAT
from utils.files import read_json
from utils.inference import load_predictor
from utils.inference.predictor import latency_ms
from utils.report.results import ExportFacts, Results

PROJECT = Path(__file__).resolve().parent.parent
PARAMETERS = PROJECT / "benchmarks" / "scene_sets.yaml"
SETS = ("baseline", "bcresnet", "cpmobile", "dscnn", "dscnn_half")
PRUNED = "_pruned"
VARIANTS = ("", PRUNED)
SEEDS = (0, 1, 2)
KINDS = {
    "demo": ("tau_urban_2020_mobile", "", {"audio.seconds": 3.0}),
    "esc10": (
        "esc10", "",
        {"audio.seconds": 5.0, "dataset.validation.method": "group",
         "dataset.validation.amount": 0.1},
    ),
    "tau2022": ("tau_urban_2022_mobile", "_1s", {"audio.seconds": 1.0}),
}  # fmt: skip
"""By what the folder holds: data set, ending of the sets for it, what else is set."""

FORMS = ("float32", "int8", QAT)
TITLES = (
    *("network", "file", "accuracy, %", "lost to float32, points", "log loss", "as simulated, %"),
    *("parameters", "not 0", "bytes", "not 0", "file bytes", "MMAC", "ms"),
)
CORES = os.cpu_count() or 1
LOOK_SECONDS = 0.5
REPEATS = 50

Run = tuple[Path, Results]


def main() -> None:
    """Run the sets and print the table."""
    parser = argparse.ArgumentParser(description="Baseline and small networks on scenes.")
    parser.add_argument("kind", choices=KINDS, help="what the folder holds")
    parser.add_argument("data", type=Path, help="folder of the scenes")
    parser.add_argument("--runs", type=Path, default=PROJECT / "runs", help="folder of the runs")
    parser.add_argument("--sets", default=",".join(SETS), help="sets, by commas")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="seeds, by commas")
    parser.add_argument("--jobs", type=int, default=CORES, help="runs at a time")
    parser.add_argument("--override", nargs="*", default=[], help="as for task1a.py")
    arguments = parser.parse_args()
    data, ending, _ = KINDS[arguments.kind]
    names = [name + ending for name in arguments.sets.split(",")]
    train(names, arguments)
    print(f"| {' | '.join(TITLES)} |")
    print("|---" * len(TITLES) + "|")
    for name in names:
        for row in rows(name, arguments.runs, data, [*map(int, arguments.seeds.split(","))]):
            print(row, flush=True)


def train(names: Sequence[str], arguments: argparse.Namespace) -> None:
    """Run the sets with all seeds, or find what was run before.

    Raises:
        SystemExit: naming the log of a run that failed, once the others are over.
    """
    data, _, changes = KINDS[arguments.kind]
    common = ["-p", PARAMETERS, "--data", arguments.data, "--override", f"dataset.name={data}"]
    common += [f"{path}={value}" for path, value in changes.items()]
    common += [f"paths.runs={arguments.runs}", *arguments.override]
    waiting = [name + kind for kind in VARIANTS for name in names]
    failed = []
    with Processes[str](arguments.jobs, shares(arguments.jobs, CORES)) as processes:
        while waiting or processes.running:
            while waiting and processes.has_room:
                name = waiting.pop(0)
                command = [sys.executable, PROJECT / "task1a.py", "-s", name]
                command += ["--seed", arguments.seeds, *common]
                log = arguments.runs / "logs" / f"{name}.txt"
                processes.start(name, [*map(str, command)], log)
            for name, status in processes.ended():
                print(f"{name}: {'done' if status == 0 else 'failed'}", file=sys.stderr)
                failed += [name] if status else []
            time.sleep(LOOK_SECONDS)
    if failed:
        logs = ", ".join(f"{name}.txt" for name in failed)
        raise SystemExit(f"see {arguments.runs / 'logs'}: {logs}")


def rows(name: str, runs: Path, data: str, seeds: Sequence[int]) -> Iterator[str]:
    """A Markdown row for every file of a network, over the seeds."""
    for kind in VARIANTS:
        done = [*finished(runs / f"{name}{kind}", data, seeds)]
        for form in FORMS:
            yield row(name, f"pruned, {form}" if kind else form, form, done)


def row(name: str, title: str, form: str, runs: Sequence[Run]) -> str:
    """Scores of a file over the seeds; its costs in the first run."""
    files = [results.exports[form] for _, results in runs]
    accuracy = [100 * score(file, "accuracy") for file in files]
    exact = [100 * score(results.exports["float32"], "accuracy") for _, results in runs]
    lost = np.subtract(exact, accuracy)
    (folder, _), first = runs[0], files[0]
    cells = [
        name,
        title,
        spread(accuracy, "{:.1f}"),
        "" if form == "float32" else f"{lost.mean():.2f} (at most {lost.max():.2f})",
        spread([score(file, "log_loss") for file in files], "{:.3f}"),
        f"{100 * least_same(runs):.1f}" if form == QAT else "",
        f"{first.parameters:,}",
        f"{first.non_zero:,}",
        f"{first.parameter_bytes:,}",
        f"{first.non_zero_bytes:,}",
        f"{first.file_bytes:,}",
        "" if first.macs is None else f"{first.macs / 1e6:.2f}",
        f"{latency(folder, form):.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def least_same(runs: Sequence[Run]) -> float:
    """Least share of validation clips, of the folds, whose class is that of the simulation."""
    return min(
        float(read_json(path)["same_class"])
        for folder, _ in runs
        for path in folder.glob(f"**/{FACTS}")
    )


def score(file: ExportFacts, name: str) -> float:
    """A score of a file; NaN where it is not defined."""
    found = file.scores[name]
    return np.nan if found is None else found


def latency(folder: Path, form: str) -> float:
    """Milliseconds of a clip on one thread, of the run's first file of this form."""
    path = min(folder.glob(f"**/model_{form}.tflite"))
    predictor = load_predictor(path, threads=1)
    clip = np.zeros(predictor.input_shape, np.float32)
    return latency_ms(predictor, clip, repeats=REPEATS)


if __name__ == "__main__":
    main()
