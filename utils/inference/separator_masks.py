"""Stems by masks on the spectrum of a mixture, from a network that gives their magnitudes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from utils.audio.streams import Passing, recut
from utils.config.separation_sections import SeparationSettings
from utils.features.heard import Magnitudes
from utils.inference.separator_windows import GRID, Network, Windows, several

EPS = 1e-10  # of Spleeter's masks: where nothing sounds, every stem has the same share


def ratio_masks(magnitudes: np.ndarray, *, exponent: float) -> np.ndarray:
    """Share of each stem in the mixture, ``(S_i^p + eps / N) / (sum_j S_j^p + eps)``, as Spleeter.

    R. Hennequin et al., Spleeter: a fast and efficient music source separation tool with
    pre-trained models, JOSS 5(50), 2020; ``separation_exponent`` is p.

    Args:
        magnitudes: S, float32 (stems, ...); the sign of a negative one is not heard.
        exponent: p; 1 for shares of magnitudes, 2 of power.

    Returns:
        float32 (stems, ...), over the stems 1 in sum; NaN where S^p is infinite in float32.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        power = np.abs(magnitudes)
        power = np.square(power) if exponent == 2 else power ** np.float32(exponent)
        total = power.sum(axis=0) + np.float32(EPS)
        power += np.float32(EPS / len(power))
        power /= total
    return power


@dataclass(frozen=True)
class MaskSeparator:
    """Separation by masks, block by block.

    The mixture is preceded and followed by zeros, so that each of its samples is covered by as many
    windows of the transform as one in the middle. The network hears windows of so many frames as it
    was built for. Where they overlap, their masks are joined (:class:`Windows`), not their sounds:
    masks of two windows mean the same thing at every moment, so no seam is heard.

    What a U-Net of six halvings says of a frame depends on the 208 frames at either side of it, as
    far as the window has them. Of windows of 1,024 frames that overlap by half, none is used that
    is less than 192 frames from an end, and the result is that of the network on the whole file at
    once (measured with random weights: differences 111 dB and more below the stems). In windows of
    512 frames what is missing is worth 35 to 54 dB below the stems with an overlap of a half, 47
    to 65 with three quarters, 98 and more from 0.8125 on.

    Attributes:
        network: gives magnitudes (batch, stems, frames, bins, channels).
        heard: what the network hears.
        stems: their number.
        settings: exponent, extension and overlap.
        batch: windows that the network is given at once.
    """

    network: Network
    heard: Magnitudes
    stems: int
    settings: SeparationSettings
    batch: int

    @property
    def windows(self) -> Windows:
        """Of frames."""
        return Windows.of(self.heard.frames, overlap=self.settings.overlap, grid=GRID)

    @property
    def lead(self) -> int:
        """Zeros before the mixture: what the second window of the transform repeats."""
        return self.heard.n_fft - self.heard.hop_length

    def __call__(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Separate a mixture.

        Args:
            blocks: float32 (n, channels) of any length.

        Yields:
            float32 (stems, n, channels), ``lead`` samples later than the mixture and longer; n is a
            multiple of the hop, whatever the blocks were.
        """
        spectra = Passing(self._spectra(blocks))
        masks = self.windows.join(self._masks(spectra))
        tail = np.zeros((self.stems, self.heard.channels, self.lead), np.float32)
        for block in masks:
            if frames := min(block.shape[1], spectra.waiting):
                with np.errstate(over="ignore", invalid="ignore"):
                    found = self._sounds(spectra.take(frames), block[:, :frames], tail)
                yield found

    def _spectra(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Complex spectra (frames, channels, bins) of the mixture between its zeros."""
        hop = self.heard.hop_length
        before = np.zeros((self.lead, self.heard.channels), np.float32)
        for block in recut(self._followed_by_zeros(blocks), self.windows.hop * hop):
            samples = np.concatenate([before, block])
            with np.errstate(over="ignore", invalid="ignore"):
                spectrum = self.heard.stft.forward(np.ascontiguousarray(samples.T))
            yield np.moveaxis(spectrum, 0, 1)
            before = samples[len(samples) - self.lead :]

    def _followed_by_zeros(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The mixture and so many zeros that the frames of its last sample are whole."""
        samples, hop = 0, self.heard.hop_length
        for block in blocks:
            samples += len(block)
            yield block
        if samples:
            frames = -(-(self.lead + samples) // hop)
            yield np.zeros((frames * hop - samples, self.heard.channels), np.float32)

    def _masks(self, spectra: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Masks (stems, frames, bins, channels) of each window."""
        bins = self.heard.bins
        heard = (np.moveaxis(np.abs(each[..., :bins]), 1, -1) for each in spectra)
        for batch in several(self.windows.cut(heard), self.batch):
            for magnitudes in self.network(batch):
                yield ratio_masks(magnitudes, exponent=self.settings.exponent)

    def _sounds(self, spectrum: np.ndarray, masks: np.ndarray, tail: np.ndarray) -> np.ndarray:
        """Stems (stems, samples, channels) of some frames.

        Args:
            spectrum: (frames, channels, bins).
            masks: (stems, frames, bins of the network, channels).
            tail: (stems, channels, lead), what the frames before these left; changed in place.
        """
        stft, new = self.heard.stft, len(spectrum) * self.heard.hop_length
        coverage = np.tile(stft.steady_coverage, len(spectrum))
        spectrum = np.moveaxis(spectrum, 1, 0)
        found = np.empty((len(masks), new, self.heard.channels), np.float32)
        for stem, mask in enumerate(masks):
            sound = stft.overlap_added(self._masked(spectrum, np.moveaxis(mask, -1, 0)))
            sound[:, : self.lead] += tail[stem]
            tail[stem] = sound[:, new:]
            found[stem] = (sound[:, :new] / coverage).T
        return found

    def _masked(self, spectrum: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Spectrum (channels, frames, bins) times a mask (channels, frames, bins of the network).

        Above them it is 0, or the mean of the mask in the frame.
        """
        masked = np.zeros_like(spectrum)
        bins = mask.shape[-1]
        np.multiply(spectrum[..., :bins], mask, out=masked[..., :bins])
        if self.settings.extension == "average":
            share = mask.mean(axis=-1, keepdims=True)
            np.multiply(spectrum[..., bins:], share, out=masked[..., bins:])
        return masked
