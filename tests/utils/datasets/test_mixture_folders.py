"""Folders of mixtures: named by what determines them, written once."""

import os

import numpy as np
import pytest

from utils.datasets.base import Clip
from utils.datasets.mixture_folders import array_digest, kept_folder
from utils.errors import DataError


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"1234")
    return Clip("a.wav", path)


def kept(cache, recording, *, written=None, fixed=1, rate=8000):
    def write(folder):
        folder.mkdir()
        if written is not None:
            written.append(folder)

    return kept_folder(cache, [[recording]], fixed={"code": fixed}, others=[rate], write=write)


def test_a_folder_is_written_once(tmp_path, recording):
    written = []
    first = kept(tmp_path / "cache", recording, written=written)
    assert kept(tmp_path / "cache", recording, written=written) == first
    assert written == [first[0]]
    assert first[0].parent == tmp_path / "cache" / "mixtures"


def test_names_and_folders_change_with_what_determines_them(tmp_path, recording):
    folder, name = kept(tmp_path, recording)
    for changes, renamed in (({"rate": 16_000}, False), ({"fixed": 2}, True)):
        other = kept(tmp_path, recording, **changes)
        assert other[0] != folder
        assert (other[1] != name) == renamed
    os.utime(recording.path, ns=(1, 1))
    touched = kept(tmp_path, recording)
    assert touched[0] != folder
    assert touched[1] == name
    recording.path.write_bytes(b"12345")
    assert kept(tmp_path, recording)[1] != name


def test_a_recording_that_has_vanished_is_told(tmp_path, recording):
    recording.path.unlink()
    with pytest.raises(DataError, match=r"a\.wav: the recording has vanished; restore it"):
        kept(tmp_path, recording)


def test_arrays_are_told_apart_by_what_they_hold():
    numbers = np.arange(6)
    assert array_digest(numbers[:3], numbers[3:]) == array_digest(numbers)
    assert array_digest(numbers) != array_digest(numbers[::-1])
