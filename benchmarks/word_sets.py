"""Which set names overlapped words best? Every set of task_dacon on one folder of isolated words.

    python -m benchmarks.word_sets DIR

Runs task_dacon.py on the words in DIR (see docs/adding_a_dataset.md), on the test speakers' clips
of four words, and prints Markdown rows from the runs' results.json. Each run has about the same
time, so a slower network sees fewer clips. Three seeds for the default and the two re-created
solutions, one for the others. Finished runs are found again, so that the command can be cut off.
"""

import argparse
import csv
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.runs import finished, spread
from utils.report.results import Results

PROJECT = Path(__file__).resolve().parent.parent
PARAMETERS = PROJECT / "benchmarks" / "word_sets.yaml"
SEEDS = (0, 1, 2)
REPEATED = ("task_dacon", "dacon_vrmodel", "dacon_selu_cnn")
ONCE = (
    "dacon_selu_batchnorm",
    "dacon_selu_alphadropout",
    "dacon_multires",
    "dacon_kinds",
    "dacon_wave_cnn",
    "dacon_wave_resnet",
    "dacon_wave_densenet",
    "dacon_ensemble",
)


def main() -> None:
    """Run the sets and print the table."""
    parser = argparse.ArgumentParser(description="All sets of task_dacon on isolated words.")
    parser.add_argument("data", type=Path, help="folder of isolated words")
    parser.add_argument("--runs", type=Path, default=PROJECT / "runs", help="folder of the runs")
    parser.add_argument("--sets", default=",".join((*REPEATED, *ONCE)), help="sets, by commas")
    parser.add_argument("--override", nargs="*", default=[], help="as for task_dacon.py")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.sets.split(","):
        seeds = SEEDS if name in REPEATED else SEEDS[:1]
        run(name, seeds, arguments)
        rows.append(row(name, [*finished(arguments.runs / name, "words", seeds)]))
    print("| set | test KL | top-4 % | int8 KL | parameters | MMAC | clips | s an epoch |")
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))


def run(name: str, seeds: Sequence[int], arguments: argparse.Namespace) -> None:
    """Run a set with its seeds, or find what was run before."""
    command = [sys.executable, PROJECT / "task_dacon.py", "-s", name, "-p", PARAMETERS]
    command += ["--data", arguments.data, "--seed", ",".join(map(str, seeds))]
    command += ["--override", "dataset.name=words", f"paths.runs={arguments.runs}"]
    subprocess.run([*map(str, command), *arguments.override], check=True)


def row(name: str, runs: Sequence[tuple[Path, Results]]) -> str:
    """Mean and, over several seeds, standard deviation of the scores; what training took."""
    scores = {
        key: [results.overall[key] or np.nan for _, results in runs]
        for key in ("kl", "top4_recall")
    }
    int8 = [results.exports["int8"].scores["kl"] for _, results in runs if results.exports]
    folder, first = runs[0]
    cells = [
        name,
        spread(scores["kl"], "{:.3f}"),
        spread([100 * value for value in scores["top4_recall"]], "{:.1f}"),
        spread([value or np.nan for value in int8], "{:.3f}") if int8 else "",
        f"{first.model.parameters:,}" if first.model else "",
        f"{first.model.macs / 1e6:.1f}" if first.model else "",
        *training(folder, first),
    ]
    return "| " + " | ".join(cells) + " |"


def training(folder: Path, results: Results) -> tuple[str, str]:
    """Clips that training saw, and seconds of an epoch; empty for an ensemble.

    The seconds are those of the whole training by its epochs: statistics of the normaliser, tracing
    and validation are in them.
    """
    history = folder / "history.csv"
    if not history.exists():
        return "", ""
    import yaml

    parameters = yaml.safe_load((folder / "parameters.yaml").read_text(encoding="utf-8"))
    with history.open(encoding="utf-8", newline="") as stream:
        epochs = sum(1 for _ in csv.DictReader(stream))
    clips = epochs * parameters["dataset"]["mixing"]["train"]
    return f"{clips:,}", f"{results.stages['training'] / epochs:.1f}"


if __name__ == "__main__":
    main()
