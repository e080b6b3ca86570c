"""Python functions that a tf.data pipeline calls from its own threads."""

import gc
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from utils.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf


class Readers(list[Callable[..., Any]]):
    """The Python functions of a data set, with the arrays that they read.

    TensorFlow keeps what it is given as ``numpy_function`` until the process ends. So it is given
    what finds these functions as long as their data set lives, which alone holds them: arrays of a
    run that is over do not stay in memory.

    Attributes:
        problem: the first error of a function that a user can mend; TensorFlow would pass on its
            text alone, in a traceback of its own.
    """

    problem: UserError | None = None

    def passed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Hold a function; give what calls it while it is held."""
        self.append(function)
        held, readers = weakref.ref(function), weakref.ref(self)

        def call(*arguments: Any) -> Any:
            there, told = held(), readers()
            if there is None or told is None:
                raise RuntimeError("the data set that these batches belong to is gone")
            try:
                return there(*arguments)
            except UserError as error:
                told.problem = told.problem or error
                raise

        return call

    def held_by(self, batches: "tf.data.Dataset") -> "tf.data.Dataset":
        """Let a data set, and so what is made of it, hold the functions."""
        batches.readers = self
        return batches


@contextmanager
def drawing(*datasets: Any) -> Iterator[None]:
    """Draw from data sets so that the process can end, whatever goes wrong meanwhile.

    On an error the iterators of the block's frames go before the error is passed on. One that is
    left when Python ends waits for its threads, and these wait for Python, for ever.

    Args:
        datasets: of :func:`~utils.pipeline.batches.training_batches`, or any others.

    Raises:
        UserError: what a function that reads has met, in place of TensorFlow's error about it.
    """
    try:
        yield
    except BaseException as error:
        _clear_frames(error)
        gc.collect()
        found = [each.readers.problem for each in datasets if hasattr(each, "readers")]
        problem = next((each for each in found if each is not None), None)
        if isinstance(error, Exception) and problem is not None:
            raise problem from None
        raise


def _clear_frames(error: BaseException) -> None:
    """Drop what the frames of an error hold, and those that called them and are over.

    Keras takes its own frames out of a traceback; they are still those that called a callback.
    """
    for inner, _ in traceback.walk_tb(error.__traceback__):
        frame: FrameType | None = inner
        while frame is not None:
            with suppress(RuntimeError):  # it still runs
                frame.clear()
            frame = frame.f_back
