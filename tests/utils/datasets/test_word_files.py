"""Speakers divided into folds."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.config.schema import DatasetSettings, MixingSettings
from utils.datasets.base import Clip
from utils.datasets.words import divide
from utils.errors import DataError


def of_words(number):
    """Settings that mix so many words."""
    return DatasetSettings(name="words", mixing=MixingSettings(words=number))


def recordings(sizes):
    """So many recordings of each speaker."""
    return [
        Clip(f"{speaker}-{take}", Path(), ("go",), f"{speaker:02d}")
        for speaker, takes in enumerate(sizes)
        for take in range(takes)
    ]


def test_folds_are_balanced_by_recordings_and_have_enough_speakers():
    sizes = [40, 3, 3, 3, 3, 3, 3, 3, 3]
    clips = recordings(sizes)
    divisions = divide(clips, 3, of_words(2))
    tested = [{clip.group for clip in division["test"]} for division in divisions]
    assert sorted(map(len, tested)) == [2, 3, 4]
    assert all(len({clip.group for clip in d["validation"]}) >= 2 for d in divisions)
    assert all(len({clip.group for clip in d["train"]}) >= 2 for d in divisions)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=24), st.integers(2, 5), st.integers(1, 4))
def test_folds_are_made_or_the_message_names_their_setting(sizes, folds, needed):
    clips = recordings(sizes)
    if len(sizes) < needed * (4 if folds == 2 else folds):
        with pytest.raises(DataError, match=r"^training\.folds: "):
            divide(clips, folds, of_words(needed))
        return
    divisions = divide(clips, folds, of_words(needed))
    assert sorted(clip.name for one in divisions for clip in one["test"]) == sorted(
        clip.name for clip in clips
    )
    for division in divisions:
        speakers = [{clip.group for clip in part} for part in division.values()]
        assert min(map(len, speakers)) >= needed
        assert len(set().union(*speakers)) == sum(map(len, speakers)) == len(sizes)
