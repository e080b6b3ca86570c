"""Pairs of clips of a batch, and weighted sums of them: what all mixing steps share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from utils.augment.selection import choose

if TYPE_CHECKING:
    import tensorflow as tf


class MixingParameters(NamedTuple):
    """What was drawn for each clip of a batch.

    Attributes:
        partner: int32 (batch,), number of the clip that is mixed in.
        share: float32 (batch,), the clip's own share of the target; 1 where it is not mixed.
    """

    partner: "tf.Tensor"
    share: "tf.Tensor"


def draw_mixing(
    seed: "tf.Tensor",
    batch_size: "tf.Tensor",
    draw_shares: "Callable[[tf.Tensor, tf.Tensor], tf.Tensor]",
    *,
    probability: float,
) -> MixingParameters:
    """Draw which clips are mixed, with which partners, in which shares.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips; one clip alone has no partner and is never mixed.
        draw_shares: Takes a seed and a number of clips, gives float32 (clips,) in [0, 1].
        probability: Chance of each clip to be mixed. One that is not may still be a partner.
    """
    import tensorflow as tf

    for_choice, for_partner, for_share = tf.unstack(tf.random.split(seed, 3))
    chosen = choose(for_choice, batch_size, probability=probability)
    mixed = tf.logical_and(chosen, batch_size > 1)
    return MixingParameters(
        partner=draw_partners(for_partner, batch_size),
        share=tf.where(mixed, draw_shares(for_share, batch_size), 1.0),
    )


def draw_partners(seed: "tf.Tensor", batch_size: "tf.Tensor") -> "tf.Tensor":
    """Draw a partner for each clip, so that each clip is a partner once and none its own.

    The clips are shuffled into a ring, in which the next one is the partner.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips; with one clip it is its own partner.

    Returns:
        int32 (batch,).
    """
    import tensorflow as tf

    ring = tf.random.experimental.stateless_shuffle(tf.range(batch_size), seed)
    return tf.scatter_nd(ring[:, None], tf.roll(ring, -1, axis=0), [batch_size])


def weighted_sum(
    values: "tf.Tensor", partner: "tf.Tensor", own: "tf.Tensor", other: "tf.Tensor"
) -> "tf.Tensor":
    """``own_i values_i + other_i values_partner(i)``.

    Args:
        values: Floating (batch, ...).
        partner: int32 (batch,).
        own: float32 (batch,), weights of the clips.
        other: float32 (batch,), weights of their partners.

    Returns:
        As ``values``.
    """
    import tensorflow as tf

    shape = [-1] + [1] * (len(values.shape) - 1)
    own, other = (tf.cast(tf.reshape(w, shape), values.dtype) for w in (own, other))
    return tf.ensure_shape(own * values + other * tf.gather(values, partner), values.shape)


def mix_targets(targets: Any, parameters: MixingParameters) -> Any:
    """Mix targets by the shares: ``y = r y_i + (1 - r) y_j``.

    Args:
        targets: Tensor or nested structure of tensors (batch, ...), one-hot or shares; each of
            them is mixed in the same shares.
        parameters: What was drawn for the clips.

    Returns:
        The same structure.

    Raises:
        ValueError: Without targets, or with whole numbers, which have no shares.
    """
    import tensorflow as tf

    if targets is None:
        raise ValueError("clips are mixed with their targets, and these clips have none")
    for values in tf.nest.flatten(targets):
        if not values.dtype.is_floating:
            raise ValueError(f"targets of type {values.dtype.name} cannot be mixed, only shares")
    return tf.nest.map_structure(
        lambda values: weighted_sum(
            values, parameters.partner, parameters.share, 1.0 - parameters.share
        ),
        targets,
    )
