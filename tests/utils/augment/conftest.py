"""Batches of sound events, as features and targets."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

SoundEvents = Callable[..., tuple[np.ndarray, dict[str, np.ndarray]]]


@pytest.fixture
def sound_events(rng: np.random.Generator) -> SoundEvents:
    """Make features (clips, mels, frames) and targets of clips of given kinds; 3 classes."""

    def make(
        kinds: Sequence[float], *, mels: int = 12, frames: int = 42, frames_per_step: int = 4
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        kind = np.array(kinds, np.float32)
        features = rng.uniform(0.1, 1, (len(kind), mels, frames)).astype(np.float32)
        strong = (rng.random((len(kind), frames // frames_per_step, 3)) < 0.2).astype(np.float32)
        strong[kind < 2] = 0
        weak = strong.max(axis=1)
        weak[kind == 1] = rng.integers(0, 2, (int((kind == 1).sum()), 3))
        return features, {"strong": strong, "weak": weak, "kind": kind}

    return make
