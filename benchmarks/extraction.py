"""How much faster do two processes extract features than one, wav reading included?

    python benchmarks/extraction.py [--clips 6000] [--jobs 2] [--repeats 3]

Makes its own 10 s, 44.1 kHz, 24-bit wavs in a temporary folder and prints a Markdown row per number
of processes: clips a second (best of interleaved repeats, worker start included) and the ratio.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import soundfile

from utils.config.schema import AudioSettings, FeatureSettings
from utils.datasets.base import Clip
from utils.features import extract, from_settings


def make_clips(folder: Path, count: int) -> list[Clip]:
    """Write one wav of noise, of which all others are hard links: they cost the same to read."""
    rng = np.random.default_rng(0)
    audio = AudioSettings()
    noise = 0.1 * rng.standard_normal(round(audio.seconds * audio.sample_rate))
    first = folder / "0.wav"
    soundfile.write(first, noise, audio.sample_rate, subtype="PCM_24")
    paths = [first] + [folder / f"{number}.wav" for number in range(1, count)]
    for path in paths[1:]:
        path.hardlink_to(first)
    return [Clip(path.name, path) for path in paths]


def seconds_of(clips: list[Clip], jobs: int) -> float:
    """Time of one extraction into a fresh folder."""
    representation = from_settings(AudioSettings(), FeatureSettings())
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        extract(clips, representation, audio=AudioSettings(), folder=Path(folder), jobs=jobs)
        return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=6000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.1f}, cores: {os.cpu_count()}\n")
    with tempfile.TemporaryDirectory() as folder:
        clips = make_clips(Path(folder), arguments.clips)
        best = {1: float("inf"), arguments.jobs: float("inf")}
        seconds_of(clips[:1], 1)
        for _ in range(arguments.repeats):
            for jobs in best:
                best[jobs] = min(best[jobs], seconds_of(clips, jobs))
    print("| processes | clips/s | ratio |\n|---|---|---|")
    for jobs, seconds in best.items():
        print(f"| {jobs} | {arguments.clips / seconds:.0f} | {best[1] / seconds:.2f} |")


if __name__ == "__main__":
    main()
