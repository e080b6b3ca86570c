"""Another recording device: convolution with its impulse response, on waveforms.

A clip of a clean device is made to sound as if another one had recorded it. Published systems take
clips of device A alone, at a probability of 0.4 to 0.6, and keep as many samples as the clip has.
Where this differs: they leave the level to the file of the response; here a clip keeps its own, so
that a response changes its colour alone.

Reference:
    T. Morocutti, F. Schmid, K. Koutini, G. Widmer: Device-Robust Acoustic Scene Classification via
    Impulse Response Augmentation, EUSIPCO 2023.
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from utils.augment.responses import draw_responses, read_responses
from utils.augment.selection import apply_to_chosen, choose
from utils.config.schema import DeviceResponseSettings

if TYPE_CHECKING:
    import tensorflow as tf

    Drawn = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

TINY = 1e-30  # energies below are silence


class ResponseParameters(NamedTuple):
    """What was drawn for each clip of a batch.

    Attributes:
        chosen: bool (batch,), whether the clip is convolved.
        response: float32 (batch, taps), with what.
    """

    chosen: "tf.Tensor"
    response: "tf.Tensor"


def from_settings(
    settings: DeviceResponseSettings, *, sample_rate: int
) -> "tuple[Callable[..., ResponseParameters], Callable[..., tf.Tensor]]":
    """``draw`` from the configured folder, which is read here, or from all; and ``apply``.

    Raises:
        DataError: for a folder that is missing or empty.
        AudioError: for a file that is broken or silent.
    """
    responses: Drawn = partial(draw_responses, sample_rate=sample_rate)
    if settings.folder is not None:
        responses = measured(Path(settings.folder), sample_rate=sample_rate)
    return partial(draw, responses=responses, probability=settings.probability), apply


def measured(folder: Path, *, sample_rate: int) -> "Drawn":
    """Function of a seed and a number to so many responses of a folder, each as likely.

    Raises:
        DataError: for a folder that is missing or empty.
        AudioError: for a file that is broken or silent.
    """
    known = read_responses(folder, sample_rate=sample_rate)

    def drawn(seed: "tf.Tensor", number: "tf.Tensor") -> "tf.Tensor":
        import tensorflow as tf

        which = tf.random.stateless_uniform([number], seed, 0, len(known), dtype=tf.int32)
        return tf.gather(known, which)

    return drawn


def draw(
    seed: "tf.Tensor", batch_size: "tf.Tensor", *, responses: "Drawn", probability: float
) -> ResponseParameters:
    """Draw a response for each clip.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips.
        responses: Takes a seed and a number of clips, gives float32 (clips, taps).
        probability: Chance of each clip to be convolved.
    """
    import tensorflow as tf

    for_choice, for_response = tf.unstack(tf.random.split(seed, 2))
    return ResponseParameters(
        chosen=choose(for_choice, batch_size, probability=probability),
        response=responses(for_response, batch_size),
    )


def apply(batch: "tf.Tensor", parameters: ResponseParameters) -> "tf.Tensor":
    """Convolve the chosen clips; what lies behind a clip's end is cut, its root mean square stays.

    Args:
        batch: float32 (batch, samples).
        parameters: From ``draw``.

    Returns:
        float32 (batch, samples).
    """
    return apply_to_chosen(_heard, batch, parameters.chosen, (parameters.response,))


def _heard(clip: "tf.Tensor", response: "tf.Tensor") -> "tf.Tensor":
    """One clip (samples,) through a device of response (taps,), at the clip's level."""
    import tensorflow as tf

    heard = convolve(clip, response)
    before, after = (tf.reduce_sum(tf.square(samples)) for samples in (clip, heard))
    return heard * tf.sqrt(before / tf.maximum(after, TINY))


def convolve(clip: "tf.Tensor", response: "tf.Tensor") -> "tf.Tensor":
    """The beginning of ``clip * response``, as long as the clip, by blocks that overlap (FFT).

    Args:
        clip: float32 (samples,).
        response: float32 (taps,), of a known length.

    Returns:
        float32 (samples,).
    """
    import tensorflow as tf

    taps = response.shape[0]
    n_fft = 2 ** math.ceil(math.log2(4 * taps))
    hop = n_fft - taps + 1
    blocks = tf.signal.rfft(tf.signal.frame(clip, hop, hop, pad_end=True), [n_fft])
    blocks = tf.signal.irfft(blocks * tf.signal.rfft(response, [n_fft]), [n_fft])
    return tf.signal.overlap_and_add(blocks, hop)[: tf.shape(clip)[0]]
