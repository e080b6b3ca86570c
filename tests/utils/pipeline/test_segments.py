"""Stretches of songs: which samples, which levels, from which songs; the same for the same step."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from utils import pipeline
from utils.config.schema import SegmentSettings

RATE, SAMPLES = 8000, 100


@pytest.fixture
def tracks(tmp_path):
    """Songs whose sample n of stem s is (song, s, n) written as a number; the mixture is no sum."""
    made = []
    for song, frames in enumerate((1000, 700, 60)):
        files = []
        for stem in range(3):
            values = (1000 * stem + np.arange(frames)) / 32768
            stereo = np.stack([values, -values], axis=1) * (1 if song != 1 else 0.5)
            files.append(tmp_path / f"{song}_{stem}.wav")
            soundfile.write(files[-1], stereo, RATE, subtype="FLOAT")
        mixture = tmp_path / f"{song}_mix.wav"
        soundfile.write(mixture, np.full((frames, 2), 0.125 * (song + 1)), RATE, subtype="FLOAT")
        made.append(pipeline.Track(mixture, ((files[0],), (files[1], files[2])), frames))
    return tuple(made)


def segments(tracks, *, channels=2, **settings):
    return pipeline.Segments(tracks, SAMPLES, channels, SegmentSettings(train=10, **settings))


def draw(source, count=6, step=0, epoch=0):
    return source.batch(count, seed=3, epoch=epoch, step=step)


def test_shapes_are_those_that_are_promised(tracks):
    source = segments(tracks)
    mixtures, stems = draw(source)
    clip, target = source.shapes
    assert mixtures.shape == (6, *clip) == (6, 100, 2)
    assert stems.shape == (6, *target) == (6, 2, 100, 2)
    assert mixtures.dtype == stems.dtype == np.float32
    assert source.clip_bytes == 3 * 100 * 2 * 4


def test_stems_are_the_stretch_of_the_mixture_and_several_files_are_added(tracks):
    long = segments(tracks[:1])
    mixtures, stems = draw(long, 20)
    np.testing.assert_array_equal(mixtures, np.full_like(mixtures, 0.125))
    first = stems[:, 0, 0, 0] * 32768
    assert len(set(first.tolist())) > 10
    assert 0 <= first.min() < first.max() <= 900
    ramp = first[:, None] + np.arange(100)
    np.testing.assert_allclose(stems[:, 0, :, 0] * 32768, ramp, atol=1e-3)
    np.testing.assert_allclose(stems[:, 1, :, 1] * 32768, -(3000 + 2 * ramp), atol=1e-2)


def test_a_song_that_is_shorter_stands_among_zeros(tracks):
    mixtures, stems = draw(segments(tracks[2:]), 30)
    sounding = mixtures[:, :, 0] > 0
    np.testing.assert_array_equal(sounding.sum(axis=1), 60)
    begin = sounding.argmax(axis=1)
    assert begin.min() < 10 and begin.max() > 30
    for clip, start in zip(stems, begin, strict=True):
        np.testing.assert_allclose(clip[0, start : start + 60, 0] * 32768, np.arange(60), atol=1e-3)
        assert not clip[:, :start].any() and not clip[:, start + 60 :].any()


def test_a_step_is_a_function_of_seed_epoch_and_step(tracks):
    source = segments(tracks)
    for first, second in zip(draw(source, step=4), draw(source, step=4), strict=True):
        np.testing.assert_array_equal(first, second)
    others = [draw(source, step=5), draw(source, epoch=1, step=4)]
    others.append(source.batch(6, seed=4, epoch=0, step=4))
    for other in others:
        assert (other[1] != draw(source, step=4)[1]).any()


def test_files_in_memory_give_the_same_batches(tracks):
    source = segments(tracks)
    assert source.held(1000).stretches.kept == {}
    held = source.held(10**6)
    assert len(held.stretches.kept) == 12
    for kept, read in zip(draw(held, 30), draw(source, 30), strict=True):
        np.testing.assert_array_equal(kept, read)


def test_stems_of_different_songs_are_added_up(tracks):
    source = segments(tracks[:2], remix=1.0)
    mixtures, stems = draw(source, 40)
    np.testing.assert_allclose(mixtures, stems.sum(axis=1), atol=1e-7)
    steps = np.diff(stems[:, :, :2, 0], axis=-1)[..., 0] * 32768  # 1 of the first song, 0.5 else
    songs = np.stack([steps[:, 0] < 0.75, steps[:, 1] < 1.5], axis=1)
    pairs = {tuple(pair) for pair in songs.tolist()}
    assert pairs == {(False, False), (False, True), (True, False), (True, True)}


def test_remixing_some_leaves_the_others_as_they_are(tracks):
    mixtures, stems = draw(segments(tracks[:2], remix=0.5), 200)
    added = np.isclose(mixtures, stems.sum(axis=1), atol=1e-6).all(axis=(1, 2))
    assert 60 < added.sum() < 140


def test_levels_change_within_bounds_and_the_mixture_follows(tracks):
    plain = draw(segments(tracks[:1]), 50)
    mixtures, stems = draw(segments(tracks[:1], gain_db=6.0), 50)
    np.testing.assert_allclose(mixtures, stems.sum(axis=1), rtol=1e-6)
    assert (plain[0] != mixtures).all()
    steps = np.diff(stems[:, 0, :2, 0], axis=-1)[:, 0] * 32768
    gains = 20 * np.log10(steps)
    assert -6.01 < gains.min() < -4 and 4 < gains.max() < 6.01


@pytest.mark.parametrize("change", [{"gain_db": 6.0}, {"remix": 1.0}])
def test_what_belongs_to_no_stem_stays_in_mixtures_that_are_changed(tracks, change):
    """The mixture of a song is no sum of its stems here; with the first stem comes the rest."""
    source = replace(segments(tracks[:1], **change), have_more=True)
    mixtures, stems = draw(source, 20)
    first = stems[:, 0, :, 0]
    slope = np.diff(first, axis=1).mean(axis=1) * 32768  # that of the ramp, by its gain
    ramp = first[:, :, None] * np.array([1, -1]) / slope[:, None, None]
    rest = 0.125 - 3000 / 32768 * np.array([1, -1]) - 3 * ramp
    np.testing.assert_allclose(mixtures - stems.sum(axis=1), rest, atol=1e-4)
    left = draw(replace(source, have_more=False), 20)[0]
    np.testing.assert_allclose(left, stems.sum(axis=1), atol=1e-6)


def test_one_channel_is_the_mean_of_both(tracks):
    mixtures, stems = draw(segments(tracks[:1], channels=1))
    np.testing.assert_allclose(mixtures, 0.125)
    np.testing.assert_allclose(stems, 0.0, atol=1e-7)  # the channels are opposite


def test_batches_of_an_epoch_reach_the_network_and_the_last_is_smaller(tracks):
    source = segments(tracks)
    batches = list(
        pipeline.training_batches(
            source, batch_size=4, seed=3, first_epoch=1, epochs=2, memory_gb=1.0,
            augment=lambda clips, stems, seed: (clips[..., 0], stems[:, 0]),
        ).as_numpy_iterator()
    )  # fmt: skip
    assert [len(clips) for clips, _ in batches] == [4, 4, 2]
    assert pipeline.steps(source, 4) == 3
    mixtures, stems = draw(source, 4, epoch=1, step=1)
    np.testing.assert_array_equal(batches[1][0], mixtures[..., 0])
    np.testing.assert_array_equal(batches[1][1], stems[:, 0])


def test_validation_stretches_are_evenly_apart(tracks):
    mixtures, stems = pipeline.even_stretches(tracks, number=2, samples=SAMPLES, channels=2)
    assert mixtures.shape == (5, 100, 2) and stems.shape == (5, 2, 100, 2)
    starts = stems[:2, 0, 0, 0] * 32768
    np.testing.assert_allclose(starts, [225, 675], atol=1e-3)
    np.testing.assert_array_equal(mixtures[4, :60], np.full((60, 2), 0.375))
    assert not mixtures[4, 60:].any()
