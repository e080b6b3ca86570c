"""What a network that separates learns from, and the keys by which a finished stage is known."""

import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from rich.console import Console

from tests.tasks.separation_data import write_songs, write_tiny_separation
from utils import datasets
from utils.config import load
from utils.errors import DataError
from utils.experiment import Job
from utils.experiment.separation_learning import SeparationLearning
from utils.features.heard import heard_by

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def songs(tmp_path):
    """Folder of songs."""
    return write_songs(tmp_path / "data")


@pytest.fixture
def learning(songs, tmp_path):
    """A function that prepares the tiny set anew, on the songs as the path names them."""
    resolved = load(PROJECT / "task.yaml", write_tiny_separation(tmp_path)).resolve("tiny")
    settings, cache = resolved.settings, tmp_path / "cache"

    def prepared(root=songs):
        data = datasets.load(settings.dataset, audio=settings.audio, root=root, cache=cache)
        console = Console(file=io.StringIO())
        job = Job(settings, resolved.models, data, root, cache, console, target="stems")
        return SeparationLearning.prepared(job, heard_by(settings.audio, settings.features))

    return prepared


def keys(learning):
    return learning.key, learning.test_key


def turn(path):
    """Write a file of other samples with as many bytes, a second later."""
    samples, rate = soundfile.read(path)
    state = path.stat()
    soundfile.write(path, samples[::-1], rate, subtype="FLOAT")
    assert path.stat().st_size == state.st_size
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))


@pytest.mark.parametrize("name", ["mixture", "drums"])
def test_other_sound_of_the_same_size_has_another_key(learning, name):
    first = learning()
    learnt, tested = keys(first)
    for part, changes_training in (("train", True), ("validation", True), ("test", False)):
        turn(getattr(first.fold, part)[0].path.with_name(f"{name}.wav"))
        now = learning()
        assert now.job.data.identity == first.job.data.identity
        assert (now.key != learnt, now.test_key != tested) == (
            changes_training,
            not changes_training,
        )
        learnt, tested = keys(now)


def test_keys_are_of_the_songs_not_of_how_their_folder_is_written(
    learning, songs, tmp_path, monkeypatch
):
    expected = keys(learning())
    monkeypatch.chdir(tmp_path)
    assert keys(learning(Path("data"))) == expected
    songs.rename(tmp_path / "moved")
    assert keys(learning(tmp_path / "moved")) == expected


def test_places_of_stems_count(learning):
    """Two stems of a song that change names are another truth."""
    before = learning()
    first, *rest = before.fold.test
    fold = replace(before.fold, test=(replace(first, stems=first.stems[::-1]), *rest))
    assert replace(before, fold=fold).test_key != before.test_key


def test_a_file_that_vanished_is_one_sentence(learning, songs):
    found = learning()
    (songs / "test" / "Y" / "bass.wav").unlink()
    with pytest.raises(DataError, match=r"Y/bass\.wav: the recording has vanished; restore it\.$"):
        found.test_key  # noqa: B018
