"""What happens after an epoch: choose the best weights, save the state, show progress.

Imported only once training begins: the callbacks are Keras classes.
"""

import csv
import io
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as ProgressBar

from utils.config.schema import TrainingSettings
from utils.files import write_json, write_text
from utils.run import CHECKPOINT, DIVERGED
from utils.training.average import WeightAverage
from utils.training.checkpoint import Progress, save
from utils.training.schedule import plateau_rate
from utils.training.steps import DivergedError, Meter, Step, StepLog


class Judge(keras.callbacks.Callback):
    """Add scores of the validation clips to an epoch's numbers, for the callbacks behind it.

    Args:
        judge: scores of the model as it is, by column of ``history.csv``.
    """

    def __init__(self, judge: Callable[[keras.Model], Mapping[str, float]]) -> None:
        super().__init__()
        self.judge = judge

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Score the epoch."""
        if logs is not None:
            logs.update(self.judge(self.model))


class Average(keras.callbacks.Callback):
    """Average the weights step by step, and let validation batches judge the average.

    Args:
        average: of the model's weights.
    """

    def __init__(self, average: WeightAverage) -> None:
        super().__init__()
        self.average = average

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Take in the weights after a step."""
        self.average.update()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the average into the network."""
        self.average.enter()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Put the weights that are trained back."""
        self.average.leave()


class LogSteps(keras.callbacks.Callback):
    """Write what the first steps measured; stands before what saves the state after an epoch.

    Args:
        log: takes them.
        meter: tells them.
        steps: batches per epoch.
    """

    def __init__(self, *, log: StepLog, meter: Meter, steps: int) -> None:
        super().__init__()
        self.log, self.meter, self.steps = log, meter, steps
        self.epoch, self.start = 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the epochs."""
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Take the time."""
        self.start = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Take the step's numbers."""
        step = self.epoch * self.steps + batch + 1
        if self.log.wants(step):
            loss, norm = self.meter.values()
            seconds = round(time.monotonic() - self.start, 6)
            self.log.add(Step(step, self.epoch + 1, loss, norm, seconds))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write them."""
        self.log.write()


class KeepState(keras.callbacks.Callback):
    """Record each epoch, keep the best weights, write a full-state checkpoint, stop in time.

    Args:
        folder: receives ``history.csv`` and ``checkpoint.npz``.
        progress: changed in place after each epoch.
        settings: the section ``training``: which epoch counts as the best, when to stop, how often
            a checkpoint is written. The state after the last epoch is always saved.
        steps: batches per epoch.
        average: of the weights, which is kept in their place and saved beside them.
    """

    def __init__(
        self,
        *,
        folder: Path,
        progress: Progress,
        settings: TrainingSettings,
        steps: int,
        average: WeightAverage | None = None,
    ) -> None:
        super().__init__()
        self.average = average
        self.steps, self.rate = steps, math.nan
        self.folder = folder
        self.progress = progress
        self.settings = settings
        self.select = settings.select
        self.earlier = progress.seconds
        self.start = time.monotonic()
        (folder / DIVERGED).unlink(missing_ok=True)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Take the learning rate of the epoch's last step; after it, it is that of the next one."""
        if batch + 1 == self.steps:
            rate = self.model.optimizer.learning_rate
            self.rate = float(keras.ops.convert_to_numpy(rate))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Take the epoch's numbers; stop with a sentence when the loss is no number.

        Programs are told by ``diverged.json``.
        """
        number = epoch + 1
        row = {"epoch": number} | {name: float(value) for name, value in (logs or {}).items()}
        if not math.isfinite(row["loss"]):
            write_json(self.folder / DIVERGED, {"epoch": number, "loss": str(row["loss"])})
            raise DivergedError(
                f"training: the loss became {row['loss']} in epoch {number}; lower "
                "training.optimizer's learning_rate, or look for silent or extreme clips."
            )
        row["learning_rate"] = self.rate
        self.progress.history.append(row)
        if number > self.select.after_epoch and self._is_better(row[self.select.metric]):
            self.progress.best_epoch = number
            self.progress.best_value = row[self.select.metric]
            self.progress.best_weights = (self.average or self.model).get_weights()
        self.progress.seconds = self.earlier + time.monotonic() - self.start
        write_history(self.folder / "history.csv", self.progress.history)
        self.model.stop_training = self.progress.gave_up(self.settings)
        last = self.model.stop_training or number == self.settings.epochs
        if last or number % self.settings.checkpoint_epochs == 0:
            save(self.folder / CHECKPOINT, self.model, self.progress, self.average)

    def _is_better(self, value: float) -> bool:
        best = self.progress.best_value
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        return value > best if self.select.mode == "max" else value < best


class FallOnPlateau(keras.callbacks.Callback):
    """Set the learning rate of the next epoch by the scores of those before it.

    It follows from the record alone, so a resumed training goes on with the same rates.

    Args:
        progress: has the numbers of every epoch that is over.
        settings: the section ``training``.
        highest: rate of the first epoch.
    """

    def __init__(self, *, progress: Progress, settings: TrainingSettings, highest: float) -> None:
        super().__init__()
        self.progress, self.wanted, self.highest = progress, settings.schedule, highest

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the epoch's rate."""
        values = [row[self.wanted.metric] for row in self.progress.history]
        self.model.optimizer.learning_rate = plateau_rate(self.highest, values, self.wanted)


class ShowProgress(keras.callbacks.Callback):
    """A bar with the time left and the numbers of the last epoch.

    Args:
        console: where the bar is drawn.
        first_epoch: epochs that are done already.
        epochs: number of the last epoch.
        steps: batches per epoch.
    """

    def __init__(self, *, console: Console, first_epoch: int, epochs: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.done = first_epoch
        self.bar = ProgressBar(
            TextColumn("  epoch"),
            MofNCompleteColumn(),
            BarColumn(bar_width=10),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[numbers]}"),
            console=console,
        )
        self.task = self.bar.add_task("training", total=epochs, completed=first_epoch, numbers="")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Draw the bar."""
        self.bar.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar by a part of an epoch, twenty times an epoch at most."""
        if batch % max(1, self.steps // 20) == 0:
            self.bar.update(self.task, completed=self.done + (batch + 1) / self.steps)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the epoch's numbers."""
        self.done = epoch + 1
        numbers = " ".join(f"{_short(name)} {value:.3f}" for name, value in (logs or {}).items())
        self.bar.update(self.task, completed=self.done, numbers=numbers)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Nothing is left to do, also where the training stopped early."""
        self.bar.update(self.task, total=self.done)

    def close(self) -> None:
        """Leave the last state of the bar on the console, also after an error."""
        self.bar.stop()


def _short(name: str) -> str:
    """Name of a column as it fits beside the bar: ``val acc`` for val_categorical_accuracy."""
    return name.replace("categorical_", "").replace("accuracy", "acc").replace("val_", "val ")


def write_history(path: Path, rows: list[dict[str, float]]) -> None:
    """Write one line per epoch, all digits kept, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
