"""Audio files -> float32 samples: clips of one rate and length, or stretches of long files."""

from utils.audio.reading import fit_length, read_audio, read_header
from utils.audio.stretches import Facts, as_channels, read_facts, read_stretch

__all__ = [
    "Facts",
    "as_channels",
    "fit_length",
    "read_audio",
    "read_facts",
    "read_header",
    "read_stretch",
]
