"""Drawing of soundscapes: what may lie where, and that a seed decides it."""

import itertools
from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.datasets.soundscape_recipes import SAME_CLASS_GAP_SECONDS, Material, Style, draw
from utils.errors import DataError

RATE = 1000
draw = partial(draw, sample_rate=RATE)
BANK = {
    "cat": [Material(0, "cat", ((100, 700),)), Material(1, "cat", ((0, 300), (900, 5000)))],
    "dog": [Material(2, "dog", ((50, 20_000),))],
    "fan": [Material(3, "fan", ((0, 15_000),), onset=False, offset=False)],
}


def rng(seed=0):
    return np.random.default_rng(seed)


def recipes(count, bank=BANK, style=Style(), **options):  # noqa: B008 - frozen
    return [draw(rng(seed), bank, style, **options) for seed in range(count)]


def test_a_seed_decides_and_another_draws_another():
    assert recipes(5) == recipes(5)
    assert len({str(recipe) for recipe in recipes(5)}) == 5


def test_numbers_of_events_are_equally_likely_and_clips_may_be_empty():
    counts = Counter(len(one.events) for one in recipes(400, style=Style(events=(0, 3))))
    assert set(counts) == {0, 1, 2, 3}
    assert min(counts.values()) > 60
    assert {len(one.events) for one in recipes(30, style=Style(events=(0, 1)), fewest=1)} == {1}
    (empty, *_) = recipes(1, style=Style(events=(0, 0)))
    assert (empty.labels, empty.labelled(RATE)) == ((), ())


def test_classes_are_equally_likely_however_many_sounds_they_have():
    bank = {
        "many": [Material(number, "many", ((0, 500),)) for number in range(50)],
        "one": [Material(50, "one", ((0, 500),))],
    }
    events = [event for one in recipes(200, bank) for event in one.events]
    share = np.mean([event.label == "one" for event in events])
    assert 0.42 < share < 0.58
    assert len({event.sound for event in events}) > 40


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    portions=st.lists(st.lists(st.integers(0, 12_000), min_size=2, max_size=2), min_size=3),
    overlap=st.integers(1, 3),
    most=st.integers(0, 4),
)
def test_events_lie_inside_their_sounds_and_clips(seed, portions, overlap, most):
    spans = [(min(pair), max(pair) + 1) for pair in portions]
    bank = {
        label: [
            Material(number, label, (span,))
            for number, span in enumerate(spans)
            if number % 3 == place
        ]
        for place, label in enumerate("abc")
    }
    style = Style(seconds=8.0, events=(0, most), overlap=overlap, event_seconds=(0.01, 1.5))
    recipe = draw(rng(seed), bank, style)
    assert recipe.length == 8000
    assert len(recipe.events) <= most
    assert [event.onset for event in recipe.events] == sorted(e.onset for e in recipe.events)
    at_once = np.zeros(8000, int)
    for event in recipe.events:
        first, end = spans[event.sound]
        assert event.label == "abc"[event.sound % 3]
        assert first <= event.source < event.source + event.length <= end
        assert 0 <= event.onset < event.end <= 8000
        assert 0 < event.length <= 1500
        assert 6.0 <= event.snr_db <= 30.0
        at_once[event.onset : event.end] += 1
    assert at_once.max() <= overlap
    for label in "abc":
        same = [event for event in recipe.events if event.label == label]
        for before, after in itertools.pairwise(same):
            assert after.onset - before.end >= SAME_CLASS_GAP_SECONDS * RATE


def test_overlap_of_one_means_one_after_the_other_and_of_more_is_used():
    style = Style(events=(3, 3), event_seconds=(1.0, 3.0))
    most = {}
    for overlap in (1, 2):
        at_once = np.zeros((60, 10_000), int)
        bank = {label: sounds for label, sounds in BANK.items() if label != "fan"}
        limited = Style(events=style.events, event_seconds=style.event_seconds, overlap=overlap)
        for track, recipe in zip(at_once, recipes(60, bank, limited), strict=True):
            for event in recipe.events:
                track[event.onset : event.end] += 1
        most[overlap] = at_once.max()
    assert most == {1: 1, 2: 2}


def test_a_sound_without_onset_begins_with_the_clip_and_one_without_offset_ends_with_it():
    one = Style(events=(1, 1), event_seconds=(0.5, 2.0))
    for onset, offset in ((False, True), (True, False), (False, False)):
        bank = {"fan": [Material(0, "fan", ((1000, 30_000),), onset=onset, offset=offset)]}
        sources = set()
        for recipe in recipes(20, bank, one):
            (event,) = recipe.events
            sources.add(event.source)
            if onset:
                assert event.source == 1000
                assert event.end == recipe.length
            if offset:
                assert event.source + event.length == 30_000
                assert event.onset == 0
            if not onset and not offset:
                assert (event.onset, event.length) == (0, recipe.length)
        assert len(sources) > 1 or onset
    short = {"fan": [Material(0, "fan", ((0, 4000),), onset=False, offset=False)]}
    assert [(e.onset, e.length) for e in recipes(1, short, one)[0].events] == [(0, 4000)]


def test_long_sounds_are_cut_anywhere_and_short_ones_are_whole():
    style = Style(events=(2, 2), event_seconds=(1.0, 2.0))
    events = [event for one in recipes(80, style=style) for event in one.events]
    dogs = [event for event in events if event.label == "dog"]
    assert all(1000 <= event.length <= 2000 for event in dogs)
    assert max(event.source for event in dogs) - min(event.source for event in dogs) > 10_000
    cats = {(event.source, event.length) for event in events if event.sound == 0}
    assert cats == {(100, 600)}
    assert {event.source for event in events if event.sound == 1} > {0}


def test_backgrounds_are_cut_anywhere_or_generated():
    drawn = recipes(60, backgrounds=(10_000, 3000, 50_000))
    assert {one.background for one in drawn} == {0, 1, 2}
    for one in drawn:
        latest = {0: 0, 1: 0, 2: 40_000}[one.background]
        assert 0 <= one.background_start <= latest
    assert max(one.background_start for one in drawn) > 20_000
    generated = recipes(3)
    assert {(one.background, one.background_start) for one in generated} == {(None, 0)}
    assert len({one.noise_seed for one in generated}) == 3


def test_labels_are_in_seconds():
    (recipe,) = recipes(1, style=Style(events=(3, 3)))
    for event, told in zip(recipe.events, recipe.labelled(RATE), strict=True):
        assert told == (event.label, event.onset / RATE, event.end / RATE)
    assert recipe.labels == tuple(sorted({event.label for event in recipe.events}))


def test_more_events_than_fit_are_told():
    style = Style(events=(40, 40), event_seconds=(2.0, 4.0))
    with pytest.raises(DataError, match="no room was found for 40 events in a clip of 10 s"):
        draw(rng(), {"dog": BANK["dog"]}, style)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"events": (3, 1)}, "events: 3 is larger than 1"),
        ({"events": (-1, 1)}, "events: 0 or more"),
        ({"snr_db": (3.5, 1.0)}, "snr_db: 3.5 is larger than 1"),
        ({"event_seconds": (0.0, 1.0)}, "lengths above 0"),
        ({"seconds": 0.0}, "lengths above 0"),
        ({"overlap": 0}, "overlap: 1 or more"),
    ],
)
def test_a_style_that_makes_no_sense_is_refused(options, problem):
    with pytest.raises(DataError, match=problem):
        Style(**options)
