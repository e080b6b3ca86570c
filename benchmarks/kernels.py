"""How much of a training step do the quicker kernels save?

    python -m benchmarks.kernels [SET ...]

Trains networks of task.yaml on noise, by turns with the layers of Keras as they are and with
``utils.training.kernels``, and prints Markdown rows of seconds a step. ``task4_sed`` is the full
step of 2021: 48 clips of 10 s, student, teacher and consistency. Processor seconds are those of
all cores: other work on the machine changes them less than the clock.
"""

import argparse
import resource
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

import numpy as np

from models import builder
from utils import features
from utils.backend import start
from utils.config import load
from utils.config.fields import Threads
from utils.config.schema import Settings

TASK = Path(__file__).resolve().parent.parent / "task.yaml"
SETS = ("task1a", "task_dacon", "dacon_selu_cnn", "task_urbansound", "task4_sed")
CLASSES = 10
ROUNDS = 3
SECONDS = 5.0  # of a turn, roughly


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Training steps with and without other kernels.")
    parser.add_argument("sets", nargs="*", default=SETS, help="sets of task.yaml")
    names = parser.parse_args().sets
    start()
    catalogue = load(TASK)
    print("| set | clips a step | Keras, s | quicker, s | ratio | ratio of processor time |")
    print("|---|---|---|---|---|---|")
    for name in names:
        resolved = catalogue.resolve(name)
        measure(resolved.settings, resolved.models)


def measure(settings: Settings, networks: Any) -> None:
    """Print the row of a set: the least of some turns."""
    plain, quick = (trainer(settings, networks, quicker=quicker) for quicker in (False, True))
    for step in (plain, quick):
        step()  # traced
    begun = time.perf_counter()
    plain()
    steps = max(1, round(SECONDS / (time.perf_counter() - begun)))
    turns = [(timed(plain, steps), timed(quick, steps)) for _ in range(ROUNDS)]
    (clock, processor), (quick_clock, quick_processor) = (
        np.min([turn[side] for turn in turns], axis=0) for side in (0, 1)
    )
    print(
        f"| {settings.set_id} | {settings.training.batch_size} | {clock:.3f} | {quick_clock:.3f} "
        f"| **{quick_clock / clock:.2f}** | {quick_processor / processor:.2f} |",
        flush=True,
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Let a command say how its steps use the cores, as ``training.threads`` does."""
    choices = get_args(Threads)
    parser.add_argument("--threads", choices=choices, default="within", help="training.threads")


def timed(step: Callable[[], Any], steps: int) -> tuple[float, float]:
    """Seconds of a step by the clock, and of all processors."""
    begun, used = time.perf_counter(), processor_seconds()
    for _ in range(steps):
        step()
    return (time.perf_counter() - begun) / steps, (processor_seconds() - used) / steps


def processor_seconds() -> float:
    """What this process has used so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def trainer(settings: Settings, networks: Any, *, quicker: bool) -> Callable[[], Any]:
    """A training step of a set's network on noise."""
    from utils.training.kernels import quick_kernels

    shape = features.from_settings(settings.audio, settings.features).input_shape
    size, rng = settings.training.batch_size, np.random.default_rng(0)
    clips = rng.standard_normal((size, *shape), np.float32)
    model: Any
    if settings.training.teacher is None:
        model = network(settings, networks, shape, seed=0)
        targets: Any = rng.dirichlet(np.ones(CLASSES), size=size).astype(np.float32)
        model.compile("adam", settings.training.loss, jit_compile=False)
    else:
        model, targets = learner(settings, networks, shape)
        model.compile("adam", jit_compile=False)
    context = quick_kernels(model) if quicker else nullcontext()

    def step() -> None:
        with context if quicker and not model.train_function else nullcontext():
            model.train_on_batch(clips, targets)

    return step


def learner(settings: Settings, networks: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Student and teacher, and targets of their batch."""
    from models.mean_teacher import EventLearner, Teaching

    both = [network(settings, networks, shape, seed=seed) for seed in (0, 1)]
    model = EventLearner(*both, teaching=Teaching(decay=0.999, weight=2.0, warmup_steps=5900))
    parts = settings.training.parts
    assert parts is not None
    numbers = (parts.strong, parts.weak, parts.unlabelled)
    steps = both[0].output["strong"].shape[1]
    rng, size = np.random.default_rng(0), sum(numbers)
    return model, {
        "strong": (rng.random((size, steps, CLASSES)) > 0.9).astype(np.float32),
        "weak": (rng.random((size, CLASSES)) > 0.8).astype(np.float32),
        "kind": np.repeat(np.float32([2, 1, 0]), numbers),
    }


def network(settings: Settings, networks: Any, shape: tuple[int, ...], *, seed: int) -> Any:
    """The set's network."""
    constants = dict(zip(("MELS", "FRAMES"), shape, strict=False))
    return builder.build(
        settings.model,
        named=networks,
        input_shape=shape,
        constants={"CLASS_COUNT": CLASSES, **constants},
        name=settings.set_id,
        seed=seed,
    )


if __name__ == "__main__":
    main()
