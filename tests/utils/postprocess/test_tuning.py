import numpy as np
import pytest

from utils.postprocess.boxes import boxes
from utils.postprocess.frames import frame_edges
from utils.postprocess.median import median_filter
from utils.postprocess.tuning import BoxRule, bounded, choose, filtered

EDGES = frame_edges(20, hop_seconds=0.1)


@pytest.fixture
def scores() -> np.ndarray:
    """Class 0: a long event with a hole, class 1: one frame, 0.4 high."""
    scores = np.zeros((1, 20, 2), np.float32)
    scores[0, 5:15, 0] = 0.9
    scores[0, 9, 0] = 0.1
    scores[0, 12, 1] = 0.4
    return scores


def test_each_class_keeps_its_best_and_ties_the_earlier():
    table = {"a": [1.0, 2.0, 3.0], "b": [2.0, 2.0, 1.0], "c": [2.0, 5.0, 3.0]}
    choice = choose(table.items(), lambda scores: scores)
    assert choice.keys == ("b", "c", "a")
    assert choice.scores.tolist() == [2.0, 5.0, 3.0]


def test_classes_that_cannot_be_judged_keep_the_first_and_any_score_beats_none():
    nan = float("nan")
    table = {"a": [nan, nan, 1.0], "b": [nan, 0.0, nan], "c": [nan, 0.0, 0.5]}
    choice = choose(table.items(), lambda scores: scores)
    assert choice.keys == ("a", "b", "a")
    np.testing.assert_array_equal(choice.scores, [nan, 0.0, 1.0])


def test_candidates_are_used_one_at_a_time():
    alive: list[str] = []

    def made():
        for key in "abc":
            alive.append(key)
            yield key, len(alive)

    def score(number):
        assert number == len(alive)
        return [number]

    assert choose(made(), score).keys == ("c",)


def test_no_candidates_and_scores_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="received none"):
        choose({}.items(), lambda scores: scores)
    with pytest.raises(ValueError, match="one score for each class"):
        choose({"a": [1, 2], "b": [1, 2, 3]}.items(), lambda scores: scores)
    with pytest.raises(ValueError, match="one score for each class"):
        choose({"a": 1.0}.items(), lambda scores: scores)


def test_filters_come_the_shortest_first(scores):
    found = list(filtered(scores, [5, 1, 3, 3]))
    assert [length for length, _ in found] == [1, 3, 5]
    for length, smooth in found:
        np.testing.assert_array_equal(smooth, median_filter(scores, length))


def test_boxes_are_found_for_each_class(scores):
    def score(found):
        return [-np.count_nonzero(found.classes == number) for number in range(2)]

    tried = bounded(scores, lengths=[2, 4], absolute=[0.1, 1.0], relative=[2.0, 10.0], edges=EDGES)
    choice = choose(tried, score)
    assert choice.keys == (BoxRule(2, 1.0, 10.0), BoxRule(2, 0.1, 2.0))
    lengths, absolute, relative = zip(*choice.keys, strict=True)
    found = boxes(scores, edges=EDGES, lengths=lengths, absolute=absolute, relative=relative)
    assert found.classes.tolist() == [0, 1]
