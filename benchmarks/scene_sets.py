"""The baseline against small networks, each as float32, int8, int8 trained further, and pruned.

    python -m benchmarks.scene_sets {demo,esc10,tau2022} DIR

Runs task1a.py on the scenes in DIR (``demo``: the folder that ``python task1a.py`` generated) with
the sets of scene_sets.yaml: each with three seeds, and as NAME_pruned, with half of its weights
zero, with one; as many at a time as there are cores, which share them. Prints a Markdown row for
every file; scores are of all folds. Finished runs are found again, so that the command can be cut
off. Latency is measured beside the other runs.
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
from utils.report.results import ExportFacts, Results

PROJECT = Path(__file__).resolve().parent.parent
PARAMETERS = PROJECT / "benchmarks" / "scene_sets.yaml"
SETS = ("baseline", "bcresnet", "cpmobile", "dscnn", "dscnn_half")
PRUNED = "_pruned"
SEEDS = {"": (0, 1, 2), PRUNED: (0,)}
DATA = {
    "demo": ("tau_urban_2020_mobile", "location_city", 3.0),
    "esc10": ("esc10", "group", 5.0),
    "tau2022": ("tau_urban_2022_mobile", "location_city", 1.0),
}
"""By kind of data: data set, how validation clips are chosen, seconds of a clip."""

TITLES = (
    *("network", "file", "accuracy, %", "log loss"),
    *("non-zero", "bytes", "file bytes", "MMAC", "ms"),
)
FORMS = {
    "float32": ("", "float32"),
    "int8": ("", "int8"),
    "int8, trained": ("", "int8_qat"),
    "pruned, int8, trained": (PRUNED, "int8_qat"),
}
"""By what the table calls it: which runs, which of their files."""

CORES = os.cpu_count() or 1
LOOK_SECONDS = 0.5


def main() -> None:
    """Run the sets and print the table."""
    parser = argparse.ArgumentParser(description="Baseline and small networks on scenes.")
    parser.add_argument("kind", choices=DATA, help="what the folder holds")
    parser.add_argument("data", type=Path, help="folder of the scenes")
    parser.add_argument("--runs", type=Path, default=PROJECT / "runs", help="folder of the runs")
    parser.add_argument("--sets", default=",".join(SETS), help="sets, by commas")
    parser.add_argument("--jobs", type=int, default=CORES, help="runs at a time")
    parser.add_argument("--override", nargs="*", default=[], help="as for task1a.py")
    arguments = parser.parse_args()
    names = arguments.sets.split(",")
    train(names, arguments)
    print(f"| {' | '.join(TITLES)} |")
    print("|---" * len(TITLES) + "|")
    data = DATA[arguments.kind][0]
    for name in names:
        for row in rows(name, arguments.runs, data):
            print(row)


def train(names: Sequence[str], arguments: argparse.Namespace) -> None:
    """Run the sets with all seeds, or find what was run before.

    Raises:
        SystemExit: naming the log of a run that failed, once the others are over.
    """
    data, validation, seconds = DATA[arguments.kind]
    common = ["-p", PARAMETERS, "--data", arguments.data, "--override"]
    common += [f"dataset.name={data}", f"dataset.validation.method={validation}"]
    common += [f"audio.seconds={seconds}", f"paths.runs={arguments.runs}", *arguments.override]
    waiting = [(name + kind, SEEDS[kind]) for name in names for kind in SEEDS]
    failed = []
    with Processes[str](arguments.jobs, shares(arguments.jobs, CORES)) as processes:
        while waiting or processes.running:
            while waiting and processes.has_room:
                name, seeds = waiting.pop(0)
                command = [sys.executable, PROJECT / "task1a.py", "-s", name]
                command += ["--seed", ",".join(map(str, seeds)), *common]
                log = arguments.runs / "logs" / f"{arguments.kind}-{name}.txt"
                processes.start(name, [*map(str, command)], log)
            for name, status in processes.ended():
                print(f"{name}: {'done' if status == 0 else 'failed'}", file=sys.stderr)
                failed += [name] if status else []
            time.sleep(LOOK_SECONDS)
    if failed:
        logs = ", ".join(f"{arguments.kind}-{name}.txt" for name in failed)
        raise SystemExit(f"see {arguments.runs / 'logs'}: {logs}")


def rows(name: str, runs: Path, data: str) -> Iterator[str]:
    """A Markdown row for every file of a network, over the seeds."""
    done = {
        kind: [one for _, one in finished(runs / f"{name}{kind}", data, seeds)]
        for kind, seeds in SEEDS.items()
    }
    for form, (kind, file) in FORMS.items():
        yield row(name, form, done[kind], [one.exports[file] for one in done[kind]])


def row(name: str, form: str, results: Sequence[Results], files: Sequence[ExportFacts]) -> str:
    """Scores over the seeds, costs of the first of them."""
    first, model = files[0], results[0].model
    accuracy = [100 * (file.scores["accuracy"] or np.nan) for file in files]
    loss = [file.scores["log_loss"] or np.nan for file in files]
    cells = [
        name,
        form,
        spread(accuracy, "{:.1f}"),
        spread(loss, "{:.3f}"),
        f"{first.non_zero:,}",
        f"{first.non_zero_bytes:,}",
        f"{first.file_bytes:,}",
        f"{model.macs / 1e6:.2f}" if model else "",
        f"{first.latency_ms:.1f}" if first.latency_ms else "",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
