"""Audio file -> float32 samples at one rate, mono or stereo, and of one length."""

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from utils.errors import AudioError

if TYPE_CHECKING:
    import soundfile

_MP3_FRAME = 1152  # samples; an MP3 header may promise one frame more than there is
_NO_LENGTH = 2**62  # samples; libsndfile gives more for a FLAC that was written to a pipe
_MARGIN_SECONDS = 0.1  # read beyond a time limit, so that the resampler's filter sees what follows
_UNKNOWN_SIZE = (
    0x7FFF_0000  # chunk sizes from here on are placeholders of programs writing to a pipe
)
_MP3_FRAME_BYTES = 2_881  # of the longest frame
_OGG_PAGE = 65_307  # bytes of the longest page
_PLAIN_WAV = struct.Struct("<4s4x8s8xI4xH2x4sI")
"""Wav of one chunk each: RIFF, WAVEfmt, hertz, bytes of a frame, data, its size."""

_CHUNKED = {b"RIFF": ("<", b"data"), b"RIFX": (">", b"data"), b"FORM": (">", b"SSND")}
_LONG_CHUNKED = (b"RF64", b"BW64")


def read_audio(
    path: str | os.PathLike[str], *, sample_rate: int, seconds: float | None = None
) -> np.ndarray:
    """Read an audio file as mono samples at one rate.

    Whatever libsndfile reads (wav of 16, 24 and 32 bits and float, flac, ogg, mp3, aiff ...); the
    mean of all channels; other rates are resampled by soxr at its high quality.

    Args:
        path: the file.
        sample_rate: hertz of the result.
        seconds: read no more than this from the start; None reads all.

    Returns:
        float32 (samples,), at least one.

    Raises:
        AudioError: when the file is missing, empty, no audio, cut off, or holds samples that are no
            finite numbers. The message opens with the path. A cut-off file is told from the sizes
            that its own headers promise (wav, rf64, aiff, flac, ogg, mp3 with a length header).
    """
    return read_channels(path, sample_rate=sample_rate, channels=1, seconds=seconds)[:, 0]


def read_channels(
    path: str | os.PathLike[str],
    *,
    sample_rate: int,
    channels: int,
    seconds: float | None = None,
) -> np.ndarray:
    """Read an audio file as one or two channels at one rate, as :func:`read_audio` else.

    Args:
        path: the file.
        sample_rate: hertz of the result.
        channels: as :func:`as_channels`.
        seconds: read no more than this from the start; None reads all.

    Returns:
        float32 (samples, channels), at least one sample.

    Raises:
        AudioError: as :func:`read_audio`.
    """
    import soundfile

    path = Path(path)
    check_file(path)
    try:
        with soundfile.SoundFile(path) as stream:
            wanted = _frames_to_read(stream.samplerate, sample_rate, seconds)
            samples = as_channels(_read_frames(stream, wanted, path), channels)
            rate = stream.samplerate
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: headerless .raw
        raise no_audio(path, error) from error
    _check_samples(samples, rate, path)
    if rate != sample_rate:
        samples = _resample(samples, rate, sample_rate)
    return samples if seconds is None else samples[: max(1, round(seconds * sample_rate))]


def read_header(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Rate and length of an audio file, without reading its samples.

    The header of a plain wav is read here, in a tenth of libsndfile's time. Programs that write to
    a pipe leave 0 or a huge number where the size belongs: libsndfile then goes by the file's own
    size, as :func:`read_audio` does.

    Args:
        path: the file.

    Returns:
        Hertz and number of samples (of one channel) that the header states.

    Raises:
        AudioError: when the file cannot be opened or is no audio. The message opens with the path.
    """
    import soundfile

    path = Path(path)
    try:
        with path.open("rb", buffering=0) as stream:
            head = stream.read(_PLAIN_WAV.size)
    except OSError as error:
        raise AudioError(f"{path}: cannot be opened ({error.strerror}).") from error
    if len(head) == _PLAIN_WAV.size:
        riff, kind, rate, frame_bytes, data, size = _PLAIN_WAV.unpack(head)
        plain = (riff, kind, data) == (b"RIFF", b"WAVEfmt ", b"data") and rate and frame_bytes
        if plain and 0 < size < _UNKNOWN_SIZE:
            return rate, size // frame_bytes
    try:
        header = soundfile.info(path)
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: headerless .raw
        raise no_audio(path, error) from error
    return header.samplerate, require_length(header.frames, path)


def require_length(told: int, path: Path) -> int:
    """Samples of a file by libsndfile's count, which cannot read a FLAC that does not state them.

    Args:
        told: libsndfile's number, a huge one for such a file.
        path: the file.

    Raises:
        AudioError: for a FLAC as programs write it to a pipe.
    """
    if told >= _NO_LENGTH:
        raise AudioError(
            f"{path}: states no length, as a FLAC that was written to a pipe; convert it into a "
            "file (ffmpeg -i OLD.flac NEW.flac)."
        )
    return told


def stated_frames(stream: "soundfile.SoundFile", path: Path) -> int | None:
    """Samples that a file's header states; None where it states none.

    Of an MP3 without a Xing frame libsndfile guesses the number from the file's size.

    Args:
        stream: the open file.
        path: of it.
    """
    if stream.format == "MP3" and not _has_xing_frame(path):
        return None
    return require_length(stream.frames, path)


def _has_xing_frame(path: Path) -> bool:
    """Whether the first frame of an MP3, behind its ID3 tags, tells the number of frames."""
    with path.open("rb") as stream:
        place = 0
        while (head := stream.read(10))[:3] == b"ID3" and len(head) == 10:
            place += 10 + sum(byte << 7 * power for power, byte in enumerate(reversed(head[6:])))
            stream.seek(place)
        stream.seek(place)
        first = stream.read(_MP3_FRAME_BYTES)
    return b"Xing" in first or b"Info" in first or b"VBRI" in first


def as_channels(samples: np.ndarray, channels: int) -> np.ndarray:
    """Samples as one channel or two.

    Args:
        samples: (frames, any).
        channels: 1 takes the mean of all; 2 doubles a single one and takes the first two of more.

    Returns:
        (frames, channels).
    """
    if channels == 1:
        return samples if samples.shape[1] == 1 else samples.mean(axis=1, keepdims=True)
    if samples.shape[1] == 1:
        return np.repeat(samples, channels, axis=1)
    return samples[:, :channels]


def fit_length(
    samples: np.ndarray, *, length: int, short: Literal["zeros", "loop", "reflect"]
) -> np.ndarray:
    """Cut or extend a clip at its end.

    Args:
        samples: (samples,), at least one.
        length: wanted number of samples.
        short: how a shorter clip goes on: ``zeros``; ``loop``, from its start again; ``reflect``,
            back and forth as often as it takes, end samples not doubled.

    Returns:
        (length,); a view where the clip is long enough.

    Raises:
        ValueError: for a clip without samples or an unknown ``short``.
    """
    count = len(samples)
    if count == 0:
        raise ValueError("a clip without samples cannot be extended")
    if count >= length:
        return samples[:length]
    if short == "zeros":
        return np.concatenate([samples, np.zeros(length - count, samples.dtype)])
    place = np.arange(length)
    if short == "loop":
        return samples[place % count]
    if short == "reflect":
        period = max(1, 2 * (count - 1))
        place %= period
        return samples[np.minimum(place, period - place) if count > 1 else place]
    raise ValueError(f"short must be zeros, loop or reflect, received {short!r}")


def no_audio(path: Path, error: Exception) -> AudioError:
    """The error of a file that libsndfile cannot read, in a sentence."""
    reason = str(getattr(error, "error_string", error)).removeprefix("Error : ").rstrip(". ")
    return AudioError(f"{path}: is broken or no audio file ({reason}); replace it.")


def check_file(path: Path) -> None:
    """Refuse a file that is missing, empty or shorter than its own headers say.

    Raises:
        AudioError: with what is wrong with it.
    """
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size == 0:
                raise AudioError(f"{path}: is an empty file (0 bytes); replace it.")
            missing = _missing_bytes(stream, size)
    except FileNotFoundError as error:
        raise AudioError(f"{path}: is missing; restore it or take it off the list.") from error
    except OSError as error:
        raise AudioError(f"{path}: cannot be opened ({error.strerror}).") from error
    if missing:
        raise AudioError(f"{path}: is cut off ({missing}); replace it.")


def _missing_bytes(stream: BinaryIO, size: int) -> str:
    """Say what the container's headers promise and the file lacks; empty if nothing."""
    magic = stream.read(4)
    if magic == b"OggS":
        stream.seek(max(0, size - _OGG_PAGE))
        return "" if _ends_ogg(stream.read()) else "the page that ends its stream is not there"
    promised = _promised_size(stream, magic)
    return "" if promised <= size else f"its header promises {promised} bytes, it has {size}"


def _ends_ogg(tail: bytes) -> bool:
    """Whether the last page is whole and carries the end-of-stream flag (RFC 3533, section 6)."""
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27 or not page[5] & 4:
        return False
    lengths = page[27 : 27 + page[26]]
    return len(lengths) == page[26] and len(page) >= 27 + len(lengths) + sum(lengths)


def _promised_size(stream: BinaryIO, magic: bytes) -> int:
    """Bytes up to the end of the samples as a chunked container states it; 0 where it does not.

    RIFF and AIFF: EA IFF 85; RF64, whose sizes above 4 GB stand in a ``ds64`` chunk: EBU Tech 3306.
    """
    if magic not in _CHUNKED and magic not in _LONG_CHUNKED:
        return 0
    order, wanted = _CHUNKED.get(magic, ("<", b"data"))
    long_size, place = 0, 12
    while True:
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8:
            return 0  # no samples at all: libsndfile says what is wrong
        name, size = head[:4], struct.unpack(f"{order}I", head[4:])[0]
        if name == b"ds64":
            body = stream.read(16)
            long_size = struct.unpack("<Q", body[8:])[0] if len(body) == 16 else 0
        if name == wanted:
            if magic in _LONG_CHUNKED and size == 0xFFFF_FFFF:
                return place + 8 + long_size
            return 0 if size >= _UNKNOWN_SIZE else place + 8 + size
        place += 8 + size + size % 2


def _frames_to_read(rate: int, sample_rate: int, seconds: float | None) -> int:
    """Frames of the file that ``seconds`` of the result need; -1 for all."""
    if seconds is None:
        return -1
    margin = 0.0 if rate == sample_rate else _MARGIN_SECONDS
    return max(1, round((seconds + margin) * rate))


def _read_frames(stream: "soundfile.SoundFile", wanted: int, path: Path) -> np.ndarray:
    """Read (frames, channels); fewer frames than promised are an error."""
    stated = stated_frames(stream, path)
    frames = stream.read(wanted, dtype="float32", always_2d=True)
    promised = min(stated or 0, wanted) if wanted >= 0 else stated or 0
    refuse_cut_off(stream, path, promised=promised, read=len(frames))
    return frames


def refuse_cut_off(stream: "soundfile.SoundFile", path: Path, *, promised: int, read: int) -> None:
    """Refuse a file of which fewer samples could be read than its header promises.

    Raises:
        AudioError: with both numbers.
    """
    if read < promised - (_MP3_FRAME if stream.format == "MP3" else 0):
        raise AudioError(
            f"{path}: is cut off (its header promises {promised} samples, {read} can be read); "
            "replace it."
        )


def _check_samples(samples: np.ndarray, rate: int, path: Path) -> None:
    """Refuse a clip of no samples and one with NaN or infinity."""
    if not samples.size:
        raise AudioError(f"{path}: holds no samples; replace it.")
    finite = np.isfinite(samples)
    if not finite.all():
        first = int(np.argmin(finite.all(axis=1)))
        raise AudioError(
            f"{path}: holds {int(samples.size - finite.sum())} samples that are not finite numbers "
            f"(the first at {first / rate:.3f} s); replace it."
        )


def _resample(samples: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """Change the rate; a clip shorter than one new sample keeps its first."""
    import soxr

    resampled = soxr.resample(samples, rate, sample_rate, quality="HQ")
    return resampled if resampled.size else samples[:1]
