"""Embeddings of clips: averages over steps, the file they are kept in, wrong files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.errors import DataError
from utils.features.embeddings import open_embeddings, to_steps
from utils.features.store import FeatureStore

NAMES = ("train/weak/a.wav", "train/weak/b.ogg", "validation/a.wav")


@pytest.fixture
def store(tmp_path):
    array = np.zeros((4, 2, 3), np.float32)
    rows = {name: row for row, name in zip((0, 1, 3), NAMES, strict=True)}  # row 2 is a bad clip
    return FeatureStore(tmp_path / "features-1", array, rows, (), ())


@pytest.fixture
def folder(tmp_path, rng):
    """Embeddings of two frames a step; the two clips named a lie in folders of their own."""
    place = tmp_path / "embeddings"
    for name in ("train/weak/a.npy", "validation/a.npy", "b.npy"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(place / name, rng.standard_normal((6, 5)))
    return place


def opened(store, folder, **changed):
    asked = {"size": 5, "steps": 3, "cache": folder.parent / "cache"} | changed
    return open_embeddings(store, folder=folder, **asked)


@given(st.integers(1, 40), st.data())
def test_steps_are_means_of_the_frames_they_overlap(frames, data):
    steps = data.draw(st.integers(1, frames))
    values = np.random.default_rng(frames).standard_normal((frames, 2))
    expected = [
        values[k * frames // steps : -(-(k + 1) * frames // steps)].mean(axis=0)
        for k in range(steps)
    ]
    found = to_steps(values, steps)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rows_are_those_of_the_store(store, folder):
    array = opened(store, folder)
    assert (array.shape, array.dtype) == ((4, 3, 5), np.float32)
    files = ("train/weak/a.npy", "b.npy", "validation/a.npy")
    for row, file in zip((0, 1, 3), files, strict=True):
        frames = np.load(folder / file)
        np.testing.assert_allclose(array[row], frames.reshape(3, 2, 5).mean(axis=1), atol=1e-6)
    assert not array[2].any()
    assert not array.flags.writeable


def test_they_are_made_once_and_anew_when_a_file_changes(store, folder):
    first = Path(opened(store, folder).filename)
    written = first.stat().st_mtime_ns
    assert Path(opened(store, folder).filename) == first
    assert first.stat().st_mtime_ns == written
    np.save(folder / "b.npy", np.ones((7, 5)))
    changed = opened(store, folder)
    assert Path(changed.filename) != first
    np.testing.assert_array_equal(changed[1], 1)
    assert not list(first.parent.glob(".*"))


def test_clips_without_a_file_are_counted_and_named(store, folder):
    (folder / "b.npy").unlink()
    with pytest.raises(DataError, match=r"1 of 3 clips have no embeddings, such as train/weak/b"):
        opened(store, folder)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (np.zeros((6, 4)), "holds float64 of shape \\(6, 4\\); floats \\(frames, 5\\)"),
        (np.zeros((2, 5)), "3 frames at least are needed"),
        (np.zeros(30), "of shape \\(30,\\)"),
        (np.zeros((6, 5), int), "holds int64"),
        (np.full((6, 5), np.nan), "no finite numbers"),
        (np.array([{"code": 1}]), "is no array that NumPy can read"),
    ],
)
def test_wrong_files_are_one_sentence(store, folder, content, told):
    np.save(folder / "b.npy", content, allow_pickle=True)
    with pytest.raises(DataError, match=told) as caught:
        opened(store, folder)
    assert str(folder / "b.npy") in str(caught.value)
    assert not list((folder.parent / "cache").glob("embeddings*"))
