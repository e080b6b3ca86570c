"""Arrays to tf.data batches: the one place that knows in which order, and why.

1. **Order.** A data set runs over all epochs at once; the order of an epoch is a function of the
   seed and the epoch's number, so that a resumed run sees the batches that it would have seen.
2. **Batch.** Row numbers are batched, not clips: all that follows works on whole batches. An
   epoch's last batch is smaller if the clips do not divide evenly; no clip is dropped or repeated.
3. **Read.** From memory where the clips fit into what was asked for, else from the memory map, a
   batch at a time.
4. **Augment.** Waveforms, afresh in each epoch, from a seed of (seed, epoch, step). It comes before
   the front end, since noise and pitch act on waveforms.
5. **Prepare.** Front end, normaliser, channel axis. Without augmentation its result never changes:
   it is then computed once and held instead of the rows, if it fits.
6. **Prefetch**, so that the next batches are made while the network trains on this one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

GIGABYTE = 10**9
UNDER_WAY_BYTES = GIGABYTE // 2  # of batches that are being made at the same time
TEMPORARIES = 4  # memory of a batch while it is made, in sizes of its raw rows
PREFETCH = 2  # finished batches that wait

Targets = np.ndarray | dict[str, np.ndarray] | None
Read = Callable[["tf.Tensor"], "tf.Tensor"]  # positions in source.rows, int64 (batch,), to clips


@dataclass(frozen=True)
class Source:
    """Clips of an array, and what is to be predicted for them.

    Attributes:
        array: (clips, ...), in memory or a ``np.memmap``.
        rows: int64 (rows,), the clips that are used, in the order of ``targets``.
        targets: Array or dict of arrays whose first axis is that of ``rows``; None for clips
            without labels.

    Raises:
        ValueError: If a row lies outside the array or the targets are not as many as the rows.
    """

    array: np.ndarray
    rows: np.ndarray
    targets: Targets = None

    def __post_init__(self) -> None:
        """Refuse rows and targets that do not fit."""
        clips = len(self.array)
        if len(self.rows) and not 0 <= self.rows.min() <= self.rows.max() < clips:
            raise ValueError(
                f"rows {self.rows.min()} to {self.rows.max()} of an array of {clips} clips"
            )
        targets = self.targets if isinstance(self.targets, dict) else {"targets": self.targets}
        for name, values in targets.items():
            if values is not None and len(values) != len(self.rows):
                raise ValueError(f"{len(values)} {name} for {len(self.rows)} rows")


def steps(source: Source, batch_size: int) -> int:
    """Batches of an epoch, the smaller last one included."""
    return -(-len(source.rows) // batch_size)


def training_batches(
    source: Source,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    prepare: "Callable[[tf.Tensor], tf.Tensor] | None" = None,
    augment: "Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None" = None,
    memory_gb: float,
) -> "tf.data.Dataset":
    """Shuffled batches of all epochs from ``first_epoch`` (counted from 0) to ``epochs`` - 1.

    For ``fit(..., steps_per_epoch=steps(source, batch_size))``, which takes one epoch after the
    other from it and never starts it anew.

    Args:
        source: Clips and targets.
        batch_size: Clips in a batch (of all replicas together).
        seed: Of order and augmentation, at least 0.
        first_epoch: 0, or the epoch at which a resumed run goes on.
        epochs: Number of epochs of the whole run.
        prepare: TensorFlow function of a batch of (augmented) clips to what the network sees; the
            result of a clip depends on that clip alone.
        augment: TensorFlow function of (batch, seed int32 (2,)), as ``utils.augment.chain`` makes.
        memory_gb: Arrays of at most so many 10^9 bytes are held in memory, larger ones are
            streamed. The whole array counts, not only ``rows``, so that the training and
            validation clips of one array stay below it together.

    Returns:
        Data set of (features, targets), or of features alone for a source without targets.
    """
    import tensorflow as tf

    order_seed, augment_seed = _tensor_seeds(seed)

    def row_batches(epoch: "tf.Tensor") -> "tf.data.Dataset":
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(source.rows), dtype=tf.int64), tf.random.fold_in(order_seed, epoch)
        )
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_size).enumerate()
        return batches.map(
            lambda step, positions: (
                positions,
                tf.random.fold_in(tf.random.fold_in(augment_seed, epoch), step),
            )
        )

    fixed = prepare if augment is None else None
    read = _prepared(source, fixed, batch_size=batch_size, memory_gb=memory_gb)

    def features(positions: "tf.Tensor", batch_seed: "tf.Tensor") -> "tf.Tensor":
        batch = read(positions)
        if augment is None:
            return batch
        augmented = augment(batch, batch_seed)
        return augmented if prepare is None else prepare(augmented)

    epoch_numbers = tf.data.Dataset.range(first_epoch, epochs)
    return _batches(epoch_numbers.flat_map(row_batches), source, features, batch_size=batch_size)


def evaluation_batches(
    source: Source,
    *,
    batch_size: int,
    prepare: "Callable[[tf.Tensor], tf.Tensor] | None" = None,
    memory_gb: float,
) -> "tf.data.Dataset":
    """Batches of a source once, in the order of its rows; arguments as ``training_batches``."""
    import tensorflow as tf

    read = _prepared(source, prepare, batch_size=batch_size, memory_gb=memory_gb)
    positions = tf.data.Dataset.range(len(source.rows)).batch(batch_size)
    return _batches(positions, source, read, batch_size=batch_size)


def _batches(
    positions: "tf.data.Dataset",
    source: Source,
    features: "Callable[..., tf.Tensor]",
    *,
    batch_size: int,
) -> "tf.data.Dataset":
    """Make features and targets of batches of positions, in parallel and in order.

    Elements of ``positions`` are the arguments of ``features``, positions first. As many batches
    are under way at a time as there are processors, fewer if they are large. TensorFlow's kernels
    stay in the thread of their batch, for the batches are parallel already.
    """
    import joblib
    import tensorflow as tf

    batch_bytes = batch_size * _bytes(source.array.shape[1:], source.array.dtype)
    room = UNDER_WAY_BYTES // max(TEMPORARIES * batch_bytes, 1)
    workers = max(1, min(joblib.cpu_count(), room))
    labelled = source.targets is not None
    with tf.device("CPU:0"):
        targets = tf.nest.map_structure(tf.convert_to_tensor, source.targets) if labelled else ()

    def make(positions: "tf.Tensor", *arguments: "tf.Tensor") -> Any:
        batch = features(positions, *arguments)
        if not labelled:
            return batch
        return batch, tf.nest.map_structure(lambda values: tf.gather(values, positions), targets)

    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False  # it would take memory of its own choice
    options.threading.private_threadpool_size = workers
    options.threading.max_intra_op_parallelism = 1
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    batches = positions.map(make, num_parallel_calls=workers, deterministic=True)
    return batches.prefetch(PREFETCH).with_options(options)


def _prepared(
    source: Source,
    prepare: "Callable[[tf.Tensor], tf.Tensor] | None",
    *,
    batch_size: int,
    memory_gb: float,
) -> Read:
    """Return a reader of prepared clips: from memory if the whole array's fit, else streamed."""
    import tensorflow as tf

    stream = _reader(source.array, source.rows)

    def made(positions: "tf.Tensor") -> "tf.Tensor":
        batch = stream(positions)
        return batch if prepare is None else prepare(batch)

    make = tf.function(made, input_signature=[tf.TensorSpec([None], tf.int64)])
    (clip,) = tf.nest.flatten(make.get_concrete_function().structured_outputs)
    dtype = clip.dtype.as_numpy_dtype
    if len(source.array) * _bytes(clip.shape[1:], dtype) > memory_gb * GIGABYTE:
        return made
    held = np.empty((len(source.rows), *clip.shape[1:]), dtype)
    for start in range(0, len(held), batch_size):
        stop = min(start + batch_size, len(held))
        held[start:stop] = make(tf.range(start, stop, dtype=tf.int64))
    return _reader(held, np.arange(len(held)))


def _reader(array: np.ndarray, rows: np.ndarray) -> Read:
    """Return a reader of rows of an array, which stays where it is: in memory or in its file.

    NumPy reads, since a tensor that a data set captures is copied as a whole by each iterator.
    """
    import tensorflow as tf

    shape, dtype = array.shape[1:], array.dtype

    def rows_at(positions: np.ndarray) -> np.ndarray:
        return np.asarray(array[rows[positions]])

    def read(positions: "tf.Tensor") -> "tf.Tensor":
        # stateless: the same positions are the same clips, so batches may be read in parallel
        batch = tf.numpy_function(rows_at, [positions], dtype, stateful=False)
        return tf.ensure_shape(batch, [None, *shape])

    return read


def _tensor_seeds(seed: int) -> "tuple[tf.Tensor, tf.Tensor]":
    """Two seeds, int32 (2,) each, of an integer of any size: for the order and to augment."""
    import tensorflow as tf

    order, augment = np.random.SeedSequence(seed).generate_state(4).view(np.int32).reshape(2, 2)
    return tf.constant(order), tf.constant(augment)


def _bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Memory of an array of this shape."""
    return math.prod(shape) * np.dtype(dtype).itemsize
