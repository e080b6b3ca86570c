"""Learning rate as a function of the optimizer's steps."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from utils.config.schema import ScheduleSettings, TrainingSettings
from utils.errors import ConfigError

if TYPE_CHECKING:
    import keras

THRESHOLD = 1e-4  # of the best value, by which the next one must be lower


def make_schedule(
    highest: float, settings: TrainingSettings, *, steps: int
) -> "keras.optimizers.schedules.LearningRateSchedule | None":
    """Make the schedule of a whole training: a rise, then half a cosine or a constant; or steps.

    With ``w`` steps of warm-up, ``n`` steps in all and ``f`` the share that is left at the end, the
    rate of step ``s`` (from 0) is ``highest s / w`` before ``w`` (or as
    :class:`utils.training.ramp.ExponentialWarmup` says), and after it, for a cosine,
    ``highest (f + (1 - f) (1 + cos(pi (s - w) / (n - w))) / 2)``. It hangs on the step alone, which
    the optimizer counts and checkpoints keep: a resumed training continues it. Rates that fall on a
    plateau follow from the epochs' scores instead, see :func:`plateau_rate`.

    References:
        I. Loshchilov, F. Hutter: SGDR, ICLR 2017, equation 5 (one period, no restart).
        P. Goyal et al.: Accurate, large minibatch SGD, arXiv:1706.02677, section 2.2 (warm-up).

    Args:
        highest: the optimizer's learning rate.
        settings: the section ``training``.
        steps: training batches per epoch.

    Returns:
        The schedule; None where the rate never changes, or changes with the scores.

    Raises:
        ConfigError: when the warm-up leaves no epoch, or stands before steps or plateaus.
    """
    import keras

    wanted = settings.schedule
    if wanted.kind in ("step", "plateau"):
        if wanted.warmup_epochs:
            raise ConfigError(
                f"training.schedule.warmup_epochs: kind {wanted.kind} has no warm-up; set it to 0."
            )
        if wanted.kind == "plateau":
            return None
        return keras.optimizers.schedules.ExponentialDecay(
            highest, wanted.step_epochs * steps, wanted.factor, staircase=True
        )
    if wanted.warmup_epochs >= settings.epochs:
        raise ConfigError(
            f"training.schedule.warmup_epochs: {wanted.warmup_epochs:g} of {settings.epochs} "
            "epochs leave none at the full learning rate; lower it."
        )
    if wanted.kind == "constant" and not wanted.warmup_epochs:
        return None
    warmup = round(wanted.warmup_epochs * steps)
    left = max(1, settings.epochs * steps - warmup)
    share = 1.0 if wanted.kind == "constant" else wanted.final  # a cosine from 1 to 1 is flat
    if warmup and wanted.warmup == "exponential":
        from utils.training.ramp import ExponentialWarmup

        after = keras.optimizers.schedules.CosineDecay(highest, left, alpha=share)
        return ExponentialWarmup(highest, warmup, after)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else highest,
        left,
        alpha=share,
        warmup_target=highest if warmup else None,
        warmup_steps=warmup,
    )


def plateau_rate(highest: float, values: Iterable[float], wanted: ScheduleSettings) -> float:
    """Learning rate after epochs with these values of ``metric``, where lower is better.

    That of PyTorch's ``ReduceLROnPlateau`` (mode min): an epoch counts as better where its value is
    below the best one by 1e-4 of that, so beside a best value below 0 also where it is a little
    worse; the rate falls with the epoch after ``patience`` others, from which counting starts anew.

    Args:
        highest: rate of the first epoch.
        values: of the epochs so far; one that is no number is not better.
        wanted: ``factor`` and ``patience``.
    """
    rate, best, others = highest, math.inf, 0
    for value in values:
        if value < best * (1.0 - THRESHOLD):
            best, others = value, 0
        else:
            others += 1
        if others > wanted.patience:
            rate, others = rate * wanted.factor, 0
    return rate
