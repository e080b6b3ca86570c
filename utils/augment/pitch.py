"""Pitch shift at constant length by a phase vocoder, on waveforms.

A clip's short-time Fourier transform is stretched in time by a phase vocoder and played back faster
or slower by the same factor, so that its length stays and its pitch moves: the definition of
``librosa.effects.pitch_shift``, with its FFT length, hop and window.

References:
    J. L. Flanagan, R. M. Golden: Phase vocoder, Bell System Technical Journal 45, 1966.
    M. Dolson: The phase vocoder, a tutorial, Computer Music Journal 10(4), 1986.
    J. Laroche, M. Dolson: Improved phase vocoder time-scale modification of audio,
    IEEE Transactions on Speech and Audio Processing 7(3), 1999.
    D. P. W. Ellis: A phase vocoder in Matlab, 2002 (the form that librosa follows).

Where this differs from librosa: the clip is not resampled after the stretch. Instead each stretched
frame is transformed back at the length that it has after resampling (its spectrum is cut or padded
with zeros: ideal band limitation), and the frames are added at the hop that resampling gives. For
that the hop is rounded to a whole number of samples, which moves the pitch by at most half a sample
in a hop: 0.1 % (1.7 cents) around the original pitch.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from utils.augment.selection import apply_to_chosen, choose
from utils.config.schema import PitchShiftSettings

if TYPE_CHECKING:
    import tensorflow as tf

OVERLAP = 4  # frames over each sample
HOP = 512  # samples between frames of the clip
N_FFT = OVERLAP * HOP
WINDOW_POWER = 1.5  # sum over the OVERLAP frames of a squared periodic Hann window
LEAD = 4  # hops of silence before the clip
TINY = 1e-12  # magnitudes below are silence


class PitchParameters(NamedTuple):
    """What was drawn for each clip of a batch.

    Attributes:
        chosen: bool (batch,), whether the clip is shifted.
        semitones: float32 (batch,), positive is higher.
    """

    chosen: "tf.Tensor"
    semitones: "tf.Tensor"


def from_settings(
    settings: PitchShiftSettings, *, sample_rate: int
) -> "tuple[Callable[..., PitchParameters], Callable[..., tf.Tensor]]":
    """``draw`` with the configured range, and ``apply``; the same at each sample rate."""
    return partial(draw, **settings.model_dump()), apply


def draw(
    seed: "tf.Tensor", batch_size: "tf.Tensor", *, max_semitones: float, probability: float
) -> PitchParameters:
    """Draw a shift, uniform in [-max_semitones, max_semitones), for each clip.

    Args:
        seed: int32 (2,).
        batch_size: Number of clips.
        max_semitones: Largest shift in either direction.
        probability: Chance of each clip to be shifted.
    """
    import tensorflow as tf

    for_choice, for_shift = tf.unstack(tf.random.split(seed, 2))
    return PitchParameters(
        chosen=choose(for_choice, batch_size, probability=probability),
        semitones=tf.random.stateless_uniform(
            [batch_size], for_shift, -max_semitones, max_semitones
        ),
    )


def apply(batch: "tf.Tensor", parameters: PitchParameters) -> "tf.Tensor":
    """Shift the pitch of the chosen clips.

    Args:
        batch: float32 (batch, samples).
        parameters: From ``draw``.

    Returns:
        float32 (batch, samples).
    """
    return apply_to_chosen(_shift, batch, parameters.chosen, (parameters.semitones,))


def _shift(clip: "tf.Tensor", semitones: "tf.Tensor") -> "tf.Tensor":
    """One clip (samples,), shifted.

    The clip is padded with zeros so that every sample of the result lies under OVERLAP frames. The
    silent lead keeps the first repeated frame, which comes at once when the pitch rises, off the
    clip's start: the phases of a frame that begins in its middle would stay in all that follow.
    """
    import tensorflow as tf

    samples = tf.shape(clip)[0]
    hop = tf.maximum(tf.cast(tf.round(HOP * tf.pow(2.0, -semitones / 12.0)), tf.int32), 1)
    frames = -(-samples // hop) + OVERLAP // 2 + LEAD
    source_frames = (frames - 1) * hop // HOP + 2
    before = N_FFT // 2 + LEAD * hop
    after = (source_frames - 1) * HOP + N_FFT - before - samples
    spectrum = tf.signal.stft(tf.pad(clip, [[before, after]]), N_FFT, HOP)
    spectrum = spectrum[:, : OVERLAP * hop // 2 + 1]  # above is beyond the result's band
    return _overlap_add(stretch(spectrum, hop=hop, frames=frames), hop=hop, samples=samples)


def stretch(spectrum: "tf.Tensor", *, hop: "tf.Tensor", frames: "tf.Tensor") -> "tf.Tensor":
    """Phase vocoder: frame ``t`` of the result is frame ``t hop / HOP`` of the spectrum.

    Magnitudes are interpolated between the two frames around that place; phases advance from one
    frame of the result to the next by the advance between those two frames. While the place moves
    on by one source frame, the sum of advances is just the source phase, so that only the frames
    after a skipped or repeated source frame add to the phase offset.

    Args:
        spectrum: complex64 (source_frames, bins).
        hop: int32, HOP times the playback rate; below HOP the result is longer.
        frames: int32, length of the result; ``source_frames`` is at least
            ``(frames - 1) hop / HOP + 2``.

    Returns:
        complex64 (frames, bins).
    """
    import tensorflow as tf

    places = tf.range(frames) * hop
    source = places // HOP
    fraction = tf.cast(places % HOP, tf.float32)[:, None] / HOP

    magnitude = tf.sqrt(
        tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    )  # four times faster than tf.abs
    growth = magnitude[1:] / tf.maximum(magnitude[:-1], TINY)
    gain = 1.0 + fraction * (tf.gather(growth, source) - 1.0)

    uneven = source[1:] - source[:-1] != 1
    after_uneven = tf.boolean_mask(source[1:], uneven)
    before_uneven = tf.boolean_mask(source[:-1], uneven)
    offset = tf.cumsum(_phase(spectrum, before_uneven + 1) - _phase(spectrum, after_uneven))
    rotation = tf.pad(
        tf.complex(tf.cos(offset), tf.sin(offset)), [[1, 0], [0, 0]], constant_values=1.0
    )
    passed = tf.pad(tf.cumsum(tf.cast(uneven, tf.int32)), [[1, 0]])  # uneven steps before each t
    return tf.gather(spectrum, source) * tf.cast(gain, tf.complex64) * tf.gather(rotation, passed)


def _phase(spectrum: "tf.Tensor", frames: "tf.Tensor") -> "tf.Tensor":
    """Phases in radians of the frames of these numbers, (len(frames), bins)."""
    import tensorflow as tf

    chosen = tf.gather(spectrum, frames)
    return tf.atan2(tf.math.imag(chosen), tf.math.real(chosen))  # 20 times faster than tf.angle


def _overlap_add(spectrum: "tf.Tensor", *, hop: "tf.Tensor", samples: "tf.Tensor") -> "tf.Tensor":
    """Waveform (samples,) of frames that are OVERLAP hops long and one hop apart.

    What ``_shift`` padded, half a frame and the lead, is left out.
    """
    import tensorflow as tf

    length = OVERLAP * hop
    pieces = tf.signal.irfft(spectrum, [length])
    scale = tf.cast(hop, tf.float32) / (HOP * WINDOW_POWER)  # irfft divides by its own length
    pieces *= scale * tf.signal.hann_window(length)
    pieces = tf.reshape(pieces, [-1, OVERLAP, hop])
    frames = tf.shape(pieces)[0]
    first = OVERLAP // 2 + LEAD
    summed = tf.add_n([pieces[first - part : frames - part, part] for part in range(OVERLAP)])
    return tf.reshape(summed, [-1])[:samples]
