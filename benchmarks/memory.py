"""How much memory of its own does the process take while it streams a file too large to hold?

    python -m benchmarks.memory [GIGABYTES]

Writes a file of waveforms ten times as large as ``memory_gb``, runs an epoch over it through the
pipeline, as it is and as log-mels with fresh noise, and prints Markdown rows of the highest
RssAnon: memory that is the process's own, without the mapped file's pages, which the system takes
back when it needs them.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from utils import features
from utils.augment import chain
from utils.backend import start
from utils.config.schema import AudioSettings, AugmentStep, FeatureSettings, NoiseSettings
from utils.features.graph import front_end
from utils.pipeline import Source, training_batches

BATCH_SIZE = 16
ALLOWED_GB = 1.5  # besides memory_gb


def main() -> None:
    """Write the file, measure, print."""
    parser = argparse.ArgumentParser(description="Memory of streaming a large file.")
    parser.add_argument("gigabytes", nargs="?", type=float, default=2.0, help="size of the file")
    gigabytes = parser.parse_args().gigabytes
    start()
    representation = features.from_settings(AudioSettings(), FeatureSettings())
    noise = chain([AugmentStep(Noise=NoiseSettings())], sample_rate=representation.sample_rate)
    noisy = {"augment": noise, "prepare": front_end(representation)}
    memory_gb = gigabytes / 10
    print("| epoch | file, GB | memory_gb | RssAnon before | highest | allowed |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        clips = written(Path(folder) / "clips.npy", gigabytes, representation.n_samples)
        source = Source(clips, np.arange(len(clips)))
        for name, stages in (("as it is", {}), ("noise and log-mel", noisy)):
            before = anonymous_gb()
            highest = epoch(source, memory_gb, **stages)
            print(
                f"| {name} | {clips.nbytes / 1e9:.2f} | {memory_gb:.2f} | {before:.2f} | "
                f"{highest:.2f} | {memory_gb + ALLOWED_GB:.2f} |"
            )


def written(path: Path, gigabytes: float, samples: int) -> np.ndarray:
    """Memory map of a new file of noise, float32 (clips, samples)."""
    shape = (round(gigabytes * 1e9 / (4 * samples)), samples)
    rng = np.random.default_rng(0)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for clip in array:
        clip[:] = rng.standard_normal(samples, np.float32)
    array.flush()
    del array
    return np.load(path, mmap_mode="r")


def epoch(source: Source, memory_gb: float, **stages: Any) -> float:
    """Highest RssAnon in 10^9 bytes while an epoch runs."""
    batches = training_batches(
        source,
        batch_size=BATCH_SIZE,
        seed=0,
        first_epoch=0,
        epochs=1,
        memory_gb=memory_gb,
        **stages,
    )
    return max(anonymous_gb() for _ in batches)


def anonymous_gb() -> float:
    """Memory of this process that no file backs, in 10^9 bytes (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024 / 1e9
    raise OSError("/proc/self/status has no line RssAnon: this benchmark needs Linux 4.5 or later")


if __name__ == "__main__":
    main()
