"""How long does BSS Eval v4 take on music, against museval?

    python -m benchmarks.bss_eval

Noise stands for the stems: nothing in the computation depends on what sounds. `museval` is timed
beside ours where it can be imported. It is not one of the project's packages: call this with the
Python of an environment that has it (`PYTHONPATH=. OTHER/bin/python -m benchmarks.bss_eval`).
Each figure is the best of three turns; seconds of the processor are those of all threads, which a
busy machine disturbs less.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.golden_bss_eval import official
from utils.metrics.bss_eval import bss_eval
from utils.metrics.separation import permuted, sdr

RATE, TURNS = 44_100, 3
ROWS = ((2, 1, 4), (2, 2, 4), (4, 2, 4), (4, 2, 60))  # sources, channels, seconds
PATIENCE = 10  # seconds of signal beyond which museval takes minutes and is left out


def main() -> None:
    """Measure and print."""
    try:
        museval = official().bss_eval
    except ImportError:
        museval = None
        print("museval cannot be imported here: its columns stay empty\n")
    print("| score | s | processor s | museval, s | processor s | times faster | dB apart |")
    print("|---|---|---|---|---|---|---|")
    for sources, channels, seconds in ROWS:
        signals = stems(sources, channels, seconds)
        frames = {"window": RATE, "hop": RATE}
        calls: list[Callable[[], Any]] = [partial(bss_eval, *signals, **frames)]
        if museval is not None and seconds <= PATIENCE:
            calls.append(partial(museval, *signals, **frames))
        row(f"BSS Eval, {sources} sources, {channels} channels, {seconds} s", best(calls))
    references, estimates = stems(4, 2, 60)
    row("uSDR, the same 60 s", best([partial(sdr, estimates, references)]))
    speech = np.random.default_rng(0).standard_normal((2, 16, 2, 32_000))
    row("SI-SDR in the best order, 16 × 2 speakers, 4 s, 8 kHz", best([partial(permuted, *speech)]))


def stems(sources: int, channels: int, seconds: int) -> tuple[np.ndarray, np.ndarray]:
    """References and estimates with leaks and noise (sources, samples, channels)."""
    rng = np.random.default_rng(0)
    references = 0.1 * rng.standard_normal((sources, seconds * RATE, channels))
    estimates = 0.8 * references + 0.2 * references.sum(axis=0)
    return references, estimates + 0.02 * rng.standard_normal(references.shape)


def best(calls: list[Callable[[], Any]]) -> list[tuple[float, float, Any]]:
    """Fewest seconds, fewest seconds of the processor and result of each call, run in turn."""
    found: list[tuple[float, float, Any]] = [(np.inf, np.inf, None)] * len(calls)
    for _ in range(TURNS):
        for number, call in enumerate(calls):
            began, busy = time.perf_counter(), time.process_time()
            result = call()
            took = time.perf_counter() - began, time.process_time() - busy
            seconds, processor, _ = found[number]
            found[number] = min(seconds, took[0]), min(processor, took[1]), result
    return found


def row(name: str, found: list[tuple[float, float, Any]]) -> None:
    """Print one Markdown row: ours and, where it was called, museval."""
    (seconds, busy, result), *others = found
    cells = [name, f"{seconds:.2f}", f"{busy:.2f}"]
    for slow, slow_busy, theirs in others:
        apart = np.abs(np.array(result) - np.array(theirs[:4])).max()
        cells += [f"{slow:.2f}", f"{slow_busy:.2f}", f"**{slow_busy / busy:.1f}**", f"{apart:.1e}"]
    print("| " + " | ".join(cells + [""] * (7 - len(cells))) + " |", flush=True)


if __name__ == "__main__":
    main()
