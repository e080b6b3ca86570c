"""How many times faster than librosa is the pitch shift of a batch, on one core?

    python -m benchmarks.pitch_shift

Prints a Markdown row for each kind of clip: best of several runs, one thread on both sides, every
clip shifted by semitones of its own; and the other waveform augmentations beside it.
"""

import os
import time
from collections.abc import Callable
from functools import partial

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}

import librosa
import numpy as np

from utils.augment import noise, pitch, shift
from utils.backend import start

KINDS = ((10, 44_100, 8), (1, 16_000, 64))  # seconds, hertz, clips in the batch
REPEATS = 5


def main() -> None:
    """Measure and print."""
    start(deterministic=False)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rng = np.random.default_rng(0)
    print("| clip | librosa pitch, ms | pitch, ms | times faster | noise, ms | shift, ms |")
    print("|---|---|---|---|---|---|")
    for seconds, rate, clips in KINDS:
        batch = (0.1 * rng.standard_normal((clips, seconds * rate))).astype(np.float32)
        seed, every = tf.constant([1, 2]), {"probability": 1.0}
        pitches = pitch.draw(seed, clips, max_semitones=2.0, **every)
        levels = noise.draw(seed, clips, min_snr_db=5.0, max_snr_db=40.0, **every)
        shifts = shift.draw(seed, clips, max_samples=rate, **every)
        semitones = pitches.semitones.numpy()
        slow = best(partial(with_librosa, batch, rate, semitones)) / clips
        fast, noisy, rolled = (
            best(graph(module.apply, batch, drawn)) / clips
            for module, drawn in ((pitch, pitches), (noise, levels), (shift, shifts))
        )
        print(
            f"| {seconds} s, {rate} Hz, batch {clips} | {slow:.2f} | {fast:.2f} | "
            f"{slow / fast:.1f} | {noisy:.2f} | {rolled:.2f} |"
        )


def with_librosa(batch: np.ndarray, rate: int, semitones: np.ndarray) -> None:
    """Shift clip by clip, as librosa does it."""
    for clip, steps in zip(batch, semitones, strict=True):
        librosa.effects.pitch_shift(clip, sr=rate, n_steps=float(steps))


def graph(apply: Callable, batch: np.ndarray, parameters: tuple) -> Callable[[], None]:
    """The augmentation as a TensorFlow graph, with the batch in TensorFlow's memory."""
    import tensorflow as tf

    traced, clips = tf.function(apply), tf.constant(batch)
    return lambda: traced(clips, parameters)


def best(run: Callable[[], None]) -> float:
    """Shortest time of a few runs after the first, in milliseconds."""
    run()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return 1e3 * min(times)


if __name__ == "__main__":
    main()
