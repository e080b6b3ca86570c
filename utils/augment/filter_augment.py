"""FilterAugment: a random gain for each of some frequency bands, on linear mel features.

Rooms, bodies and microphones colour a sound; a random filter of a few bands stands for all of
them. In the step type a gain holds for a band; in the linear type gains are drawn for the borders
of the bands and run linearly, in decibels, from one to the next. Targets stay as they are.

Each clip has bands and gains of its own.

Reference:
    H. Nam, S.-H. Kim, Y.-H. Park: FilterAugment: An Acoustic Environmental Data Augmentation
    Method, ICASSP 2022 (arXiv 2110.03282).
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from utils.augment.grid import Grid, Targets
from utils.augment.selection import choose
from utils.config.event_sections import FilterAugmentSettings
from utils.errors import ConfigError

if TYPE_CHECKING:
    import tensorflow as tf


class FilterParameters(NamedTuple):
    """What was drawn for each clip of a batch.

    Attributes:
        chosen: bool (batch,), whether the clip is filtered.
        borders: int32 (batch, max_bands + 1), first mel of each band: 0, then rising, then the
            number of mels, which is repeated where a clip has fewer bands.
        gains_db: float32 (batch, max_bands + 1), gain at each border (linear), or of the band that
            begins there (step).
    """

    chosen: "tf.Tensor"
    borders: "tf.Tensor"
    gains_db: "tf.Tensor"


def from_settings(
    settings: FilterAugmentSettings, grid: Grid
) -> "tuple[Callable[..., FilterParameters], Callable[..., tuple[tf.Tensor, Targets]]]":
    """``draw`` for features of so many mels and ``apply``, with the configured values.

    Raises:
        ConfigError: If the bands do not fit into the mels.
    """
    needed = settings.max_bands * settings.min_bandwidth
    if needed > grid.mels:
        raise ConfigError(
            f"FilterAugment: {settings.max_bands} bands (max_bands) of {settings.min_bandwidth} "
            f"mels or more (min_bandwidth) need {needed} mels, but the features have {grid.mels}; "
            "lower one of the two."
        )
    values = settings.model_dump(exclude={"kind"})
    return partial(draw, mels=grid.mels, **values), partial(apply, kind=settings.kind)


def draw(
    seed: "tf.Tensor",
    batch_size: "tf.Tensor",
    *,
    mels: int,
    min_db: float,
    max_db: float,
    min_bands: int,
    max_bands: int,
    min_bandwidth: int,
    probability: float,
) -> FilterParameters:
    """Draw a number of bands, their borders and their gains for each clip.

    The number is uniform. Of the mels that n bands of the smallest width leave free, n - 1 places
    are drawn, each uniform, and sorted; the k-th border lies k smallest widths behind the k-th of
    them, so that no band is too narrow. Gains are uniform in decibels.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips.
        mels: Rows of the features, at least ``max_bands * min_bandwidth``.
        min_db: Lowest gain.
        max_db: Highest gain.
        min_bands: Fewest bands.
        max_bands: Most bands, itself included.
        min_bandwidth: Narrowest band, in mels.
        probability: Chance of each clip to be filtered.
    """
    import tensorflow as tf

    for_choice, for_number, for_border, for_gain = tf.unstack(tf.random.split(seed, 4))
    number = tf.random.stateless_uniform(
        [batch_size, 1], for_number, min_bands, max_bands + 1, dtype=tf.int32
    )
    free = mels - number * min_bandwidth
    place = tf.random.stateless_uniform([batch_size, max_bands - 1], for_border)
    place = tf.cast(place * tf.cast(free + 1, tf.float32), tf.int32)  # 0 to free
    border = tf.range(1, max_bands)
    place = tf.sort(tf.where(border < number, place, mels), axis=1)  # those beyond n come last
    inner = tf.minimum(place + border * min_bandwidth, mels)
    return FilterParameters(
        chosen=choose(for_choice, batch_size, probability=probability),
        borders=tf.pad(tf.pad(inner, [[0, 0], [1, 0]]), [[0, 0], [0, 1]], constant_values=mels),
        gains_db=tf.random.stateless_uniform([batch_size, max_bands + 1], for_gain, min_db, max_db),
    )


def gains(parameters: FilterParameters, mels: "tf.Tensor", *, kind: str) -> "tf.Tensor":
    """Gain of each mel of each clip.

    Args:
        parameters: From ``draw``.
        mels: Rows of the features.
        kind: step or linear. A mel stands at its middle, half a mel behind its lower edge.

    Returns:
        Decibels, float32 (batch, mels).
    """
    import tensorflow as tf

    mel = tf.range(mels)
    borders, gains_db = parameters.borders, parameters.gains_db
    passed = borders[:, None, 1:-1] <= mel[:, None]
    band = tf.reduce_sum(tf.cast(passed, tf.int32), axis=2)
    lower = tf.gather(gains_db, band, batch_dims=1)
    if kind == "step":
        return lower
    upper = tf.gather(gains_db, band + 1, batch_dims=1)
    first, end = (
        tf.cast(tf.gather(borders, number, batch_dims=1), tf.float32) for number in (band, band + 1)
    )
    way = (tf.cast(mel, tf.float32) + 0.5 - first) / (end - first)
    return lower + way * (upper - lower)


def apply(
    features: "tf.Tensor",
    targets: Targets,
    parameters: FilterParameters,
    *,
    kind: Literal["step", "linear"],
) -> "tuple[tf.Tensor, Targets]":
    """Multiply the mels of the chosen clips by ``10^(dB / 20)``.

    Args:
        features: float32 (batch, mels, frames), linear magnitudes.
        targets: Any; returned as they are.
        parameters: From ``draw``.
        kind: step or linear.

    Returns:
        Features in the same shape, and the targets.
    """
    import tensorflow as tf

    factor = tf.pow(10.0, gains(parameters, tf.shape(features)[1], kind=kind) / 20.0)
    factor = tf.where(parameters.chosen[:, None], factor, 1.0)
    return features * factor[:, :, None], targets
