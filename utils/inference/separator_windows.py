"""Windows of one length over a signal of any length, and what networks say of them put together."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import gcd

import numpy as np

GRID = 64
"""Windows of frames begin at multiples of this where their length is one. A U-Net halves its input
six times: moved by another number of frames it says something else of each."""

Network = Callable[[np.ndarray], np.ndarray]
"""Windows as a network hears them, (batch, length, ...), to stems (batch, stems, length, ...)."""


@dataclass(frozen=True)
class Windows:
    """Windows that overlap, and how their results are joined.

    What a network says near the ends of a window it says without having heard what lies beyond. So
    of each overlap three eighths at either end are not used (``margin``), and over the quarter in
    the middle (``ramp``) the results of one window give way to those of the next. The first window
    counts from its first step, the last to its last.

    Attributes:
        length: steps of a window: frames or samples.
        hop: steps from the start of a window to that of the next, at most ``length``.
    """

    length: int
    hop: int

    @classmethod
    def of(cls, length: int, *, overlap: float, grid: int = 1) -> "Windows":
        """Windows of which the next repeats a share of the one before.

        Args:
            length: steps of a window.
            overlap: the share, from 0 to less than 1.
            grid: windows begin at multiples of this, or of the largest divisor that it has in
                common with the length, or of half of that where else none would overlap.
        """
        step = gcd(length, grid)
        wanted = round(length * (1 - overlap))
        if step == length and overlap and length % 2 == 0:
            step //= 2
        return cls(length, max(step, wanted // step * step))

    @property
    def overlap(self) -> int:
        """Steps that a window has in common with the next."""
        return self.length - self.hop

    @property
    def margin(self) -> int:
        """Steps at either end of a window that are not used."""
        return max(3 * self.overlap // 8, -(-(self.overlap - self.hop) // 2), 0)

    @property
    def ramp(self) -> int:
        """Steps over which a window gives way to the next."""
        return self.overlap - 2 * self.margin

    def cut(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Cut a signal.

        Args:
            blocks: (steps, ...) of any length.

        Yields:
            (length, ...) each; zeros follow the last step. None of no steps.
        """
        held: np.ndarray | None = None
        known = 0  # steps of those held that are in an earlier window
        for block in blocks:
            held = block if held is None else np.concatenate([held, block])
            while len(held) >= self.length:
                yield held[: self.length]
                held, known = held[self.hop :], self.overlap
        if held is not None and len(held) > known:
            behind = [(0, self.length - len(held))] + [(0, 0)] * (held.ndim - 1)
            yield np.pad(held, behind)

    def join(self, results: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Put results of all windows together.

        Args:
            results: (stems, length, ...) each.

        Yields:
            (stems, steps, ...); together as many steps as the windows cover.
        """
        before: np.ndarray | None = None
        settled = self.margin + self.hop  # step of a window up to which the next has no say
        for result in results:
            if before is None:
                yield result[:, :settled]
            else:
                found = result[:, self.margin : settled].copy()
                rising = self._rising(result.ndim)
                found[:, : self.ramp] *= rising
                found[:, : self.ramp] += before[:, settled : settled + self.ramp] * (1 - rising)
                yield found
            before = result
        if before is not None and settled < self.length:
            yield before[:, settled:]

    def _rising(self, axes: int) -> np.ndarray:
        """Weights of the later window over the ramp, float32 (ramp, 1, ...)."""
        weights = np.arange(1, self.ramp + 1, dtype=np.float32) / np.float32(self.ramp + 1)
        return weights.reshape(-1, *[1] * (axes - 2))


def several(windows: Iterable[np.ndarray], number: int) -> Iterator[np.ndarray]:
    """Windows (...) as batches (number, ...); the last may be smaller."""
    windows = iter(windows)
    while together := list(islice(windows, number)):
        yield np.stack(together)
