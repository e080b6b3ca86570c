"""Features: spectrograms or waveforms, computed once and kept on disk."""

from utils.features.extraction import extract, read_features
from utils.features.heard import Heard, Magnitudes, Waveforms, heard_by
from utils.features.log_spectrogram import LogSpectrogram
from utils.features.logmel import LogMel
from utils.features.mfcc import Mfcc
from utils.features.normaliser import (
    AnyNormaliser,
    ClipDecibel,
    ClipImage,
    ClipNormaliser,
    Normaliser,
    normaliser_of,
)
from utils.features.representation import Representation
from utils.features.settings import from_settings
from utils.features.stack import Spectrogram, Stack
from utils.features.stft import Stft
from utils.features.store import BadClip, FeatureStore
from utils.features.waveform import Waveform

__all__ = [
    "AnyNormaliser",
    "BadClip",
    "ClipDecibel",
    "ClipImage",
    "ClipNormaliser",
    "FeatureStore",
    "Heard",
    "LogMel",
    "LogSpectrogram",
    "Magnitudes",
    "Mfcc",
    "Normaliser",
    "Representation",
    "Spectrogram",
    "Stack",
    "Stft",
    "Waveform",
    "Waveforms",
    "extract",
    "from_settings",
    "heard_by",
    "normaliser_of",
    "read_features",
]
