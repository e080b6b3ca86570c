"""Start TensorFlow: without its noise on the console, with deterministic kernels, GPUs shared."""

import logging
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from utils.config.fields import Threads

THREADS = "TF_NUM_INTRAOP_THREADS"
"""Environment from which TensorFlow takes the number of cores of an operation."""

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
"""Environment by which TensorFlow takes the convolutions of oneDNN. Left alone it takes them on x86
where there are instructions for networks (AVX512 VNNI, AMX), and elsewhere kernels of its own, by
which the baseline trains a fifth as fast."""

X86 = ("x86_64", "AMD64")


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what native code writes to file descriptor 2 off the console.

    TensorFlow prints lines at import that no log level silences. If the block fails, what was
    kept back is printed before the error goes on.
    """
    sys.stderr.flush()
    kept_descriptor = os.dup(2)
    with tempfile.TemporaryFile() as kept_text:
        os.dup2(kept_text.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            kept_text.seek(0)
            os.write(kept_descriptor, kept_text.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept_descriptor, 2)
            os.close(kept_descriptor)


def set_environment() -> None:
    """Set what TensorFlow and Keras read when they are imported; what is set already stays."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if platform.machine() in X86:
        os.environ.setdefault(ONEDNN, "1")


def start(*, deterministic: bool = True, threads: Threads = "within") -> tuple[str, ...]:
    """Import TensorFlow and Keras once, quietly, and set them up.

    GPU memory grows as needed. What is set holds for the process.

    Args:
        deterministic: the same seed gives the same numbers on the same machine, at the price of a
            few slower GPU kernels.
        threads: ``between`` gives each operation one core, so that a loop over time is not divided
            at each of its small steps, and as many run at the same time as there are cores. Kept as
            it is where ``TF_NUM_INTRAOP_THREADS`` is set, and once TensorFlow has computed.

    Returns:
        Names of the GPUs that TensorFlow found.
    """
    set_environment()
    with quiet_stderr():
        import keras  # noqa: F401 - imported here so that its messages stay off the console
        import tensorflow as tf

        if threads == "between" and THREADS not in os.environ:
            with suppress(RuntimeError):  # it has computed, and keeps its threads
                tf.config.threading.set_intra_op_parallelism_threads(1)
        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    return tuple(tf.config.experimental.get_device_details(gpu)["device_name"] for gpu in gpus)
