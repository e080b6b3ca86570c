"""Scores of steps to events: as a set says, and as clips with known events teach each class."""

import json
from dataclasses import replace

import numpy as np
import pytest

from utils.config.event_sections import BoxSettings, PostprocessSettings
from utils.events import Events
from utils.inference import Decisions
from utils.metrics.intersection import GroundTruth

STEP = 0.1
STEPS = 100
CLIPS = 6
SECONDS = np.full(CLIPS, STEP * STEPS)


def decisions(classes: int = 1, **settings: object) -> Decisions:
    made = PostprocessSettings.model_validate(settings)
    return Decisions.of(made, classes=classes, step_seconds=STEP)


def found(events: Events) -> list[tuple[int, int, float, float]]:
    """File, class, onset and offset of each event."""
    columns = (events.files, events.classes, events.onsets.round(6), events.offsets.round(6))
    return list(zip(*(column.tolist() for column in columns), strict=True))


def scored(*spans: tuple[int, int, float], steps: int = 30) -> np.ndarray:
    """Scores of one clip and class, (1, steps, 1): of steps from, to, how much; 0 elsewhere."""
    scores = np.zeros((1, steps, 1), np.float32)
    for first, last, score in spans:
        scores[0, first:last] = score
    return scores


def test_lengths_are_whole_steps_of_the_grid():
    settings = PostprocessSettings(boxes=BoxSettings(seconds=0.512, absolute=0.2, relative=2.0))
    median = Decisions.of(settings, classes=3, step_seconds=0.064)
    assert median.lengths == (7, 7, 7)  # as in the baseline of 2021
    assert median.thresholds == (0.5, 0.5, 0.5)
    boxes = settings.model_copy(update={"method": "boxes", "weak_masking": True})
    found = Decisions.of(boxes, classes=2, step_seconds=0.064)
    assert (found.lengths, found.absolute, found.relative) == ((8, 8), (0.2, 0.2), (2.0, 2.0))
    assert (found.weak_masking, median.weak_masking) == (True, False)


def test_a_median_filter_takes_clicks_out_and_closes_holes():
    strong = scored((2, 3, 0.9), (8, 20, 0.8), (13, 14, 0.1))
    weak, seconds = np.ones((1, 1)), np.array([3.0])
    three = decisions(median_seconds=0.3)
    assert three.lengths == (3,)
    assert found(three.events(strong, weak, seconds=seconds)) == [(0, 0, 0.8, 2.0)]
    raw = decisions(median_seconds=0.1).events(strong, weak, seconds=seconds)
    assert found(raw) == [(0, 0, 0.2, 0.3), (0, 0, 0.8, 1.3), (0, 0, 1.4, 2.0)]


def test_boxes_keep_their_extent_whatever_the_threshold():
    rising = scored((5, 10, 0.3), (10, 20, 0.8))
    weak, seconds = np.ones((1, 1)), np.array([3.0])
    by_boxes = decisions(method="boxes", threshold=0.5, boxes={"seconds": 0.4})
    assert by_boxes.lengths == (4,)
    ((_, _, onset, offset),) = found(by_boxes.events(rising, weak, seconds=seconds))
    assert offset == 2.0
    assert onset <= 1.0
    lower = replace(by_boxes, thresholds=(0.2,))
    assert found(lower.events(rising, weak, seconds=seconds)) == [(0, 0, onset, offset)]
    assert not len(replace(by_boxes, thresholds=(0.9,)).events(rising, weak, seconds=seconds))


def test_events_end_with_their_clips():
    strong = np.full((2, 30, 1), 0.9, np.float32)
    for method in ("median", "boxes"):
        made = decisions(method=method)
        events = made.events(strong, np.ones((2, 1)), seconds=np.array([1.25, 9.0]))
        assert found(events) == [(0, 0, 0.0, 1.25), (1, 0, 0.0, 3.0)]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("method", ["median", "boxes"])
def test_candidates_are_the_events_of_every_threshold(rng, method, masked):
    strong = rng.random((3, 40, 2), np.float32)
    weak, seconds = rng.random((3, 2), np.float32), np.array([4.0, 3.33, 2.0])
    made = decisions(2, method=method, weak_masking=masked, median_seconds=0.3)
    every = made.candidates(strong, weak, seconds=seconds)
    counts = []
    for threshold in (0.1, 0.35, 0.5, 0.62):
        events = replace(made, thresholds=(threshold,) * 2).events(strong, weak, seconds=seconds)
        assert found(every.at(threshold)) == found(events)
        counts.append(len(events))
    assert max(counts) > 3


@pytest.mark.parametrize("method", ["median", "boxes"])
def test_what_the_clip_does_not_have_none_of_its_steps_has(method):
    strong = np.repeat(scored((5, 20, 0.9)), 2, axis=2)
    weak, seconds = np.array([[0.95, 0.4]]), np.array([3.0])
    plain, masked = (decisions(2, method=method, weak_masking=on) for on in (False, True))
    assert len(plain.events(strong, weak, seconds=seconds)) == 2
    assert found(masked.events(strong, weak, seconds=seconds)) == [(0, 0, 0.5, 2.0)]


def test_each_class_has_its_own_numbers():
    strong = np.concatenate([scored((3, 4, 0.4), (8, 20, 0.4))] * 2, axis=2)
    weak, seconds = np.ones((1, 2)), np.array([3.0])
    made = replace(decisions(2), lengths=(1, 5), thresholds=(0.3, 0.35))
    expected = [(0, 0, 0.3, 0.4), (0, 0, 0.8, 2.0), (0, 1, 0.8, 2.0)]
    assert found(made.events(strong, weak, seconds=seconds)) == expected
    made = replace(made, thresholds=(0.45, 0.3))
    assert found(made.events(strong, weak, seconds=seconds)) == expected[2:]


LONG, SHORT, CLICKS, UNHEARD = range(4)


@pytest.fixture
def known() -> tuple[np.ndarray, GroundTruth]:
    """Scores (clips, steps, 4) whose best filters and thresholds can be told, and what was there.

    LONG: 3.6 s at 0.35 with holes of 0.4 s, which 11 steps close and 7 do not; at 0.2 something
    else sounds. SHORT: 0.2 s at 0.9, which 5 steps take away; at 0.62 something else sounds.
    CLICKS: 0.5 s at 0.9 beside clicks of one step, which 3 steps take away. UNHEARD: never there.
    """
    scores = np.full((CLIPS, STEPS, 4), 0.02, np.float32)
    told = []
    for clip in range(CLIPS):
        first = 10 + 3 * clip
        for start in range(first, first + 36, 10):
            scores[clip, start : start + 6, LONG] = 0.35
        told.append((clip, LONG, first, first + 36))
        scores[clip, 75:95, LONG] = 0.2
        for start in (20, 50 + clip):
            scores[clip, start : start + 2, SHORT] = 0.9
            told.append((clip, SHORT, start, start + 2))
        scores[clip, 80:82, SHORT] = 0.62
        scores[clip, first : first + 5, CLICKS] = 0.9
        told.append((clip, CLICKS, first, first + 5))
        scores[clip, 60:90:4, CLICKS] = 0.95
        scores[clip, 30:60, UNHEARD] = 0.7
    files, classes, onsets, offsets = np.array(told).T
    events = Events.of(
        files, classes, onsets * STEP, offsets * STEP, file_count=CLIPS, class_count=4
    )
    return scores, GroundTruth.of(events, durations=SECONDS, class_count=4)


def test_each_class_is_given_the_filter_and_the_threshold_that_suit_it(known):
    scores, truth = known
    usual = decisions(4, median_seconds=0.7, threshold=0.4)
    tuned = usual.tuned(scores, np.ones((CLIPS, 4)), truth, seconds=SECONDS)
    assert tuned.lengths[LONG] == 11
    assert tuned.lengths[SHORT] == 1  # the shortest of equally good ones
    assert tuned.lengths[CLICKS] == 3
    # of equally good thresholds that nearest to 0.5
    assert tuned.thresholds[:3] == pytest.approx((0.3, 0.65, 0.5))
    events = tuned.events(scores, np.ones((CLIPS, 4)), seconds=SECONDS)
    heard = events.taken(events.classes != UNHEARD)
    assert found(heard) == found(truth.events)


def test_a_class_that_is_never_there_keeps_what_it_has(known):
    scores, truth = known
    for method in ("median", "boxes"):
        usual = decisions(4, method=method, threshold=0.37, boxes={"seconds": 0.3, "relative": 2.0})
        tuned = usual.tuned(scores, np.ones((CLIPS, 4)), truth, seconds=SECONDS)
        for name in ("lengths", "thresholds", "absolute", "relative"):
            assert getattr(tuned, name)[UNHEARD] == getattr(usual, name)[UNHEARD]
        assert tuned.thresholds[SHORT] != 0.37


def test_thresholds_are_of_what_is_left_after_the_mask(known):
    scores, truth = known
    weak = np.full((CLIPS, 4), 0.5)
    usual = decisions(4, weak_masking=True)
    tuned = usual.tuned(scores, weak, truth, seconds=SECONDS)
    assert tuned.lengths[:3] == (11, 1, 3)
    assert tuned.thresholds[:3] == pytest.approx((0.15, 0.4, 0.4))
    assert found(tuned.events(scores, weak, seconds=SECONDS)) == found(truth.events)


def test_boxes_are_merged_or_kept_apart_as_the_class_has_it():
    """The same scores: of one class two sounds with a pause, of the other one with a dip."""
    scores = np.zeros((CLIPS, STEPS, 2), np.float32)
    for clip in range(CLIPS):
        scores[clip, 20 : 60 + clip] = 0.9
        scores[clip, 32:48] = 0.35
    told = [
        event
        for clip in range(CLIPS)
        for event in ((clip, 0, 2.0, 6.0 + clip / 10), (clip, 1, 2.0, 3.2),
                      (clip, 1, 4.8, 6.0 + clip / 10))
    ]  # fmt: skip
    events = Events.of(
        *(np.array(column) for column in zip(*told, strict=True)), file_count=CLIPS, class_count=2
    )
    truth = GroundTruth.of(events, durations=SECONDS, class_count=2)
    weak = np.ones((CLIPS, 2))
    usual = decisions(2, method="boxes", boxes={"absolute": 0.3, "relative": 1.5})
    tuned = usual.tuned(scores, weak, truth, seconds=SECONDS)
    assert (tuned.absolute[0], tuned.relative[0]) == (0.7, 3.0)
    assert (tuned.absolute[1], tuned.relative[1]) == (0.3, 1.5)
    assert found(tuned.events(scores, weak, seconds=SECONDS)) == found(truth.events)
    assert found(usual.events(scores, weak, seconds=SECONDS)) != found(truth.events)


@pytest.mark.parametrize("method", ["median", "boxes"])
def test_there_and_back_through_json(method):
    made = replace(decisions(2, method=method, weak_masking=True), thresholds=(0.25, 0.75))
    assert Decisions.from_dict(json.loads(json.dumps(made.as_dict()))) == made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": None}, "do not fit"),
        ({"method": ["median"]}, "do not fit"),
        ({"method": "mean"}, "do not fit"),
        ({"method": "boxes"}, "do not fit"),  # whose lengths are even
        ({"step_seconds": "long"}, "incomplete"),
        ({"step_seconds": 0.0}, "do not fit"),
        ({"step_seconds": float("nan")}, "do not fit"),
        ({"step_seconds": float("inf")}, "do not fit"),
        ({"lengths": 7}, "incomplete"),
        ({"lengths": [7]}, "do not fit"),
        ({"lengths": [7, 8]}, "do not fit"),
        ({"lengths": [7, -1]}, "do not fit"),
        ({"lengths": [7, float("inf")]}, "incomplete"),
        ({"thresholds": [0.5]}, "do not fit"),
        ({"thresholds": [0.5, "half"]}, "incomplete"),
        ({"thresholds": [0.5, 1.5]}, "do not fit"),
        ({"thresholds": [0.5, float("nan")]}, "do not fit"),
        ({"absolute": [0.3, -0.1]}, "do not fit"),
        ({"relative": [1.5, 0.9]}, "do not fit"),
        ({"relative": None}, "incomplete"),
    ],
)
def test_wrong_content_is_refused(change, message):
    with pytest.raises(ValueError, match=f"decisions on events .*{message}"):
        Decisions.from_dict(decisions(2).as_dict() | change)


@pytest.mark.parametrize("name", list(decisions().as_dict()))
def test_content_that_lacks_something_is_refused(name):
    content = decisions().as_dict()
    del content[name]
    with pytest.raises(ValueError, match=f"incomplete .*{name}"):
        Decisions.from_dict(content)
