"""Stretches of long audio files at the files' own rate, without reading the rest."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.audio.reading import as_channels, no_audio, require_length
from utils.errors import AudioError


class Facts(NamedTuple):
    """What an audio file's header states.

    Attributes:
        sample_rate: hertz.
        frames: samples of each channel.
        channels: their number.
    """

    sample_rate: int
    frames: int
    channels: int


def read_facts(path: str | os.PathLike[str]) -> Facts:
    """Rate, length and channels of an audio file.

    Raises:
        AudioError: when it is missing, empty or no audio. The message opens with the path.
    """
    import soundfile

    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: is missing; restore it or take it off the list.")
    try:
        header = soundfile.info(path)
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: headerless .raw
        raise no_audio(path, error) from error
    if not header.frames:
        raise AudioError(f"{path}: holds no samples; replace it.")
    return Facts(header.samplerate, require_length(header.frames, path), header.channels)


def read_stretch(
    path: str | os.PathLike[str], *, start: int, frames: int, channels: int
) -> np.ndarray:
    """Read a stretch of a file, with zeros where the file has none.

    Args:
        path: the file.
        start: first sample; negative ones lie before the file.
        frames: samples of each channel, at the file's own rate.
        channels: of the result, as :func:`~utils.audio.reading.as_channels`.

    Returns:
        float32 (frames, channels).

    Raises:
        AudioError: when the file cannot be read, or holds samples that are no finite numbers.
    """
    import soundfile

    path = Path(path)
    stretch = np.zeros((frames, channels), np.float32)
    before = max(0, -start)
    try:
        with soundfile.SoundFile(path) as stream:
            wanted = min(frames - before, stream.frames - max(0, start))
            if wanted <= 0:
                return stretch
            stream.seek(max(0, start))
            found = stream.read(wanted, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, TypeError) as error:
        raise no_audio(path, error) from error
    if len(found) < wanted:  # of a flac; the headers of others tell before
        raise AudioError(f"{path}: is cut off (its header promises more samples); replace it.")
    if not np.isfinite(found).all():
        raise AudioError(f"{path}: holds samples that are not finite numbers; replace it.")
    stretch[before : before + len(found)] = as_channels(found, channels)
    return stretch
