"""Which clips of a batch are augmented, and one function run on those clips alone."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def choose(seed: "tf.Tensor", batch_size: "tf.Tensor", *, probability: float) -> "tf.Tensor":
    """Draw for each clip whether it is augmented.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips.
        probability: Chance of each clip, 0 (none) to 1 (all).

    Returns:
        bool (batch,).
    """
    import tensorflow as tf

    return tf.random.stateless_uniform([batch_size], seed) < probability


def apply_to_chosen(
    apply: "Callable[..., tf.Tensor]",
    batch: "tf.Tensor",
    chosen: "tf.Tensor",
    parameters: "Sequence[tf.Tensor]",
) -> "tf.Tensor":
    """Run ``apply`` on each chosen clip; the others pass unchanged and cost nothing.

    Clips go one after the other: each may have a size of its own inside ``apply``, memory stays
    that of one clip, and several batches run side by side in the pipeline anyway.

    Args:
        apply: Takes (clip (samples,), one value of each of ``parameters``), returns the clip in
            the same shape and type.
        batch: float32 (batch, samples).
        chosen: bool (batch,).
        parameters: Tensors whose first axis is the batch.

    Returns:
        float32 (batch, samples).
    """
    import tensorflow as tf

    def one(items: "tuple[tf.Tensor, ...]") -> "tf.Tensor":
        clip, wanted, *values = items
        return tf.cond(
            wanted, lambda: tf.ensure_shape(apply(clip, *values), clip.shape), lambda: clip
        )

    augmented = tf.map_fn(
        one,
        (batch, chosen, *parameters),
        fn_output_signature=tf.TensorSpec(batch.shape[1:], batch.dtype),
        parallel_iterations=1,
    )
    return tf.ensure_shape(augmented, batch.shape)
