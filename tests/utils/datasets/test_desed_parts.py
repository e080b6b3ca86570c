"""DESED: which weak clips validate, and which clips an evaluation answers."""

import shutil

import numpy as np
import pytest

from tests.utils.datasets.test_desed import SPLIT, load, parts, real, settings, tree
from utils.config.schema import ValidationSettings
from utils.datasets import load_evaluation
from utils.datasets.desed import taken_for_validation
from utils.errors import DataError


def test_the_weak_split_is_that_of_the_baseline():
    """Golden values of pandas 3.1.1: sample(frac=0.9, random_state=42), the rows it leaves."""
    taken = np.flatnonzero(taken_for_validation(1578, SPLIT))
    assert len(taken) == 158
    assert taken[:12].tolist() == [13, 14, 20, 21, 34, 40, 64, 87, 91, 95, 98, 121]
    assert taken.sum() == 123_274
    # 4.5 and 13.5 rows are rounded to even ones, as Python does
    assert np.flatnonzero(taken_for_validation(5, SPLIT)).tolist() == [3]
    assert np.flatnonzero(taken_for_validation(15, SPLIT)).tolist() == [6]
    other = ValidationSettings(method="random", amount=0.3, seed=7)
    assert np.flatnonzero(taken_for_validation(15, other)).tolist() == [3, 4, 6, 9, 11]
    assert not taken_for_validation(1, SPLIT).any()


def test_each_weak_part_keeps_its_split(tmp_path):
    root = tree(tmp_path)
    shutil.copy(root / "metadata/train/weak.tsv", root / "metadata/train/more.tsv")
    shutil.copytree(root / "audio/train/weak", root / "audio/train/more")
    (fold,) = load(parts(weak=("more", "weak")), root=root).folds
    assert [clip.name for clip in fold.validation if clip.events is None] == [
        f"train/more/{real(6)}",
        f"train/weak/{real(6)}",
    ]


def test_public_clips_are_those_that_an_evaluation_answers(tmp_path):
    root = tree(tmp_path)
    with pytest.raises(DataError, match="no audio in audio/eval/public, whose clips -m eval"):
        load_evaluation(settings(), root=root)
    folder = root / "audio" / "eval" / "public"
    folder.mkdir(parents=True)
    for name in ("b.wav", "a.wav", "notes.txt"):
        (folder / name).write_bytes(b"RIFF")
    table = root / "metadata" / "eval" / "public_durations.tsv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("filename\tduration\na.wav\t9.5\n")
    clips = load_evaluation(settings(), root=root)
    assert [(clip.name, clip.path) for clip in clips] == [
        (f"eval/public/{name}", folder / name) for name in ("a.wav", "b.wav")
    ]
    assert clips[0].seconds == 9.5
    assert all(clip.events is None and not clip.labels for clip in clips)
