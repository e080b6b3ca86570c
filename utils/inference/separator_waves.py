"""Sources of a waveform of any length, from a network that separates segments of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from utils.audio.streams import recut
from utils.features.heard import Waveforms
from utils.inference.separator_windows import Network, Windows, several
from utils.metrics.separation import assign

TRUST = 0.01
"""Weight of the network's own levels beside the mixture when levels are found, a share of energy.
It decides where the mixture does not: between estimates that are nearly the same."""

LOUDEST = 2.0
"""Most that a source may be of the mixture, as RMS in a segment."""


@dataclass(frozen=True)
class WaveSeparator:
    """Separation of waveforms, segment by segment.

    A network that was trained without regard to order, level and sign of the sources (SVoice)
    chooses them anew in each segment. The levels, and the signs, are those at which the sources
    together come nearest to the mixture (:func:`levelled`), so there is no drift from segment to
    segment. The order is the one nearest to the segment before where the two overlap; where both
    are silent there nothing tells, and the sources may change places. Then segments are joined as
    :class:`Windows` does. Without an overlap the network's order is kept.

    Attributes:
        network: gives sources (batch, sources, samples).
        heard: what it hears.
        overlap: share of a segment that the next repeats.
        batch: segments that the network is given at once.
    """

    network: Network
    heard: Waveforms
    overlap: float
    batch: int

    @property
    def windows(self) -> Windows:
        """Of samples."""
        return Windows.of(self.heard.n_samples, overlap=self.overlap)

    def __call__(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Separate a mixture.

        Args:
            blocks: float32 (n, 1) of any length.

        Yields:
            float32 (sources, n, 1), together longer than the mixture; n is the same whatever the
            blocks were.
        """
        for sources in self.windows.join(self._in_order(blocks)):
            yield sources[..., np.newaxis]

    def _in_order(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Sources (sources, samples) of each segment, levelled, in the order of the first."""
        windows = self.windows
        before: np.ndarray | None = None
        for sources in self.segments(windows.cut(recut(blocks, windows.hop))):
            if before is not None and windows.overlap:
                sources = sources[_nearest(sources[:, : windows.overlap], before)]
            before = sources[:, windows.hop :]
            yield sources

    def segments(self, segments: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Sources (sources, samples) of each segment (samples, 1), levelled, in any order."""
        for batch in several(segments, self.batch):
            for segment, found in zip(batch, self.network(batch), strict=True):
                yield levelled(found, segment[:, 0])


def levelled(sources: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Sources at the levels at which they add up to the mixture.

    The gains are the least-squares solution of ``mixture = sum_i gain_i * source_i``, held to the
    common gain that suits all sources best with the weight ``TRUST``. For that a source that is
    opposed to the mixture is turned over: its sign tells nothing, and estimates that are nearly
    opposite would need a huge common gain. Sources that are right but for their levels and signs,
    and have nothing in common, are right afterwards. Of levels that are right nothing changes, but
    for those of sources opposed to the mixture, by ``2 * TRUST`` or so.

    Sources that still nearly cancel each other are mostly what the mixture does not hold. All gains
    are lowered then, until none is louder than ``LOUDEST``, and the sources add up to less.

    Args:
        sources: float32 (sources, samples), at any level and of any sign.
        mixture: float32 (samples,).

    Returns:
        float32 (sources, samples), silent where the mixture is; as they were where they are not
        finite.
    """
    exact = sources.astype(np.float64)
    sizes = np.sqrt(np.sum(np.square(exact), axis=1))
    if not np.isfinite(sizes).all():
        return sources
    mixture = mixture.astype(np.float64)
    unit = exact / np.where(sizes > 0, sizes, 1.0)[:, np.newaxis]
    unit *= np.where(unit @ mixture < 0, -1.0, 1.0)[:, np.newaxis]
    total = sizes @ unit
    energy = total @ total
    common = (total @ mixture) / energy if energy > 0 else 0.0
    wanted = unit @ mixture + TRUST * common * sizes
    levels = np.linalg.solve(unit @ unit.T + TRUST * np.eye(len(unit)), wanted)
    loudest, most = np.abs(levels).max(), LOUDEST * np.linalg.norm(mixture)
    if loudest > most:
        levels *= most / loudest
    return (levels[:, np.newaxis] * unit).astype(np.float32)


def _nearest(sources: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Order of the sources (sources, samples) in which they are nearest to those before.

    The sum of products is largest where the sum of squared distances is least.
    """
    scores = sources.astype(np.float64) @ before.T.astype(np.float64)
    return assign(scores) if np.isfinite(scores).all() else np.arange(len(sources))
