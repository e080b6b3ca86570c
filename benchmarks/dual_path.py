"""How much of the dual-path network's training step does its form save?

    python -m benchmarks.dual_path [--network svoice_small] [--seconds 2] [--clips 4] [--loops]
        [--threads between]

Three forms of one network with the same weights: as published (a head with all channels, the chunks
added, then the average pooling), ours (one product with the pooled kernel), and, with ``--loops``,
layer by layer in the narrow sense, chunk after chunk as ``TimeDistributed`` would call a block.
Prints Markdown rows of a training step with all scales, and of a separation with the last alone.
Processor seconds are those of all cores: other work on the machine changes them less.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kernels import add_threads, timed
from models import builder
from utils.backend import start
from utils.config.nodes import parse_yaml
from utils.config.schema import ModelSettings

TASK = Path(__file__).resolve().parent.parent / "task.yaml"
SAMPLE_RATE = 8_000
SOURCES = 2
ROUNDS = 3
SAME = 1e-4  # share of the largest value by which forms may differ


def main() -> None:
    """Measure and print."""
    asked = arguments()
    start(threads=asked.threads)
    from models import layers

    forms = published_forms() | {"ours": layers.OWN["DualPath"]}
    if not asked.loops:
        del forms["chunk after chunk"]
    figures = measured(forms, asked)
    print("| form | step, s | ratio of processor time | use, s | ratio of processor time |")
    print("|---|---|---|---|---|")
    for form in forms:
        row = [f"| {form} "]
        for by_form in figures:
            clock, processor = by_form[form]
            row.append(f"| {clock:.3f} | {processor / by_form['as published'][1]:.2f} ")
        print("".join(row) + "|")


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description="Training steps of forms of one network.")
    parser.add_argument("--network", default="svoice_small", help="of task.yaml")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a clip")
    parser.add_argument("--clips", type=int, default=4, help="in a batch")
    parser.add_argument("--loops", action="store_true", help="chunk after chunk as well: minutes")
    add_threads(parser)
    return parser.parse_args()


def measured(forms: dict[str, Any], asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Clock and processor seconds of each form: of a training step, of a separation."""
    rng = np.random.default_rng(0)
    clips = rng.standard_normal((asked.clips, round(asked.seconds * SAMPLE_RATE), 1), np.float32)
    targets = rng.standard_normal((asked.clips, SOURCES, clips.shape[1]), np.float32)
    networks = {form: made(kind, asked.network, clips.shape[1:]) for form, kind in forms.items()}
    steps = {
        form: (lambda model=model: model.train_on_batch(clips, targets))
        for form, model in networks.items()
    }
    uses = {
        form: (lambda model=model: model.predict_on_batch(clips))
        for form, model in networks.items()
    }
    apart = largest_difference([use() for use in uses.values()])
    if not apart < SAME:
        raise SystemExit(f"these are no forms of one network: they differ by {apart:.0e}")
    print(
        f"{asked.network}, {asked.clips} clips of {asked.seconds:g} s; forms differ by {apart:.0e}"
    )
    print()
    return [least(steps), least(uses)]


def published_forms() -> dict[str, Any]:
    """Forms of the layer with nothing put together."""
    from keras import ops

    from models.dual_path_layers import DualPath, merged

    class AsPublished(DualPath):
        """Convolution to all channels, overlap-add, average pooling, one after the other."""

        def _head(self, chunks: Any, frames: Any) -> Any:
            active = ops.maximum(chunks, 0.0) + self.slope * ops.minimum(chunks, 0.0)
            found = merged(ops.matmul(active, self.kernel) + self.bias, frames)
            shape = (-1, ops.shape(found)[1], self.sources, chunks.shape[-1])
            found = ops.transpose(ops.reshape(found, shape), (0, 2, 1, 3))
            parts = (*ops.shape(found)[:-1], chunks.shape[-1] // self.pool, self.pool)
            return ops.mean(ops.reshape(found, parts), axis=-1)

    class ChunkAfterChunk(AsPublished):
        """Each chunk, and each place in the chunks, by a call of its own."""

        def _pair(self, chunks: Any, number: int) -> Any:
            for side, block in enumerate((self.along[number], self.across[number])):
                parts = ops.unstack(chunks, axis=1 + side)
                found = ops.stack([block(part) for part in parts], axis=1 + side)
                chunks = chunks + (self.norms[2 * number + side](found) if self.norms else found)
            return chunks

    return {"as published": AsPublished, "chunk after chunk": ChunkAfterChunk}


def made(kind: Any, network: str, shape: tuple[int, ...]) -> Any:
    """The network with one form of the layer, compiled; the seed gives all the same weights."""
    from models import layers
    from models.separation_losses import multi_scale_si_snr

    named = parse_yaml(TASK.read_text(encoding="utf-8"), "task.yaml")["models"]
    own = layers.OWN["DualPath"]
    layers.OWN["DualPath"] = kind
    try:
        model = builder.build(
            ModelSettings(use=network),
            named=named,
            input_shape=shape,
            constants={"SOURCES": SOURCES},
            name=network,
            seed=0,
        )
    finally:
        layers.OWN["DualPath"] = own
    model.compile("adam", multi_scale_si_snr, jit_compile=False)
    return model


def largest_difference(outputs: list[np.ndarray]) -> float:
    """Between the first output and any other, as a share of its largest value."""
    first, *others = outputs
    return max(float(np.abs(x - first).max() / np.abs(first).max()) for x in others)


def least(works: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Least clock and processor seconds of some turns, by form."""
    for work in works.values():
        work()  # traced
    turns = [{form: timed(work, 1) for form, work in works.items()} for _ in range(ROUNDS)]
    return {
        form: (min(turn[form][0] for turn in turns), min(turn[form][1] for turn in turns))
        for form in works
    }


if __name__ == "__main__":
    main()
