"""How many times faster than it plays is sound separated?

    python -m benchmarks.separation [SET ...] [--seconds 60] [--overlap 0.75] [--threads between]

Separates noise with the networks of sets of task.yaml, untrained: each by Keras and from TFLite
files, on all cores, by turns. Prints Markdown rows of the length of the sound over the least time
of a turn. ``spleeter_2stems`` is Spleeter in its full width.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.kernels import add_threads, timed
from models import builder
from utils.backend import start
from utils.config import Resolved, load
from utils.export import export_formats
from utils.features.heard import heard_in_use
from utils.inference import Metadata, load_predictor
from utils.inference.predictor import MemoryPredictor
from utils.inference.separator import Separator

TASK = Path(__file__).resolve().parent.parent / "task.yaml"
SETS = ("task_separation", "spleeter_2stems", "svoice_small")
FORMATS = ("float32", "dynamic")
ROUNDS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Separation against the length of the sound.")
    parser.add_argument("sets", nargs="*", default=SETS, help="sets of task.yaml")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the sound")
    parser.add_argument("--overlap", type=float, help="separation.overlap; by default the set's")
    add_threads(parser)
    asked = parser.parse_args()
    start(threads=asked.threads)
    catalogue = load(TASK)
    overrides = [] if asked.overlap is None else [f"separation.overlap={asked.overlap}"]
    print(f"Times real time, sound of {asked.seconds:g} s:\n")
    print(f"| set | overlap | Keras | {' | '.join(FORMATS)} |")
    print("|---|---|---|" + "---|" * len(FORMATS))
    for name in asked.sets:
        measure(catalogue.resolve(name, overrides=overrides), seconds=asked.seconds)


def measure(resolved: Resolved, *, seconds: float) -> None:
    """Print the row of a set."""
    settings = resolved.settings
    heard = heard_in_use(settings.audio, settings.features, settings.separation)
    model = builder.build(
        settings.model,
        named=resolved.models,
        input_shape=heard.input_shape,
        constants={"SOURCES": settings.dataset.speakers.number, "CHANNELS": heard.channels},
        name=settings.set_id,
        seed=0,
    )
    number = model.output_shape[1] or model.output_shape[2]  # behind the scales of waveforms
    metadata = Metadata(
        set_id=settings.set_id,
        classes=tuple(map(str, range(number))),
        audio=settings.audio.model_dump(mode="json"),
        features=settings.features.model_dump(mode="json"),
        normaliser=None,
        data="noise",
        separation=settings.separation.model_dump(mode="json"),
    )
    rng = np.random.default_rng(0)
    size = (round(seconds * heard.sample_rate), heard.channels)
    sound = rng.standard_normal(size, np.float32)
    with tempfile.TemporaryDirectory() as name:
        files = export_formats(
            model,
            calibration=np.zeros((1, *heard.input_shape), np.float32),
            folder=Path(name),
            formats=FORMATS,
            metadata=metadata,
        )
        predictors = [MemoryPredictor(model, metadata=metadata)]
        predictors += [load_predictor(files[each]) for each in FORMATS]
        separators = [Separator.of(predictor) for predictor in predictors]
        for separator in separators:
            separator.warm_up()
        turns = [
            [timed(lambda each=each: each(sound), 1)[0] for each in separators]
            for _ in range(ROUNDS)
        ]
    times = " | ".join(f"**{seconds / spent:.1f}**" for spent in np.min(turns, axis=0))
    print(f"| {settings.set_id} | {settings.separation.overlap:g} | {times} |", flush=True)


if __name__ == "__main__":
    main()
