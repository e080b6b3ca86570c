"""Does a mean teacher help? The same small CRNN with it and on labelled clips alone.

    python -m benchmarks.sed_teacher ESC10

Mixes soundscapes of ESC-10 (folds 1 to 4 train, 5 validates and tests; backgrounds are generated),
in which strong clips use a quarter of the training recordings and weak and unlabelled clips all of
them; runs task4_sed.py with three seeds on both sets, and prints Markdown rows of the networks'
scores on the test clips. Finished runs are found again, so that the command can be cut off.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.runs import finished, spread

PROJECT = Path(__file__).resolve().parent.parent
PARAMETERS = PROJECT / "benchmarks" / "sed_teacher.yaml"
SEEDS = (0, 1, 2)
SETS = ("task4_sed", "sed_supervised")
SCORES = {
    "psds_scenario1": ("PSDS 1", 1.0, "{:.3f}"),
    "psds_scenario2": ("PSDS 2", 1.0, "{:.3f}"),
    "event_f1_macro": ("event F1 %", 100.0, "{:.1f}"),
    "intersection_f1_macro": ("intersection F1 %", 100.0, "{:.1f}"),
}
STRONG_SOURCES = "0.25"


def main() -> None:
    """Mix, run and print the table."""
    parser = argparse.ArgumentParser(description="Mean teacher against labelled clips alone.")
    parser.add_argument("esc10", type=Path, help="folder of ESC-10 or ESC-50")
    parser.add_argument("--runs", type=Path, default=PROJECT / "runs", help="folder of the runs")
    parser.add_argument(
        "--soundscapes", type=Path, default=PROJECT / "datasets" / "soundscapes_esc10",
        help="folder of the soundscapes, made if it is not there",
    )  # fmt: skip
    parser.add_argument("--override", nargs="*", default=[], help="as for task4_sed.py")
    arguments = parser.parse_args()
    if not arguments.soundscapes.exists():
        mix(arguments.esc10, arguments.soundscapes)
    names = ",".join(SETS)
    command = [sys.executable, PROJECT / "task4_sed.py", "-s", names, "-p", PARAMETERS]
    command += ["--data", arguments.soundscapes, "--seed", ",".join(map(str, SEEDS))]
    command += ["--override", f"paths.runs={arguments.runs}", *arguments.override]
    subprocess.run([*map(str, command)], check=True)
    print(
        f"| set | network | {' | '.join(title for title, _, _ in SCORES.values())} | training, s |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in SETS:
        for row in rows(name, arguments.runs):
            print(row)


def mix(source: Path, target: Path) -> None:
    """Make the soundscapes."""
    command = [sys.executable, "-m", "utils.datasets.soundscapes", source, target]
    command += ["--set", "esc10", "--validation_folds", "5", "--strong_sources", STRONG_SOURCES]
    subprocess.run([*map(str, command)], check=True, cwd=PROJECT)


def rows(name: str, runs: Path) -> Iterator[str]:
    """A Markdown row for each network of a set, over the seeds."""
    results = [one for _, one in finished(runs / name, "desed", SEEDS)]
    seconds = spread([one.stages["training"] for one in results], "{:.0f}")
    for network in results[0].scores["networks"]:
        cells = [name, network]
        for key, (_, factor, form) in SCORES.items():
            values = [one.scores["networks"][network][key] or 0.0 for one in results]
            cells.append(spread([factor * value for value in values], form))
        yield "| " + " | ".join([*cells, seconds]) + " |"


if __name__ == "__main__":
    main()
