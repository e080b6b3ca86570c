"""Where data sets lie: folders, audio files below them, settings of a layout."""

import os

import pytest

from tests.utils.datasets.trees import write_empty
from utils.config.schema import ColumnSettings, DatasetSettings
from utils.datasets.layout import audio_below, files_in, listed, refuse_layout, require_folder
from utils.errors import DataError


def test_audio_is_found_at_any_depth_and_sorted(tmp_path):
    write_empty(
        tmp_path, "b/deep/er.FLAC", "b/a.mp3", "a.wav", "notes.txt", ".hidden.wav", ".h/c.wav"
    )
    found = [path.relative_to(tmp_path).as_posix() for path in audio_below(tmp_path)]
    assert found == ["a.wav", "b/a.mp3", "b/deep/er.FLAC"]


def test_links_to_folders_are_followed_once(tmp_path):
    write_empty(tmp_path, "set/a/1.wav", "elsewhere/2.wav")
    (tmp_path / "set" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "up").symlink_to(tmp_path / "set")
    found = [path.relative_to(tmp_path / "set") for path in audio_below(tmp_path / "set")]
    assert list(map(str, found)) == ["a/1.wav", "b/2.wav"]


def test_folders_that_may_not_be_read_are_told(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    for look in (audio_below, files_in):
        with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
            look(tmp_path)


def test_a_folder_that_is_not_there_has_no_files(tmp_path):
    write_empty(tmp_path, "set/a.wav", "set/below/b.wav")
    assert files_in(tmp_path / "set") == {"a.wav"}
    assert files_in(tmp_path / "nowhere") == files_in(tmp_path / "set" / "a.wav") == set()
    require_folder(tmp_path / "set")
    with pytest.raises(DataError, match="nowhere: there is no such folder; --data names"):
        require_folder(tmp_path / "nowhere")


def test_the_first_names_are_listed():
    assert listed({"b", "a"}) == "a, b"
    assert listed("fedcba") == "a, b, c, d, e, ..."


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metadata", "other.csv"),
        ("audio_folder", "x"),
        ("columns", ColumnSettings(label="x")),
        ("evaluation", "test.csv"),
    ],
)
def test_a_data_set_with_a_layout_refuses_another(key, value):
    refuse_layout(DatasetSettings(classes=("a",)), why="It has one")
    with pytest.raises(DataError) as caught:
        refuse_layout(DatasetSettings(**{key: value}), why="It has one")
    assert str(caught.value) == (
        f"dataset.{key}: It has one; leave dataset.{key} out, or set dataset.name to csv."
    )
