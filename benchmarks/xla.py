"""What do deterministic kernels, XLA and no oneDNN cost the training of the baseline here?

    python -m benchmarks.xla

Trains the baseline of task.yaml on arrays of noise (10 s clips, batches of 16) and prints Markdown
rows of the best epoch. Each case has processes of its own, taking turns: deterministic kernels
cannot be switched off again. ``training.jit_compile: auto`` follows the answer for CPUs, and
``utils.backend`` asks for oneDNN by it.
"""

import os
import subprocess
import sys

import numpy as np

from benchmarks.pipeline import baseline, fit, made_up
from utils.backend import ONEDNN, start

CLIPS, TURNS = 128, 3
CASES = {  # whether kernels are deterministic, XLA, oneDNN
    "deterministic": (True, False, True),
    "as fast as it goes": (False, False, True),
    "XLA": (False, True, True),
    "deterministic, without oneDNN": (True, False, False),
}


def main() -> None:
    """Measure the case that is named, or print the table of all."""
    if len(sys.argv) > 1:
        print(seconds_of(*CASES[sys.argv[1]]))
        return
    best = dict.fromkeys(CASES, float("inf"))
    for _ in range(TURNS):
        for case in CASES:
            command = [sys.executable, "-m", "benchmarks.xla", case]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            best[case] = min(best[case], float(answer.stdout))
    print("| kernels | clips/s | ratio |\n|---|---|---|")
    for case, seconds in best.items():
        print(f"| {case} | {CLIPS / seconds:.0f} | {best['deterministic'] / seconds:.2f} |")


def seconds_of(deterministic: bool, xla: bool, onednn: bool) -> float:
    """Best epoch of a training, in seconds."""
    os.environ[ONEDNN] = str(int(onednn))
    start(deterministic=deterministic)
    network, representation, size = baseline()
    network.compile("adam", "categorical_crossentropy", jit_compile=xla)
    clips, targets = made_up(CLIPS, representation.shape)
    return min(fit(network, clips[..., np.newaxis], targets, batch_size=size))


if __name__ == "__main__":
    main()
