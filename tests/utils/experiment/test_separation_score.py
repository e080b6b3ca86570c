"""Folders of separated files: how -m predict names them, and where they are looked for."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils import datasets
from utils.config.schema import AudioSettings, DatasetSettings
from utils.datasets.base import Clip
from utils.errors import DataError
from utils.experiment.separate_files import folder_names
from utils.experiment.separation_score import _places

STEMS = ("low", "high")

# --- as -m predict names them ---


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["/m/song.mp3"], ["song"]),
        (["/m/song.mp3", "/m/song.wav"], ["song.mp3", "song.wav"]),
        (["/m/a/s.mp3", "/m/b/s.mp3", "/m/b/t.mp3"], ["a/s", "b/s", "b/t"]),
        (["/m/s.mp3.wav", "/m/s.mp3", "/m/s.wav"], ["s.mp3.wav", "s.mp3", "s.wav"]),
        (["/m/a/../s.mp3", "/m/a/t.mp3"], ["s", "a/t"]),
        (["/m/no suffix", "/m/.hidden"], ["no suffix", ".hidden"]),
        (["/m/A/mixture.wav"], ["A"]),
        (["/m/M.E.R.C. Music/mixture.wav"], ["M.E.R.C. Music"]),
        (["/m/A/mixture.wav", "/m/B/mixture.flac"], ["A", "B"]),
        (["/m/A/mixture.wav", "/m/A/mixture.flac"], ["A.wav", "A.flac"]),
        (["/m/A/mixture.wav", "/m/A/vocals.wav"], ["A", "A/vocals"]),
        (["/m/A/mixture.wav", "/m/A.wav"], ["A/mixture", "A"]),
        (["/mixture.wav"], ["mixture"]),
    ],
)
def test_folder_names(files, names):
    assert folder_names([Path(file) for file in files]) == names


def test_names_lead_nowhere_else(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    names = folder_names([Path("../a.wav"), Path("b.wav")])
    assert names == ["a", "in/b"]


def test_a_mixture_has_the_name_of_the_folder_that_one_stands_in(tmp_path, monkeypatch):
    (tmp_path / "A song").mkdir()
    monkeypatch.chdir(tmp_path / "A song")
    assert folder_names([Path("mixture.wav")]) == ["A song"]


# --- where they are looked for ---


def write(folder, *names):
    for name in names:
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{name}.wav", np.full((100, 2), 0.25), 1000)


@pytest.fixture
def songs(tmp_path):
    """Songs in the layout of MUSDB18-HQ, two of them to be tested."""
    for name in ("train/A", "train/B", "train/C", "test/M.E.R.C. Music - Knockout", "test/B"):
        write(tmp_path / "musdb" / name, "mixture", "bass", "drums", "other", "vocals")
    settings = DatasetSettings.model_validate(
        {"name": "musdb", "validation": {"method": "group", "amount": 0.4}}
    )
    folder = tmp_path / "musdb"
    return datasets.load(settings, audio=AudioSettings(), root=folder, cache=tmp_path / "cache")


@pytest.mark.parametrize("parts", [("test",), ("test", "train")])
@pytest.mark.parametrize("within", ["", "mixture"])
def test_what_predict_writes_of_musdb_is_found(songs, tmp_path, parts, within):
    """Of the test songs or of all; in folders of the songs, or one below as in earlier versions."""
    every = [*songs.test, *(songs.folds[0].train if "train" in parts else ())]
    for name in folder_names([clip.path for clip in every]):
        write(tmp_path / "out" / name / within, *STEMS)
    places = _places(tmp_path / "out", songs.test, STEMS)
    folder = tmp_path / "out" / ("test" if "train" in parts else "")
    assert places == {clip.name: folder / Path(clip.name).name / within for clip in songs.test}


def test_a_single_song_is_found(songs, tmp_path):
    (name,) = folder_names([songs.test[1].path])
    write(tmp_path / "out" / name, *STEMS)
    assert list(_places(tmp_path / "out", songs.test[1:], STEMS).values()) == [
        tmp_path / "out" / "M.E.R.C. Music - Knockout"
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("test/A/mixture.wav", "test/B/mixture.wav"),
        ("set/test/a.b/song.flac", "set/test/b/song.flac"),
        ("one.mp3", "one.two.mp3"),
    ],
)
def test_songs_of_tables_are_found(tmp_path, names):
    clips = [Clip(name, tmp_path / "data" / name) for name in names]
    written = folder_names([clip.path for clip in clips])
    for name in written:
        write(tmp_path / "out" / name, *STEMS)
    places = _places(tmp_path / "out", clips, STEMS)
    assert list(places.values()) == [tmp_path / "out" / name for name in written]


def test_two_songs_in_one_folder_are_refused(tmp_path):
    clips = [Clip(name, tmp_path / name) for name in ("a/song.wav", "b/song.wav")]
    write(tmp_path / "out" / "song", *STEMS)
    with pytest.raises(DataError, match=r"out/song: may be of a/song\.wav or of b/song\.wav; name"):
        _places(tmp_path / "out", clips, STEMS)


def test_what_is_missing_is_told(songs, tmp_path):
    out = tmp_path / "out"
    write(out / "B" / "mixture", *STEMS)
    with pytest.raises(
        DataError, match=r"has no folder M\.E\.R\.C\. Music - Knockout with low\.wav"
    ):
        _places(out, songs.test, STEMS)
    write(out / "M.E.R.C. Music - Knockout", "low")
    with pytest.raises(DataError, match=r"Knockout: has no high\.wav; each stem needs a file"):
        _places(out, songs.test, STEMS)
