"""Normalisation of features: by rows of the training clips, by rows or the whole of each clip."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from utils.features.logmel import AMPLITUDE_FLOOR

_BLOCK_BYTES = 32 * 2**20  # of float64 features held in memory at a time
_RESOLUTION = float(np.finfo(np.float32).eps)
_NO_SPAN = 1e-8  # decibels added to the range of a clip, which may be 0
_STILL = 1e-5  # what varies by less beside its values would have its rounding normalised

IMAGE_MAXIMUM = 255
"""Largest value of :class:`ClipImage`."""

DECIBEL_LIMITS = (-50.0, 80.0)
"""Lowest and highest level that :class:`ClipDecibel` tells from others."""


@dataclass(frozen=True, eq=False)
class Normaliser:
    """Normalise every row, of each channel: ``(x - mean) / std``.

    The statistics have the axes of the features but for clips and frames, so they say themselves
    how they lie: (rows,) for features (..., rows, frames), (rows, channels) for features
    (..., rows, frames, channels).

    Attributes:
        mean: float32 (rows,) or (rows, channels).
        std: the same shape, positive.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, array: np.ndarray, rows: Sequence[int] | np.ndarray) -> "Normaliser":
        """Compute the statistics over all frames of some clips, in float64 and bounded memory.

        Blocks of clips are joined by the update of Chan, Golub and LeVeque (1979), which stays
        exact where a sum of squares would cancel. The standard deviation is the sample's (n - 1).
        Where it is no larger than float32 can tell beside the mean (a constant row), or where
        there is one frame only, it is 1, so that such a row becomes 0.

        Args:
            array: (clips, rows, frames) or (clips, rows, frames, channels), may be a memory map.
            rows: clips to use.

        Raises:
            ValueError: without rows, or for an array of other dimensions.
        """
        if array.ndim not in (3, 4) or len(rows) == 0:
            raise ValueError(
                "expected rows of an array (clips, rows, frames) or (clips, rows, frames, "
                f"channels), received {len(rows)} rows of an array of shape {array.shape}"
            )
        order = np.sort(np.asarray(rows, dtype=np.int64))
        step = max(1, _BLOCK_BYTES // (8 * array[0].size))
        kept = array.shape[1:2] + array.shape[3:]
        count, mean, squares = 0, np.zeros(kept), np.zeros(kept)
        for first in range(0, len(order), step):
            block = array[order[first : first + step]].astype(np.float64)
            added = block.shape[0] * block.shape[2]
            block_mean = block.mean(axis=(0, 2))
            block -= block_mean[:, None]
            shift = block_mean - mean
            squares += np.einsum("crf...,crf...->r...", block, block)
            squares += shift**2 * (count * added / (count + added))
            mean += shift * (added / (count + added))
            count += added
        std = np.sqrt(squares / max(1, count - 1))
        std[std <= _RESOLUTION * np.maximum(np.abs(mean), 1.0)] = 1.0
        return cls(mean.astype(np.float32), std.astype(np.float32))

    def __call__(self, features: Any) -> Any:
        """Normalise features: a NumPy array or a TensorFlow tensor, as comes back.

        Args:
            features: (..., rows, frames) for statistics of rows, (..., rows, frames, channels) for
                statistics of rows and channels.
        """
        return (features - self.mean[:, None]) / self.std[:, None]

    def as_dict(self) -> dict[str, list[Any]]:
        """Return plain data that JSON holds without loss."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Normaliser":
        """Return the normaliser of :meth:`as_dict`.

        Raises:
            ValueError: when the content is something else.
        """
        try:
            mean = np.asarray(content["mean"], dtype=np.float32)
            std = np.asarray(content["std"], dtype=np.float32)
        except (KeyError, TypeError) as error:
            raise ValueError(f"a normaliser has lists mean and std ({error!r})") from error
        if mean.ndim not in (1, 2) or mean.shape != std.shape or not np.all(std > 0):
            raise ValueError("a normaliser has as many means as positive stds")
        return cls(mean, std)


@dataclass(frozen=True)
class ClipNormaliser:
    """Normalise every row of every clip, of each channel, by its own mean and standard deviation.

    Both are over the clip's frames, the deviation is the population's (n), as
    ``scipy.stats.zscore`` and ``sklearn.preprocessing.StandardScaler`` have it. A row that stands
    still becomes 0: one whose deviation is at most 1e-5 of its values (or of 1, if they are
    smaller). It is the floor of the logarithm, as above half the rate of a recording that was
    resampled; to normalise it would blow up the rounding of float32 to features.
    """

    def __call__(self, features: Any) -> Any:
        """Normalise features: a NumPy array or a TensorFlow tensor, as comes back.

        Everything is measured from the row's first frame, so that a mean far from 0 costs no
        digits.

        Args:
            features: float32 (clips, rows, frames) or (clips, rows, frames, channels). The axis of
                clips is needed: it tells which one the frames are.

        Raises:
            ValueError: for an array of other dimensions.
        """
        _check_axes(features)
        first = features[:, :, :1]
        above = features - first
        if isinstance(features, np.ndarray):
            above -= above.mean(axis=2, keepdims=True)
            std = np.sqrt(np.square(above).mean(axis=2, keepdims=True))
            still = std <= _STILL * np.maximum(np.abs(first), 1.0)
            return above * np.where(still, np.float32(0), 1 / np.where(still, np.float32(1), std))
        import tensorflow as tf

        above -= tf.reduce_mean(above, axis=2, keepdims=True)
        std = tf.sqrt(tf.reduce_mean(tf.square(above), axis=2, keepdims=True))
        still = std <= _STILL * tf.maximum(tf.abs(first), 1.0)
        return tf.where(still, tf.zeros_like(above), tf.math.divide_no_nan(above, std))


@dataclass(frozen=True)
class ClipImage:
    """Stretch every clip as a whole to 0 to 255, the values of an 8-bit image, not rounded.

    ``(x - min) / (max - min) * 255`` over rows, frames and channels together. To standardise the
    clip before, as published for urban sounds, gives the same: of ``(x - mean) / std`` the mean
    cancels in both differences and the deviation in their quotient, so neither is computed here.

    A clip that stands still becomes 0: one whose range is at most 1e-5 of its values (or of 1, if
    they are smaller), which would have its rounding stretched.
    """

    def __call__(self, features: Any) -> Any:
        """Stretch features: a NumPy array or a TensorFlow tensor, as comes back.

        Args:
            features: float32 (clips, rows, frames) or (clips, rows, frames, channels). The axis of
                clips is needed: it tells what a clip is.

        Raises:
            ValueError: for an array of other dimensions.
        """
        _check_axes(features)
        axes = tuple(range(1, len(features.shape)))
        if isinstance(features, np.ndarray):
            low = features.min(axis=axes, keepdims=True)
            span = features.max(axis=axes, keepdims=True) - low
            still = span <= _STILL * np.maximum(np.abs(low), 1.0)
            image = features - low
            image /= np.where(still, np.float32(1), span)  # first, so that the maximum is 255
            image *= np.where(still, np.float32(0), np.float32(IMAGE_MAXIMUM))
            return image
        import tensorflow as tf

        low = tf.reduce_min(features, axis=axes, keepdims=True)
        span = tf.reduce_max(features, axis=axes, keepdims=True) - low
        still = span <= _STILL * tf.maximum(tf.abs(low), 1.0)
        image = (features - low) / tf.where(still, tf.ones_like(span), span)
        return image * tf.where(still, tf.zeros_like(span), np.float32(IMAGE_MAXIMUM))


@dataclass(frozen=True)
class ClipDecibel:
    """Linear mel magnitudes to decibels, which every clip as a whole then spreads over -1 to 1.

    The levels ``20 log10(max(x, 1e-5))`` are kept within -50 to 80 dB, then
    ``(x - min) / (max - min + 1e-8) * 2 - 1`` over rows, frames and channels together: what the
    baseline of DCASE 2021 task 4 does after its augmentation. A clip whose levels are all the same,
    silence for example, becomes -1; levels below -50 dB are the same, so that the rounding of
    near-silence is not spread.
    """

    def __call__(self, features: Any) -> Any:
        """Convert features: a NumPy array or a TensorFlow tensor, as comes back.

        Args:
            features: linear magnitudes, float (clips, rows, frames) or (clips, rows, frames,
                channels). The axis of clips is needed: it tells what a clip is.

        Raises:
            ValueError: for an array of other dimensions.
        """
        _check_axes(features)
        axes = tuple(range(1, len(features.shape)))
        if isinstance(features, np.ndarray):
            levels = np.maximum(features, AMPLITUDE_FLOOR)
            np.log10(levels, out=levels)
            levels *= 20
            np.clip(levels, *DECIBEL_LIMITS, out=levels)
            low = levels.min(axis=axes, keepdims=True)
            span = levels.max(axis=axes, keepdims=True) - low
            levels -= low
            levels /= span + _NO_SPAN
            levels *= 2  # after the quotient, so that the maximum is 1
            levels -= 1
            return levels
        import tensorflow as tf

        levels = tf.math.log(tf.maximum(features, AMPLITUDE_FLOOR)) * (20 / math.log(10))
        levels = tf.clip_by_value(levels, *DECIBEL_LIMITS)
        low = tf.reduce_min(levels, axis=axes, keepdims=True)
        span = tf.reduce_max(levels, axis=axes, keepdims=True) - low
        return (levels - low) / (span + _NO_SPAN) * 2 - 1


AnyNormaliser = Normaliser | ClipNormaliser | ClipImage | ClipDecibel
"""What features are normalised by: statistics of the training clips, or of each clip."""

_OF_CLIPS: Mapping[str, Callable[[], AnyNormaliser]] = {
    "clip_mean_std": ClipNormaliser,
    "clip_image": ClipImage,
    "clip_decibel": ClipDecibel,
}


def normaliser_of(
    method: Literal["mean_std", "clip_mean_std", "clip_image", "clip_decibel", "none"],
    content: Mapping[str, Any] | None,
) -> AnyNormaliser | None:
    """Return the normaliser of a set's settings.

    Args:
        method: ``features.normalise.method`` of the settings.
        content: :meth:`Normaliser.as_dict` for ``mean_std``, None for the others.

    Raises:
        ValueError: when the content is not what the method needs.
    """
    if (method == "mean_std") != (content is not None):
        raise ValueError(
            f"features.normalise.method {method} comes "
            + ("without its statistics" if content is None else "with statistics it has no use for")
        )
    if content is not None:
        return Normaliser.from_dict(content)
    return _OF_CLIPS[method]() if method in _OF_CLIPS else None


def _check_axes(features: Any) -> None:
    """Refuse features without an axis of clips."""
    rank = len(features.shape)
    if rank not in (3, 4):
        raise ValueError(
            "expected features (clips, rows, frames) or (clips, rows, frames, channels), "
            f"received {rank} axes"
        )
