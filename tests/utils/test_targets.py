from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import mean_teacher
from utils.datasets.base import Event
from utils.errors import DataError
from utils.targets import STRONG, UNLABELLED, WEAK, encode, encode_events


@dataclass(frozen=True)
class Labelled:
    name: str
    labels: tuple[str, ...]
    weights: tuple[float, ...] = ()


CLASSES = ("bus", "park", "tram")


def test_one_hot_rows_follow_the_class_order():
    clips = [Labelled("a.wav", ("tram",)), Labelled("b.wav", ("bus",))]
    targets = encode(clips, classes=CLASSES, kind="single_label")
    assert targets.dtype == np.float32
    np.testing.assert_array_equal(targets, [[0, 0, 1], [1, 0, 0]])


def test_multi_hot_rows():
    clips = [Labelled("a.wav", ("tram", "bus")), Labelled("b.wav", ("park",))]
    targets = encode(clips, classes=CLASSES, kind="multi_label")
    np.testing.assert_array_equal(targets, [[1, 0, 1], [0, 1, 0]])


def test_distributions_are_equal_shares_or_the_given_ones():
    clips = [
        Labelled("a.wav", ("tram", "bus")),
        Labelled("b.wav", ("bus", "park"), (0.75, 0.25)),
        Labelled("c.wav", ("bus", "bus", "tram", "park")),
    ]
    targets = encode(clips, classes=CLASSES, kind="distribution")
    np.testing.assert_array_equal(targets, [[0.5, 0, 0.5], [0.75, 0.25, 0], [0.5, 0.25, 0.25]])


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        ((), "single_label", "has no label"),
        ((), "multi_label", "has no label"),
        (("bus", "tram"), "single_label", "2 labels"),
        (("buss",), "single_label", "'buss' is none of the 3 classes"),
        (("bus", "sea"), "multi_label", "'sea' is none"),
    ],
)
def test_errors_name_the_clip(labels, kind, message):
    clips = [Labelled("good.wav", ("bus",)), Labelled("audio/odd.wav", labels)]
    with pytest.raises(DataError, match=message) as error:
        encode(clips, classes=CLASSES, kind=kind)
    assert str(error.value).startswith("audio/odd.wav: ")


@dataclass(frozen=True)
class Sounding:
    name: str
    labels: tuple[str, ...] = ()
    events: tuple[Event, ...] | None = None


# Sixty-fourths of a second on grids of sixty-fourths: quotients are exact, or far from a whole.
EVENTS = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.integers(0, 300), st.integers(1, 200)), max_size=6
)


@given(
    drawn=st.lists(EVENTS, min_size=1, max_size=3),
    step=st.sampled_from([1, 3, 4, 5, 16, 64]),
    steps=st.integers(1, 40),
)
def test_a_step_is_active_where_an_event_overlaps_it(drawn, step, steps):
    clips = [
        Sounding(
            f"{number}.wav",
            events=tuple(
                Event(label, onset / 64, (onset + length) / 64) for label, onset, length in events
            ),
        )
        for number, events in enumerate(drawn)
    ]
    found = encode_events(clips, classes=CLASSES, steps=steps, step_seconds=step / 64)
    strong = np.zeros((len(drawn), steps, len(CLASSES)), np.float32)
    weak = np.zeros((len(drawn), len(CLASSES)), np.float32)
    for row, events in enumerate(drawn):
        for label, onset, length in events:
            weak[row, CLASSES.index(label)] = 1
            for number in range(steps):
                if onset < (number + 1) * step and onset + length > number * step:
                    strong[row, number, CLASSES.index(label)] = 1
    np.testing.assert_array_equal(found["strong"], strong)
    np.testing.assert_array_equal(found["weak"], weak)
    np.testing.assert_array_equal(found["kind"], STRONG)
    assert all(values.dtype == np.float32 for values in found.values())


def test_what_is_known_of_a_clip_is_its_kind():
    clips = [
        Sounding("a.wav", events=(Event("tram", 0.4, 0.6),)),
        Sounding("b.wav", events=()),  # nothing sounds, which is known
        Sounding("c.wav", labels=("bus", "tram")),
        Sounding("d.wav"),
        Sounding("e.wav", labels=("bus",), events=(Event("tram", 0.0, 0.1),)),
    ]
    found = encode_events(clips, classes=CLASSES, steps=4, step_seconds=0.25)
    np.testing.assert_array_equal(found["kind"], [STRONG, STRONG, WEAK, UNLABELLED, STRONG])
    np.testing.assert_array_equal(
        found["weak"], [[0, 0, 1], [0, 0, 0], [1, 0, 1], [0, 0, 0], [1, 0, 1]]
    )
    assert found["strong"][1:4].sum() == 0
    np.testing.assert_array_equal(found["strong"][0, :, 2], [0, 1, 1, 0])


def test_onsets_on_the_grid_begin_there_whatever_binary_fractions_say():
    places = range(156)
    clips = [
        Sounding("a.wav", events=(Event("bus", round(n * 0.064, 3), round(n * 0.064 + 0.064, 3)),))
        for n in places
    ]
    found = encode_events(clips, classes=CLASSES, steps=156, step_seconds=0.064)["strong"]
    np.testing.assert_array_equal(found[:, :, 0], np.eye(156))


def test_events_behind_the_grid_are_left_out():
    """The last frames of a clip may stand for no step; what begins there still sounds."""
    clips = [Sounding("a.wav", events=(Event("bus", 0.9, 9.0), Event("tram", 1.0, 1.2)))]
    found = encode_events(clips, classes=CLASSES, steps=4, step_seconds=0.25)
    np.testing.assert_array_equal(found["strong"][0, :, 0], [0, 0, 0, 1])
    assert found["strong"][0, :, 2].sum() == 0
    np.testing.assert_array_equal(found["weak"], [[1, 0, 1]])


def test_the_kinds_are_those_that_the_network_learns_from():
    assert (STRONG, WEAK) == (mean_teacher.STRONG, mean_teacher.WEAK)
    assert UNLABELLED not in (STRONG, WEAK)


@pytest.mark.parametrize(
    "odd", [Sounding("odd.wav", labels=("sea",)), Sounding("odd.wav", events=(Event("sea", 0, 1),))]
)
def test_events_of_an_unknown_class_name_the_clip(odd):
    clips = [Sounding("good.wav", labels=("bus",)), odd]
    with pytest.raises(DataError, match=r"^odd\.wav: label 'sea' is none of the 3 classes"):
        encode_events(clips, classes=CLASSES, steps=4, step_seconds=0.25)
