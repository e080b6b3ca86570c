"""Mixup of features within groups of clips that are labelled alike, as the 2021 baseline does.

A batch of sound events is mixed as a whole or not at all. Strongly labelled clips are mixed with
one another, weakly labelled ones with one another, each group with one share c from
Beta(alpha, alpha): ``x = c x_i + (1 - c) x_j`` on linear features. The targets are mixed in the
same shares (soft), or hold what either clip holds (hard: ``min(y_i + y_j, 1)``). Unlabelled clips
are left alone.

Reference:
    Recipe of the baseline of DCASE 2021 task 4, after H. Zhang, M. Cisse, Y. N. Dauphin,
    D. Lopez-Paz: mixup: Beyond Empirical Risk Minimization, ICLR 2018.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from utils.augment.grid import EMBEDDINGS, Grid, Targets
from utils.augment.mixup import draw_shares
from utils.augment.partners import weighted_sum
from utils.augment.selection import choose
from utils.config.event_sections import GroupMixupSettings
from utils.targets import STRONG, WEAK

if TYPE_CHECKING:
    import tensorflow as tf


class GroupMixupParameters(NamedTuple):
    """What was drawn for a batch.

    Attributes:
        mixed: bool (), whether the batch is mixed.
        order: int32 (batch,), the clips' numbers shuffled, from which partners follow.
        shares: float32 (2,), share c of the strong and of the weak group.
    """

    mixed: "tf.Tensor"
    order: "tf.Tensor"
    shares: "tf.Tensor"


def from_settings(
    settings: GroupMixupSettings, grid: Grid
) -> "tuple[Callable[..., GroupMixupParameters], Callable[..., tuple[tf.Tensor, Targets]]]":
    """``draw`` and ``apply`` with the configured values; the same for each grid."""
    drawn = partial(draw, alpha=settings.alpha, probability=settings.probability)
    return drawn, partial(apply, labels=settings.labels)


def draw(
    seed: "tf.Tensor", batch_size: "tf.Tensor", *, alpha: float, probability: float
) -> GroupMixupParameters:
    """Draw whether a batch is mixed, who is whose partner, and a share for each group.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips.
        alpha: Near 0 the shares are near 0 and 1, at 1 they are uniform, above near 1/2.
        probability: Chance of the batch to be mixed.
    """
    import tensorflow as tf

    for_choice, for_order, for_share = tf.unstack(tf.random.split(seed, 3))
    return GroupMixupParameters(
        mixed=choose(for_choice, 1, probability=probability)[0],
        order=tf.random.experimental.stateless_shuffle(tf.range(batch_size), for_order),
        shares=draw_shares(for_share, 2, alpha=alpha),
    )


def partners(order: "tf.Tensor", kind: "tf.Tensor") -> "tf.Tensor":
    """Give each clip a partner of its own kind.

    Clips of one kind, in the order of the batch, get those of the same kind in the drawn order: a
    random permutation of each group, in which a clip may meet itself, as in the baseline.

    Args:
        order: int32 (batch,), the clips' numbers shuffled.
        kind: float32 (batch,), of the clips.

    Returns:
        int32 (batch,); the clip's own number if it is unlabelled or alone in its group.
    """
    import tensorflow as tf

    places = tf.argsort(kind, stable=True)
    shuffled = tf.gather(order, tf.argsort(tf.gather(kind, order), stable=True))
    partner = tf.scatter_nd(places[:, None], shuffled, tf.shape(order))
    return tf.where(kind >= WEAK, partner, tf.range(tf.size(order)))


def apply(
    features: "tf.Tensor",
    targets: Targets,
    parameters: GroupMixupParameters,
    *,
    labels: Literal["soft", "hard"],
) -> "tuple[tf.Tensor, Targets]":
    """Mix features, strong and weak targets of the two labelled groups.

    Args:
        features: float32 (batch, mels, frames), linear.
        targets: ``strong``, ``weak`` and ``kind``, with any number of clips of each kind.
        parameters: From ``draw``.
        labels: soft: ``c y_i + (1 - c) y_j``; hard: ``min(y_i + y_j, 1)``.

    Returns:
        Features and targets in the same shapes; the kinds are what they were.
    """
    import tensorflow as tf

    partner = partners(parameters.order, targets["kind"])
    with_another = tf.not_equal(partner, tf.range(tf.size(partner)))
    mixed = tf.logical_and(parameters.mixed, with_another)
    strong_share, weak_share = tf.unstack(parameters.shares)
    share = tf.where(tf.equal(targets["kind"], STRONG), strong_share, weak_share)
    own = tf.where(mixed, share, 1.0)

    def mix_labels(values: "tf.Tensor") -> "tf.Tensor":
        if labels == "soft":
            return weighted_sum(values, partner, own, 1.0 - own)
        both = weighted_sum(values, partner, tf.ones_like(own), tf.cast(mixed, own.dtype))
        return tf.minimum(both, 1.0)

    def mixed_inputs(values: "tf.Tensor") -> "tf.Tensor":
        return weighted_sum(values, partner, own, 1.0 - own)

    more = {EMBEDDINGS: mixed_inputs(targets[EMBEDDINGS])} if EMBEDDINGS in targets else {}
    return mixed_inputs(features), {
        **targets,
        **more,
        "strong": mix_labels(targets["strong"]),
        "weak": mix_labels(targets["weak"]),
    }
