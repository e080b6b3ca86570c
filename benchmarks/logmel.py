"""How fast are our log-mels beside librosa's? One core, 10 s clips at 44.1 kHz.

    python benchmarks/logmel.py [--tf] [--repeats 15]

Prints a Markdown row per front end: clips a second and the ratio to librosa, each the best of
interleaved repeats, and the largest difference to the float64 definition on noise.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from utils.config.schema import AudioSettings, FeatureSettings
from utils.features import LogMel, from_settings
from utils.features.logmel import definition

BATCH = 16
DB = 20 / np.log(10)


def librosa_decibels(representation: LogMel, clip: np.ndarray) -> np.ndarray:
    """What people usually call: a power mel spectrogram in decibels."""
    import librosa

    mel = librosa.feature.melspectrogram(
        y=clip,
        sr=representation.sample_rate,
        n_fft=representation.n_fft,
        win_length=representation.window_length,
        hop_length=representation.hop_length,
        window=representation.window,
        n_mels=representation.n_mels,
    )
    return librosa.power_to_db(mel)


def tensorflow_front_ends(representation: LogMel) -> dict[str, Callable[[np.ndarray], object]]:
    """The graph version on one thread, plain and compiled by XLA."""
    import tensorflow as tf

    from utils.features.graph import front_end

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    log_mel = front_end(representation)
    plain = tf.function(log_mel)
    compiled = tf.function(log_mel, jit_compile=True)
    return {
        f"tf.signal, batch {BATCH}": lambda clips: plain(clips).numpy(),
        f"tf.signal, batch {BATCH}, XLA": lambda clips: compiled(clips).numpy(),
    }


def best_seconds(
    runs: dict[str, Callable[[np.ndarray], object]], clips: np.ndarray, repeats: int
) -> dict[str, float]:
    """Best time of each run over all clips; runs take turns, so that they share busy moments."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run(clips)
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tf", action="store_true", help="also the TensorFlow front end")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    representation = from_settings(AudioSettings(), FeatureSettings())
    rng = np.random.default_rng(0)
    clips = 0.1 * rng.standard_normal((BATCH, representation.n_samples)).astype(np.float32)
    runs: dict[str, Callable[[np.ndarray], object]] = {
        "librosa melspectrogram + power_to_db": lambda many: [
            librosa_decibels(representation, clip) for clip in many
        ],
        "LogMel": lambda many: np.stack([representation(clip) for clip in many]),
    }
    if arguments.tf:
        runs.update(tensorflow_front_ends(representation))
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        best = best_seconds(runs, clips, arguments.repeats)
        expected = np.stack([definition(representation, clip) for clip in clips])
    reference = next(iter(best.values()))
    print(f"load average before: {os.getloadavg()[0]:.1f}\n")
    print("| front end | clips/s | ratio | off the definition on noise, dB |\n|---|---|---|---|")
    for name, seconds in best.items():
        off = "" if "librosa" in name else f"{np.abs(runs[name](clips) - expected).max() * DB:.1e}"
        print(f"| {name} | {BATCH / seconds:.0f} | {reference / seconds:.2f} | {off} |")


if __name__ == "__main__":
    main()
