"""What all representations of a clip have in common."""

from typing import Any, ClassVar, Protocol

import numpy as np


class Representation(Protocol):
    """What features are: a frozen dataclass of parameters that is called with a clip's samples.

    Its fields are all that determines the features, so they are its key in the store.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def sample_rate(self) -> int:
        """Hertz."""

    @property
    def n_samples(self) -> int:
        """Length of the clip it takes."""

    @property
    def hop_length(self) -> int:
        """Samples from one step of the time axis to the next."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what it returns: (rows, frames), (rows, frames, channels) or (samples,)."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The same with an axis of channels: what a network takes for one clip."""

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Compute float32 features of samples (n_samples,)."""
