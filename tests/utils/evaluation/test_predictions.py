from pathlib import Path

import numpy as np
import pytest

from utils.datasets.base import Clip
from utils.errors import DataError
from utils.evaluation import Predictions, pool


def clip(name: str, *labels: str, group: str | None = None, device: str | None = None) -> Clip:
    return Clip(name=name, path=Path(name), labels=labels, group=group, device=device)


def test_of_clips_takes_what_the_data_set_knows():
    clips = [clip("1.wav", "tram", group="lyon-5", device="a"), clip("2.wav", "bus", device="s1")]
    probabilities = np.array([[0.25, 0.75], [0.0, 1.0]])
    predictions = Predictions.of_clips(clips, probabilities, classes=("bus", "tram"))
    assert predictions.names == ("1.wav", "2.wav")
    np.testing.assert_array_equal(predictions.known_truth, [1, 0])
    np.testing.assert_array_equal(predictions.predicted, [1, 1])
    assert predictions.groups == ("lyon-5", None)
    assert predictions.devices == ("a", "s1")


def test_unlabelled_clips_have_no_truth():
    predictions = Predictions.of_clips([clip("0.wav")], np.ones((1, 1)), classes=("bus",))
    assert predictions.truth is None
    with pytest.raises(DataError, match="known labels"):
        predictions.known_truth  # noqa: B018 - the property raises


@pytest.mark.parametrize("labels", [("boat",), ("bus", "tram")])
def test_a_label_that_cannot_be_scored_is_named(labels):
    with pytest.raises(DataError, match=r"1\.wav: (has 2 labels|label 'boat' is none)"):
        Predictions.of_clips([clip("1.wav", *labels)], np.eye(2)[:1], classes=("bus", "tram"))


def test_clips_without_a_group_are_units_of_their_own():
    predictions = Predictions(("1", "2", "3", "4"), np.eye(4), groups=("x", None, "x", None))
    np.testing.assert_array_equal(predictions.units, [0, 1, 0, 2])
    np.testing.assert_array_equal(Predictions(("1", "2"), np.eye(2)).units, [0, 1])


def test_on_devices_keeps_rows_together():
    predictions = Predictions(
        ("1", "2", "3"),
        np.eye(3),
        truth=np.array([2, 1, 0]),
        groups=("x", "y", None),
        devices=("a", "b", "a"),
    )
    part = predictions.on_devices(["a"])
    assert part.names == ("1", "3")
    assert part.groups == ("x", None)
    np.testing.assert_array_equal(part.known_truth, [2, 0])
    np.testing.assert_array_equal(part.probabilities, np.eye(3)[[0, 2]])


def test_pool_puts_folds_together():
    first = Predictions(("1",), np.eye(2)[:1], truth=np.array([0]), groups=("x",), devices=("a",))
    second = Predictions(("2",), np.eye(2)[1:], truth=np.array([1]), groups=("y",), devices=("b",))
    both = pool([first, second])
    assert both.names == ("1", "2")
    assert both.groups == ("x", "y")
    assert both.devices == ("a", "b")
    np.testing.assert_array_equal(both.known_truth, [0, 1])
    np.testing.assert_array_equal(both.probabilities, np.eye(2))


def test_pool_drops_what_one_part_lacks():
    both = pool(
        [
            Predictions(("1",), np.eye(2)[:1], truth=np.array([0])),
            Predictions(("2",), np.eye(2)[1:]),
        ]
    )
    assert both.truth is None
    assert both.groups == both.devices == ()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"probabilities": np.eye(3)}, r"probabilities \(2, classes\)"),
        ({"truth": np.zeros(3, dtype=int)}, r"truth \(2,\)"),
        ({"groups": ("x",)}, "2 groups"),
        ({"devices": ("a", "b", "c")}, "2 devices"),
    ],
)
def test_parts_of_unequal_length_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        Predictions(**({"names": ("1", "2"), "probabilities": np.eye(2)} | parts))
