"""What does mixing words while training cost, and how many clips a second does it give?

    python -m benchmarks.words [SET ...]

For sets of task_dacon: the generator alone (words mixed afresh, noise and shift on the mixtures,
normalised features; then with pitch shift too), the network alone on arrays, and both together, in
Markdown rows of clips per second. The ratio holds the time of a step against the sum of the network
alone and the generator alone. Words are noise; each figure is the best of several epochs, which
take turns. An epoch has many more batches than the pipeline holds ready, so that none is for free.
Batches are those of `benchmarks.word_sets`.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pipeline import by_turns, fit, iterate
from benchmarks.word_sets import PARAMETERS
from models import builder
from utils import features
from utils.augment import chain
from utils.backend import start
from utils.config import load
from utils.config.schema import (
    AugmentStep,
    MixingSettings,
    NoiseSettings,
    PitchShiftSettings,
    Settings,
    ShiftSettings,
)
from utils.features.graph import front_end
from utils.pipeline import Mixtures, steps, training_batches

TASK = Path(__file__).resolve().parent.parent / "task.yaml"
SETS = ("task_dacon", "dacon_vrmodel", "dacon_selu_cnn")
CLASSES, SPEAKERS, TAKES = 30, 20, 2
SECONDS = 3.0  # of the network alone, about, in an epoch
BATCHES = 12  # at least, in an epoch
NOISE_AND_SHIFT = [
    AugmentStep(Noise=NoiseSettings(probability=1.0)),
    AugmentStep(Shift=ShiftSettings(max_seconds=0.1, probability=1.0)),
]
EVERYTHING = [*NOISE_AND_SHIFT, AugmentStep(PitchShift=PitchShiftSettings(probability=1.0))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Speed of mixing words while training.")
    parser.add_argument("sets", nargs="*", default=SETS, help="sets of task_dacon")
    names = parser.parse_args().sets
    start()
    catalogue = load(TASK, PARAMETERS)
    print("| set | clips | noise, shift | and pitch | network | both | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        resolved = catalogue.resolve(name)
        measure(resolved.settings, resolved.models)


def measure(settings: Settings, networks: Any) -> None:
    """Print the row of a set."""
    from utils.training.kernels import quick_kernels

    representation = features.from_settings(settings.audio, settings.features)
    network = compiled(settings, networks, representation)
    with quick_kernels(network):  # as in training
        take_turns(settings, representation, network)


def take_turns(settings: Settings, representation: features.Representation, network: Any) -> None:
    """Print the row of a compiled network."""
    size = settings.training.batch_size
    clips = size * max(
        BATCHES, round(SECONDS * speed(network, representation.input_shape, size) / size)
    )
    words = mixtures(settings, clips)
    plain = endless(words, settings, representation, steps_of=NOISE_AND_SHIFT)
    augmented = endless(words, settings, representation, steps_of=EVERYTHING)
    arrays = made_up(clips, representation.input_shape)
    count = steps(words, size)
    bare, full, alone, both = by_turns(
        lambda: iterate(plain, count),
        lambda: iterate(augmented, count),
        lambda: fit(network, *arrays, batch_size=size),
        lambda: fit(network, augmented, steps_per_epoch=count, shuffle=False),
    )
    rates = " | ".join(f"{clips / seconds:.0f}" for seconds in (bare, full, alone, both))
    ratio = both / (full + alone)
    print(f"| {settings.set_id} | {clips} | {rates} | **{ratio:.3f}** |", flush=True)


def compiled(settings: Settings, networks: Any, representation: features.Representation) -> Any:
    """The set's network, ready to be fitted."""
    constants = dict(zip(("MELS", "FRAMES"), representation.shape, strict=False))
    network = builder.build(
        settings.model,
        named=networks,
        input_shape=representation.input_shape,
        constants={"CLASS_COUNT": CLASSES, **constants},
        name=settings.set_id,
        seed=0,
    )
    (optimizer,) = settings.training.optimizer  # its rate does not change its speed
    network.compile(optimizer, settings.training.loss, jit_compile=False)
    return network


def speed(network: Any, shape: tuple[int, ...], size: int) -> float:
    """Clips a second of the network alone, roughly."""
    seconds = min(fit(network, *made_up(2 * size, shape), batch_size=size))
    return 2 * size / seconds


def mixtures(settings: Settings, clips: int) -> Mixtures:
    """Words of noise, so many clips an epoch."""
    number = CLASSES * SPEAKERS * TAKES
    samples = round(settings.audio.seconds * settings.audio.sample_rate)
    rows = np.arange(number)
    return Mixtures(
        array=np.random.default_rng(0).standard_normal((number, samples), np.float32),
        rows=rows,
        classes=rows % CLASSES,
        speakers=rows // CLASSES % SPEAKERS,
        class_count=CLASSES,
        settings=MixingSettings(train=clips),
        sample_rate=settings.audio.sample_rate,
    )


def endless(
    words: Mixtures,
    settings: Settings,
    representation: features.Representation,
    *,
    steps_of: list[AugmentStep],
) -> Any:
    """Batches for more epochs than are measured."""
    import tensorflow as tf

    spectrogram, normaliser = front_end(representation), normaliser_for(settings, representation)

    def prepare(batch: tf.Tensor) -> tf.Tensor:
        found = spectrogram(batch)
        found = found if normaliser is None else normaliser(found)
        return tf.reshape(found, (-1, *representation.input_shape))

    return training_batches(
        words,
        batch_size=settings.training.batch_size,
        seed=0,
        first_epoch=0,
        epochs=1000,
        prepare=prepare,
        augment=chain(steps_of, sample_rate=settings.audio.sample_rate),
        memory_gb=settings.pipeline.memory_gb,
    )


def normaliser_for(settings: Settings, representation: features.Representation) -> Any:
    """The set's normaliser, fitted to noise where it has statistics."""
    method = settings.features.normalise.method
    if method != "mean_std":
        return features.normaliser_of(method, None)
    rng = np.random.default_rng(0)
    clips = rng.standard_normal((8, representation.n_samples), np.float32)
    noise = np.stack([representation(clip) for clip in clips])
    return features.Normaliser.fit(noise, np.arange(len(noise)))


def made_up(clips: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Noise (clips, *shape) and distributions (clips, classes)."""
    rng = np.random.default_rng(0)
    targets = rng.dirichlet(np.ones(CLASSES), size=clips).astype(np.float32)
    return rng.standard_normal((clips, *shape), np.float32), targets


if __name__ == "__main__":
    main()
