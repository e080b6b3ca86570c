from dataclasses import dataclass

import numpy as np
import pytest

from utils.errors import DataError
from utils.targets import encode


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
