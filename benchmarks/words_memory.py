"""How much memory of its own does training on 100,000 clips in the competition's layout take?

    python -m benchmarks.words_memory FOLDER [--clips 100000] [--set task_dacon]

Mixes the demo's generated words into so many training clips below FOLDER (about 6 GB with the
features; the clips are kept, features are computed afresh), then runs task_dacon.py on them for an
epoch and prints, as a Markdown row, the highest RssAnon of the process, and of its workers
together: memory that no file backs.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from utils.datasets import demo_words

PROJECT = Path(__file__).resolve().parent.parent
LIMIT_GB = 4.0
PAUSE = 0.2  # seconds between looks


def main() -> None:
    """Mix, train, measure, print."""
    parser = argparse.ArgumentParser(description="Memory of training on 100,000 clips.")
    parser.add_argument("folder", type=Path, help="where clips, features and the run go")
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--set", default="task_dacon")
    arguments = parser.parse_args()
    folder, data = arguments.folder, arguments.folder / f"mixed-{arguments.clips}"
    if not data.exists():
        words = demo_words.make(folder / "words", seed=0)
        sizes = ["--train", str(arguments.clips), "--validation", "1000", "--test", "1000"]
        run("-m", "utils.datasets.mixer", words, data, *sizes)
    overrides = ["training.epochs=1", "training.schedule.warmup_epochs=0"]
    overrides += [f"paths.runs={folder / 'runs'}", f"paths.cache={folder / 'cache'}"]
    shutil.rmtree(folder / "cache", ignore_errors=True)
    script = [PROJECT / "task_dacon.py", "-s", arguments.set, "--data", data, "--overwrite"]
    own, workers = run(*script, "--override", *overrides)
    print("| set | clips | RssAnon, GB | of its workers, GB | allowed |\n|---|---|---|---|---|")
    print(f"| {arguments.set} | {arguments.clips:,} | **{own:.2f}** | {workers:.2f} | {LIMIT_GB} |")
    if own + workers > LIMIT_GB:
        raise SystemExit("more than is allowed")


def run(*command: str | Path) -> tuple[float, float]:
    """Run Python on a command; highest RssAnon of it, and of its workers together, 10^9 bytes."""
    process = subprocess.Popen([sys.executable, *map(str, command)], cwd=PROJECT)
    own = workers = 0.0
    while process.poll() is None:
        own = max(own, anonymous_gb(process.pid))
        workers = max(workers, sum(anonymous_gb(child) for child in descendants(process.pid)))
        time.sleep(PAUSE)
    if process.returncode:
        raise SystemExit(process.returncode)
    return own, workers


def descendants(pid: int) -> list[int]:
    """Processes that a process has started, and theirs."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [
            int(child) for task in tasks for child in (task / "children").read_text().split()
        ]
    except OSError:  # it has just ended
        return []
    return [*children, *(below for child in children for below in descendants(child))]


def anonymous_gb(pid: int) -> float:
    """Memory of a process that no file backs, 10^9 bytes (Linux); 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("RssAnon"))


if __name__ == "__main__":
    main()
