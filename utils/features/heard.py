"""What a network that separates hears of samples: magnitudes of spectra, or the samples."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from utils.config.feature_sections import AudioSettings, FeatureSettings
from utils.config.separation_sections import SeparationSettings
from utils.errors import ConfigError
from utils.features.stft import Stft

if TYPE_CHECKING:
    import tensorflow as tf


class Heard(Protocol):
    """What a network hears of a segment; its targets are the same of each stem."""

    @property
    def sample_rate(self) -> int:
        """Hertz."""

    @property
    def channels(self) -> int:
        """Of the audio: 1 or 2."""

    @property
    def n_samples(self) -> int:
        """Length of a segment."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of the network's input for one segment."""

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """The network's input for segments (batch, samples, channels), float32."""

    def inputs(self, samples: "tf.Tensor") -> "tf.Tensor":
        """The same as a TensorFlow graph."""

    def targets(self, stems: "tf.Tensor") -> "tf.Tensor":
        """What the network should say where stems (batch, stems, samples, channels) sound."""


@dataclass(frozen=True)
class Magnitudes:
    """Magnitudes of the lowest bins: input (frames, bins, channels), targets with stems before it.

    Attributes:
        sample_rate: hertz.
        channels: of the audio, 1 or 2.
        n_fft: window and FFT length in samples.
        hop_length: samples from frame to frame.
        frames: in a segment.
        bins: that the network hears.
    """

    sample_rate: int
    channels: int
    n_fft: int
    hop_length: int
    frames: int
    bins: int

    @cached_property
    def stft(self) -> Stft:
        """The transform."""
        return Stft(self.n_fft, self.hop_length)

    @property
    def n_samples(self) -> int:
        """Length of a segment: what its frames cover."""
        return self.stft.samples_of(self.frames)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(frames, bins, channels)."""
        return self.frames, self.bins, self.channels

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Magnitudes float32 (batch, frames, bins, channels) of (batch, samples, channels).

        Raises:
            ValueError: for segments of another shape.
        """
        _check(samples, self)
        spectrum = self.stft.forward(np.ascontiguousarray(np.moveaxis(samples, -1, 1)))
        return np.moveaxis(np.abs(spectrum[..., : self.bins]), 1, -1)

    def inputs(self, samples: "tf.Tensor") -> "tf.Tensor":
        """Graph: float32 (batch, samples, channels) to (batch, frames, bins, channels)."""
        import tensorflow as tf

        given = tf.ensure_shape(samples, (None, self.n_samples, self.channels))
        found = self.stft.magnitudes(tf.transpose(given, (0, 2, 1)))[..., : self.bins]
        return tf.transpose(found, (0, 2, 3, 1))

    def targets(self, stems: "tf.Tensor") -> "tf.Tensor":
        """Graph: (batch, stems, samples, channels) to (batch, stems, frames, bins, channels)."""
        import tensorflow as tf

        given = tf.ensure_shape(stems, (None, None, self.n_samples, self.channels))
        found = self.stft.magnitudes(tf.transpose(given, (0, 1, 3, 2)))[..., : self.bins]
        return tf.transpose(found, (0, 1, 3, 4, 2))


@dataclass(frozen=True)
class Waveforms:
    """The samples themselves: input (samples, 1), targets (stems, samples).

    Attributes:
        sample_rate: hertz.
        n_samples: length of a segment.
    """

    sample_rate: int
    n_samples: int

    @property
    def channels(self) -> int:
        """Of the audio: 1."""
        return 1

    @property
    def input_shape(self) -> tuple[int, int]:
        """(samples, 1)."""
        return self.n_samples, 1

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """The same segments as float32 (batch, samples, 1).

        Raises:
            ValueError: for segments of another shape.
        """
        _check(samples, self)
        return samples.astype(np.float32, copy=False)

    def inputs(self, samples: "tf.Tensor") -> "tf.Tensor":
        """Graph: float32 (batch, samples, 1), unchanged."""
        import tensorflow as tf

        return tf.ensure_shape(samples, (None, *self.input_shape))

    def targets(self, stems: "tf.Tensor") -> "tf.Tensor":
        """Graph: (batch, stems, samples, 1) to (batch, stems, samples)."""
        import tensorflow as tf

        return tf.ensure_shape(stems, (None, None, *self.input_shape))[..., 0]


def heard_by(audio: AudioSettings, features: FeatureSettings) -> Magnitudes | Waveforms:
    """Turn seconds and hertz of the settings into what a network that separates hears.

    Args:
        audio: rate, channels and length of a segment. Of magnitudes the segment is what
            ``features.frames`` cover, which may be less than ``audio.seconds``.
        features: of kind ``magnitude`` or ``waveform``.

    Raises:
        ConfigError: for other kinds, and parameters that contradict each other or would have no
            effect; the message opens with the YAML path.
    """
    if features.kind not in ("magnitude", "waveform"):
        raise ConfigError(
            f"features.kind: {features.kind} does not say what separated sources sound like; take "
            "magnitude or waveform."
        )
    if features.normalise.method != "none":
        raise ConfigError(
            f"features.normalise.method: {features.normalise.method} would change what is to be "
            "separated; set none."
        )
    if features.scale != 1.0:
        raise ConfigError(
            f"features.scale: {features.scale:g} would make stems louder than the mixture; leave "
            "it at 1."
        )
    return _waveforms(audio) if features.kind == "waveform" else _magnitudes(audio, features)


def heard_in_use(
    audio: AudioSettings, features: FeatureSettings, separation: SeparationSettings
) -> Magnitudes | Waveforms:
    """What the network hears when files are separated: segments of another length.

    Args:
        audio: as for :func:`heard_by`.
        features: likewise.
        separation: its frames, or of waveforms its seconds; None: those of training.

    Raises:
        ConfigError: as :func:`heard_by`, for frames of waveforms, and for seconds of magnitudes.
    """
    heard = heard_by(audio, features)
    if isinstance(heard, Magnitudes):
        if separation.seconds is not None:
            raise ConfigError(
                "separation.seconds: is for networks that hear waveforms; take separation.frames."
            )
        return heard if separation.frames is None else replace(heard, frames=separation.frames)
    if separation.frames is not None:
        raise ConfigError(
            "separation.frames: is for networks that hear magnitudes; take separation.seconds."
        )
    if separation.seconds is None:
        return heard
    return replace(heard, n_samples=_samples(separation.seconds, audio, key="separation.seconds"))


def _waveforms(audio: AudioSettings) -> Waveforms:
    if audio.channels != 1:
        raise ConfigError(
            "audio.channels: 2 channels; networks of waveforms take 1. Take features.kind: "
            "magnitude for stereo."
        )
    return Waveforms(audio.sample_rate, _samples(audio.seconds, audio, key="audio.seconds"))


def _samples(seconds: float, audio: AudioSettings, *, key: str) -> int:
    samples = round(seconds * audio.sample_rate)
    if samples < 1:
        raise ConfigError(f"{key}: {seconds:g} s are no sample; take more.")
    return samples


def _magnitudes(audio: AudioSettings, features: FeatureSettings) -> Magnitudes:
    stft = _stft(audio, features)
    available = stft.frames_of(round(audio.seconds * audio.sample_rate))
    if not available:
        raise ConfigError(
            f"audio.seconds: {audio.seconds:g} s are less than a window of {stft.n_fft} samples; "
            "take more."
        )
    frames = available if features.frames is None else features.frames
    if frames > available:
        seconds = stft.samples_of(frames) / audio.sample_rate
        raise ConfigError(
            f"features.frames: {frames} frames; {audio.seconds:g} s have {available}. Take fewer, "
            f"null, or audio.seconds of at least {seconds:.3f}."
        )
    bins = stft.bins if features.bins is None else features.bins
    if bins > stft.bins:
        raise ConfigError(
            f"features.bins: {bins} bins; an n_fft of {stft.n_fft} has {stft.bins}. Take fewer or "
            "null."
        )
    return Magnitudes(
        sample_rate=audio.sample_rate,
        channels=audio.channels,
        n_fft=stft.n_fft,
        hop_length=stft.hop_length,
        frames=frames,
        bins=bins,
    )


def _stft(audio: AudioSettings, features: FeatureSettings) -> Stft:
    """Check and convert the parameters of the transform."""
    if features.window != "hann":
        raise ConfigError(
            f"features.window: {features.window}; a spectrum that is turned back into sound takes "
            "hann."
        )
    if features.power != 1:
        raise ConfigError("features.power: 2 are no magnitudes; take 1.")
    rate = audio.sample_rate
    window, hop = round(features.window_seconds * rate), round(features.hop_seconds * rate)
    if window != features.n_fft or window < 2:
        raise ConfigError(
            f"features.window_seconds: {window} samples at {rate} Hz; the window is as long as the "
            f"FFT, so take {features.n_fft / rate:.6g} s, or features.n_fft: {window}."
        )
    if not 1 <= hop <= window // 2:
        raise ConfigError(
            f"features.hop_seconds: {hop} samples at {rate} Hz; windows must overlap by half or "
            f"more, so take 1 to {window // 2} samples."
        )
    return Stft(window, hop)


def _check(samples: np.ndarray, heard: Heard) -> None:
    """Refuse segments of another length or other channels."""
    if samples.ndim != 3 or samples.shape[1:] != (heard.n_samples, heard.channels):
        raise ValueError(
            f"segments (batch, {heard.n_samples}, {heard.channels}) are needed, received "
            f"{samples.shape}"
        )
