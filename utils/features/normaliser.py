"""Mean and standard deviation of each mel band, and the normalisation by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_BLOCK_BYTES = 32 * 2**20  # of float64 features held in memory at a time
_RESOLUTION = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, eq=False)
class Normaliser:
    """Normalise every mel band: ``(x - mean) / std``.

    Attributes:
        mean: float32 (mels,).
        std: float32 (mels,), positive.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, array: np.ndarray, rows: Sequence[int] | np.ndarray) -> "Normaliser":
        """Compute the statistics over all frames of some clips, in float64 and bounded memory.

        Blocks of clips are joined by the update of Chan, Golub and LeVeque (1979), which stays
        exact where a sum of squares would cancel. The standard deviation is the sample's (n - 1).
        Where it is no larger than float32 can tell beside the mean (a constant band), or where
        there is one frame only, it is 1, so that such a band becomes 0.

        Args:
            array: (clips, mels, frames), may be a memory map.
            rows: clips to use.

        Raises:
            ValueError: without rows, or for an array of other dimensions.
        """
        if array.ndim != 3 or len(rows) == 0:
            raise ValueError(
                f"expected rows of an array (clips, mels, frames), received {len(rows)} rows of an "
                f"array of shape {array.shape}"
            )
        order = np.sort(np.asarray(rows, dtype=np.int64))
        step = max(1, _BLOCK_BYTES // (8 * array[0].size))
        count, mean, squares = 0, np.zeros(array.shape[1]), np.zeros(array.shape[1])
        for first in range(0, len(order), step):
            block = array[order[first : first + step]].astype(np.float64)
            added = block.shape[0] * block.shape[2]
            block_mean = block.mean(axis=(0, 2))
            block -= block_mean[:, None]
            shift = block_mean - mean
            squares += np.einsum("cmf,cmf->m", block, block)
            squares += shift**2 * (count * added / (count + added))
            mean += shift * (added / (count + added))
            count += added
        std = np.sqrt(squares / max(1, count - 1))
        std[std <= _RESOLUTION * np.maximum(np.abs(mean), 1.0)] = 1.0
        return cls(mean.astype(np.float32), std.astype(np.float32))

    def __call__(self, features: Any) -> Any:
        """Normalise (..., mels, frames): a NumPy array or a TensorFlow tensor, as comes back."""
        return (features - self.mean[:, None]) / self.std[:, None]

    def as_dict(self) -> dict[str, list[float]]:
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
        if mean.ndim != 1 or mean.shape != std.shape or not np.all(std > 0):
            raise ValueError("a normaliser has as many means as positive stds")
        return cls(mean, std)
