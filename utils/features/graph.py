"""Log-mel spectrograms as a TensorFlow graph, for batches of (augmented) waveforms."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from utils.features.logmel import AMPLITUDE_FLOOR, EPS, LogMel
from utils.features.waveform import Waveform

if TYPE_CHECKING:
    import tensorflow as tf


def front_end(
    representation: LogMel | Waveform,
) -> "Callable[[tf.Tensor], tf.Tensor]":
    """Return the representation as a TensorFlow function, for tf.data as for eager calls.

    ``tf.signal.stft`` lays the window at the start of the FFT buffer where librosa centres it. That
    changes phases only, and the frames are cut where librosa's window lies, so the magnitudes are
    librosa's.

    Args:
        representation: what to compute; a waveform comes back unchanged.

    Returns:
        Function of float32 (batch, samples) to float32 (batch, mels, frames), equal to the
        representation of each clip within float32 rounding.
    """
    import tensorflow as tf

    if isinstance(representation, Waveform):
        return tf.identity
    window = representation.window_values
    weights = np.ascontiguousarray(representation.mel_weights.T)
    first, end = representation.span
    behind = max(0, end - representation.n_samples)

    def log_mel(batch: tf.Tensor) -> tf.Tensor:
        padded = tf.pad(batch[:, :end] + np.float32(EPS), [[0, 0], [-first, behind]])
        frames = tf.signal.frame(padded, len(window), representation.hop_length)
        spectrum = tf.abs(tf.signal.rfft(frames * window, [representation.n_fft]))
        if representation.power == 2:
            spectrum = tf.square(spectrum)
        return tf.linalg.matrix_transpose(_logarithm(tf.matmul(spectrum, weights), representation))

    return log_mel


def _logarithm(mel: "tf.Tensor", representation: LogMel) -> "tf.Tensor":
    """Take the representation's logarithm."""
    import tensorflow as tf

    if representation.log == "natural":
        return tf.math.log(mel + np.float32(EPS))
    power = representation.power
    scale = np.float32(20 / power / np.log(10.0))
    return scale * tf.math.log(tf.maximum(mel, np.float32(AMPLITUDE_FLOOR**power)))
