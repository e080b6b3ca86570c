"""Downloads of published data sets: resumed, checked, unpacked inside their folder only."""

import shutil
import stat
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any

from utils.datasets.checksums import RELEASES, Package, Release
from utils.datasets.tables import nearest
from utils.errors import DataError
from utils.files import write_text, writing

Progress = Callable[[str, int, int], None]
"""Called with a file name, the bytes that are there and the bytes of the whole file."""

CONNECT_SECONDS, SILENT_SECONDS = 15, 60
ATTEMPTS = 5
PAUSE_SECONDS = 2
CHUNK_BYTES = 1 << 16
"""Bytes written at a time; a break loses less than one chunk."""
UNPACKED_PER_PACKED = 1.25
"""Room for what a zip holds, against its size; 24-bit audio hardly shrinks."""


def download(
    name: str, folder: Path, *, release: Release | None = None, progress: Progress | None = None
) -> Path:
    """Download and unpack a data set; what is already there is not fetched again.

    A broken transfer goes on where it stopped, in this call or in a later one. A package is deleted
    once it is unpacked, so the room needed is that of the data set and one package.

    Args:
        name: a key of ``checksums.RELEASES``.
        folder: where the data set's folder is made.
        release: packages and address, if not the published ones.
        progress: told of every piece that arrives.

    Returns:
        The data set's folder.

    Raises:
        DataError: for an unknown name, a transfer that keeps breaking, a wrong checksum, a zip that
            is damaged or would write outside the folder, too little room.
        UserError: when the folder cannot be written.
    """
    if release is None and name not in RELEASES:
        raise DataError(f"there is no download for data set '{name}'. {nearest(name, RELEASES)}")
    release = release or RELEASES[name]
    marks = folder / f".{release.folder}.unpacked"
    with writing(folder):
        marks.mkdir(parents=True, exist_ok=True)
    for package in release.packages:
        if (marks / package.md5).exists():
            (folder / package.file).unlink(missing_ok=True)
    left = [package for package in release.packages if not (marks / package.md5).exists()]
    if left:
        packed = sum(package.size for package in left)
        _require_room(folder, int(UNPACKED_PER_PACKED * packed) + max(p.size for p in left))
    for package in left:
        archive = _fetch(release.url + package.file, package, folder, progress)
        _unpack(archive, folder)
        write_text(marks / package.md5, package.file + "\n")
        archive.unlink()
    target = folder / release.folder
    if not target.is_dir():
        raise DataError(
            f"{target}: is not there although {len(release.packages)} packages were unpacked;"
            f" delete {marks} and download again."
        )
    return target


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"{folder}: {needed / 1e9:.1f} GB are needed but {free / 1e9:.1f} GB are free; free"
            " some space or choose another folder."
        )


def _fetch(url: str, package: Package, folder: Path, progress: Progress | None) -> Path:
    """The package's zip, its checksum verified by pooch."""
    import pooch

    pooch.get_logger().setLevel("ERROR")
    try:
        return Path(
            pooch.retrieve(
                url,
                known_hash=f"md5:{package.md5}",
                fname=package.file,
                path=folder,
                downloader=partial(_transfer, package=package, progress=progress),
            )
        )
    except ValueError as error:
        raise DataError(
            f"{url}: the checksum of the downloaded file is wrong, it was removed; download again,"
            " and if that does not help the published file has changed."
        ) from error
    except OSError as error:
        raise DataError(
            f"{url}: cannot be stored in {folder} ({error.strerror or error})."
        ) from error


def _transfer(
    url: str, output_file: str, _pooch: Any, *, package: Package, progress: Progress | None
) -> None:
    """Fetch a file into a part beside its place, going on after breaks, then hand it to pooch."""
    import requests

    part = Path(output_file).parent / f"{package.file}.part"
    for attempt in range(1, ATTEMPTS + 1):
        problem = "the connection was closed"
        try:
            _fetch_rest(url, part, package, progress)
        except requests.RequestException as error:
            problem = _reason(url, error)
        if _bytes_in(part) == package.size:
            part.replace(output_file)
            return
        if attempt < ATTEMPTS:
            time.sleep(PAUSE_SECONDS * attempt)
    raise DataError(
        f"{url}: {problem} after {_bytes_in(part)} of {package.size} bytes, {ATTEMPTS} times; start"
        " the download again to go on."
    )


def _reason(url: str, error: Exception) -> str:
    """Why a transfer stopped, if another attempt may help.

    Raises:
        DataError: when the server refuses for good (status 4xx).
    """
    response = getattr(error, "response", None)
    if response is None:
        return type(error).__name__
    if response.status_code < 500:
        raise DataError(f"{url}: the server answers {response.status_code} {response.reason}.")
    return f"{response.status_code} {response.reason}"


def _fetch_rest(url: str, part: Path, package: Package, progress: Progress | None) -> None:
    """Append what is missing; start anew if the server does not continue at the right byte."""
    import requests

    have = _bytes_in(part)
    if have == package.size:
        return
    if have > package.size:
        part.unlink()
        have = 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(
        url,
        headers=headers,
        stream=True,
        timeout=(CONNECT_SECONDS, SILENT_SECONDS),
    ) as response:
        response.raise_for_status()
        continues = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if not continues:
            have = 0
        with part.open("ab" if continues else "wb") as stream:
            for chunk in response.iter_content(CHUNK_BYTES):
                stream.write(chunk)
                have += len(chunk)
                if progress is not None:
                    progress(package.file, have, package.size)


def _bytes_in(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip after every member was checked; each file appears whole or not at all."""
    try:
        with zipfile.ZipFile(archive) as bundle:
            members = bundle.infolist()
            for member in members:
                _check_member(archive, member)
            _require_room(folder, sum(member.file_size for member in members))
            for member in members:
                _extract(bundle, member, folder)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise DataError(
            f"{archive}: cannot be unpacked ({error}); delete it and start again."
        ) from error


def _check_member(archive: Path, member: zipfile.ZipInfo) -> None:
    """Refuse a name that leads out of the folder, and links.

    Windows' notion of a path also knows the slash, so it finds drives and both kinds of separator.
    """
    path = PureWindowsPath(member.filename)
    if path.anchor or ".." in path.parts:
        raise DataError(
            f"{archive}: member '{member.filename}' would be written outside the folder; nothing of"
            " this zip was unpacked."
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(
            f"{archive}: member '{member.filename}' is a link; nothing of this zip was unpacked."
        )


def _extract(bundle: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / member.filename
    with writing(target):
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.part")
        with bundle.open(member) as packed, beside.open("wb") as stream:
            shutil.copyfileobj(packed, stream, CHUNK_BYTES)
        beside.replace(target)
