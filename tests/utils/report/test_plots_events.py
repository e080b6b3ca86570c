import html
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from utils.datasets.base import Event
from utils.report.plots import Picture
from utils.report.plots_events import event_picture, psd_roc

MakeScores = Callable[..., dict[str, Any]]
EVENTS = (Event("Dog", 0.5, 1.2), Event("Speech", 0.8, 4.2), Event("Dog", 3.0, 3.1))


def texts_of(picture: Picture) -> list[str]:
    return [html.unescape(text) for text in re.findall(r">([^<>]+)</text>", picture.svg)]


def size_of(picture: Picture) -> tuple[int, int]:
    """Width and height of a PNG in dots."""
    assert picture.png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture.png[16:24])
    return width, height


def test_curves_name_scenarios_scores_and_classes(make_event_scores: MakeScores) -> None:
    scores = make_event_scores()
    texts = texts_of(psd_roc(scores))
    assert {"Scenario 1: PSDS 0.351", "Scenario 2: PSDS 0.553"} <= set(texts)
    assert {"effective false positives per hour", "true positive ratio", "100"} <= set(texts)
    for name in scores["classes"]:
        assert texts.count(name) == 1


def test_curves_of_many_classes_are_not_told_apart(make_event_scores: MakeScores) -> None:
    texts = texts_of(psd_roc(make_event_scores(tuple(f"sound {n}" for n in range(30)))))
    assert "all classes: area under it is PSDS" in texts
    assert not any(text.startswith("sound") for text in texts)


def test_a_class_without_events_has_no_curve(make_event_scores: MakeScores) -> None:
    scores = make_event_scores()
    for curve in scores["roc"].values():
        curve["classes"]["Dog"] = [None] * 201
        curve["effective"] = [None] * 201
    scores["overall"]["psds_scenario1"] = None
    texts = texts_of(psd_roc(scores))
    assert "Dog" not in texts and "Scenario 1" in texts and "Cat" in texts


def test_curves_may_be_a_file_of_their_own(make_event_scores: MakeScores) -> None:
    assert size_of(psd_roc(make_event_scores(), form="png")) == (1196, 520)


@pytest.mark.parametrize("truth", [None, (), (Event("Cat", 1.0, 2.0),)])
def test_a_picture_of_a_clip_grows_with_its_classes(
    rng: np.random.Generator, truth: tuple[Event, ...] | None
) -> None:
    spectrogram = rng.normal(size=(64, 313)).astype(np.float32)
    picture = event_picture(spectrogram, EVENTS, hop_seconds=0.016, name="a.wav", truth=truth)
    assert picture.caption == "Spectrogram of a.wav with 3 events detected"
    classes = 3 if truth else 2
    assert size_of(picture) == (1040, round(130 * (3.5 + 0.3 * classes)))


def test_a_clip_without_events_and_a_flat_one_are_drawn() -> None:
    picture = event_picture(np.full((16, 10), -np.inf), (), hop_seconds=0.1)
    assert picture.caption == "Spectrogram with 0 events detected"
    assert size_of(picture) == (1040, 494)


def test_a_long_recording_is_drawn_in_a_bounded_picture(rng: np.random.Generator) -> None:
    spectrogram = rng.normal(size=(16, 30_000))
    events = [Event("Dog", float(second), second + 0.5) for second in range(400)]
    picture = event_picture(spectrogram, events, hop_seconds=0.016)
    assert size_of(picture) == (2080, 494)


def test_nothing_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match=r"spectrogram \(mels, frames\)"):
        event_picture(np.zeros((16, 0)), (), hop_seconds=0.1)


def test_drawing_twice_gives_the_same_bytes(
    make_event_scores: MakeScores, rng: np.random.Generator
) -> None:
    spectrogram = rng.normal(size=(16, 40))
    for draw in (
        lambda: psd_roc(make_event_scores()),
        lambda: event_picture(spectrogram, EVENTS, hop_seconds=0.1),
    ):
        assert draw() == draw()
