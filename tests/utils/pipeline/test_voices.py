"""Speakers mixed afresh: who, how loud, from where; the same for the same step."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from utils import pipeline
from utils.config.schema import SpeakerSettings
from utils.errors import DataError

RATE, SAMPLES = 8000, 400


@pytest.fixture
def voices(tmp_path):
    """Twelve utterances of six speakers; speaker k hums a tone of 200 (k + 1) Hz."""

    def make(**settings):
        paths, frames_of, rms = [], [], []
        for number in range(12):
            frames = 2000 if number % 2 else 300
            tone = np.sin(2 * np.pi * 200 * (number // 2 + 1) * np.arange(frames) / RATE)
            paths.append(tmp_path / f"{number}.wav")
            tone *= 0.02 * (number + 1)
            soundfile.write(paths[-1], tone, RATE, subtype="FLOAT")
            frames_of.append(frames)
            rms.append(np.sqrt((tone**2).mean()))
        asked = SpeakerSettings(train=30, **settings)
        return pipeline.Voices(
            tuple(paths), np.array(frames_of), np.array(rms), np.arange(12) // 2, SAMPLES, asked
        )

    return make


def draw(source, count=40, step=0, epoch=0):
    return source.batch(count, seed=2, epoch=epoch, step=step)


def heard(sources):
    """Number of the speaker that hums in each source."""
    spectrum = np.abs(np.fft.rfft(sources[..., 0], axis=-1))
    return np.rint(spectrum.argmax(axis=-1) * RATE / SAMPLES / 200 - 1).astype(int)


def test_mixtures_are_the_sum_of_different_speakers(voices):
    source = voices()
    mixtures, sources = draw(source)
    clip, target = source.shapes
    assert mixtures.shape == (40, *clip) and sources.shape == (40, *target) == (40, 2, 400, 1)
    assert mixtures.dtype == sources.dtype == np.float32
    np.testing.assert_array_equal(mixtures, sources[:, 0] + sources[:, 1])
    first, second = heard(sources).T
    assert (first != second).all()
    assert set(first) == set(second) == set(range(6))


def test_levels_are_those_of_whole_utterances_within_the_gain(voices):
    _, sources = draw(voices(level_db=4.0), 300)
    whole = (sources != 0).mean(axis=2)[..., 0] > 0.95
    levels = 20 * np.log10(np.sqrt((sources[..., 0] ** 2).mean(axis=-1))[whole] / 0.05)
    assert -4.2 < levels.min() < -3 and 3 < levels.max() < 4.2


def test_three_speakers(voices):
    mixtures, sources = draw(voices(number=3))
    assert sources.shape == (40, 3, 400, 1)
    assert all(len(set(row)) == 3 for row in heard(sources).tolist())
    np.testing.assert_allclose(mixtures, sources.sum(axis=1), atol=1e-7)


def test_short_utterances_stand_among_silence(voices):
    _, sources = draw(voices(), 100)
    sounding = (np.abs(sources[..., 0]) > 0).sum(axis=-1)
    short = sounding < 350
    assert 60 < short.sum() < 140
    assert sounding[short].max() <= 300
    first = (np.abs(sources[..., 0]) > 0).argmax(axis=-1)[short]
    assert first.min() < 15 and first.max() > 85


def test_a_step_is_a_function_of_seed_epoch_and_step(voices):
    source = voices()
    for one, again in zip(draw(source, step=3), draw(source, step=3), strict=True):
        np.testing.assert_array_equal(one, again)
    for other in (draw(source, step=4), draw(source, epoch=1, step=3)):
        assert (other[0] != draw(source, step=3)[0]).any()


def test_utterances_in_memory_give_the_same_mixtures(voices):
    source = voices()
    assert source.held(100).stretches.kept == {}
    kept = source.held(10**6)
    assert len(kept.stretches.kept) == 12
    for one, other in zip(draw(kept), draw(source), strict=True):
        np.testing.assert_array_equal(one, other)


def test_mixtures_of_max_overlap_as_the_files_do(voices):
    """Of the longest mixtures, 3,700 samples, stretches of 400 hold one voice or both."""
    _, whole = draw(voices(length="max"), 200)
    _, apart = draw(voices(length="max", overlap=0.0), 200)
    both = [((np.abs(each[..., 0]) > 0).any(axis=-1)).all(axis=1).mean() for each in (whole, apart)]
    assert both[1] < both[0] - 0.1


def test_too_few_speakers_are_refused_before_training(voices):
    with pytest.raises(DataError, match="mixtures of 2 speakers cannot be made of 1"):
        replace(voices(), speakers=np.zeros(12, np.int64))


def test_epochs_come_as_batches(voices):
    source = voices()
    batches = list(
        pipeline.training_batches(
            source, batch_size=16, seed=2, first_epoch=0, epochs=1, memory_gb=1.0
        ).as_numpy_iterator()
    )
    assert [len(clips) for clips, _ in batches] == [16, 14]
    np.testing.assert_array_equal(batches[1][1], draw(source, 14, step=1)[1])
