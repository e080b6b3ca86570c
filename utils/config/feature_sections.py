"""Sections of task.yaml on the signal: audio, features, augmentation."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from utils.config.fields import (
    AsGiven,
    Count,
    Fraction,
    Many,
    Positive,
    Section,
    Step,
    misplaced,
)

EPSILON = 2.0**-52
"""What dcase_util adds before a logarithm: the spacing of float64 at 1."""


class AudioSettings(Section):
    """What a clip is once it is read: one rate, one length, mono but for separation."""

    sample_rate: Count = Field(44100, description="hertz; other rates are resampled by soxr")
    seconds: Positive = Field(10.0, description="clip length; longer clips are cut")
    channels: Literal[1, 2] = Field(
        1, description="1: the mean of a file's channels; 2: stereo, for separation alone"
    )
    short_clips: Literal["zeros", "loop", "reflect"] = Field(
        "zeros", description="how shorter clips are extended"
    )
    on_bad_audio: Literal["fail", "skip"] = Field(
        "fail", description="stop at a file that cannot be used, or list it in the report"
    )


class NormaliseSettings(Section):
    """Feature normalisation: (x - mean) / std of each row (frequency band), or of a clip."""

    method: Literal["mean_std", "clip_mean_std", "clip_image", "clip_decibel", "none"] = Field(
        "mean_std",
        description="mean_std: statistics of the training clips; clip_mean_std: of each clip, "
        "over its frames; clip_image: of each clip as a whole, then stretched to 0 to 255; "
        "clip_decibel: linear magnitudes (log: none) to decibels within -50 to 80, then each clip "
        "as a whole from -1 to 1, as the baseline of DCASE 2021 task 4",
    )
    clips: Literal["train", "train_and_validation"] = Field(
        "train", description="clips of mean_std; the DCASE baseline used both"
    )


class FeatureSettings(Section):
    """What the network sees of a clip: a spectrogram, several of them, or the waveform itself."""

    kind: Literal["log_mel", "mfcc", "log_spectrogram", "stack", "waveform", "magnitude"] = Field(
        "log_mel",
        description="log_mel: as librosa; mfcc: cosine transform of it; log_spectrogram: "
        "ln(x + 1e-10) of scipy.signal.spectrogram; stack: the spectrograms of `parts` as "
        "channels; waveform: samples; magnitude: of the complex spectrogram that separation masks, "
        "(frames, bins, channels)",
    )
    parts: AsGiven[list[dict[str, Any]]] | None = Field(
        None, description="stack: what each channel changes in this section"
    )
    window_seconds: Positive = Field(0.04, description="analysis window, seconds")
    hop_seconds: Positive = Field(0.02, description="from frame to frame, seconds")
    n_fft: Count = Field(2048, description="FFT length in samples")
    window: Literal["hamming", "hamming_symmetric", "hann"] = Field(
        "hamming", description="analysis window: periodic unless its name says symmetric"
    )
    n_mels: Count = Field(40, description="mel bands: rows of the network's input")
    bins: Count | None = Field(
        None, description="magnitude: lowest bins that the network sees; null: all"
    )
    n_mfcc: Count = Field(20, description="mfcc: coefficients, at most n_mels")
    f_min: Annotated[float, Field(ge=0.0)] = Field(0.0, description="lowest band edge, hertz")
    f_max: Positive | None = Field(
        None, description="highest band edge, hertz; null is half the rate"
    )
    power: Literal[1, 2] = Field(1, description="1: magnitude, 2: power spectrogram")
    mel_scale: Literal["slaney", "htk", "linear"] = Field(
        "slaney", description="formula of the mel scale; linear: bands of equal width in hertz"
    )
    mel_norm: Literal["slaney", "none"] = Field("slaney", description="area normalisation")
    log: Literal["natural", "decibel", "none"] = Field(
        "natural",
        description="log_mel, mfcc: natural: ln(x + log_floor); decibel as librosa; none: linear, "
        "not for mfcc",
    )
    log_floor: Positive = Field(
        EPSILON,
        description="log: natural: what is added to each band, as the baseline of 2021 does; below "
        "some 1e-6 a power spectrogram beside loud bands is rounding, so take 1e-5 for one",
    )
    pad: Literal["zeros", "reflect"] = Field(
        "zeros", description="what lies before and behind the clip for centred windows"
    )
    scale: Positive = Field(
        1.0, description="samples are multiplied by this; 32768 gives the values of 16-bit files"
    )
    frames: Count | None = Field(500, description="frames kept from the start; null keeps all")
    normalise: NormaliseSettings = Field(default_factory=lambda: NormaliseSettings())

    @model_validator(mode="after")
    def stack_has_parts(self) -> "FeatureSettings":
        """Refuse a stack without parts, and parts of anything else."""
        if (self.kind == "stack") != bool(self.parts):
            raise misplaced(
                "features.parts",
                "kind: stack needs parts, one mapping for each channel"
                if self.kind == "stack"
                else f"parts are for kind: stack, received kind: {self.kind}",
            )
        return self

    @model_validator(mode="after")
    def logarithm_is_taken_once(self) -> "FeatureSettings":
        """Refuse clip_decibel of what is not linear magnitudes, and mfcc without a logarithm.

        A stack's parts are settings of their own.
        """
        if self.kind in ("waveform", "stack", "magnitude"):
            return self
        if self.normalise.method == "clip_decibel":
            if self.kind != "log_mel":
                raise misplaced(
                    "features.kind",
                    "normalise.method clip_decibel is for log_mel with log: none, received "
                    f"{self.kind}; take log_mel or another method",
                )
            if self.log != "none":
                raise misplaced(
                    "features.log",
                    "normalise.method clip_decibel takes the logarithm itself, received "
                    f"{self.log}; take none, or another method",
                )
            if self.power != 1:
                raise misplaced(
                    "features.power",
                    "normalise.method clip_decibel is for magnitudes, received power "
                    f"{self.power}; take 1, or another method",
                )
        if self.log != "natural" and self.log_floor != EPSILON:
            raise misplaced(
                "features.log_floor", f"is for log: natural, received {self.log}; leave it out"
            )
        if self.kind == "mfcc" and self.log == "none":
            raise misplaced(
                "features.log",
                "mfcc are coefficients of a logarithm, received none; take natural or decibel",
            )
        return self


class NoiseSettings(Section):
    """White noise at a random signal-to-noise ratio."""

    min_snr_db: float = Field(5.0, description="loudest noise, decibels below the signal")
    max_snr_db: float = Field(40.0, description="softest noise")
    probability: Fraction = Field(0.5, description="share of the clips")

    @model_validator(mode="after")
    def ordered(self) -> "NoiseSettings":
        """Refuse an empty range."""
        if self.min_snr_db > self.max_snr_db:
            raise ValueError(
                f"min_snr_db {self.min_snr_db:g} is above max_snr_db {self.max_snr_db:g}"
            )
        return self


class ShiftSettings(Section):
    """Circular shift in time (time roll): what leaves at one end enters at the other."""

    max_seconds: Positive = Field(1.0, description="largest shift to either side")
    probability: Fraction = Field(0.5, description="share of the clips")


class PitchShiftSettings(Section):
    """Pitch shift at constant length by a phase vocoder."""

    max_semitones: Positive = Field(2.0, description="largest shift up or down")
    probability: Fraction = Field(0.5, description="share of the clips")


class DeviceResponseSettings(Section):
    """Another recording device: convolution with an impulse response, at the clip's own level."""

    folder: str | None = Field(
        None,
        description="wav files of measured responses (MicIRP has some), in it and below, relative "
        "to --data; null: responses of small microphones, drawn anew for each clip",
    )
    devices: Many[str] = Field(
        (),
        description="recording devices whose clips are taken; published systems take the clean one "
        "alone, [a]; []: clips of all devices",
    )
    probability: Fraction = Field(0.4, description="share of these clips")


class MixupSettings(Section):
    """Weighted sums of two clips of a batch, of waveforms and of targets alike."""

    alpha: Annotated[float, Field(ge=0.001)] = Field(
        0.2, description="shares are drawn from Beta(alpha, alpha)"
    )
    probability: Fraction = Field(1.0, description="share of the clips")


class BetweenClassSettings(Section):
    """Sums of two clips of a batch at a ratio of loudness, which is the ratio of their targets."""

    probability: Fraction = Field(1.0, description="share of the clips")


class AugmentStep(Step):
    """One augmentation: exactly one of these names with its arguments."""

    Noise: NoiseSettings | None = None
    Shift: ShiftSettings | None = None
    PitchShift: PitchShiftSettings | None = None
    DeviceResponse: DeviceResponseSettings | None = None
    Mixup: MixupSettings | None = None
    BetweenClass: BetweenClassSettings | None = None


def check_features(features: FeatureSettings, audio: AudioSettings) -> None:
    """Refuse features that a clip of this rate and length cannot give.

    Raises:
        PydanticCustomError: with the YAML path of the value to change.
    """
    rate = audio.sample_rate
    if features.kind in ("waveform", "stack", "magnitude"):  # checked where they are made
        return
    top = features.f_max or rate / 2
    if top > rate / 2:
        raise misplaced(
            "features.f_max",
            f"{top:g} Hz is above half the sample rate ({rate / 2:g} Hz); lower it",
        )
    if features.f_min >= top:
        raise misplaced("features.f_min", f"{features.f_min:g} Hz is not below {top:g} Hz")
    window = round(features.window_seconds * rate)
    if window > features.n_fft:
        raise misplaced(
            "features.n_fft",
            f"{features.n_fft} is less than the window of {window} samples; raise it",
        )
    hop = max(1, round(features.hop_seconds * rate))
    samples = round(audio.seconds * rate)
    frames = 1 + samples // hop
    if features.kind == "log_spectrogram":
        frames = 1 + (samples - window) // hop  # windows are not centred
    if features.frames is not None and features.frames > frames:
        raise misplaced(
            "features.frames",
            f"a clip of {audio.seconds:g} s has {frames} frames, "
            f"received {features.frames}; lower it or write null",
        )
