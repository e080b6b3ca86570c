"""Where the players of a generated song stand: panning, tone control, reverberation, all stereo."""

from dataclasses import dataclass

import numpy as np

from utils.datasets.demo_music_tones import AT, SAMPLE_RATE
from utils.datasets.soundscape_mixing import shaped_noise

EQ_KNOTS_HZ = (60.0, 200.0, 600.0, 1500.0, 3500.0, 8000.0, 16_000.0)


@dataclass(frozen=True)
class Room:
    """Reverberation that the players of a song share.

    Attributes:
        tail: its impulse response at both ears, float32 (2, samples), of energy 1.
    """

    tail: np.ndarray


def room(rng: np.random.Generator) -> Room:
    """Draw a room: 0.25 to 2 s of reverberation, high frequencies gone sooner, after a pause."""
    seconds = 0.25 * 8.0 ** rng.random()
    length = AT.samples(min(seconds, 1.4))
    pause = AT.samples(rng.uniform(0.002, 0.03))
    corner = float(rng.uniform(1200.0, 4000.0))
    times = np.arange(length) / SAMPLE_RATE
    tail = np.zeros((2, pause + length), np.float32)
    for ear in tail:
        for gains_db, decay in (((0.0, -40.0), seconds), ((-40.0, 0.0), 0.45 * seconds)):
            knots = (corner / 2.0, 2.0 * corner)
            noise = shaped_noise(rng, length, knots, gains_db, sample_rate=SAMPLE_RATE)
            ear[pause:] += noise * 10.0 ** (-3.0 * times / decay)
    return Room(tail / np.float32(np.sqrt(np.mean(np.sum(tail**2, axis=1)))))


def panned(sound: np.ndarray, place: float) -> np.ndarray:
    """A sound (samples,) on both channels (2, samples), its power the same everywhere.

    Args:
        sound: mono.
        place: -1 is left, 1 right.
    """
    angle = 0.25 * np.pi * (1.0 + place)
    return np.stack([np.cos(angle) * sound, np.sin(angle) * sound]).astype(np.float32)


def placed(stereo: np.ndarray, where: Room, *, wet_db: float, tone_db: np.ndarray) -> np.ndarray:
    """Put a stem into the room, through a tone control; what rings on after its end is cut.

    Args:
        stereo: float32 (2, samples).
        where: the room.
        wet_db: energy of the reverberation against the direct sound.
        tone_db: gain at ``EQ_KNOTS_HZ``.

    Returns:
        float32 (2, samples).
    """
    from scipy import fft

    length = stereo.shape[1]
    size = fft.next_fast_len(length + where.tail.shape[1], real=True)
    octaves = np.log2(np.maximum(fft.rfftfreq(size, 1.0 / SAMPLE_RATE), 1.0)).astype(np.float32)
    tone = np.interp(octaves, np.log2(EQ_KNOTS_HZ), tone_db).astype(np.float32)
    gains = np.float32(10.0) ** (tone / np.float32(20.0))
    direct = fft.rfft(stereo, size) * gains
    both = direct.sum(axis=0) * np.float32(0.7 * 10.0 ** (wet_db / 20.0))
    return np.asarray(fft.irfft(direct + both * fft.rfft(where.tail, size), size)[:, :length])
