"""task_separation.py on data that others have listed: tables of songs, manifests of mixtures."""

import csv

import numpy as np
import pytest

from tests.tasks.conftest import imported
from tests.tasks.runs import results_of, set_of
from tests.tasks.separation_data import (
    GAINS,
    SONGS,
    write_songs,
    write_tiny_separation,
    write_utterances,
)
from utils.datasets import speaker_mixer

STEMS = ("bass", "drums", "vocals", "other")
SHORT = ("training.epochs=2", "export.formats=[]")
pytestmark = pytest.mark.smoke


def write_tables(songs):
    """Tables of Spleeter's form beside the songs."""
    for part, names in SONGS.items():
        with (songs / f"{part}.csv").open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["mix_path", *(f"{stem}_path" for stem in STEMS), "duration"])
            for name in names:
                files = (f"{part}/{name}/{stem}.wav" for stem in ("mixture", *STEMS))
                table.writerow([*files, 3.0])


def test_songs_by_tables_are_the_songs_of_folders(tmp_path):
    separation = imported("task_separation")
    write_tiny_separation(tmp_path)
    songs = write_songs(tmp_path / "songs")
    write_tables(songs)
    arguments = (*set_of(tmp_path), "--data", songs)
    changes = ("dataset.name=spleeter", "dataset.music.test=test.csv", *SHORT)
    assert separation(*arguments, "--override", *changes) == 0
    results = results_of(tmp_path)
    assert results.data == "spleeter"
    assert (results.scores["files"], set(results.scores["per_class"])) == (2, {"low", "high"})
    assert results.overall["si_sdr_improvement"] > 4.0


def test_mixtures_by_manifests_are_those_that_were_written(tmp_path):
    separation = imported("task_separation")
    write_tiny_separation(tmp_path)
    utterances, mixtures = write_utterances(tmp_path / "utterances"), tmp_path / "mixtures"
    numbers = ("--train", "6", "--validation", "3", "--test", "2")
    assert speaker_mixer.main([str(utterances), str(mixtures), *numbers]) == 0
    arguments = (*set_of(tmp_path, "tiny_voices"), "--data", mixtures)
    changes = ("dataset.name=svoice", "segments.train=8", GAINS, *SHORT)
    assert separation(*arguments, "--override", *changes) == 0
    results = results_of(tmp_path, "tiny_voices")
    assert (results.data, results.scores["files"]) == ("svoice", 2)
    assert np.isfinite(results.overall["si_sdr_improvement"])
