"""The data set of speakers as the loaders' table gives it."""

import csv

import numpy as np
import pytest
import soundfile

from utils.config.schema import AudioSettings, DatasetSettings, SpeakerSettings, ValidationSettings
from utils.datasets import load
from utils.errors import DataError

RATE = 1000
PEOPLE = tuple(f"p{number}" for number in range(8))


def settings(**speakers):
    small = {"train": 7, "validation": 3, "test": 4} | speakers
    return DatasetSettings(
        name="speakers",
        speakers=SpeakerSettings(**small),
        validation=ValidationSettings(amount=0.3),
        test_amount=0.3,
    )


@pytest.fixture
def root(tmp_path, rng):
    for person in PEOPLE:
        for take in range(2):
            path = tmp_path / "set" / person / f"{take}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, rng.normal(0.0, 0.1, 500 + 30 * take), RATE)
    return tmp_path / "set"


def read(root, chosen=None, *, rate=RATE, folds=None, cache=None):
    return load(
        chosen or settings(),
        audio=AudioSettings(sample_rate=rate),
        root=root,
        cache=cache or root.parent / "cache",
        folds=folds,
    )


def speakers_of(clips):
    """Who speaks in mixtures, by the table beside them."""
    with (clips[0].path.parents[2] / "mixtures.csv").open(newline="") as stream:
        rows = {row["id"]: row["speakers"].split("|") for row in csv.DictReader(stream)}
    return [rows[clip.path.stem] for clip in clips]


def test_training_utterances_are_single_and_the_rest_is_mixed(root):
    data = read(root)
    (fold,) = data.folds
    assert (data.name, data.classes) == ("speakers", ("speaker1", "speaker2"))
    assert data.speakers == settings().speakers
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (8, 3, 4)
    assert {clip.stems for clip in fold.train} == {()}
    assert {clip.group for clip in fold.train} <= set(PEOPLE)
    assert {clip.seconds for clip in fold.train} == {0.5, 0.53}
    heard = {"train": {clip.group for clip in fold.train}}
    for part in ("validation", "test"):
        clips = getattr(fold, part)
        heard[part] = {person for pair in speakers_of(clips) for person in pair}
        assert all(
            len(set(pair)) == len(clip.stems) == 2
            for pair, clip in zip(speakers_of(clips), clips, strict=True)
        )
    assert sum(map(len, heard.values())) == len(set().union(*heard.values()))
    assert data.identity == read(root).identity


def test_not_fresh_training_clips_are_mixed_too(root):
    data = read(root, settings(fresh=False, number=2))
    train = data.folds[0].train
    assert data.speakers is None
    assert len(train) == 7
    assert train[-1].name.endswith("/tr/mix/train_00006.wav")
    assert all(len(clip.stems) == 2 for clip in train)
    fresh = read(root).folds[0]
    alone = {clip.group for clip in fresh.train}
    assert {person for pair in speakers_of(train) for person in pair} <= alone
    for clip, same in zip(data.folds[0].test, fresh.test, strict=True):
        assert clip.path.read_bytes() == same.path.read_bytes()


def test_names_do_not_tell_the_rate(root):
    fine, coarse = read(root), read(root, rate=RATE // 2)
    assert [c.name for c in fine.folds[0].test] == [c.name for c in coarse.folds[0].test]
    assert soundfile.info(coarse.folds[0].test[0].path).samplerate == RATE // 2
    assert fine.folds[0].test[0].path != coarse.folds[0].test[0].path


@pytest.mark.parametrize(
    ("changes", "folds", "message"),
    [
        ({}, 3, "training.folds: a 'speakers' set has its speakers in three parts"),
        ({"number": 3}, None, "8 speakers were found .* mixtures of 3 speakers need 9"),
    ],
)
def test_what_cannot_be_is_one_sentence(root, changes, folds, message):
    with pytest.raises(DataError, match=message):
        read(root, settings(**changes), folds=folds)


def test_there_is_one_fold(root):
    with pytest.raises(DataError, match="has no fold 2, only 1"):
        read(root, settings().model_copy(update={"folds": (2,)}))


@pytest.mark.real_audio
def test_read_speech_at_8_khz(real_audio, tmp_path):
    folder = real_audio / "librispeech_speakers"
    if not folder.is_dir():
        pytest.skip(f"no utterances of LibriSpeech in {folder}")
    few = tmp_path / "few"
    few.mkdir()
    files = sorted(folder.glob("*.flac"))[:12]
    for path in files:
        (few / path.name).symlink_to(path)
    data = read(few, settings(length="max", test=2, validation=1), rate=8000)
    (fold,) = data.folds
    people = {clip.group for clip in fold.train}
    people |= {
        person
        for part in (fold.validation, fold.test)
        for pair in speakers_of(part)
        for person in pair
    }
    assert people <= {path.name.split("-")[0] for path in files}
    for clip in fold.test:
        mixture, *sources = (
            soundfile.read(path, dtype="int16")[0].astype(int)
            for path in (clip.path, *(path for (path,) in clip.stems))
        )
        np.testing.assert_array_equal(mixture, sum(sources))
        assert clip.seconds == len(mixture) / 8000
        assert clip.seconds > 1.9
