"""What the demo's voices can say: thirty words as phonemes, phonemes as phases of sound.

Formants of vowels are the averages over 33 men of Peterson and Barney, "Control methods used in a
study of the vowels", J. Acoust. Soc. Am. 24 (1952), table II. Formants of diphthongs and consonants
follow Klatt, "Software for a cascade/parallel formant synthesizer", J. Acoust. Soc. Am. 67
(1980), tables II and III. The noise of fricatives follows the shapes in Heinz and Stevens,
"On the properties of voiceless fricative consonants", J. Acoust. Soc. Am. 33 (1961), that of bursts
Blumstein and Stevens, "Acoustic invariance in speech production", J. Acoust. Soc. Am. 66 (1979):
diffuse and falling for lips, diffuse and rising for the tongue's tip, compact for its back.
Durations and levels were set by the look of spectrograms.
"""

from dataclasses import dataclass, replace

Formants = tuple[float, float, float]

WORDS = {
    "bed": "B EH D",
    "bird": "B ER D",
    "cat": "K AE T",
    "dog": "D AO G",
    "down": "D AW N",
    "eight": "EY T",
    "five": "F AY V",
    "four": "F AO R",
    "go": "G OW",
    "happy": "HH AE P IY0",
    "house": "HH AW S",
    "left": "L EH F T",
    "marvin": "M AA R V IH0 N",
    "nine": "N AY N",
    "no": "N OW",
    "off": "AO F",
    "on": "AA N",
    "one": "W AH N",
    "right": "R AY T",
    "seven": "S EH V AH0 N",
    "sheila": "SH IY L AH0",
    "six": "S IH K S",
    "stop": "S T AA P",
    "three": "TH R IY",
    "tree": "T R IY",
    "two": "T UW",
    "up": "AH P",
    "wow": "W AW",
    "yes": "Y EH S",
    "zero": "Z IY R OW0",
}
"""Words and their phonemes in ARPAbet; 0 marks a vowel without stress."""

NOISE_KNOTS_HZ = (500.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 5000.0, 6500.0, 8000.0)
NOISE_DB = {
    "lips": (-10.0, -9.0, -9.0, -8.0, -6.0, -4.0, -3.0, -1.0, 0.0),
    "teeth": (-22.0, -19.0, -16.0, -13.0, -10.0, -7.0, -3.0, 0.0, -1.0),
    "ridge": (-45.0, -40.0, -34.0, -28.0, -16.0, -4.0, 0.0, -2.0, -7.0),
    "palate": (-40.0, -28.0, -16.0, -5.0, 0.0, -3.0, -8.0, -14.0, -22.0),
    "lips_burst": (0.0, -3.0, -6.0, -9.0, -14.0, -17.0, -20.0, -24.0, -28.0),
    "ridge_burst": (-20.0, -16.0, -12.0, -8.0, -3.0, 0.0, -1.0, -4.0, -8.0),
    "back_burst": (-20.0, -9.0, -1.0, 0.0, -9.0, -11.0, -14.0, -18.0, -22.0),
}
"""Spectrum of turbulence by the place where it arises, at ``NOISE_KNOTS_HZ``."""


@dataclass(frozen=True)
class Phase:
    """A stretch of sound that has one target; a stop consists of three, a diphthong of two.

    Attributes:
        seconds: its length at the speaking rate 1.
        formants: target of the first three formants, hertz, of an average man.
        own: share of its own target; the rest is that of the vowel beside it, since the tongue is
            on its way (locus equations: Lindblom 1963).
        voicing: amplitude of the voice, 1 in a vowel with stress.
        aspiration: root mean square of noise at the glottis, against the voice's in a vowel.
        frication: root mean square of noise above the glottis, after its filter.
        noise: key of ``NOISE_DB``, for frication.
        nasal: 1 while the nose is open, else 0.
        steady: share of its length that it stays at its target.
    """

    seconds: float
    formants: Formants
    own: float = 1.0
    voicing: float = 0.0
    aspiration: float = 0.0
    frication: float = 0.0
    noise: str = "lips"
    nasal: float = 0.0
    steady: float = 0.4


def _vowel(*formants: float, seconds: float) -> tuple[Phase, ...]:
    first, second, third = formants
    return (Phase(seconds, (first, second, third), voicing=1.0),)


def _diphthong(start: Formants, end: Formants) -> tuple[Phase, ...]:
    return (Phase(0.15, start, voicing=1.0), Phase(0.15, end, voicing=0.8, steady=0.2))


def _sonorant(seconds: float, formants: Formants, nasal: float = 0.0) -> tuple[Phase, ...]:
    own = 0.85 if nasal else 1.0
    return (Phase(seconds, formants, own, 0.6, nasal=nasal, steady=0.5),)


def _fricative(
    seconds: float, formants: Formants, noise: str, level: float, voicing: float = 0.0
) -> tuple[Phase, ...]:
    return (Phase(seconds, formants, 0.6, voicing, 0.02, level, noise, steady=0.7),)


def _stop(formants: Formants, noise: str, *, level: float, voiced: bool) -> tuple[Phase, ...]:
    """Closure, burst, and after a voiceless stop aspiration until the voice sets in."""
    own = 0.4 if noise == "back_burst" else 0.65
    closure = Phase(0.075, formants, own, 0.16 if voiced else 0.0, steady=1.0)
    burst = Phase(0.012, formants, own, 0.0, 0.02, level, noise, steady=1.0)
    release = Phase(
        0.008 if voiced else 0.04, formants, own / 2, aspiration=0.05 if voiced else 0.14
    )
    return (closure, burst, release)


PHONEMES: dict[str, tuple[Phase, ...]] = {
    "IY": _vowel(270, 2290, 3010, seconds=0.23),
    "IH": _vowel(390, 1990, 2550, seconds=0.16),
    "EH": _vowel(530, 1840, 2480, seconds=0.20),
    "AE": _vowel(660, 1720, 2410, seconds=0.24),
    "AH": _vowel(640, 1190, 2390, seconds=0.19),
    "AA": _vowel(730, 1090, 2440, seconds=0.24),
    "AO": _vowel(570, 840, 2410, seconds=0.26),
    "UW": _vowel(300, 870, 2240, seconds=0.24),
    "ER": _vowel(490, 1350, 1690, seconds=0.24),
    "EY": _diphthong((480, 1720, 2520), (330, 2020, 2600)),
    "AY": _diphthong((660, 1200, 2550), (400, 1880, 2500)),
    "AW": _diphthong((640, 1230, 2550), (420, 940, 2350)),
    "OW": _diphthong((540, 1100, 2300), (450, 900, 2300)),
    "W": _sonorant(0.08, (290, 610, 2150)),
    "Y": _sonorant(0.08, (260, 2070, 3020)),
    "R": _sonorant(0.09, (310, 1060, 1380)),
    "L": _sonorant(0.09, (310, 1050, 2880)),
    "M": _sonorant(0.09, (480, 1270, 2130), nasal=1.0),
    "N": _sonorant(0.10, (480, 1340, 2470), nasal=1.0),
    "F": _fricative(0.13, (340, 1100, 2080), "lips", 0.07),
    "V": _fricative(0.07, (220, 1100, 2080), "lips", 0.03, voicing=0.4),
    "TH": _fricative(0.13, (320, 1290, 2540), "teeth", 0.06),
    "S": _fricative(0.15, (320, 1390, 2530), "ridge", 0.25),
    "Z": _fricative(0.11, (240, 1390, 2530), "ridge", 0.14, voicing=0.35),
    "SH": _fricative(0.15, (300, 1840, 2750), "palate", 0.28),
    "HH": (Phase(0.09, (500, 1500, 2500), 0.0, aspiration=0.2),),
    "P": _stop((400, 1100, 2150), "lips_burst", level=0.25, voiced=False),
    "B": _stop((200, 1100, 2150), "lips_burst", level=0.15, voiced=True),
    "T": _stop((400, 1600, 2600), "ridge_burst", level=0.35, voiced=False),
    "D": _stop((200, 1600, 2600), "ridge_burst", level=0.2, voiced=True),
    "K": _stop((300, 1990, 2850), "back_burst", level=0.35, voiced=False),
    "G": _stop((200, 1990, 2850), "back_burst", level=0.2, voiced=True),
}
"""Phonemes in ARPAbet."""


def phases(symbol: str) -> tuple[Phase, ...]:
    """Phases of a phoneme; a vowel without stress (``IY0``) is shorter and softer."""
    full = PHONEMES[symbol.removesuffix("0")]
    if not symbol.endswith("0"):
        return full
    return tuple(
        replace(phase, seconds=0.75 * phase.seconds, voicing=0.6 * phase.voicing) for phase in full
    )
