"""Drawing and summing utterances of several speakers."""

import numpy as np
import pytest

from utils import mixing
from utils.errors import DataError
from utils.mixing import speech
from utils.mixing.speech import (
    LEVEL,
    PEAK,
    SpeechRecipes,
    draw,
    draw_stretches,
    mix,
    mixture_lengths,
)

SPEAKERS = np.repeat([0, 2, 3, 5], [10, 1, 2, 3])
LENGTHS = np.arange(SPEAKERS.size) * 37 + 400


def drawn(seed=0, count=200, **changes):
    rules = {"number": 2, "level_db": 2.5, "length": "min", "overlap": 1.0} | changes
    known = {"speakers": SPEAKERS, "lengths": LENGTHS} | {
        name: rules.pop(name) for name in ("speakers", "lengths") if name in rules
    }
    return draw(np.random.default_rng(seed), count, **known, **rules)


def test_the_names_of_the_package_stay():
    assert (mixing.PEAK, mixing.speech) == (30_000 / 32_768, speech)
    assert {"Recipes", "draw", "mix", "shares"} <= set(mixing.__all__)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_the_speakers_of_a_clip_are_different(number):
    recipes = drawn(number=number)
    assert (np.diff(np.sort(SPEAKERS[recipes.rows], axis=1), axis=1) > 0).all()
    assert recipes.rows.shape == recipes.gains_db.shape == recipes.starts.shape == (200, number)
    kinds = (recipes.rows.dtype, recipes.gains_db.dtype, recipes.starts.dtype)
    assert kinds == (np.int64, np.float32, np.int64)


def test_pairs_of_speakers_are_uniform_however_many_utterances_they_have():
    people = SPEAKERS[drawn(count=12_000).rows]
    pairs, counts = np.unique(people, axis=0, return_counts=True)
    assert len(pairs) == 12
    np.testing.assert_allclose(counts / 12_000, 1 / 12, atol=0.01)


def test_three_of_five_speakers_are_ordered_draws_without_repetition():
    one_each = {"speakers": np.arange(5), "lengths": np.full(5, 100)}
    triples, counts = np.unique(
        drawn(count=30_000, number=3, **one_each).rows, axis=0, return_counts=True
    )
    assert len(triples) == 60
    np.testing.assert_allclose(counts / 30_000, 1 / 60, atol=0.004)


def test_utterances_of_a_speaker_are_drawn_uniformly():
    rows = drawn(count=12_000).rows.ravel()
    counts = np.bincount(rows[SPEAKERS[rows] == 0], minlength=10)
    np.testing.assert_allclose(counts / counts.sum(), 0.1, atol=0.015)


def test_gains_fill_their_range():
    gains = drawn(count=4000, level_db=5.0).gains_db
    assert -5.0 <= gains.min() < -4.97
    assert 4.97 < gains.max() <= 5.0
    assert abs(gains.mean()) < 0.15
    assert not drawn(level_db=0.0).gains_db.any()


def test_the_same_state_gives_the_same_recipes_and_rows_whatever_the_length():
    first, again, other = drawn(3), drawn(3), drawn(4)
    np.testing.assert_array_equal(first.rows, again.rows)
    np.testing.assert_array_equal(first.gains_db, again.gains_db)
    assert (first.rows != other.rows).any()
    staggered, same = (drawn(3, length="max", overlap=0.2) for _ in range(2))
    np.testing.assert_array_equal(staggered.starts, same.starts)
    np.testing.assert_array_equal(staggered.rows, first.rows)
    np.testing.assert_array_equal(staggered.gains_db, first.gains_db)


def test_min_and_max_lengths():
    for length, of in (("min", np.min), ("max", np.max)):
        recipes = drawn(length=length)
        assert not recipes.starts.any()
        expected = of(LENGTHS[recipes.rows], axis=1)
        np.testing.assert_array_equal(mixture_lengths(recipes, LENGTHS, length=length), expected)


def test_the_overlapped_share_of_the_shorter_utterance_is_uniform():
    recipes = drawn(count=6000, length="max", overlap=0.4)
    lengths = LENGTHS[recipes.rows]
    ends = recipes.starts + lengths
    common = ends.min(axis=1) - recipes.starts.max(axis=1)
    shares = common / lengths.min(axis=1)
    assert 0.398 < shares.min() < 0.405
    assert 0.995 < shares.max() <= 1.0
    np.testing.assert_allclose(np.histogram(shares, 6, (0.4, 1.0))[0] / 6000, 1 / 6, atol=0.02)
    assert (recipes.starts.min(axis=1) == 0).all()
    longest = lengths.argmax(axis=1)
    behind = recipes.starts[np.arange(6000), longest] == 0
    assert 0.47 < behind.mean() < 0.53
    np.testing.assert_array_equal(mixture_lengths(recipes, LENGTHS, length="max"), ends.max(axis=1))


def test_every_shorter_utterance_overlaps_the_longest_one():
    recipes = drawn(count=500, number=4, length="max", overlap=0.3)
    lengths = LENGTHS[recipes.rows]
    for starts, here in zip(recipes.starts, lengths, strict=True):
        longest = here.argmax()
        inside = np.minimum(starts + here, starts[longest] + here[longest])
        inside = inside - np.maximum(starts, starts[longest])
        assert (inside >= 0.3 * here - 0.5).all()
        assert starts.min() == 0


def test_no_overlap_at_all_is_possible():
    starts = drawn(count=3000, length="max", overlap=0.0).starts
    assert (starts.max(axis=1) > 0.95 * LENGTHS.min()).any()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"number": 5}, DataError, "of 5 speakers cannot be made of 4 speakers; add speakers or"),
        ({"speakers": np.zeros(0, int), "lengths": LENGTHS[:0]}, DataError, "made of 0 speakers"),
        ({"length": "longest"}, ValueError, "length 'longest'"),
        ({"length": "max", "overlap": 1.5}, ValueError, "overlap 1.5"),
        ({"overlap": 0.5}, ValueError, "length min overlap wholly"),
    ],
)
def test_what_cannot_be_drawn_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        drawn(**changes)


def test_stretches_start_anywhere_in_longer_utterances(rng):
    starts = draw_stretches(rng, np.full((2000, 2), 105), samples=100)
    assert starts.dtype == np.int64
    np.testing.assert_allclose(np.bincount(starts.ravel()) / 4000, 1 / 6, atol=0.03)


def test_shorter_utterances_lie_anywhere_in_the_segment(rng):
    starts = draw_stretches(rng, np.full(4000, 97), samples=100)
    values, counts = np.unique(starts, return_counts=True)
    assert values.tolist() == [-3, -2, -1, 0]
    np.testing.assert_allclose(counts / 4000, 0.25, atol=0.03)
    assert not draw_stretches(rng, np.full(50, 100), samples=100).any()


def test_a_segment_of_whole_utterances_has_zeros_around_the_shorter(rng):
    waves = [rng.standard_normal(size).astype(np.float32) * 0.01 for size in (300, 60)]
    sources, mixture = mix(waves, np.zeros(2), np.full(2, LEVEL), starts=[-120, 25], samples=100)
    np.testing.assert_array_equal(sources[0], waves[0][120:220])
    np.testing.assert_array_equal(sources[1, 25:85], waves[1])
    assert not sources[1, :25].any()
    assert not sources[1, 85:].any()
    assert mixture.shape == (100,)


def test_levels_are_the_gains_after_equal_rms(rng):
    scales = np.array([0.01, 0.001, 0.02])
    waves = [(rng.standard_normal(4000) * scale).astype(np.float32) for scale in scales]
    rms = np.array([np.sqrt(np.mean(wave.astype(np.float64) ** 2)) for wave in waves])
    gains = np.array([0.0, -6.0, 2.5], np.float32)
    sources, mixture = mix(waves, gains, rms)
    assert max(np.abs(sources).max(), np.abs(mixture).max()) <= PEAK
    levels = 20.0 * np.log10(np.sqrt(np.mean(sources.astype(np.float64) ** 2, axis=1)) / LEVEL)
    np.testing.assert_allclose(levels, gains, atol=1e-4)


@pytest.mark.parametrize("loud", [1.0, 30.0])
@pytest.mark.parametrize("number", [2, 3, 6])
def test_the_sources_sum_to_the_mixture_exactly(rng, number, loud):
    waves = [rng.standard_normal(rng.integers(500, 900)).astype(np.float32) for _ in range(number)]
    sources, mixture = mix(
        waves,
        rng.uniform(-5.0, 5.0, number),
        np.full(number, 1.0 / loud),
        starts=rng.integers(-50, 50, number),
        samples=800,
    )
    total = sources[0]
    for source in sources[1:]:
        total = total + source
    np.testing.assert_array_equal(mixture, total)
    assert sources.dtype == mixture.dtype == np.float32
    loudest = max(np.abs(sources).max(), np.abs(mixture).max())
    if loud > 1.0:
        assert loudest == pytest.approx(PEAK, rel=1e-6)
    else:
        assert loudest < PEAK


def test_a_loud_source_counts_where_the_voices_cancel_out():
    wave = np.full(10, 1.0, np.float32)
    sources, mixture = mix([wave, -wave], np.full(2, 40.0), np.ones(2))
    np.testing.assert_allclose(np.abs(sources), PEAK, rtol=1e-6)
    assert not mixture.any()


def test_a_recipe_becomes_a_mixture_of_its_length(rng):
    waves = [rng.standard_normal(size).astype(np.float32) for size in (50, 80)]
    recipes = SpeechRecipes(np.array([[1, 0]]), np.zeros((1, 2), np.float32), np.array([[0, 60]]))
    lengths = np.array([50, 80])
    (samples,) = mixture_lengths(recipes, lengths, length="max")
    chosen = [waves[row] for row in recipes.rows[0]]
    sources, mixture = mix(chosen, recipes.gains_db[0], np.ones(2), starts=recipes.starts[0])
    assert mixture.shape == (samples,) == (110,)
    assert not sources[0, 80:].any()
    assert not sources[1, :60].any()


@pytest.mark.parametrize(
    ("waves", "gains", "rms", "message"),
    [
        (2, 2, [1.0, 0.0], "RMS values above 0 are needed"),
        (2, 2, [1.0, np.nan], "RMS values above 0 are needed"),
        (2, 3, [1.0, 1.0], "do not fit"),
        (0, 0, [], "do not fit"),
    ],
)
def test_what_cannot_be_summed_is_a_bug(waves, gains, rms, message):
    with pytest.raises(ValueError, match=message):
        mix([np.ones(5, np.float32)] * waves, np.zeros(gains), np.array(rms))
