"""A trained network that separates as a function of sound of any length."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from models.separation_losses import shapes_fit
from utils.audio import as_channels
from utils.audio.streams import Passing
from utils.errors import ConfigError, UserError
from utils.features.heard import Heard, Magnitudes, Waveforms, heard_in_use
from utils.inference.metadata import checked_section, required
from utils.inference.predictor import MemoryPredictor, Predictor
from utils.inference.separator_masks import MaskSeparator
from utils.inference.separator_waves import WaveSeparator

if TYPE_CHECKING:
    from utils.config.separation_sections import SeparationSettings

Separate = Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]
MOST_WINDOWS = 4  # that a Keras network is given at once
BATCH_BYTES = 2**24
"""Of the inputs and outputs of a batch; within networks it takes some ten times as much. Larger
batches are not quicker on CPUs: Spleeter's windows, 12 MiB each, go one by one."""


@dataclass(frozen=True)
class Separator:
    """A model as a function of samples: a mixture in, what it is made of out.

    Sound of any length is separated in windows that overlap, in memory that does not grow with it.
    How masks or waveforms of windows are put together, :class:`MaskSeparator` and
    :class:`WaveSeparator` say. A call and a stream are the same computation, equal bit for bit
    however the stream is cut.

    Attributes:
        predictor: the model.
        classes: names of what is separated, in order.
        heard: what the network hears; its rate and channels are those of the samples.
        settings: masks, overlap, and whether the stems add up to the mixture.
    """

    predictor: Predictor
    classes: tuple[str, ...]
    heard: Magnitudes | Waveforms
    settings: "SeparationSettings"

    @classmethod
    def of(cls, predictor: Predictor) -> "Separator":
        """Rebuild what a model hears and says from its metadata.

        Raises:
            UserError: when the model carries no metadata, separates nothing, or its metadata is
                wrong or does not fit the network.
        """
        from utils.config.feature_sections import AudioSettings, FeatureSettings
        from utils.config.separation_sections import SeparationSettings

        path = predictor.path
        metadata = required(predictor.metadata, names="names of stems", where=path)
        if metadata.separation is None:
            raise UserError(
                f"{path}: separates nothing; use it with the script of its task (its set is "
                f"{metadata.set_id})."
            )
        audio = checked_section(AudioSettings, metadata.audio, where=path)
        features = checked_section(FeatureSettings, metadata.features, where=path)
        settings = checked_section(SeparationSettings, metadata.separation, where=path)
        try:
            heard = heard_in_use(audio, features, settings)
        except ConfigError as error:
            raise UserError(f"{path}: its metadata is wrong at {error}") from error
        if predictor.input_shape != heard.input_shape:
            raise UserError(
                f"{path}: its metadata is wrong: it tells of segments of shape "
                f"{heard.input_shape}, the network takes {predictor.input_shape}."
            )
        return cls(predictor, metadata.classes, heard, settings)

    @property
    def sample_rate(self) -> int:
        """Hertz of the samples."""
        return self.heard.sample_rate

    @property
    def channels(self) -> int:
        """Of the stems."""
        return self.heard.channels

    @property
    def highest_hertz(self) -> float:
        """Highest frequency that is separated: half the rate, or where masks end."""
        heard, half = self.heard, self.sample_rate / 2
        if isinstance(heard, Magnitudes) and self.settings.extension == "zeros":
            return min(half, heard.bins * heard.sample_rate / heard.n_fft)
        return half

    def warm_up(self) -> None:
        """Ask the network once, so that no time that is measured has what its first use takes.

        Keras traces the first number of windows that it is given, and then one for all others.
        """
        for windows in sorted({1, self._batch()}, reverse=True):
            self._stems(np.zeros((windows, *self.heard.input_shape), np.float32))

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Separate a whole mixture.

        Args:
            samples: float32 (samples, channels) at ``sample_rate``. Other channels than the
                network's become those as :func:`~utils.audio.as_channels` says.

        Returns:
            float32 (stems, samples, channels) with the network's channels.

        Raises:
            UserError: when the network gives something else than stems.
        """
        empty = np.zeros((len(self.classes), 0, self.channels), np.float32)
        return np.concatenate([empty, *self.stream([samples])], axis=1)

    def each(self, mixtures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Separate short mixtures, as a call does each.

        Those that are one segment of a waveform are given to the network together: of recurrent
        networks a batch takes hardly longer than a segment.

        Args:
            mixtures: float32 (samples, channels), with the network's channels.
        """
        heard = self.heard
        if isinstance(heard, Magnitudes) or {len(one) for one in mixtures} != {heard.n_samples}:
            return [self(mixture) for mixture in mixtures]
        found = self._waves(heard).segments(mixtures)
        return [
            self._fitted(sources[..., np.newaxis], mixture)
            for sources, mixture in zip(found, mixtures, strict=True)
        ]

    def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Separate a mixture that comes in blocks.

        Args:
            blocks: float32 (n, channels), as for a call.

        Yields:
            float32 (stems, n, channels), of other lengths than the blocks and together as long.
            Before the first some windows of the mixture are read; later as much as is given.

        Raises:
            UserError: as a call.
        """
        heard = self.channels
        given = (as_channels(np.asarray(block, np.float32), heard) for block in blocks)
        mixture = Passing(given)
        separate, skip = self._method()
        for stems in separate(mixture):
            late, skip = min(skip, stems.shape[1]), max(0, skip - stems.shape[1])
            if count := min(stems.shape[1] - late, mixture.waiting):
                yield self._fitted(stems[:, late : late + count], mixture.take(count))

    def _fitted(self, stems: np.ndarray, mixture: np.ndarray) -> np.ndarray:
        """Stems that add up to the mixture, where that is asked for."""
        return added_up(stems, mixture) if self.settings.add_up else stems

    def _method(self) -> tuple[Separate, int]:
        """What separates blocks, and how many samples late."""
        heard = self.heard
        if isinstance(heard, Waveforms):
            return self._waves(heard), 0
        stems, batch = len(self.classes), self._batch()
        masks = MaskSeparator(self._stems, heard, stems, self.settings, batch)
        return masks, masks.lead

    def _waves(self, heard: Waveforms) -> WaveSeparator:
        """What separates waveforms, segment by segment."""
        return WaveSeparator(self._sources, heard, self.settings.overlap, self._batch())

    def _batch(self) -> int:
        """Windows that the network is given at once: one where it takes no more."""
        if not isinstance(self.predictor, MemoryPredictor):
            return 1
        size = 4 * prod(self.heard.input_shape) * (1 + len(self.classes))
        return min(MOST_WINDOWS, max(1, BATCH_BYTES // size))

    def _sources(self, segments: np.ndarray) -> np.ndarray:
        """Sources (batch, sources, samples) of segments (batch, samples, 1): the last scale."""
        return self._stems(segments)[:, -1]

    def _stems(self, windows: np.ndarray) -> np.ndarray:
        """What the network says of windows (batch, ...): (batch, ...) of :func:`output_shape`."""
        outputs = self.predictor.outputs(windows)
        found, shape = outputs[0].shape[1:], output_shape(self.heard, len(self.classes))
        if len(outputs) != 1 or not shapes_fit(found, shape):
            raise UserError(
                f"{self.predictor.path}: gives {len(outputs)} outputs, the first of shape {found} "
                f"for a segment; one of {shape} is needed for {', '.join(self.classes)}."
            )
        return outputs[0]


def output_shape(heard: Heard, stems: int) -> tuple[int | None, ...]:
    """What a network that separates must give for a segment.

    Args:
        heard: what it hears.
        stems: their number.

    Returns:
        (stems, frames, bins, channels) of magnitudes, (scales, stems, samples) of waveforms; None
        stands for any number.
    """
    if isinstance(heard, Magnitudes):
        return stems, *heard.input_shape
    return None, stems, heard.n_samples


def added_up(stems: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Stems to which what they lack to the mixture is added, the same to each.

    Args:
        stems: float32 (stems, samples, channels).
        mixture: float32 (samples, channels).
    """
    return stems + (mixture - stems.sum(axis=0)) / np.float32(len(stems))
