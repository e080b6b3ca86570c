"""Drawing and mixing isolated words."""

import numpy as np
import pytest

from utils.errors import DataError
from utils.mixing import PEAK, draw, mix, shares

RULES = {
    "number": 4,
    "repeat_words": False,
    "repeat_speakers": False,
    "level_db": 3.0,
    "shift_seconds": 0.1,
}


def recordings(words=6, speakers=8, takes=2):
    """Word and speaker of each recording; every speaker says every word."""
    numbers = np.arange(words * speakers * takes)
    return {"words": numbers % words, "speakers": numbers // words % speakers}


def test_a_clip_has_different_words_by_different_speakers(rng):
    known = recordings(speakers=4)
    recipes = draw(rng, 500, **known, **RULES)
    for values in (known["words"], known["speakers"]):
        drawn = np.sort(values[recipes.rows], axis=1)
        assert (np.diff(drawn, axis=1) > 0).all()
    assert (recipes.rows.dtype, recipes.gains_db.dtype) == (np.int64, np.float32)
    assert recipes.rows.shape == recipes.gains_db.shape == recipes.shifts.shape == (500, 4)
    assert 2.9 < recipes.gains_db.max() <= 3.0
    assert -3.0 <= recipes.gains_db.min() < -2.9
    assert 0.097 < recipes.shifts.max() <= 0.1
    assert -0.1 <= recipes.shifts.min() < -0.097


def test_the_same_state_gives_the_same_recipes():
    known = recordings()
    first, again, other = (
        draw(np.random.default_rng(seed), 40, **known, **RULES) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.rows, again.rows)
    np.testing.assert_array_equal(first.gains_db, again.gains_db)
    np.testing.assert_array_equal(first.shifts, again.shifts)
    assert (first.rows != other.rows).any()


def test_words_are_drawn_uniformly_however_many_recordings_they_have(rng):
    words = np.repeat([0, 2, 3, 5], [1000, 10, 10, 10])
    rules = RULES | {"number": 2}
    recipes = draw(rng, 4000, words=words, speakers=np.arange(words.size), **rules)
    counts = np.bincount(words[recipes.rows].ravel())
    assert counts[[1, 4]].sum() == 0
    np.testing.assert_allclose(counts[[0, 2, 3, 5]] / 8000, 0.25, atol=0.02)


def test_recordings_of_a_word_are_drawn_uniformly(rng):
    words = np.repeat([0, 1], 5)
    recipes = draw(rng, 5000, words=words, speakers=np.arange(10), **RULES | {"number": 2})
    np.testing.assert_allclose(np.bincount(recipes.rows.ravel()) / 5000, 0.2, atol=0.03)


def test_words_and_speakers_repeat_where_they_may_but_no_recording_does(rng):
    known = recordings(words=3, speakers=2)
    rules = RULES | {"repeat_words": True, "repeat_speakers": True}
    rows = draw(rng, 300, **known, **rules).rows
    assert (np.diff(np.sort(rows, axis=1), axis=1) > 0).all()
    assert (np.diff(np.sort(known["words"][rows], axis=1), axis=1) == 0).any()
    rows = draw(rng, 300, **recordings(words=2), **RULES | {"repeat_words": True}).rows
    speakers = np.sort(recordings(words=2)["speakers"][rows], axis=1)
    assert (np.diff(speakers, axis=1) > 0).all()


def test_scarce_speakers_are_searched_for(rng):
    """Word 0 has one speaker, who says most of the others too."""
    words = np.array([0, 1, 1, 2, 2])
    speakers = np.array([0, 0, 1, 0, 2])
    rows = draw(rng, 50, words=words, speakers=speakers, **RULES | {"number": 3}).rows
    assert (np.sort(rows, axis=1) == [0, 2, 4]).all()


@pytest.mark.parametrize(
    ("known", "rules", "message"),
    [
        (recordings(words=3), {}, "4 different words cannot be mixed of 3 words"),
        (recordings(speakers=3), {}, "by different speakers cannot be mixed of 3 speakers"),
        (
            recordings(words=1, speakers=3, takes=1),
            {"repeat_words": True, "repeat_speakers": True},
            "by different recordings cannot be mixed of 3 recordings",
        ),
        (
            {"words": np.array([0, 1, 2]), "speakers": np.array([0, 0, 1])},
            {"number": 3},
            "cannot be mixed of 2 speakers",
        ),
        (
            {"words": np.array([0, 1, 1, 1]), "speakers": np.array([0, 0, 0, 0])},
            {"number": 2},
            "cannot be mixed of 1 speakers",
        ),
        (
            {"words": np.array([0, 1, 2, 2]), "speakers": np.array([0, 0, 1, 2])},
            {"number": 3},
            "for 20 of 20 clips of 3 words no recordings by 3 different speakers were found",
        ),
        ({"words": np.array([], int), "speakers": np.array([], int)}, {}, "mixed of 0 words"),
        (
            {"words": np.array([], int), "speakers": np.array([], int)},
            {"repeat_words": True},
            "mixed of 0 words",
        ),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(rng, known, rules, message):
    with pytest.raises(DataError, match=message):
        draw(rng, 20, **known, **RULES | rules)


def test_the_mixture_is_the_sum_of_levelled_shifted_words(rng):
    words = rng.standard_normal((3, 2, 400)).astype(np.float32) * [[[1.0], [0.01]]]
    gains = np.array([[0.0, 0.0], [3.0, -3.0], [0.0, -20.0]], np.float32)
    shifts = np.array([[0, 0], [7, -11], [-400, 399]])
    mixtures = mix(words.astype(np.float32), gains, shifts / 100, sample_rate=100)
    for mixture, clip, levels, delays in zip(mixtures, words, gains, shifts, strict=True):
        expected = sum(
            np.roll(word / np.sqrt(np.mean(word**2)) * 10 ** (level / 20), delay)
            for word, level, delay in zip(clip, levels, delays, strict=True)
        )
        expected *= PEAK / np.abs(expected).max()
        np.testing.assert_allclose(mixture, expected, atol=2e-6)
    assert mixtures.dtype == np.float32
    np.testing.assert_allclose(np.abs(mixtures).max(axis=1), 30_000 / 32_768, rtol=1e-6)


def test_silent_words_stay_silent(rng):
    words = np.zeros((2, 2, 100), np.float32)
    words[0, 1] = rng.standard_normal(100)
    before = words.copy()
    mixtures = mix(words, np.zeros((2, 2)), np.zeros((2, 2)), sample_rate=100)
    np.testing.assert_allclose(
        mixtures[0], words[0, 1] * PEAK / np.abs(words[0, 1]).max(), rtol=1e-5
    )
    assert not mixtures[1].any()
    np.testing.assert_array_equal(words, before)


def test_the_smallest_and_largest_samples_give_finite_mixtures():
    words = np.stack([np.full((2, 50), 1e-18), np.full((2, 50), 32_768.0)]).astype(np.float32)
    mixtures = mix(words, np.full((2, 2), 3.0), np.zeros((2, 2)), sample_rate=100)
    assert np.isfinite(mixtures).all()
    np.testing.assert_allclose(mixtures[1], PEAK, rtol=1e-6)


def test_shares_add_up_repeated_words():
    targets = shares(np.array([[0, 1, 2, 4], [3, 3, 0, 0], [1, 1, 1, 1]]), classes=5)
    expected = [[0.25, 0.25, 0.25, 0, 0.25], [0.5, 0, 0, 0.5, 0], [0, 1, 0, 0, 0]]
    np.testing.assert_array_equal(targets, np.array(expected, np.float32))
    assert targets.dtype == np.float32


@pytest.mark.parametrize("label", [-1, 5])
def test_a_label_that_is_no_class_is_a_bug(label):
    with pytest.raises(ValueError, match=r"0 \.\. 4"):
        shares(np.array([[0, label]]), classes=5)


def test_a_recipe_is_the_same_mixture_at_every_rate():
    """Shifts are in seconds, so sets of different rates can be averaged."""
    times = np.arange(4000) / 4000
    words = np.stack([np.sin(2 * np.pi * pitch * times) * (times < 0.4) for pitch in (20, 33)])
    gains, shifts = np.array([[0.0, -2.0]]), np.array([[0.05, -0.021]])
    fine = mix(words[None].astype(np.float32), gains, shifts, sample_rate=4000)
    coarse = mix(words[None, :, ::4].astype(np.float32), gains, shifts, sample_rate=1000)
    np.testing.assert_allclose(fine[:, ::4], coarse, atol=0.01)
