"""What does the pipeline cost beside training on arrays in memory?

    python -m benchmarks.pipeline

Trains the baseline of task.yaml (10 s clips, 40 x 500 features, batches of 16) by turns on arrays
and through the pipeline, and prints Markdown rows of epochs: without augmentation the pipeline is
held against ``model.fit`` on arrays, with fresh noise and shift (and the front end in the graph)
against ``model.fit`` alone plus the pipeline alone. Each turn goes on over several epochs, of which
the first, in which buffers fill, does not count.
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
from utils.config import Resolved, load
from utils.config.schema import AugmentStep, NoiseSettings, ShiftSettings
from utils.features.graph import front_end
from utils.pipeline import Source, steps, training_batches

TASK = Path(__file__).resolve().parent.parent / "task.yaml"
CLIPS, AUGMENTED_CLIPS = 256, 128
ROUNDS, EPOCHS = 3, 3
CLASSES = 10
MEMORY_GB = 4.0


def main() -> None:
    """Measure and print."""
    start()
    network, representation, size = baseline()
    print("| epoch | clips | seconds | against | ratio |\n|---|---|---|---|---|")
    without_augmentation(network, representation.shape, size)
    with_augmentation(network, representation, size)


def baseline() -> tuple[Any, features.LogMel, int]:
    """The compiled network of the set ``task1a``, its features and its batch size."""
    resolved = load(TASK).resolve("task1a")
    network, representation = scene_network(resolved)
    network.compile("adam", "categorical_crossentropy", jit_compile=False)
    return network, representation, resolved.settings.training.batch_size


def scene_network(resolved: Resolved) -> tuple[Any, Any]:
    """The network of a set of scenes, with random weights, and its features."""
    settings = resolved.settings
    representation = features.from_settings(settings.audio, settings.features)
    mels, frames, _ = representation.input_shape
    network = builder.build(
        settings.model,
        named=resolved.models,
        input_shape=representation.input_shape,
        constants={"CLASS_COUNT": CLASSES, "MELS": mels, "FRAMES": frames},
        name=settings.set_id,
        seed=0,
    )
    return network, representation


def without_augmentation(network: Any, shape: tuple[int, int], size: int) -> None:
    """An epoch through the pipeline against an epoch on arrays."""
    clips, targets = made_up(CLIPS, shape)
    source = Source(clips, np.arange(CLIPS), targets)
    batches = endless(source, size, prepare=lambda batch: batch[..., None])
    arrays, piped = by_turns(
        lambda: fit(network, clips[..., None], targets, batch_size=size),
        lambda: fit(network, batches, steps_per_epoch=steps(source, size), shuffle=False),
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
    arrays, alone, both = by_turns(
        lambda: fit(network, clips[..., None], targets, batch_size=size),
        lambda: iterate(batches, count),
        lambda: fit(network, batches, steps_per_epoch=count, shuffle=False),
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


def fit(network: Any, *data: Any, **arguments: Any) -> list[float]:
    """Seconds of the epochs of ``model.fit`` after the first."""
    from keras.callbacks import LambdaCallback

    ends: list[float] = []
    clock = LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    network.fit(*data, epochs=EPOCHS + 1, callbacks=[clock], verbose=0, **arguments)
    return list(np.diff(ends))


def iterate(batches: Any, count: int) -> list[float]:
    """Seconds of the epochs of the pipeline alone after the first."""
    ends = []
    elements = iter(batches)
    for _ in range(EPOCHS + 1):
        for _ in range(count):
            next(elements)
        ends.append(time.perf_counter())
    return list(np.diff(ends))


def by_turns(*runs: Callable[[], list[float]]) -> list[float]:
    """Best epoch of each run in seconds; the runs take turns, for fairness.

    Not the median: epochs of ``fit`` on arrays take either the time of two cores or that of one, as
    TensorFlow happens to place its threads, and the median would flatter the pipeline.
    """
    turns = [[run() for run in runs] for _ in range(ROUNDS)]
    return [float(np.min(epochs)) for epochs in zip(*turns, strict=True)]


def row(name: str, clips: int, seconds: float, against: str = "", other: float = 0.0) -> None:
    """Print a row of the table."""
    ratio = f"{seconds / other:.3f}" if against else ""
    print(f"| {name} | {clips} | {seconds:.2f} | {against} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
