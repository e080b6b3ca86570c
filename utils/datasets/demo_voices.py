"""Generated voices: a source and a filter, after Klatt (1980), nobody's recording.

The glottis gives pulses or noise; the tract is a cascade of resonators whose formants move from
target to target; fricatives and bursts are filtered noise beside it. The filter changes in every
frame: frames of the source are multiplied by its response in the frequency domain and overlapped.

Sources: Klatt, "Software for a cascade/parallel formant synthesizer", J. Acoust. Soc. Am. 67
(1980); Rosenberg, "Effect of glottal pulse shape on the quality of natural vowels", J. Acoust. Soc.
Am. 49 (1971); Klatt and Klatt, "Analysis, synthesis, and perception of voice quality variations",
J. Acoust. Soc. Am. 87 (1990).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.datasets.demo_phonemes import NOISE_DB, NOISE_KNOTS_HZ, PHONEMES, Phase, phases

SAMPLE_RATE = 16_000
HOP = 80
N_FFT = 8 * HOP
BANDWIDTHS_HZ = (70.0, 100.0, 160.0)
HIGH_FORMANTS_HZ = (3400.0, 4200.0, 5100.0, 6000.0, 7000.0)
HIGH_BANDWIDTHS_HZ = (250.0, 300.0, 400.0, 500.0, 600.0)
NASAL_POLE_HZ, NASAL_ZERO_HZ, NASAL_BANDWIDTH_HZ = 270.0, 450.0, 100.0
TOP_HZ = 7700.0
RAMP_SECONDS = 0.012
LONGEST_SECONDS = 0.85


@dataclass(frozen=True)
class Speaker:
    """What all words of one speaker share.

    Attributes:
        pitch_hz: mean of the fundamental frequency.
        tract: factor on the formants of an average man; above 1 the vocal tract is shorter.
        rate: factor on the speed.
        breath: noise of the glottis while it swings, against the voice.
        tilt_db: attenuation of the voice at 3 kHz.
        open_quotient: share of a period during which the glottis is open.
        accent: factors on the three formants of each phoneme.
    """

    pitch_hz: float
    tract: float
    rate: float
    breath: float
    tilt_db: float
    open_quotient: float
    accent: dict[str, tuple[float, float, float]]


def speaker(rng: np.random.Generator, build: float) -> Speaker:
    """Draw a speaker.

    Args:
        rng: everything but the build.
        build: 0 is a large body with a deep voice, 1 a small one with a high voice.
    """
    pitch = 95.0 * (240.0 / 95.0) ** build * 2.0 ** rng.normal(0.0, 0.1)
    tract = 0.87 + 0.3 * build + rng.normal(0.0, 0.03)
    accent = np.exp(rng.normal(0.0, (0.05, 0.05, 0.03), (len(PHONEMES), 3)))
    return Speaker(
        pitch_hz=float(np.clip(pitch, 90.0, 250.0)),
        tract=float(np.clip(tract, 0.85, 1.2)),
        rate=float(rng.uniform(0.85, 1.2)),
        breath=float(0.01 * 10.0 ** rng.uniform(0.0, 1.0)),
        tilt_db=float(rng.uniform(5.0, 15.0)),
        open_quotient=float(rng.uniform(0.45, 0.75)),
        accent={
            symbol: (float(first), float(second), float(third))
            for symbol, (first, second, third) in zip(PHONEMES, accent, strict=True)
        },
    )


def speak(symbols: Sequence[str], who: Speaker, *, rng: np.random.Generator) -> np.ndarray:
    """Say a word once.

    Args:
        symbols: phonemes, see ``demo_phonemes.PHONEMES``.
        who: the speaker.
        rng: what differs from one take to the next: pitch, tempo, care.

    Returns:
        float64 (samples,) at ``SAMPLE_RATE``, at most ``LONGEST_SECONDS`` and a moment to ring; the
        root mean square of the vowels is near 1.
    """
    course = _Course.of(symbols, who, rng)
    length = course.length
    voice, opened = glottal(
        _pitch(length, who.pitch_hz, rng), open_quotient=who.open_quotient, rng=rng
    )
    voicing = course.at_samples("voicing")
    breath = (course.at_samples("aspiration") + who.breath * voicing) * rng.standard_normal(length)
    turbulence = course.at_samples("frication") * rng.standard_normal(length)
    gusts = 1.0 - 0.5 * np.minimum(voicing, 1.0) * (1.0 - opened)
    resonances = tract_response(
        course.formants(), nasal=course.at_frames("nasal"), tract_factor=who.tract
    )
    sound = filtered(_tilted(voice, who.tilt_db) * voicing + breath * gusts, resonances)
    loud = voicing > 0.5
    sound /= np.sqrt(np.mean(sound[loud] ** 2)) if loud.any() else 1.0
    return sound + filtered(turbulence * gusts, course.turbulence(who.tract))


def glottal(
    pitch_hz: np.ndarray, *, open_quotient: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pulses of the glottis: derivative of the flow, which is what the lips radiate.

    The flow is t² - t³ over the open part of a period (Klatt and Klatt 1990, after Rosenberg's
    polynomial pulses). Periods vary by 1 % (jitter), their amplitudes by 5 % (shimmer).

    Args:
        pitch_hz: fundamental frequency, (samples,).
        open_quotient: share of a period during which the glottis is open.
        rng: jitter, shimmer and the phase at the start.

    Returns:
        The derivative, root mean square near 1, and 1 where the glottis is open, else 0; (samples,)
    """
    phase = rng.random() + np.cumsum(pitch_hz) / SAMPLE_RATE
    cycles = np.arange(int(phase[-1]) + 3)
    phase = np.interp(phase, cycles + rng.normal(0.0, 0.01, cycles.size), cycles)
    cycle = phase.astype(np.intp)
    time = (phase - cycle) / open_quotient
    opened = (time < 1.0).astype(np.float64)
    flow = (time**2 - time**3) * opened * rng.normal(1.0, 0.05, cycles.size)[cycle]
    derivative = np.diff(flow, prepend=flow[0])
    return derivative / np.sqrt(np.mean(derivative**2)), opened


def tract_response(
    formants_hz: np.ndarray, *, nasal: np.ndarray, tract_factor: float
) -> np.ndarray:
    """Transfer function of the vocal tract in each frame: resonators in cascade (Klatt 1980).

    Args:
        formants_hz: the first three formants, (frames, 3).
        nasal: how far the nose is open, 0 to 1, (frames,).
        tract_factor: factor on the higher formants, which do not move.

    Returns:
        complex128 (frames, N_FFT / 2 + 1), 1 at 0 Hz.
    """
    from scipy import fft

    high = np.minimum(tract_factor * np.asarray(HIGH_FORMANTS_HZ), TOP_HZ)
    below = np.minimum(formants_hz, TOP_HZ)
    fixed = _product(_sections(np.append(high, NASAL_POLE_HZ)[None], _FIXED_BANDWIDTHS))
    moving = _product(_sections(below, np.asarray(BANDWIDTHS_HZ)))
    zero_hz = NASAL_POLE_HZ + nasal * (NASAL_ZERO_HZ - NASAL_POLE_HZ)
    zeros = _product(_sections(zero_hz[:, None], np.asarray([NASAL_BANDWIDTH_HZ])))
    poles = fft.rfft(moving, N_FFT) * fft.rfft(fixed, N_FFT)
    return fft.rfft(zeros, N_FFT) / poles


_FIXED_BANDWIDTHS = np.asarray([*HIGH_BANDWIDTHS_HZ, NASAL_BANDWIDTH_HZ])


def _sections(frequency_hz: np.ndarray, bandwidth_hz: np.ndarray) -> np.ndarray:
    """Denominators of resonators, 1 at 0 Hz: (frames, resonators, 3) coefficients."""
    radius = np.exp(-np.pi * bandwidth_hz / SAMPLE_RATE) * np.ones_like(frequency_hz)
    turn = -2.0 * radius * np.cos(2.0 * np.pi * frequency_hz / SAMPLE_RATE)
    sections = np.stack([np.ones_like(turn), turn, radius**2], axis=-1)
    return sections / sections.sum(axis=-1, keepdims=True)


def _product(sections: np.ndarray) -> np.ndarray:
    """Multiply polynomials: (frames, resonators, 3) -> (frames, 2 × resonators + 1)."""
    product = np.ones((len(sections), 1))
    for number in range(sections.shape[1]):
        longer = np.zeros((len(sections), product.shape[1] + 2))
        for power in range(3):
            part = sections[:, number, power, None] * product
            longer[:, power : power + product.shape[1]] += part
        product = longer
    return product


def filtered(source: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Filter by a response that changes from frame to frame.

    Frames of two hops under a Hann window sum up to the source; each goes through its own filter,
    so that neighbours fade into each other.

    Args:
        source: (samples,).
        responses: complex or real (frames, N_FFT / 2 + 1); frame i is centred at i × ``HOP``.

    Returns:
        float64 (samples,); what rings on after the end is cut.
    """
    from scipy import fft

    frames = len(responses)
    padded = np.zeros((frames + 1) * HOP)
    padded[HOP : HOP + source.size] = source
    window = np.sin(np.pi * (np.arange(2 * HOP) + 0.5) / (2 * HOP)) ** 2
    pieces = np.lib.stride_tricks.sliding_window_view(padded, 2 * HOP)[::HOP] * window
    heard = fft.irfft(fft.rfft(pieces, N_FFT) * responses, N_FFT)
    heard = heard.reshape(frames, -1, HOP)
    summed = np.zeros((frames + N_FFT // HOP, HOP))
    for block in range(N_FFT // HOP):
        summed[block : block + frames] += heard[:, block]
    return summed.ravel()[HOP : HOP + source.size]


def _tilted(voice: np.ndarray, tilt_db: float) -> np.ndarray:
    """One-pole low-pass that takes ``tilt_db`` off at 3 kHz."""
    from scipy.signal import lfilter

    corner_hz = 3000.0 / np.sqrt(10.0 ** (tilt_db / 10.0) - 1.0)
    pole = np.exp(-2.0 * np.pi * corner_hz / SAMPLE_RATE)
    return lfilter([1.0 - pole], [1.0, -pole], voice)


def _pitch(length: int, mean_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Contour of a word said alone: up a little, then down; (samples,)."""
    semitones = rng.normal(0.0, 1.0) + np.array([0.0, 1.5, 0.0, -3.0]) * rng.uniform(0.3, 1.5)
    semitones += rng.normal(0.0, 0.4, semitones.size)
    places = np.array([0.0, rng.uniform(0.15, 0.4), 0.65, 1.0])
    contour = np.interp(np.linspace(0.0, 1.0, length), places, semitones)
    return mean_hz * 2.0 ** (contour / 12.0)


@dataclass(frozen=True)
class _Course:
    """How a word goes: its phases one after another.

    Attributes:
        phases: of all phonemes.
        edges: start of each phase in this take and end of the last, seconds, (phases + 1,).
        targets_hz: formants of the phases, (phases, 3).
    """

    phases: tuple[Phase, ...]
    edges: np.ndarray
    targets_hz: np.ndarray

    @classmethod
    def of(cls, symbols: Sequence[str], who: Speaker, rng: np.random.Generator) -> "_Course":
        """Lengths and targets of one take of a word."""
        spoken = [(symbol.removesuffix("0"), one) for symbol in symbols for one in phases(symbol)]
        every = tuple(one for _, one in spoken)
        accent = np.array([who.accent[symbol] for symbol, _ in spoken])
        targets = np.array([one.formants for one in every]) * accent
        own = np.array([one.own for one in every])[:, None]
        targets = own * targets + (1.0 - own) * targets[_vowels_beside(every)]
        targets = who.tract * targets * np.exp(rng.normal(0.0, 0.025, targets.shape))
        seconds = np.array([one.seconds for one in every]) / (who.rate * rng.uniform(0.9, 1.1))
        seconds *= np.exp(rng.normal(0.0, 0.1, len(every)))
        seconds *= min(1.0, LONGEST_SECONDS / seconds.sum())
        return cls(every, np.concatenate([[0.0], np.cumsum(seconds)]), targets)

    @property
    def length(self) -> int:
        """Samples, with a moment for the last phase to ring."""
        return round((self.edges[-1] + 2 * RAMP_SECONDS) * SAMPLE_RATE)

    @property
    def frame_times(self) -> np.ndarray:
        """Seconds at the middle of each frame; the last frame covers the last sample."""
        return np.arange(-(-self.length // HOP) + 1) * (HOP / SAMPLE_RATE)

    def formants(self) -> np.ndarray:
        """Tracks from target to target: hertz, (frames, 3)."""
        margin = np.diff(self.edges) * (1.0 - np.array([one.steady for one in self.phases])) / 2.0
        knots = np.stack([self.edges[:-1] + margin, self.edges[1:] - margin], axis=1).ravel()
        tracks = np.repeat(self.targets_hz, 2, axis=0)
        return np.stack([np.interp(self.frame_times, knots, track) for track in tracks.T], axis=1)

    def turbulence(self, tract_factor: float) -> np.ndarray:
        """Filter of the frication in each frame, (frames, N_FFT / 2 + 1), of power 1."""
        frequencies = np.fft.rfftfreq(N_FFT, 1.0 / SAMPLE_RATE) / tract_factor
        names = sorted({one.noise for one in self.phases})
        gains = np.stack(
            [
                10.0 ** (np.interp(frequencies, NOISE_KNOTS_HZ, NOISE_DB[name]) / 20.0)
                for name in names
            ]
        )
        gains /= np.sqrt(np.mean(gains**2, axis=1, keepdims=True))
        of_phase = np.array([names.index(one.noise) for one in self.phases])
        phase = np.searchsorted(self.edges[1:-1], self.frame_times, side="right")
        return gains[of_phase[phase]]

    def at_samples(self, name: str) -> np.ndarray:
        """Course of an amplitude of the phases, (samples,), 0 at both ends."""
        return self._ramped(name, np.arange(self.length) / SAMPLE_RATE)

    def at_frames(self, name: str) -> np.ndarray:
        """Course of an amplitude of the phases, (frames,)."""
        return self._ramped(name, self.frame_times)

    def _ramped(self, name: str, times: np.ndarray) -> np.ndarray:
        ramps = np.minimum(np.diff(self.edges) / 3.0, RAMP_SECONDS)
        knots = np.stack([self.edges[:-1] + ramps, self.edges[1:] - ramps], axis=1).ravel()
        levels = np.repeat([getattr(one, name) for one in self.phases], 2)
        knots = np.concatenate([[0.0], knots, [self.edges[-1] + RAMP_SECONDS]])
        return np.interp(times, knots, np.concatenate([[0.0], levels, [0.0]]))


def _vowels_beside(every: Sequence[Phase]) -> np.ndarray:
    """Index of the nearest phase with a full target of its own, the following one first."""
    full = [number for number, one in enumerate(every) if one.own == 1.0]
    return np.array(
        [next((f for f in full if f >= number), full[-1]) for number in range(len(every))]
    )
