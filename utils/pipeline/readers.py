"""Python functions that a tf.data pipeline calls from its own threads."""

import gc
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
def drawing(batches: "tf.data.Dataset") -> Iterator[None]:
    """Draw from a data set so that the process survives what may go wrong meanwhile.

    On an error the iterators of the block's frames go before the error is passed on. One that is
    left when Python ends waits for its threads, and these wait for Python, for ever.

    Args:
        batches: of :func:`~utils.pipeline.batches.training_batches`, or any other data set.

    Raises:
        UserError: what a function that reads has met, in place of TensorFlow's error about it.
    """
    try:
        yield
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        gc.collect()
        readers = getattr(batches, "readers", None)
        if isinstance(error, Exception) and readers is not None and readers.problem is not None:
            raise readers.problem from None
        raise
