"""What sets of separation may not give; networks fit the sources and channels by themselves."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.tasks.separation_data import write_tiny_separation
from utils.config import load
from utils.datasets import Clip, DataSet, Fold
from utils.errors import ConfigError
from utils.experiment import Job, check_separation
from utils.experiment.separation_checks import build_separator

PROJECT = Path(__file__).resolve().parents[3]
UNET = """
  - set_id: unet
    based_on: tiny
    audio: {seconds: 0.6}
    features: {frames: 64, bins: 64}
    model: {use: spleeter_2stems, constants: {WIDTH: 1}}
    separation: {frames: null}
"""


@pytest.fixture
def job(tmp_path):
    """A function from a set and its differences to what a script is given; no file is read."""
    path = write_tiny_separation(tmp_path)
    path.write_text(path.read_text() + UNET)
    catalogue = load(PROJECT / "task.yaml", path)

    def of(set_id, *overrides, fresh=True):
        resolved = catalogue.resolve(set_id, overrides=overrides)
        voices = resolved.settings.dataset.speakers if "voices" in set_id else None
        number = 2 if voices is None else voices.number
        mixture = Clip("a", Path("a.wav"), stems=((Path("s.wav"),),) * number)
        fold = Fold("fold1", (mixture,), (mixture,), (mixture,))
        classes = tuple(f"source{place}" for place in range(number))
        data = DataSet("test", classes, (fold,), speakers=voices if fresh else None)
        console = Console(file=io.StringIO())
        return Job(resolved.settings, resolved.models, data, tmp_path, tmp_path, console)

    return of


def test_the_tiny_sets_are_taken(job):
    for set_id in ("tiny", "tiny_voices", "unet"):
        check_separation(job(set_id))


@pytest.mark.parametrize("change", ["segments.remix=0.5", "segments.gain_db=3.0"])
def test_speakers_that_are_mixed_afresh_have_levels_of_their_own(job, change):
    path = change.split("=")[0]
    told = rf"^{path}: has no effect where speakers are mixed afresh; leave it out\.$"
    with pytest.raises(ConfigError, match=told):
        check_separation(job("tiny_voices", change))
    check_separation(job("tiny_voices", change, fresh=False))
    check_separation(job("tiny", change))


@pytest.mark.parametrize("change", ["separation.exponent=1.0", "separation.extension=zeros"])
def test_waveforms_have_no_masks(job, change):
    path = change.split("=")[0]
    told = rf"^{path}: is for networks that hear magnitudes; leave it out\.$"
    with pytest.raises(ConfigError, match=told):
        check_separation(job("tiny_voices", change))
    check_separation(job("tiny", change))


def test_stems_have_no_length_that_they_are_brought_to(job):
    told = r"^audio\.short_clips: has no effect on networks that separate; leave it out\.$"
    with pytest.raises(ConfigError, match=told):
        check_separation(job("tiny", "audio.short_clips=loop"))


def test_several_devices_cannot_train_them(job):
    check_separation(job("tiny", "training.strategy=auto"))
    with pytest.raises(ConfigError, match=r"^training\.strategy: networks that separate train on"):
        check_separation(job("tiny", "training.strategy=mirrored"))


def test_utterances_alone_can_be_left_out(job):
    told = r"^audio\.on_bad_audio: is for utterances, of which one more or less can be mixed; leave"
    with pytest.raises(ConfigError, match=told):
        check_separation(job("tiny", "audio.on_bad_audio=skip"))
    check_separation(job("tiny_voices", "audio.on_bad_audio=skip"))


def test_as_many_sources_as_speakers(job):
    three = job("tiny_voices", "dataset.speakers.number=3")
    heard, _ = check_separation(three)
    assert build_separator(three, heard).output_shape[2] == 3


def test_as_many_channels_as_the_audio(job):
    mono = job("unet", "audio.channels=1")
    heard, _ = check_separation(mono)
    assert build_separator(mono, heard).output_shape == (None, 2, 64, 64, 1)


@pytest.mark.parametrize("name", ["SOURCES", "CHANNELS"])
def test_what_the_run_sets_is_not_set_by_a_file(job, name):
    with pytest.raises(ConfigError) as caught:
        check_separation(job("unet", f"model.constants.{name}=2"))
    assert str(caught.value).endswith(
        f"'{name}' is set by the run; leave it out, or choose another name."
    )


def test_a_network_of_another_number_of_stems_is_refused(job):
    two = job("unet")
    clip = replace(two.data.clips[0], stems=((Path("s.wav"),),) * 4)
    fold = Fold("fold1", (clip,), (clip,), (clip,))
    four = replace(two, data=replace(two.data, classes=tuple("abcd"), folds=(fold,)))
    with pytest.raises(ConfigError, match=r"has shape \(2, 64, 64, 2\); one of \(4, .*4 sources"):
        check_separation(four)
