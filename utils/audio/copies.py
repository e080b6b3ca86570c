"""Copies of audio files at the rate that is asked for, for reading stretches of them at random.

Files of that rate in a format in which every sample can be found at once (wav, flac, aiff) are read
where they lie. Others are converted once.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from utils.audio.reading import check_file, read_channels
from utils.audio.stretches import read_facts
from utils.errors import AudioError
from utils.files import digest, written_beside

Progress = Callable[[int, int], None]
"""Called with the number of files done and of all files."""

DIRECT = (".wav", ".flac", ".aif", ".aiff", ".w64")
_DIGITS = 24
_VERSION = 2  # of what is written, for files that an earlier version made
_LARGEST_WAV = 2**32 - 2**12  # bytes of samples, with room for the header


def at_rate(
    paths: Iterable[Path],
    *,
    sample_rate: int,
    channels: int,
    folder: Path,
    progress: Progress | None = None,
) -> dict[Path, Path]:
    """Files at one rate: themselves, or copies of 32-bit floats that are made now or found.

    Args:
        paths: audio files.
        sample_rate: hertz.
        channels: of the copies; files that are read where they lie keep theirs.
        folder: of the copies; a file that changes gets a new one.
        progress: told of the files looked at.

    Returns:
        Path to read instead of each path.

    Raises:
        AudioError: for a file that cannot be used.
        UserError: when a copy cannot be written.
    """
    from joblib import cpu_count

    files = list(dict.fromkeys(paths))

    def readable(path: Path) -> Path:
        if path.suffix.lower() not in DIRECT or read_facts(path).sample_rate != sample_rate:
            return _copied(path, sample_rate, channels, folder)
        check_file(path)  # a stretch of what is cut off would be silence
        return path

    found: dict[Path, Path] = {}
    with ThreadPoolExecutor(cpu_count()) as threads:  # decoders release the GIL
        try:
            for number, (path, copy) in enumerate(
                zip(files, threads.map(readable, files), strict=True), start=1
            ):
                found[path] = copy
                if progress is not None:
                    progress(number, len(files))
        finally:
            threads.shutdown(cancel_futures=True)
    return found


def _copied(path: Path, sample_rate: int, channels: int, folder: Path) -> Path:
    import soundfile

    try:
        state = path.stat()
    except OSError as error:
        raise AudioError(f"{path}: cannot be opened ({error.strerror}).") from error
    asked = [_VERSION, sample_rate, channels]
    known = [*asked, str(path.absolute()), state.st_size, state.st_mtime_ns]
    copy = folder / f"{digest(known, length=_DIGITS)}.wav"
    if not copy.exists():
        samples = read_channels(path, sample_rate=sample_rate, channels=channels)
        kind = "WAV" if samples.nbytes < _LARGEST_WAV else "RF64"
        with written_beside(copy) as beside:
            try:
                soundfile.write(beside, samples, sample_rate, subtype="FLOAT", format=kind)
            except (soundfile.SoundFileError, AssertionError) as error:  # of a full disk
                raise OSError(str(error) or "fewer samples were written than given") from error
    return copy
