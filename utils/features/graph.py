"""Representations as a TensorFlow graph, for batches of (augmented) waveforms."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from utils.features.log_spectrogram import DENSITY_FLOOR, LogSpectrogram
from utils.features.logmel import AMPLITUDE_FLOOR, LogMel
from utils.features.mfcc import Mfcc
from utils.features.representation import Representation
from utils.features.stack import Stack
from utils.features.waveform import Waveform

if TYPE_CHECKING:
    import tensorflow as tf


def front_end(
    representation: Representation, *, compact: bool = False
) -> "Callable[[tf.Tensor], tf.Tensor]":
    """Return the representation as a TensorFlow function, for tf.data as for eager calls.

    Args:
        representation: what to compute; a waveform comes back unchanged.
        compact: apply a mel filterbank in groups of bands to the bins that they need, not as one
            matrix of which nearly all is zero: an exported graph is then smaller and has less to
            compute; one product is quicker on GPUs.

    Returns:
        Function of float32 (batch, samples) to float32 (batch, *shape), equal to the representation
        of each clip within float32 rounding.

    Raises:
        ValueError: for a representation without such a function.
    """
    import tensorflow as tf

    if isinstance(representation, Waveform):
        return tf.identity
    if isinstance(representation, LogMel):
        return _log_mel(representation, compact=compact)
    if isinstance(representation, LogSpectrogram):
        return _log_spectrogram(representation)
    if isinstance(representation, Mfcc):
        log_mel = front_end(representation.log_mel, compact=compact)
        cosines = representation.cosines
        return lambda batch: tf.matmul(cosines, log_mel(batch))
    if isinstance(representation, Stack):
        parts = [front_end(part, compact=compact) for part in representation.parts]
        return lambda batch: tf.stack([part(batch) for part in parts], axis=-1)
    raise ValueError(f"no graph computes a {type(representation).__name__}")


def _log_mel(representation: LogMel, *, compact: bool) -> "Callable[[tf.Tensor], tf.Tensor]":
    """Function of a batch to its log-mel spectrograms.

    ``tf.signal.stft`` lays the window at the start of the FFT buffer where librosa centres it. That
    changes phases only, and the frames are cut where librosa's window lies, so the magnitudes are
    librosa's.
    """
    import tensorflow as tf

    window = representation.window_values
    whole = slice(None), slice(None), representation.mel_weights
    groups = representation.band_groups if compact else (whole,)
    weights = [(bins, np.ascontiguousarray(part.T)) for _, bins, part in groups]
    first, end = representation.span
    behind = max(0, end - representation.n_samples)
    mode = "CONSTANT" if representation.pad == "zeros" else "REFLECT"

    def log_mel(batch: tf.Tensor) -> tf.Tensor:
        if representation.scale != 1:
            batch = batch * np.float32(representation.scale)
        shifted = batch + np.float32(representation.offset)
        padded = tf.pad(shifted, [[0, 0], [-first, behind]], mode)[:, : end - first]
        frames = tf.signal.frame(padded, len(window), representation.hop_length)
        spectrum = tf.abs(tf.signal.rfft(frames * window, [representation.n_fft]))
        if representation.power == 2:
            spectrum = tf.square(spectrum)
        mel = tf.concat([tf.matmul(spectrum[..., bins], part) for bins, part in weights], axis=-1)
        return tf.linalg.matrix_transpose(_logarithm(mel, representation))

    return log_mel


def _logarithm(mel: "tf.Tensor", representation: LogMel) -> "tf.Tensor":
    """Take the representation's logarithm, if any."""
    import tensorflow as tf

    if representation.log == "none":
        return mel
    if representation.log == "natural":
        return tf.math.log(mel + np.float32(representation.floor))
    power = representation.power
    scale = np.float32(20 / power / np.log(10.0))
    return scale * tf.math.log(tf.maximum(mel, np.float32(AMPLITUDE_FLOOR**power)))


def _log_spectrogram(representation: LogSpectrogram) -> "Callable[[tf.Tensor], tf.Tensor]":
    """Function of a batch to its log spectrograms."""
    import tensorflow as tf

    window, densities = representation.window_values, representation.densities

    def log_spectrogram(batch: tf.Tensor) -> tf.Tensor:
        used = batch[:, : representation.end] * np.float32(representation.scale)
        frames = tf.signal.frame(used, len(window), representation.hop_length)
        frames -= tf.reduce_mean(frames, axis=-1, keepdims=True)
        spectrum = tf.abs(tf.signal.rfft(frames * window, [representation.n_fft]))
        density = tf.square(spectrum) * densities + np.float32(DENSITY_FLOOR)
        return tf.linalg.matrix_transpose(tf.math.log(density))

    return log_spectrogram
