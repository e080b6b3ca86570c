"""What does the pipeline cost beside training on arrays in memory?

    python -m benchmarks.pipeline

Trains the baseline of task.yaml (10 s clips, 40 x 500 features, batches of 16) by turns on arrays
and through the pipeline, and prints Markdown rows of the best epochs: without augmentation the
pipeline is held against ``model.fit`` on arrays, with fresh noise and shift (and the front end in
the graph) against ``model.fit`` alone plus the pipeline alone.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from models import builder
from utils import features
from utils.augment import chain
from utils.backend import start
from utils.config import load
from utils.config.schema import AugmentStep, NoiseSettings, ShiftSettings
from utils.features.graph import front_end
from utils.pipeline import Source, steps, training_batches

TASK = Path(__file__).resolve().parent.parent / "task.yaml"
CLIPS, AUGMENTED_CLIPS = 256, 128
ROUNDS = 4
CLASSES = 10
MEMORY_GB = 4.0


def main() -> None:
    """Measure and print."""
    start()
    resolved = load(TASK).resolve("task1a")
    settings = resolved.settings
    representation = features.from_settings(settings.audio, settings.features)
    mels, frames = representation.shape
    network = builder.build(
        settings.model,
        named=resolved.models,
        input_shape=(mels, frames, 1),
        constants={"CLASS_COUNT": CLASSES, "MELS": mels, "FRAMES": frames},
        name="baseline",
        seed=0,
    )
    network.compile("adam", "categorical_crossentropy", jit_compile=False)
    size = settings.training.batch_size
    print("| epoch | clips | seconds | against | ratio |\n|---|---|---|---|---|")
    without_augmentation(network, representation.shape, size)
    with_augmentation(network, representation, size)


def without_augmentation(network: Any, shape: tuple[int, int], size: int) -> None:
    """An epoch through the pipeline against an epoch on arrays."""
    clips, targets = made_up(CLIPS, shape)
    source = Source(clips, np.arange(CLIPS), targets)
    batches = endless(source, size, prepare=lambda batch: batch[..., None])
    arrays, piped = by_turns(
        lambda: network.fit(clips[..., None], targets, batch_size=size, verbose=0),
        lambda: fit(network, batches, steps(source, size)),
    )
    row("fit on arrays", CLIPS, arrays)
    row("fit on the pipeline", CLIPS, piped, "arrays", arrays)


def with_augmentation(network: Any, representation: features.LogMel, size: int) -> None:
    """An epoch with fresh noise and shift against fit alone and the pipeline alone."""
    rate = representation.sample_rate
    waves, targets = made_up(AUGMENTED_CLIPS, (10 * rate,))
    clips, _ = made_up(AUGMENTED_CLIPS, representation.shape)
    source = Source(waves, np.arange(AUGMENTED_CLIPS), targets)
    log_mel = front_end(representation)
    batches = endless(
        source,
        size,
        prepare=lambda batch: log_mel(batch)[..., None],
        augment=chain(
            [AugmentStep(Noise=NoiseSettings()), AugmentStep(Shift=ShiftSettings())],
            sample_rate=rate,
        ),
    )
    count = steps(source, size)
    elements = iter(batches)
    arrays, alone, both = by_turns(
        lambda: network.fit(clips[..., None], targets, batch_size=size, verbose=0),
        lambda: [next(elements) for _ in range(count)],
        lambda: fit(network, batches, count),
    )
    row("fit on arrays", AUGMENTED_CLIPS, arrays)
    row("pipeline alone, noise and shift", AUGMENTED_CLIPS, alone)
    row("fit on the pipeline, noise and shift", AUGMENTED_CLIPS, both, "sum", arrays + alone)


def made_up(clips: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Noise (clips, *shape) and one-hot targets (clips, classes)."""
    rng = np.random.default_rng(0)
    labels = rng.integers(CLASSES, size=clips)
    return rng.standard_normal((clips, *shape), np.float32), np.eye(CLASSES, dtype="f4")[labels]


def endless(source: Source, size: int, **stages: Any) -> Any:
    """Batches for more epochs than are measured."""
    return training_batches(
        source,
        batch_size=size,
        seed=0,
        first_epoch=0,
        epochs=1000,
        memory_gb=MEMORY_GB,
        **stages,
    )


def fit(network: Any, batches: Any, count: int) -> None:
    """One epoch."""
    network.fit(batches, steps_per_epoch=count, shuffle=False, verbose=0)


def by_turns(*runs: Callable[[], Any]) -> list[float]:
    """Shortest time of each run in seconds, after a first round that warms up."""
    times = []
    for _ in range(ROUNDS + 1):
        times.append([])
        for run in runs:
            began = time.perf_counter()
            run()
            times[-1].append(time.perf_counter() - began)
    return [min(column) for column in zip(*times[1:], strict=True)]


def row(name: str, clips: int, seconds: float, against: str = "", other: float = 0.0) -> None:
    """Print a row of the table."""
    ratio = f"{seconds / other:.3f}" if against else ""
    print(f"| {name} | {clips} | {seconds:.2f} | {against} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
