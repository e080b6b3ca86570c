"""A process ends, and says why, when what draws its batches fails or is interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from utils import pipeline, training
from utils.config.schema import SelectSettings, TrainingSettings
from utils.errors import AudioError

ROOT = Path(__file__).parents[3]
LIMIT = 60.0  # seconds; the process takes four


class Slow:
    """Draws slowly, so that there is always a thread that draws, until something happens."""

    per_epoch, shapes, clip_bytes = 10**6, ((2,), (1,)), 8
    last = 40  # step, from 0: Keras has its functions by then

    def __init__(self, happens=None):
        self.happens = happens

    def held(self, limit_bytes):
        return self

    def batch(self, count, *, seed, epoch, step):
        time.sleep(0.02)
        if step >= self.last and step % self.last == 0:  # one interruption may be lost in C code
            if self.happens is None:
                raise AudioError("odd.wav: sample 7 is no number.")
            self.happens()
        return np.zeros((count, 2), np.float32), np.zeros((count, 1), np.float32)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


class SlowRows(np.ndarray):
    """Rows that are read slowly; after some of them the process is interrupted."""

    reads = 0

    def __getitem__(self, rows):
        time.sleep(0.02)
        SlowRows.reads += 1
        if SlowRows.reads % Slow.last == 0:
            interrupt()
        return np.zeros((len(rows), 2), np.float32)


def fail(_):
    raise ValueError("a mistake in the judge")


def main(what, folder):
    """What a process of its own does."""
    import keras

    # a shell ignores interruptions for what it runs in the background, and so do the children
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def build():
        return keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])

    judge = training.Judge(("val_loss",), fail if what == "judge" else lambda _: {"val_loss": 0.0})
    rows = np.zeros((500, 2), np.float32).view(SlowRows)
    streamed = pipeline.Source(rows, np.arange(500), np.zeros((500, 1), np.float32))
    selected = SelectSettings(metric="val_loss", mode="min", after_epoch=0)
    training.fit(
        build,
        lambda _: batches_of(Slow(interrupt if what == "interrupt" else None)),
        pipeline.evaluation_batches(streamed, batch_size=1, memory_gb=0.0)
        if what == "validation"
        else judge,
        steps=9 if what in ("judge", "validation") else Slow.per_epoch,
        settings=TrainingSettings(epochs=1, loss="mse", metrics=(), select=selected),
        folder=Path(folder), seed=0, inputs="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("what", "told", "status"),
    [("error", "AudioError: odd.wav: sample 7 is no number.", 1),
     ("interrupt", "KeyboardInterrupt", -signal.SIGINT),
     ("validation", "KeyboardInterrupt", -signal.SIGINT),
     ("judge", "ValueError: a mistake in the judge", 1)],
)  # fmt: skip
def test_a_process_ends(what, told, status, tmp_path):
    found = subprocess.run(
        [sys.executable, __file__, what, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert found.returncode == status, found.stderr
    assert found.stderr.rstrip().endswith(told)


def batches_of(source):
    return pipeline.training_batches(
        source, batch_size=1, seed=0, first_epoch=0, epochs=1, memory_gb=1.0
    )


def test_an_error_that_a_user_can_mend_is_passed_on():
    batches = batches_of(Slow())
    with pytest.raises(AudioError, match=r"odd\.wav"), pipeline.drawing(batches):
        next(iter(batches.skip(Slow.last)))


def test_an_error_of_any_of_the_data_sets_is_passed_on():
    others, batches = batches_of(Slow(lambda: None)), batches_of(Slow())
    with pytest.raises(AudioError, match=r"odd\.wav"), pipeline.drawing(others, batches, None):
        next(iter(batches.skip(Slow.last)))


def test_other_errors_stay():
    import tensorflow as tf

    def fail():
        raise ValueError("a mistake in the program")

    batches = batches_of(Slow(fail))
    problem = pytest.raises(tf.errors.InvalidArgumentError, match="a mistake in the program")
    with problem, pipeline.drawing(batches):
        next(iter(batches.skip(Slow.last)))


def test_an_interruption_comes_before_an_error():
    batches = batches_of(Slow())
    with pytest.raises(KeyboardInterrupt), pipeline.drawing(batches):
        with pytest.raises(Exception, match=r"odd\.wav"):
            next(iter(batches.skip(Slow.last)))
        raise KeyboardInterrupt


if __name__ == "__main__":
    main(*sys.argv[1:])
