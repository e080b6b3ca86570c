"""The waveform itself as representation: what is stored when augmentation works on samples."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Waveform:
    """Samples of a clip, unchanged.

    Attributes:
        sample_rate: hertz.
        n_samples: clip length in samples.
    """

    sample_rate: int
    n_samples: int

    @property
    def hop_length(self) -> int:
        """Samples from one step of the time axis to the next: 1."""
        return 1

    @property
    def shape(self) -> tuple[int]:
        """(samples,) of one clip."""
        return (self.n_samples,)

    @property
    def input_shape(self) -> tuple[int, int]:
        """(samples, 1): one clip with an axis of channels."""
        return self.n_samples, 1

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return the clip as float32 (samples,).

        Raises:
            ValueError: when the clip has another length.
        """
        if samples.shape != self.shape:
            raise ValueError(f"expected samples of shape {self.shape}, received {samples.shape}")
        return samples.astype(np.float32, copy=False)
