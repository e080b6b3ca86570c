"""Sources to tf.data batches; the package says in which order, and why."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.pipeline.readers import Readers
from utils.pipeline.sources import Drawn, Source

if TYPE_CHECKING:
    import tensorflow as tf

GIGABYTE = 10**9
UNDER_WAY_BYTES = GIGABYTE // 2  # of batches that are being made at the same time
TEMPORARIES = 4  # memory of a batch while it is made, in sizes of its raw rows
PREFETCH = 2  # finished batches that wait

Read = Callable[["tf.Tensor"], "tf.Tensor"]  # positions in source.rows, int64 (batch,), to clips
Labelled = Callable[["tf.Tensor"], tuple["tf.Tensor", Any]]  # an item to clips and their targets


def steps(source: Source | Drawn, batch_size: int) -> int:
    """Batches of an epoch, the smaller last one included; with groups all are full."""
    if isinstance(source, Source) and source.groups:
        return min(rows // clips for rows, clips in source.groups)
    return -(-source.per_epoch // batch_size)


def training_batches(
    source: Source | Drawn,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    prepare: "Callable[[tf.Tensor], tf.Tensor] | None" = None,
    augment: "Callable[[tf.Tensor, Any, tf.Tensor], tuple[tf.Tensor, Any]] | None" = None,
    memory_gb: float,
) -> "tf.data.Dataset":
    """Shuffled or mixed batches of all epochs from ``first_epoch`` (from 0) to ``epochs`` - 1.

    For ``fit(..., steps_per_epoch=steps(source, batch_size))``, which takes one epoch after the
    other from it and never starts it anew.

    Args:
        source: Clips and targets, or what draws them anew for every step.
        batch_size: Clips in a batch (of all replicas together); with groups their sum.
        seed: Of order, mixing and augmentation, at least 0.
        first_epoch: 0, or the epoch at which a resumed run goes on.
        epochs: Number of epochs of the whole run.
        prepare: TensorFlow function of a batch of (augmented) clips to what the network sees; the
            result of a clip depends on that clip alone.
        augment: TensorFlow function of (batch, targets, seed int32 (2,)) to (batch, targets), as
            ``utils.augment.chain`` makes; targets are None for a source without.
        memory_gb: Arrays of at most so many 10^9 bytes are held in memory, larger ones are
            streamed. The whole array counts, not only ``rows``, so that the training and
            validation clips of one array stay below it together.

    Returns:
        Data set of (features, targets), or of features alone for a source without targets.

    Raises:
        ValueError: If ``augment`` mixes clips and the source has no targets, or the batch size is
            not that of the groups.
    """
    import tensorflow as tf

    order_seed, augment_seed = _tensor_seeds(seed)
    last, readers = prepare, Readers()
    if isinstance(source, Source):
        items = _positions(source, batch_size=batch_size, seed=order_seed)
        fixed, last = (prepare, None) if augment is None else (None, prepare)
        clips = _prepared(source, fixed, readers, batch_size=batch_size, memory_gb=memory_gb)
        read = _labelled(clips, source, readers)
    else:
        items = _step_numbers(steps(source, batch_size))
        read = _drawn(source, readers, batch_size=batch_size, seed=seed, memory_gb=memory_gb)

    def seeded_items(epoch: "tf.Tensor") -> "tf.data.Dataset":
        epoch_seed = tf.random.fold_in(augment_seed, epoch)
        return (
            items(epoch)
            .enumerate()
            .map(lambda step, item: (item, tf.random.fold_in(epoch_seed, step)))
        )

    def make(item: "tf.Tensor", batch_seed: "tf.Tensor") -> tuple["tf.Tensor", Any]:
        batch, targets = read(item)
        if augment is not None:
            batch, targets = augment(batch, targets, batch_seed)
        return batch if last is None else last(batch), targets

    elements = tf.data.Dataset.range(first_epoch, epochs).flat_map(seeded_items)
    return _batches(elements, make, readers, batch_bytes=_raw_bytes(source, batch_size))


def evaluation_batches(
    source: Source,
    *,
    batch_size: int,
    prepare: "Callable[[tf.Tensor], tf.Tensor] | None" = None,
    memory_gb: float,
) -> "tf.data.Dataset":
    """Batches of a source once, in the order of its rows; arguments as ``training_batches``."""
    import tensorflow as tf

    readers = Readers()
    clips = _prepared(source, prepare, readers, batch_size=batch_size, memory_gb=memory_gb)
    positions = tf.data.Dataset.range(len(source.rows)).batch(batch_size)
    batch_bytes = _raw_bytes(source, batch_size)
    labelled = _labelled(clips, source, readers)
    return _batches(positions, labelled, readers, batch_bytes=batch_bytes)


def _batches(
    items: "tf.data.Dataset",
    make: "Callable[..., tuple[tf.Tensor, Any]]",
    readers: Readers,
    *,
    batch_bytes: int,
) -> "tf.data.Dataset":
    """Make features and targets of batches, in parallel and in order.

    As many batches are under way at a time as there are processors, fewer if they are large.
    TensorFlow's kernels stay in the thread of their batch, for the batches are parallel already.
    """
    import joblib
    import tensorflow as tf

    room = UNDER_WAY_BYTES // max(TEMPORARIES * batch_bytes, 1)
    workers = max(1, min(joblib.cpu_count(), room))

    def made(*item: "tf.Tensor") -> Any:
        features, targets = make(*item)
        return features if targets is None else (features, targets)

    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False  # it would take memory of its own choice
    options.threading.private_threadpool_size = workers
    options.threading.max_intra_op_parallelism = 1
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    batches = items.map(made, num_parallel_calls=workers, deterministic=True)
    return readers.held_by(batches.prefetch(PREFETCH).with_options(options))


def _positions(
    source: Source, *, batch_size: int, seed: "tf.Tensor"
) -> "Callable[[tf.Tensor], tf.data.Dataset]":
    """Return a function of an epoch to batches of positions in the source's rows."""
    if not source.groups:
        return _shuffled_positions(len(source.rows), batch_size=batch_size, seed=seed)
    if batch_size != sum(clips for _, clips in source.groups):
        raise ValueError(f"batches of {batch_size} clips of groups {source.groups}")
    return _grouped_positions(source.groups, seed=seed)


def _shuffled_positions(
    count: int, *, batch_size: int, seed: "tf.Tensor"
) -> "Callable[[tf.Tensor], tf.data.Dataset]":
    """Batches of all clips in an order of the epoch's own."""
    import tensorflow as tf

    def positions(epoch: "tf.Tensor") -> "tf.data.Dataset":
        order = tf.random.experimental.stateless_shuffle(
            tf.range(count, dtype=tf.int64), tf.random.fold_in(seed, epoch)
        )
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size)

    return positions


def _grouped_positions(
    groups: tuple[tuple[int, int], ...], *, seed: "tf.Tensor"
) -> "Callable[[tf.Tensor], tf.data.Dataset]":
    """Batches with so many clips of each group, one group after the other."""
    import tensorflow as tf

    count = min(rows // clips for rows, clips in groups)

    def positions(epoch: "tf.Tensor") -> "tf.data.Dataset":
        epoch_seed = tf.random.fold_in(seed, epoch)
        parts, first = [], 0
        for number, (rows, clips) in enumerate(groups):
            order = tf.random.experimental.stateless_shuffle(
                tf.range(first, first + rows, dtype=tf.int64), tf.random.fold_in(epoch_seed, number)
            )
            parts.append(tf.reshape(order[: count * clips], [count, clips]))
            first += rows
        return tf.data.Dataset.from_tensor_slices(tf.concat(parts, axis=1))

    return positions


def _step_numbers(count: int) -> "Callable[[tf.Tensor], tf.data.Dataset]":
    """Return a function of an epoch to its steps as int64 (2,): epoch and step, from 0."""
    import tensorflow as tf

    return lambda epoch: tf.data.Dataset.range(count).map(lambda step: tf.stack([epoch, step]))


def _drawn(
    source: Drawn, readers: Readers, *, batch_size: int, seed: int, memory_gb: float
) -> Labelled:
    """Return a function of epoch and step to that batch's clips and targets."""
    import tensorflow as tf

    kept, (clip, target) = source.held(memory_gb * GIGABYTE), source.shapes

    def batch_of(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        epoch, step = (int(number) for number in numbers)
        count = min(batch_size, kept.per_epoch - step * batch_size)
        return kept.batch(count, seed=seed, epoch=epoch, step=step)

    called = readers.passed(batch_of)

    def read(numbers: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
        # stateless: the same numbers are the same clips, so batches may be drawn in parallel
        batch, targets = tf.numpy_function(
            called, [numbers], (tf.float32, tf.float32), stateful=False
        )
        return tf.ensure_shape(batch, [None, *clip]), tf.ensure_shape(targets, [None, *target])

    return read


def _labelled(read: Read, source: Source, readers: Readers) -> Labelled:
    """Return a function of positions to clips and targets, None for a source without."""
    import tensorflow as tf

    if source.targets is None:
        return lambda positions: (read(positions), None)
    with tf.device("CPU:0"):
        targets = tf.nest.map_structure(tf.convert_to_tensor, source.targets)

    more = {name: _reader(array, source.rows, readers) for name, array in source.beside.items()}

    def labelled(positions: "tf.Tensor") -> tuple["tf.Tensor", Any]:
        chosen = tf.nest.map_structure(lambda values: tf.gather(values, positions), targets)
        if more:
            chosen |= {name: read_more(positions) for name, read_more in more.items()}
        return read(positions), chosen

    return labelled


def _prepared(
    source: Source,
    prepare: "Callable[[tf.Tensor], tf.Tensor] | None",
    readers: Readers,
    *,
    batch_size: int,
    memory_gb: float,
) -> Read:
    """Return a reader of prepared clips: from memory if the whole array's fit, else streamed."""
    import tensorflow as tf

    stream = _reader(source.array, source.rows, readers)

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
    return _reader(held, np.arange(len(held)), readers)


def _reader(array: np.ndarray, rows: np.ndarray, readers: Readers) -> Read:
    """Return a reader of rows of an array, which stays where it is: in memory or in its file.

    NumPy reads, since a tensor that a data set captures is copied as a whole by each iterator.
    """
    import tensorflow as tf

    shape, dtype = array.shape[1:], array.dtype

    def rows_at(positions: np.ndarray) -> np.ndarray:
        return np.asarray(array[rows[positions]])

    called = readers.passed(rows_at)

    def read(positions: "tf.Tensor") -> "tf.Tensor":
        # stateless: the same positions are the same clips, so batches may be read in parallel
        batch = tf.numpy_function(called, [positions], dtype, stateful=False)
        return tf.ensure_shape(batch, [None, *shape])

    return read


def _tensor_seeds(seed: int) -> "tuple[tf.Tensor, tf.Tensor]":
    """Two seeds, int32 (2,) each, of an integer of any size: for the order and to augment."""
    import tensorflow as tf

    order, augment = np.random.SeedSequence(seed).generate_state(4).view(np.int32).reshape(2, 2)
    return tf.constant(order), tf.constant(augment)


def _raw_bytes(source: Source | Drawn, batch_size: int) -> int:
    """Memory of what is read for a batch."""
    if isinstance(source, Source):
        return batch_size * _bytes(source.array.shape[1:], source.array.dtype)
    return batch_size * source.clip_bytes


def _bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Memory of an array of this shape."""
    return math.prod(shape) * np.dtype(dtype).itemsize
