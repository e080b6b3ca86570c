"""The settings' seconds and hertz -> a representation in samples and bins, or what is wrong."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from utils.config.feature_sections import AudioSettings, FeatureSettings, check_features
from utils.config.places import Place, nearest_or_all, shown
from utils.errors import ConfigError
from utils.features.log_spectrogram import LogSpectrogram
from utils.features.logmel import LogMel
from utils.features.mfcc import Mfcc
from utils.features.representation import Representation
from utils.features.stack import Spectrogram, Stack
from utils.features.waveform import Waveform

_SPECTROGRAMS = ("log_mel", "mfcc", "log_spectrogram")
_OF_THE_WHOLE = {"parts", "normalise"}  # what a part of a stack cannot have of its own


def from_settings(audio: AudioSettings, features: FeatureSettings) -> Representation:
    """Turn seconds and hertz of the settings into a representation in samples and bins.

    Raises:
        ConfigError: for parameters that contradict each other, with their YAML path.
    """
    n_samples = round(audio.seconds * audio.sample_rate)
    if n_samples < 1:
        raise ConfigError(f"audio.seconds: {audio.seconds} s are no sample; take a longer clip.")
    if features.kind == "magnitude" or audio.channels != 1:
        asked = "audio.channels: 2" if audio.channels != 1 else "features.kind: magnitude"
        raise ConfigError(f"{asked} is for networks that separate sources.")
    if features.kind == "waveform":
        if features.normalise.method != "none":
            raise ConfigError(
                "features.normalise.method: statistics are of mel bands; set none for a waveform."
            )
        return Waveform(audio.sample_rate, n_samples)
    if features.kind == "stack":
        return _stack(audio, features)
    return _spectrogram(audio, features, "features")


def _stack(audio: AudioSettings, features: FeatureSettings) -> Stack:
    """Make every part and check that they lie over one another."""
    given = features.parts or []
    base = features.model_dump(exclude={"kind", "parts"})
    parts: list[Spectrogram] = []
    for number, changes in enumerate(given):
        place = Place("features.parts").at(given, number)
        settings = _part_settings(audio, base, changes, place)
        part = _spectrogram(audio, settings, place.path)
        first = parts[0] if parts else part
        if part.shape != first.shape:
            raise place.error(
                f"gives {part.shape} rows and frames, features.parts[0] {first.shape}; take the "
                "same number of rows (n_mels, n_mfcc, n_fft // 2 + 1) and the same hop_seconds, "
                "or fewer frames."
            )
        if part.hop_length != first.hop_length:
            raise place.at(changes, "hop_seconds").error(
                f"frames are {part.hop_length} samples apart, those of features.parts[0] "
                f"{first.hop_length}; channels that lie over one another take one hop_seconds."
            )
        parts.append(part)
    return Stack(tuple(parts))


def _part_settings(
    audio: AudioSettings, base: Mapping[str, Any], changes: Mapping[str, Any], place: Place
) -> FeatureSettings:
    """Lay a part's keys over the section and check the result."""
    for key in changes:
        if key in _OF_THE_WHOLE:
            raise place.at(changes, key).error("belongs to the whole stack; take it out here.")
    kind = changes.get("kind", "log_mel")
    if kind not in _SPECTROGRAMS:
        raise place.at(changes, "kind").error(
            f"expected one of {', '.join(_SPECTROGRAMS)}, received {shown(kind)}."
        )
    try:
        settings = FeatureSettings.model_validate({**base, "kind": kind, **changes})
        check_features(settings, audio)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        if detail["type"] == "misplaced":
            raise _misplaced(detail["ctx"]["path"], detail["msg"], changes, place) from error
        key = str(detail["loc"][0])
        if detail["type"] == "extra_forbidden":
            known = [name for name in FeatureSettings.model_fields if name not in _OF_THE_WHOLE]
            sentence = f"unknown key '{key}'.{nearest_or_all(key, known)}"
        else:
            sentence = f"{detail['msg']}, received {shown(detail['input'])}."
        raise place.at(changes, key).error(sentence) from error
    except PydanticCustomError as error:
        path = (error.context or {})["path"]
        raise _misplaced(path, error.message(), changes, place) from error
    return settings


def _misplaced(path: str, sentence: str, changes: Mapping[str, Any], place: Place) -> ConfigError:
    """The error of a part's key that does not fit another, which it may have from the section."""
    key = path.rpartition(".")[2]
    origin = "" if key in changes else f" It takes it from features.{key}."
    return place.at(changes, key).error(f"{sentence}.{origin}")


def _spectrogram(audio: AudioSettings, features: FeatureSettings, path: str) -> Spectrogram:
    """Make one spectrogram of settings that stand at ``path``."""
    if features.kind == "log_spectrogram":
        return _log_spectrogram(audio, features, path)
    log_mel = _log_mel(audio, features, path)
    if features.kind != "mfcc":
        return log_mel
    if features.n_mfcc > features.n_mels:
        raise ConfigError(
            f"{path}.n_mfcc: {features.n_mfcc} coefficients of {features.n_mels} mel bands; take "
            "at most as many as bands."
        )
    return Mfcc(log_mel, features.n_mfcc)


def _lengths(audio: AudioSettings, features: FeatureSettings, path: str) -> tuple[int, int, int]:
    """Check and return the lengths of clip, window and hop in samples."""
    rate = audio.sample_rate
    window = round(features.window_seconds * rate)
    hop = round(features.hop_seconds * rate)
    if not 2 <= window <= features.n_fft:
        raise ConfigError(
            f"{path}.window_seconds: {window} samples at {rate} Hz; from 2 to n_fft "
            f"({features.n_fft}) are possible."
        )
    if hop < 1:
        raise ConfigError(f"{path}.hop_seconds: {features.hop_seconds} s are no sample.")
    return round(audio.seconds * rate), window, hop


def _frames(audio: AudioSettings, features: FeatureSettings, available: int, path: str) -> int:
    """Frames to keep."""
    frames = available if features.frames is None else features.frames
    if frames > available:
        raise ConfigError(
            f"{path}.frames: {frames} frames; a clip of {audio.seconds:g} s has {available}; take "
            "fewer or null."
        )
    return frames


def _log_spectrogram(audio: AudioSettings, features: FeatureSettings, path: str) -> LogSpectrogram:
    """Check and convert the parameters of a log spectrogram."""
    samples, window, hop = _lengths(audio, features, path)
    if window > samples:
        raise ConfigError(
            f"{path}.window_seconds: {window} samples; a clip of {audio.seconds:g} s has {samples}."
        )
    return LogSpectrogram(
        sample_rate=audio.sample_rate,
        n_samples=samples,
        window_length=window,
        hop_length=hop,
        n_fft=features.n_fft,
        window=features.window,
        n_frames=_frames(audio, features, 1 + (samples - window) // hop, path),
        scale=features.scale,
    )


def _log_mel(audio: AudioSettings, features: FeatureSettings, path: str) -> LogMel:
    """Check and convert the parameters of a log-mel spectrogram."""
    samples, window, hop = _lengths(audio, features, path)
    n_fft, nyquist = features.n_fft, audio.sample_rate / 2
    f_max = nyquist if features.f_max is None else features.f_max
    if not features.f_min < f_max <= nyquist:
        raise ConfigError(
            f"{path}.f_max: {f_max:g} Hz; it must lie above f_min ({features.f_min:g} Hz) and "
            f"not above half the sample rate ({nyquist:g} Hz)."
        )
    if features.pad == "reflect" and samples <= n_fft // 2:
        raise ConfigError(
            f"{path}.pad: reflect needs clips of more than n_fft / 2 ({n_fft // 2}) samples, "
            f"{audio.seconds:g} s are {samples}; take zeros or a smaller n_fft."
        )
    available = 1 + (samples + 2 * (n_fft // 2) - n_fft) // hop
    log_mel = LogMel(
        sample_rate=audio.sample_rate,
        n_samples=samples,
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
        n_frames=_frames(audio, features, available, path),
        pad=features.pad,
        scale=features.scale,
        floor=features.log_floor,
    )
    empty = log_mel.empty_bands
    if empty.size:
        raise ConfigError(
            f"{path}.n_mels: {empty.size} of {features.n_mels} mel bands (first: {empty[0]}) "
            f"hold no FFT bin; take fewer bands or an n_fft above {n_fft}."
        )
    return log_mel
