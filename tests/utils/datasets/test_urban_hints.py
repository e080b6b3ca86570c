"""Published tables of urban sounds: what a user is told besides what is wrong."""

import pytest

from tests.utils.datasets.test_urban import load, settings, touch, urban
from utils.config.schema import AudioSettings
from utils.datasets.urban import PRESETS
from utils.errors import DataError


@pytest.mark.parametrize(("seconds", "told"), [(4.0, False), (3.5, True), (10.0, False)])
def test_clips_that_are_cut_are_told_of(tmp_path, seconds, told):
    data = load(
        settings("urbansound8k"), root=urban(tmp_path), audio=AudioSettings(seconds=seconds)
    )
    notes = [note for note in data.notes if "cut off" in note]
    assert bool(notes) == told
    if told:
        assert notes == [
            "Clips of UrbanSound8K last up to 4 s; audio.seconds is 3.5, the rest is cut off."
        ]


def test_esc_clips_last_longer_than_urban_sounds():
    assert {name: preset.seconds for name, preset in PRESETS.items()} == {
        "urbansound8k": 4.0,
        "urbansound_labelled": 4.0,
        "esc50": 5.0,
        "esc10": 5.0,
    }


@pytest.mark.parametrize("below", ["", "ESC-50-master"])
def test_the_folder_of_another_preset_is_recognised(tmp_path, below):
    table = tmp_path / below / "meta" / "esc50.csv"
    touch(table)
    with pytest.raises(DataError) as caught:
        load(settings("urbansound8k"), root=tmp_path)
    assert "looks like esc50, which --override dataset.name=esc50 reads" in str(caught.value)
