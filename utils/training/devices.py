"""Where a network trains: GPUs, several devices, precision, XLA."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from utils.config.schema import TrainingSettings
from utils.errors import ConfigError
from utils.training.steps import require_loggable

if TYPE_CHECKING:
    import tensorflow as tf


def use_xla(settings: TrainingSettings) -> bool:
    """Whether to compile with XLA: ``auto`` means on GPUs, where numbers need not repeat exactly.

    On CPUs the baseline network trains slower with XLA (``benchmarks/xla.py``), and under
    deterministic kernels Keras would drop it without a word.
    """
    import tensorflow as tf

    if settings.jit_compile == "auto":
        return not settings.deterministic and bool(tf.config.list_physical_devices("GPU"))
    return settings.jit_compile == "on"


def device_strategy(choice: str) -> "tf.distribute.Strategy":
    """Distribution over devices: all GPUs (``mirrored``; without any, all logical CPUs) or one."""
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    if choice == "mirrored" or (choice == "auto" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return _mirrored(tuple(device.name for device in devices))
    return tf.distribute.get_strategy()


@functools.lru_cache
def _mirrored(devices: tuple[str, ...]) -> "tf.distribute.Strategy":
    """One strategy per process: the all-reduce keys of a second one collide with the first's."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices)


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Keras' dtype policy while the network that trains is built; restored afterwards."""
    import keras

    if policy == "off":
        yield
        return
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def require_devices(
    settings: TrainingSettings, *, clips: int | None = None
) -> "tf.distribute.Strategy":
    """The distribution that a training asks for, if it can train so.

    Args:
        settings: the section ``training``.
        clips: of an epoch, where its last batch holds what is left of them.

    Raises:
        ConfigError: as :func:`check_devices`, and for steps that are to be logged where they cannot
            be.
    """
    strategy = device_strategy(settings.strategy)
    check_devices(settings, strategy.num_replicas_in_sync, clips=clips)
    if settings.log_steps:
        require_loggable(strategy.num_replicas_in_sync)
    return strategy


def check_devices(settings: TrainingSettings, devices: int, *, clips: int | None = None) -> None:
    """Refuse what several devices of a mirrored training cannot do.

    Args:
        settings: the section ``training``.
        devices: how many train; one can do all.
        clips: of an epoch, where its last batch holds what is left of them.

    Raises:
        ConfigError: for a batch that cannot be split evenly, with the nearest size that can; for a
            last one that leaves a device without clips, whose batch normalisation would have no
            statistics and which would judge epochs by NaN; for float16, where Keras looks for
            infinite gradients on the first device alone and takes those of the others over.
    """
    if settings.batch_size % devices:
        fitting = devices * max(1, round(settings.batch_size / devices))
        raise ConfigError(
            f"training.batch_size: {settings.batch_size} clips cannot be shared evenly by "
            f"{devices} devices; take {fitting}."
        )
    rest = (clips or 0) % settings.batch_size
    if rest and -(-rest // devices) * (devices - 1) >= rest:
        raise ConfigError(
            f"training.batch_size: of {clips} clips an epoch the last batch has {rest}, which "
            f"leaves one of {devices} devices without any; take another size."
        )
    if settings.mixed_precision == "mixed_float16" and devices > 1:
        raise ConfigError(
            f"training.mixed_precision: mixed_float16 does not train on {devices} devices, where "
            "Keras takes infinite gradients for finite ones; take mixed_bfloat16, or "
            "training.strategy: single."
        )
