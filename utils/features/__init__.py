"""Features: log-mel spectrograms or waveforms, computed once and kept on disk."""

from utils.config.schema import AudioSettings, FeatureSettings
from utils.errors import ConfigError
from utils.features.extraction import extract, read_features
from utils.features.logmel import LogMel
from utils.features.normaliser import Normaliser
from utils.features.store import BadClip, FeatureStore
from utils.features.waveform import Waveform

__all__ = [
    "BadClip",
    "FeatureStore",
    "LogMel",
    "Normaliser",
    "Waveform",
    "extract",
    "from_settings",
    "read_features",
]


def from_settings(audio: AudioSettings, features: FeatureSettings) -> LogMel | Waveform:
    """Turn seconds and hertz of the settings into a representation in samples and bins.

    Raises:
        ConfigError: for parameters that contradict each other.
    """
    n_samples = round(audio.seconds * audio.sample_rate)
    if n_samples < 1:
        raise ConfigError(f"audio.seconds: {audio.seconds} s are no sample; take a longer clip.")
    if features.kind == "waveform":
        if features.normalise.method != "none":
            raise ConfigError(
                "features.normalise.method: statistics are of mel bands; set none for a waveform."
            )
        return Waveform(audio.sample_rate, n_samples)
    return _log_mel(audio.sample_rate, n_samples, features)


def _log_mel(sample_rate: int, n_samples: int, features: FeatureSettings) -> LogMel:
    """Check and convert the parameters of a log-mel spectrogram."""
    window = round(features.window_seconds * sample_rate)
    hop = round(features.hop_seconds * sample_rate)
    n_fft, nyquist = features.n_fft, sample_rate / 2
    f_max = nyquist if features.f_max is None else features.f_max
    if not 2 <= window <= n_fft:
        raise ConfigError(
            f"features.window_seconds: {window} samples at {sample_rate} Hz; from 2 to n_fft "
            f"({n_fft}) are possible."
        )
    if hop < 1:
        raise ConfigError(f"features.hop_seconds: {features.hop_seconds} s are no sample.")
    if not features.f_min < f_max <= nyquist:
        raise ConfigError(
            f"features.f_max: {f_max:g} Hz; it must lie above f_min ({features.f_min:g} Hz) and "
            f"not above half the sample rate ({nyquist:g} Hz)."
        )
    available = 1 + (n_samples + 2 * (n_fft // 2) - n_fft) // hop
    frames = available if features.frames is None else features.frames
    if frames > available:
        raise ConfigError(
            f"features.frames: {frames} frames; a clip of {n_samples / sample_rate:g} s has "
            f"{available}; take fewer or null."
        )
    return LogMel(
        sample_rate=sample_rate,
        n_samples=n_samples,
        window_length=window,
        hop_length=hop,
        n_fft=n_fft,
        window=features.window,
        n_mels=features.n_mels,
        f_min=features.f_min,
        f_max=f_max,
        power=features.power,
        mel_scale=features.mel_scale,
        mel_norm=features.mel_norm,
        log=features.log,
        n_frames=frames,
    )
