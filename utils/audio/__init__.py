"""Audio files -> float32 samples: clips of one rate and length, or stretches of long files."""

from utils.audio.copies import at_rate
from utils.audio.reading import as_channels, fit_length, read_audio, read_channels, read_header
from utils.audio.streams import read_blocks, resample_blocks
from utils.audio.stretches import Facts, read_facts, read_stretch

__all__ = [
    "Facts",
    "as_channels",
    "at_rate",
    "fit_length",
    "read_audio",
    "read_blocks",
    "read_channels",
    "read_facts",
    "read_header",
    "read_stretch",
    "resample_blocks",
]
